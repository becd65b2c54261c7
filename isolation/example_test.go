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
	filter.Endpoint(web, c1, "", add)
	filter.Open(c1, nft.TCP, 80, add)
	fmt.Print(batch)
	// Output:
	// add chain ip seawall from-br-web
	// add chain ip seawall to-br-web
	// add chain ip seawall guard-br-web
	// add rule ip seawall guard-br-web counter packets 0 bytes 0 drop
	// add rule ip seawall from-br-web oifname "br-web" counter packets 0 bytes 0 accept
	// add rule ip seawall from-br-web ip saddr != 172.18.0.0/16 counter packets 0 bytes 0 drop
	// add rule ip seawall from-br-web oifname vmap @to-bridge
	// add rule ip seawall from-br-web counter packets 0 bytes 0 accept
	// add rule ip seawall to-br-web ct status dnat ip daddr . meta l4proto . th dport @open counter packets 0 bytes 0 accept
	// add rule ip seawall to-br-web ct status dnat ip daddr . meta l4proto . th dport . ct original ip daddr @open-ranges counter packets 0 bytes 0 accept
	// add rule ip seawall to-br-web counter packets 0 bytes 0 drop
	// add chain ip seawall leave { type filter hook forward priority filter + 1; policy accept; }
	// add set ip seawall translated { type ifname; }
	// add rule ip seawall leave ct state invalid iifname @translated counter packets 0 bytes 0 drop
	// add element ip seawall translated { "br-web" }
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
	filter.NoICC(isolation.LinkHost{}, isolation.DefaultICCMark, add)
	filter.Apart("veth0", add)
	filter.Apart("veth1", add)
	fmt.Print(batch)
	// Output:
	// add set bridge seawall icc-off { type ifname; }
	// add chain bridge seawall forward { type filter hook forward priority filter; policy accept; }
	// add rule bridge seawall forward iifname @icc-off oifname @icc-off meta mark & 0x00001000 != 0x00001000 counter packets 0 bytes 0 drop
	// add element bridge seawall icc-off { "veth0", "veth1" }
}
