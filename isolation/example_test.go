package isolation_test

import (
	"fmt"
	"net/netip"

	"github.com/seawall-net/seawall/isolation"
	"github.com/seawall-net/seawall/nft"
)

// What one network, one endpoint and one open port add to a host's filter.
func ExampleFilter() {
	table := nft.TableRef{Family: nft.IPv4, Name: "seawall"}
	filter := isolation.NewFilter(table, "")
	web := isolation.Network{Bridge: "br-web", Subnet: netip.MustParsePrefix("172.18.0.0/16")}
	c1 := netip.MustParseAddr("172.18.0.2")

	var batch nft.Batch
	add := func(o nft.Object) { batch.Add(o) }
	filter.Network(web, nil, add)
	filter.Endpoint(web, c1, "", "", add)
	filter.Open(c1, nft.TCP, 80, add)
	fmt.Print(batch)
	// Output:
	// add chain ip seawall from-br-web
	// add chain ip seawall to-br-web
	// add chain ip seawall guard-br-web
	// add rule ip seawall guard-br-web counter packets 0 bytes 0 drop comment "direct access"
	// add rule ip seawall from-br-web oifname "br-web" counter packets 0 bytes 0 accept
	// add rule ip seawall from-br-web ip saddr != 172.18.0.0/16 counter packets 0 bytes 0 drop comment "forged source"
	// add rule ip seawall from-br-web oifname vmap @to-bridge
	// add rule ip seawall from-br-web counter packets 0 bytes 0 accept
	// add rule ip seawall to-br-web ct status dnat ip daddr . meta l4proto . th dport @open counter packets 0 bytes 0 accept
	// add rule ip seawall to-br-web ct status dnat ip daddr . meta l4proto . th dport . ct original ip daddr @open-ranges counter packets 0 bytes 0 accept
	// add rule ip seawall to-br-web counter packets 0 bytes 0 drop comment "not published"
	// add chain ip seawall leave { type filter hook forward priority filter + 1; policy accept; }
	// add map ip seawall translated { type ifname : verdict; }
	// add rule ip seawall leave ct state invalid iifname vmap @translated
	// add chain ip seawall leave-br-web
	// add rule ip seawall leave-br-web counter packets 0 bytes 0 drop comment "no connection"
	// add element ip seawall translated { "br-web" : goto leave-br-web }
	// add chain ip seawall leave { type filter hook forward priority filter + 1; policy accept; }
	// add set ip seawall sent { type ifname; counter; }
	// add rule ip seawall leave iifname @sent
	// add element ip seawall sent { "br-web" }
	// add set ip seawall received { type ifname; counter; }
	// add rule ip seawall leave oifname @received
	// add element ip seawall received { "br-web" }
	// add element ip seawall bridges { "br-web" }
	// add element ip seawall from-bridge { "br-web" : jump from-br-web }
	// add element ip seawall to-bridge { "br-web" : jump to-br-web }
	// add element ip seawall guard { 172.18.0.2 : goto guard-br-web }
	// add element ip seawall open { 172.18.0.2 . tcp . 80 }
}

// What keeps two ports of a bridge from each other.
func ExampleLinkFilter_NoICC() {
	filter := isolation.NewLinkFilter(nft.TableRef{Family: nft.Bridge, Name: "seawall"}, "")
	var batch nft.Batch
	add := func(o nft.Object) { batch.Add(o) }
	web := isolation.LinkNetwork{Bridge: "br-web"}
	filter.NoICC(isolation.LinkHost{}, web, isolation.DefaultICCMark, add)
	filter.Apart(web, "veth0", add)
	filter.Apart(web, "veth1", add)
	fmt.Print(batch)
	// Output:
	// add set bridge seawall icc-off { type ifname; }
	// add map bridge seawall icc-ports { type ifname : verdict; }
	// add chain bridge seawall forward { type filter hook forward priority filter; policy accept; }
	// add chain bridge seawall icc-br-web
	// add rule bridge seawall icc-br-web counter packets 0 bytes 0 drop comment "icc off"
	// add rule bridge seawall forward oifname @icc-off meta mark & 0x00001000 != 0x00001000 iifname vmap @icc-ports
	// add element bridge seawall icc-off { "veth0" }
	// add element bridge seawall icc-ports { "veth0" : goto icc-br-web }
	// add element bridge seawall icc-off { "veth1" }
	// add element bridge seawall icc-ports { "veth1" : goto icc-br-web }
}
