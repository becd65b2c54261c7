package netlab_test

import (
	"fmt"
	"net/netip"

	"github.com/seawall-net/seawall/internal/netlab"
)

// A router between two LANs. A program calls netlab.Enter first thing in main.
func Example() {
	lab, err := netlab.Open()
	if err != nil {
		fmt.Println(err)
		return
	}
	home, street := lab.LAN("home"), lab.LAN("street")
	router, laptop, shop := lab.Namespace("router"), lab.Namespace("laptop"), lab.Namespace("shop")
	home.Plug(router, "eth0", "192.0.2.1/24")
	home.Plug(laptop, "eth0", "192.0.2.2/24")
	street.Plug(router, "eth1", "198.51.100.1/24")
	street.Plug(shop, "eth0", "198.51.100.2/24")
	laptop.Route("default", "192.0.2.1")
	shop.Route("default", "198.51.100.1")
	shop.Listen("tcp", ":80")

	there := netip.MustParseAddrPort("198.51.100.2:80")
	fmt.Println(lab.Probe(netlab.Probe{From: laptop, Proto: "tcp", To: there}).Outcome)
	router.Forward()
	result := lab.Probe(netlab.Probe{From: laptop, Proto: "tcp", To: there})
	fmt.Println(result.Outcome, "to", result.Server, "from", result.Source.Addr())

	if err := lab.Close(); err != nil {
		fmt.Println(err)
	}
	// Output:
	// silent
	// delivered to shop from 192.0.2.2
}
