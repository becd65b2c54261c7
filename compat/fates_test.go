package compat_test

import (
	"slices"
	"testing"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/compat"
)

// A legacy is a layout of an old Docker, with what it has.
type legacy struct {
	name                     string
	internal, ipv6, gateways bool
}

var legacies = []legacy{
	{"docker-1.9", false, false, false},
	{"docker-1.10", true, false, false},
	{"docker-17.06", true, false, false},
	{"docker-18.05", true, true, false},
	{"docker-28", true, true, true},
}

// populatedLegacy is the networks of populated, as far as the layout has them.
func populatedLegacy(t *testing.T, l legacy, cfg bridge.Config) *hybridWorld {
	t.Helper()
	layout, err := compat.LayoutNamed(l.name)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Layout = layout
	w := newHybridWorld(t, cfg)
	w.ipv4Only = !l.ipv6
	network := func(n int, name string, change func(*bridge.NetworkSpec)) {
		w.network(n, name, func(s *bridge.NetworkSpec) {
			if change(s); !l.ipv6 {
				s.IPv6 = bridge.Gateway{}
			}
		})
	}
	network(1, "a", func(*bridge.NetworkSpec) {})
	network(2, "b", func(*bridge.NetworkSpec) {})
	network(4, "apart", func(s *bridge.NetworkSpec) { s.DisableICC = true })
	w.container("a", "a1", 2, "8080:80", "8080:80/udp", "127.0.0.1:8081:81")
	w.container("a", "a2", 3)
	w.container("b", "b1", 2)
	w.container("b", "b2", 3, "8090:81")
	w.container("apart", "p1", 2, "8060:80")
	w.container("apart", "p2", 3)
	if l.internal {
		network(3, "in", func(s *bridge.NetworkSpec) { s.Internal = true })
		w.container("in", "in1", 2, "8070:80")
		w.route("in1", "gw-in")
	}
	if l.gateways {
		network(5, "routed", func(s *bridge.NetworkSpec) { s.IPv4.Mode, s.IPv6.Mode = bridge.Routed, bridge.Routed })
		w.container("routed", "r1", 2, "80:80")
	}
	return w
}

// What Docker promised of its networks holds with the rules of each version, and
// what seawall promises beyond: nobody gets at a container but by a published port.
func TestFatesOfLegacies(t *testing.T) {
	for _, l := range legacies {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			w := populatedLegacy(t, l, bridge.Config{})
			table := `
				ext   tcp,udp   host:8080    a1 sees ext
				far   tcp,udp   host:8080    a1 sees far
				ext   tcp       host:8090    b2 sees ext
				host  tcp       host:8080    a1 sees gw-a
				host  tcp4      loopback:8081  a1 sees gw-a
				ext   tcp       host:8060    p1 sees ext
				# By the host's port to the own network and to oneself, without a proxy.
				a2    tcp,udp   host:8080    a1 sees gw-a
				a1    tcp       host:8080    a1 sees gw-a
				# Within a network, out of it, and from the host.
				a2    tcp,udp   a1:81        a1 sees a2
				a1    tcp,udp   ext:80       ext sees host
				b1    tcp       far:81       far sees host2
				p2    tcp       ext:80       ext sees host
				host  tcp       a1:81        a1 sees gw-a
				# Not by the container's address, published or not, nor between networks.
				ext   tcp,udp   a1:80        silent
				ext   tcp,udp   a2:80        silent
				b1    tcp,udp   a1:80        silent
				b1    tcp,udp   a2:81        silent
				a2    tcp       b2:81        silent
				p1    tcp       p2:80        closed
				# What belongs to no network.
				ext   tcp,udp   far:80       far sees ext
			`
			if l.internal {
				table += `
				ext   tcp       in1:80       silent
				b1    tcp       in1:80       silent
				in1   tcp,udp   ext:80       silent
				in1   tcp       a1:80        silent
				host  tcp       in1:80       in1 sees gw-in
				`
			}
			if l.gateways {
				table += `
				ext   tcp       r1:80        r1 sees ext
				ext   tcp       r1:81        silent
				b1    tcp       r1:80        r1 sees gw-routed
				r1    tcp       a1:81        silent
				`
			}
			w.fates(table)
		})
	}
}

// A host that the firewall made a router forwards nothing for others.
func TestLegaciesDropOthers(t *testing.T) {
	for _, l := range legacies {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			populatedLegacy(t, l, bridge.Config{DropForward: true}).fates(`
				ext   tcp,udp   far:80       silent
				far   tcp       ext:81       silent
				ext   tcp,udp   host:8080    a1 sees ext
				a1    tcp,udp   ext:80       ext sees host
				a2    tcp       host:8080    a1 sees gw-a
			`)
		})
	}
}

// What the user says in DOCKER-USER counts.
func TestUserRulesOfLegacies(t *testing.T) {
	for _, l := range legacies[2:] {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			w := populatedLegacy(t, l, bridge.Config{})
			w.tool("", "iptables", "-I", "DOCKER-USER", "-s", w.addrs["ext"][0].String(), "-d", w.addrs["a1"][0].String(), "-j", "DROP")
			// Answers are judged by DOCKER-USER, too: those from another network would be dropped next.
			for _, way := range [][2]string{{"b1", "br-a"}, {"a2", "br-b"}} {
				w.tool("", "iptables", "-I", "DOCKER-USER", "-d", w.addrs[way[0]][0].String(), "-i", way[1], "-j", "ACCEPT")
			}
			other := "b1 sees gw-b"
			if l.gateways {
				other = "silent" // Docker 28 has dropped it before DOCKER-USER
			}
			w.fates(`
				ext   tcp4,udp4 host:8080    silent
				far   tcp4,udp4 host:8080    a1 sees far
				a2    tcp4      b1:80        ` + other + `
				a2    tcp4      b2:80        silent
			`)
		})
	}
}

func TestLegaciesAreAll(t *testing.T) {
	names := compat.LayoutNames()[2:]
	slices.Reverse(names)
	for i, l := range legacies {
		if names[i] != l.name {
			t.Errorf("%s has no tests of fates", names[i])
		}
	}
}
