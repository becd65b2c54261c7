package conformance

import (
	"fmt"
	"net/netip"

	"github.com/seawall-net/seawall/bridge"
)

// A topology is what docs/conformance.md describes: a host with networks of
// every kind, its containers, and ext, a neighbour on its LAN with routes to
// all of them.

type network struct {
	spec       bridge.NetworkSpec
	containers []container
}

type container struct {
	name    string
	host    int // the host part of its addresses, in decimal and hexadecimal digits alike
	publish []string
}

// networks returns n1 to n8.
func networks() []network {
	return []network{
		{spec("n1", nil), []container{
			{"a", 10, []string{"8080:80", "8053:53/udp"}}, {"b", 11, nil},
		}},
		{spec("n2", nil), []container{
			{"c", 10, []string{"127.0.0.1:8081:80", "[::1]:8081:80", "198.18.0.2:8082:81", "[2001:db8:1::2]:8082:81"}},
		}},
		{spec("n3", func(s *bridge.NetworkSpec) { s.Internal = true }), []container{
			{"d", 10, nil}, {"e", 11, nil},
		}},
		{spec("n4", func(s *bridge.NetworkSpec) { s.DisableICC = true }), []container{
			{"f", 10, []string{"8083:80"}}, {"g", 11, nil},
		}},
		{spec("n5", modes(bridge.Routed)), []container{{"h", 10, []string{"8084:80"}}}},
		{spec("n6", modes(bridge.NATUnprotected)), []container{{"i", 10, []string{"8085:80"}}}},
		{spec("n7", func(s *bridge.NetworkSpec) { s.Internal = true; modes(bridge.Isolated)(s) }), []container{
			{"j", 10, nil}, {"k", 11, nil},
		}},
		{spec("n8", func(s *bridge.NetworkSpec) { s.IPv6 = bridge.Gateway{} }), []container{
			{"v", 10, []string{"8086:80"}},
		}},
	}
}

func modes(m bridge.GatewayMode) func(*bridge.NetworkSpec) {
	return func(s *bridge.NetworkSpec) { s.IPv4.Mode, s.IPv6.Mode = m, m }
}

func spec(name string, change func(*bridge.NetworkSpec)) bridge.NetworkSpec {
	number := name[1:]
	s := bridge.NetworkSpec{
		Name: name, Bridge: "br-" + name,
		IPv4: bridge.Gateway{Subnet: netip.MustParsePrefix("172.30." + number + ".0/24")},
		IPv6: bridge.Gateway{Subnet: netip.MustParsePrefix("fd00:30:" + number + "::/64")},
	}
	if change != nil {
		change(&s)
	}
	return s
}

// published says who answers on a published port, and in which families.
var published = map[string]struct {
	container string
	families  []int
}{
	"8080": {"a", both}, "8053/udp": {"a", both}, "8081": {"c", both}, "8082": {"c", both},
	"8083": {"f", both}, "8084": {"h", both}, "8085": {"i", both}, "8086": {"v", []int{ipv4}},
}

// The families, as indices of pairs of addresses.
const ipv4, ipv6 = 0, 1

var both = []int{ipv4, ipv6}

// An addrPair is an IPv4 and an IPv6 address; either may be missing.
type addrPair [2]netip.Addr

// An atlas gives names to all addresses of the topology: "host", "ext",
// "loopback", "gw-NETWORK", and those of the containers.
type atlas struct {
	addrs map[string]addrPair
	// networkOf is the network of each container.
	networkOf map[string]string
	// names are the containers, in order.
	names []string
}

func newAtlas() *atlas {
	a := &atlas{networkOf: map[string]string{}, addrs: map[string]addrPair{
		"host":     {netip.MustParseAddr("198.18.0.2"), netip.MustParseAddr("2001:db8:1::2")},
		"ext":      {netip.MustParseAddr("198.18.0.1"), netip.MustParseAddr("2001:db8:1::1")},
		"loopback": {netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("::1")},
	}}
	for _, n := range networks() {
		if n.spec.IPv4.Mode != bridge.Isolated {
			a.addrs["gw-"+n.spec.Name] = n.addresses("1")
		}
		for _, c := range n.containers {
			a.addrs[c.name] = n.addresses(fmt.Sprint(c.host))
			a.networkOf[c.name] = n.spec.Name
			a.names = append(a.names, c.name)
		}
	}
	return a
}

// addresses returns the network's addresses with a host part.
func (n network) addresses(host string) addrPair {
	number := n.spec.Name[1:]
	pair := addrPair{netip.MustParseAddr("172.30." + number + "." + host)}
	if n.spec.IPv6.Subnet.IsValid() {
		pair[ipv6] = netip.MustParseAddr("fd00:30:" + number + "::" + host)
	}
	return pair
}

// nameOf returns the name of an address, or the address itself.
func (a *atlas) nameOf(addr netip.Addr) string {
	for name, pair := range a.addrs {
		if addr.IsValid() && (addr == pair[ipv4] || addr == pair[ipv6]) {
			return name
		}
	}
	return addr.String()
}
