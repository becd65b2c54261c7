package bridge_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"net/netip"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/nft"
	"github.com/seawall-net/seawall/portmap"
)

// serve is the example of the README, which a test compares.
func serve(ctx context.Context) error {
	fw, err := bridge.Open(ctx, bridge.Config{}) // this host, with Docker's defaults
	if err != nil {
		return err
	}
	defer fw.Close() // the rules stay in force

	return fw.Update(ctx, func(tx *bridge.Tx) error { // one transaction: all of it or nothing
		web := tx.CreateNetwork(bridge.NetworkSpec{
			Name: "web", Bridge: "br-web",
			IPv4: bridge.Gateway{Subnet: netip.MustParsePrefix("172.18.0.0/16")},
			IPv6: bridge.Gateway{Subnet: netip.MustParsePrefix("fd00:18::/64")},
		})
		c1 := web.Attach(bridge.EndpointSpec{
			Name: "c1", IPv4: netip.MustParseAddr("172.18.0.2"), IPv6: netip.MustParseAddr("fd00:18::2"),
		})
		c1.Publish(portmap.MustParse("8080:80"), portmap.MustParse("127.0.0.1:5000-5099:5000-5099/udp"))
		tx.UserChain().Append(bridge.UserRule{Family: nft.IPv4, Statements: []nft.Statement{
			nft.IIFName.Eq("eth0"), nft.IPSaddr.NotIn(netip.MustParsePrefix("192.0.2.0/24")),
			nft.CTState.Any(nft.CTNew), nft.Drop(),
		}})
		return nil // errors in tx stick: Update returns the first
	})
}

// A process publishes ports and ends; the next finds them in the kernel.
func ExampleFirewall_View() {
	ctx := context.Background()
	if err := serve(ctx); err != nil {
		log.Fatal(err)
	}

	fw, err := bridge.Open(ctx, bridge.Config{})
	if err != nil {
		log.Fatal(err)
	}
	view := fw.View()
	for n := range view.Networks() {
		for e := range view.Endpoints(n) {
			for b := range view.Bindings(e) {
				fmt.Println(e, e.Spec.IPv4, b)
			}
		}
	}

	rules, err := fw.UserRules(ctx, nft.IPv4)
	if err != nil {
		log.Fatal(err)
	}
	for _, r := range rules {
		fmt.Println(r)
	}
	_ = fw.Update(ctx, func(tx *bridge.Tx) error {
		tx.UserChain(nft.IPv4).Flush() // or Teardown leaves it
		return nil
	})
	if err := fw.Teardown(ctx); err != nil {
		log.Fatal(err)
	}
	// Output:
	// web/c1 172.18.0.2 0.0.0.0:8080->80/tcp, [::]:8080->80/tcp
	// web/c1 172.18.0.2 127.0.0.1:5000-5099->5000-5099/udp
	// iifname "eth0" ip saddr != 192.0.2.0/24 ct state new drop
}

// A conflict names who has the port, and nothing is changed.
func ExampleFirewall_Update() {
	ctx := context.Background()
	fw, err := bridge.Open(ctx, bridge.Config{RulesOnly: true})
	if err != nil {
		log.Fatal(err)
	}
	err = fw.Update(ctx, func(tx *bridge.Tx) error {
		web := tx.CreateNetwork(bridge.NetworkSpec{
			Name: "web", IPv4: bridge.Gateway{Subnet: netip.MustParsePrefix("172.18.0.0/16")},
		})
		c1 := web.Attach(bridge.EndpointSpec{Name: "c1", IPv4: netip.MustParseAddr("172.18.0.2")})
		c2 := web.Attach(bridge.EndpointSpec{Name: "c2", IPv4: netip.MustParseAddr("172.18.0.3")})
		c1.Publish(portmap.MustParse("127.0.0.1:8080:80"))
		c2.Publish(portmap.MustParse("8000-8099:8000-8099"))
		return nil
	})
	fmt.Println(err)
	fmt.Println(errors.Is(err, fs.ErrExist), fw.View().Network("web") == nil)
	if err := fw.Teardown(ctx); err != nil {
		log.Fatal(err)
	}
	// Output:
	// bridge: publish web/c2: portmap: 0.0.0.0:8000-8099/tcp: already published as 127.0.0.1:8080/tcp by web/c1
	// true true
}

// Somebody flushes the ruleset. The next update says so instead of building on
// half a table, and Heal brings everything back in one transaction.
func ExampleFirewall_Heal() {
	ctx := context.Background()
	fw, err := bridge.Open(ctx, bridge.Config{RulesOnly: true})
	if err != nil {
		log.Fatal(err)
	}
	stranger, err := nft.Dial(nft.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer stranger.Close()
	var flush nft.Batch
	flush.Delete(&nft.Table{Family: nft.IPv4, Name: "seawall"})
	if _, err := stranger.Commit(ctx, flush); err != nil {
		log.Fatal(err)
	}

	create := func(tx *bridge.Tx) error {
		tx.CreateNetwork(bridge.NetworkSpec{
			Name: "web", IPv4: bridge.Gateway{Subnet: netip.MustParsePrefix("172.18.0.0/16")},
		})
		return nil
	}
	_, drifted := errors.AsType[*bridge.DriftError](fw.Update(ctx, create))
	fmt.Println("drifted:", drifted)
	healed, err := fw.Heal(ctx)
	fmt.Println("healed:", healed, err)
	fmt.Println(fw.Update(ctx, create))
	if err := fw.Teardown(ctx); err != nil {
		log.Fatal(err)
	}
	// Output:
	// drifted: true
	// healed: true <nil>
	// <nil>
}

// One more port costs two elements, whatever is there already: where it leads,
// and that it is open.
func ExampleTransaction() {
	ctx := context.Background()
	var last bridge.Transaction
	fw, err := bridge.Open(ctx, bridge.Config{RulesOnly: true, Trace: func(t bridge.Transaction) { last = t }})
	if err != nil {
		log.Fatal(err)
	}
	publish := func(first, last uint16) error {
		return fw.Update(ctx, func(tx *bridge.Tx) error {
			for port := first; port <= last; port++ {
				tx.Network("web").Endpoint("c1").Publish(portmap.Binding{
					Host: portmap.Port(port), Container: portmap.Port(port),
				})
			}
			return nil
		})
	}
	err = fw.Update(ctx, func(tx *bridge.Tx) error {
		web := tx.CreateNetwork(bridge.NetworkSpec{
			Name: "web", IPv4: bridge.Gateway{Subnet: netip.MustParsePrefix("172.18.0.0/16")},
		})
		web.Attach(bridge.EndpointSpec{Name: "c1", IPv4: netip.MustParseAddr("172.18.0.2")})
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}

	if err := publish(1, 1000); err != nil {
		log.Fatal(err)
	}
	fmt.Println("1000 ports:", last.Objects, "objects")
	if err := publish(1001, 1001); err != nil {
		log.Fatal(err)
	}
	fmt.Println("one more:", last.Objects, "objects")
	if err := fw.Teardown(ctx); err != nil {
		log.Fatal(err)
	}
	// Output:
	// 1000 ports: 2000 objects
	// one more: 2 objects
}

// A port for the LAN only, and one for the host itself.
func ExampleEndpointTx_PublishWithin() {
	ctx := context.Background()
	fw, err := bridge.Open(ctx, bridge.Config{RulesOnly: true})
	if err != nil {
		log.Fatal(err)
	}
	err = fw.Update(ctx, func(tx *bridge.Tx) error {
		c1 := tx.CreateNetwork(bridge.NetworkSpec{Name: "lan", IPv4: bridge.Gateway{Subnet: netip.MustParsePrefix("172.19.0.0/16")}}).
			Attach(bridge.EndpointSpec{Name: "c1", IPv4: netip.MustParseAddr("172.19.0.2")})
		c1.PublishWithin(bridge.Scope{
			From: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}, Interface: "eth0",
		}, portmap.MustParse("8090:90"))
		c1.PublishWithin(bridge.Scope{Interface: "lo"}, portmap.MustParse("9090:9090"))
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	for b := range fw.View().Bindings(fw.View().Endpoint("lan", "c1")) {
		fmt.Println(b.Port, b.Scope().From, b.Scope().Interface)
	}
	if err := fw.Teardown(ctx); err != nil {
		log.Fatal(err)
	}
	// Output:
	// 8090:90 [192.0.2.0/24] eth0
	// 9090:9090 [] lo
}

// A container that only its sibling may talk to.
func ExampleEndpointTx_Link() {
	ctx := context.Background()
	fw, err := bridge.Open(ctx, bridge.Config{RulesOnly: true})
	if err != nil {
		log.Fatal(err)
	}
	err = fw.Update(ctx, func(tx *bridge.Tx) error {
		n := tx.CreateNetwork(bridge.NetworkSpec{
			Name: "apart", DisableICC: true, IPv4: bridge.Gateway{Subnet: netip.MustParsePrefix("172.19.0.0/16")},
		})
		n.Attach(bridge.EndpointSpec{Name: "db", IPv4: netip.MustParseAddr("172.19.0.3")})
		port, err := bridge.ParseLinkPort("5432/tcp")
		n.Attach(bridge.EndpointSpec{Name: "web", IPv4: netip.MustParseAddr("172.19.0.2")}).Link("db", port)
		return err
	})
	if err != nil {
		log.Fatal(err)
	}
	for l := range fw.View().Links(fw.View().Endpoint("apart", "web")) {
		fmt.Println(l)
	}
	if err := fw.Teardown(ctx); err != nil {
		log.Fatal(err)
	}
	// Output:
	// apart/web to apart/db 5432/tcp
}
