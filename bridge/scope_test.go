package bridge_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/seawall-net/seawall/bridge"
)

// scope makes a scope of an interface, or none, and prefixes.
func scope(iface string, from ...string) bridge.Scope {
	s := bridge.Scope{Interface: iface}
	for _, p := range from {
		s.From = append(s.From, netip.MustParsePrefix(p))
	}
	return s
}

func (w *world) publishWithin(network, name string, s bridge.Scope, specs ...string) {
	w.t.Helper()
	w.update(func(tx *bridge.Tx) { tx.Network(network).Endpoint(name).PublishWithin(s, ports(specs...)...) })
}

// twoLANs is a world with ext on eth0, far on eth1, the endpoints a1 and a2 in one network, and b1 in another.
func twoLANs(t *testing.T, cfg bridge.Config) *world {
	t.Helper()
	// What is not led to a container meets the host, which refuses it. Sockets that held the ports would be silent.
	cfg.UnheldPorts = true
	w := newWorld(t, cfg)
	w.host.Forward()
	w.secondLAN()
	w.networkA()
	w.networkB()
	w.container("a", "a1", 2)
	w.container("a", "a2", 3)
	w.container("b", "b1", 2)
	w.serve("a1", 9000, 9001)
	return w
}

// outside is what becomes of packets that are out of scope: the host's port is as if nothing were published.
const outside = "refused"

// adopts opens the firewall again, which changes nothing.
func (w *world) adopts() {
	w.t.Helper()
	before, kernel, generation := facts(w.fw), w.snapshot(), w.generation()
	w.reopen()
	if after := facts(w.fw); !slices.Equal(after, before) {
		w.t.Errorf("the view is\n%s\nwas\n%s", strings.Join(after, "\n"), strings.Join(before, "\n"))
	}
	if g := w.generation(); g != generation {
		w.t.Errorf("open wrote %d transactions", g-generation)
	}
	w.sameAs("opened", w.snapshot(), kernel)
	w.kernelIsDesired("opened")
}

var (
	lanPrefixes = []string{"192.0.2.0/24", "2001:db8:1::/64"}
	extOnly     = []string{"192.0.2.2/32", "2001:db8:1::2/128"}
)

// Ports that are published to an interface are reached by it only.
func TestPublishToInterface(t *testing.T) {
	t.Parallel()
	for _, filter := range bridgeFilters(t) {
		t.Run(filter, func(t *testing.T) {
			t.Parallel()
			w := twoLANs(t, bridge.Config{})
			w.filterBridges(filter)
			w.publish("a", "a1", "8079:80", "8079:80/udp")
			before := w.rules()
			all := []string{
				"8080:80", "8080:80/udp", "8080:80/sctp",
				"192.0.2.1:8081:80", "192.0.2.1:8081:80/udp", "[2001:db8:1::1]:8081:80", "[2001:db8:1::1]:8081:80/udp",
				"9000-9001:9000-9001", "192.0.2.1:9100-9101:9000-9001/udp", "9200-9201:9000-9001",
			}
			w.publishWithin("a", "a1", scope("eth0"), all...)
			w.publishWithin("a", "a2", scope("lo"), "8082:80", "8082:80/udp", "127.0.0.1:8083:80")
			w.publishWithin("a", "a2", scope("br-b"), "8084:80", "8084:80/udp")
			w.publishWithin("a", "a1", scope("br-a"), "8085:80", "8085:80/udp")
			w.kernelIsDesired("scopes")
			table := `
				ext   tcp,udp,sctp  host:8080      a1 sees ext
				ext   tcp,udp,sctp  host2:8080     a1 sees ext
				# By the other interface, whatever the address.
				far   tcp,udp       host:8080      ` + outside + `
				far   tcp,udp       host-far:8080  ` + outside + `
				# From siblings, from other networks, and from itself.
				a2    tcp,udp       host:8080      ` + outside + `
				a2    tcp,udp       gw-a:8080      ` + outside + `
				a1    tcp,udp       host:8080      ` + outside + `
				b1    tcp,udp       host:8080      ` + outside + `
				b1    tcp,udp       gw-a:8080      ` + outside + `
				# From the host.
				host  tcp,udp       host:8080      ` + outside + `
				host  tcp,udp       loopback:8080  ` + outside + `
				# On one address.
				ext   tcp,udp       host:8081      a1 sees ext
				far   tcp,udp       host:8081      ` + outside + `
				ext   tcp,udp       host2:8081     refused
				b1    tcp,udp       host:8081      ` + outside + `
				host  tcp,udp       host:8081      ` + outside + `
				# Ranges.
				ext   tcp           host:9000      a1 sees ext
				ext   tcp           host2:9001     a1 sees ext
				far   tcp           host:9001      ` + outside + `
				b1    tcp           host:9000      ` + outside + `
				host  tcp           host:9000      ` + outside + `
				ext   udp4          host:9101      a1 sees ext
				far   udp4          host:9101      ` + outside + `
				ext   tcp           host:9200      a1 sees ext
				far   tcp           host:9201      ` + outside + `
				# The host alone.
				host  tcp,udp       host:8082      a2 sees gw-a
				ext   tcp,udp       host:8082      ` + outside + `
				b1    tcp,udp       host:8082      ` + outside + `
				a1    tcp,udp       gw-a:8082      ` + outside + `
				host  tcp4          loopback:8082  a2 sees gw-a
				host  tcp4          loopback:8083  a2 sees gw-a
				ext   tcp           host:8083      refused
				# The other network alone, and the own.
				b1    tcp,udp       host:8084      a2 sees gw-a
				b1    tcp,udp       gw-b:8084      a2 sees gw-a
				ext   tcp,udp       host:8084      ` + outside + `
				host  tcp,udp       host:8084      ` + outside + `
				a1    tcp,udp       host:8084      ` + outside + `
				a2    tcp,udp       host:8085      a1 sees gw-a
				a1    tcp,udp       gw-a:8085      a1 sees gw-a
				b1    tcp,udp       host:8085      ` + outside + `
				# Not by the endpoint's own address.
				ext   tcp,udp       a1:80          silent
				b1    tcp,udp       a1:80          silent
				# Ports without a scope are as always.
				ext   tcp,udp       host:8079      a1 sees ext
				far   tcp,udp       host:8079      a1 sees far
				b1    tcp,udp       host:8079      a1 sees gw-a
				host  tcp,udp       host:8079      a1 sees gw-a
			`
			w.fates(table)
			w.frames(`
				ext   tcp,udp  loopback:8080  a1 gets nothing
				ext   tcp      loopback:8082  a2 gets nothing
				ext   tcp,udp  host:8080      a1 answers
				ext   tcp,udp  host:8084      a2 gets nothing
			`)
			w.adopts()
			w.unpublish("a", "a1", append(all, "8085:80", "8085:80/udp")...)
			w.unpublish("a", "a2", "8082:80", "8082:80/udp", "127.0.0.1:8083:80", "8084:80", "8084:80/udp")
			w.sameAs("unpublished", w.rules(), before)
		})
	}
}

// Ports that are published to sources are reached from them only, by whatever interface.
func TestPublishToSources(t *testing.T) {
	t.Parallel()
	for _, filter := range bridgeFilters(t) {
		t.Run(filter, func(t *testing.T) {
			t.Parallel()
			w := twoLANs(t, bridge.Config{})
			w.filterBridges(filter)
			before := w.rules()
			w.publishWithin("a", "a1", scope("", lanPrefixes...), "8080:80", "8080:80/udp", "8080:80/sctp", "9000-9001:9000-9001/udp")
			w.publishWithin("a", "a1", scope("eth0", extOnly...), "192.0.2.1:8081:80", "[2001:db8:1::1]:8081:80")
			// The other family is closed, and its ports are free.
			w.publishWithin("a", "a1", scope("", "192.0.2.0/24"), "8082:80", "8082:80/udp")
			w.publishWithin("a", "a1", scope("", "2001:db8:1::/64", "2001:db8:2::/64"), "8083:80", "8083:80/udp")
			w.publish("a", "a2", "[::]:8082:80", "0.0.0.0:8083:81")
			// Own siblings and loopback.
			w.publishWithin("a", "a1", scope("", "172.30.1.3/32", "fd00:30:1::3/128", "127.0.0.1/32"), "8084:80", "8084:80/udp")
			w.publishWithin("a", "a1", scope("", "0.0.0.0/0"), "8085:80")
			w.kernelIsDesired("scopes")
			w.fates(`
				ext   tcp,udp,sctp  host:8080      a1 sees ext
				ext   udp           host:9000      a1 sees ext
				far   udp           host:9000      ` + outside + `
				far   tcp,udp       host:8080      ` + outside + `
				far   tcp,udp       host-far:8080  ` + outside + `
				a1    tcp,udp       host:8080      ` + outside + `
				a2    tcp,udp       host:8080      ` + outside + `
				b1    tcp,udp       host:8080      ` + outside + `
				# The host asks with the address that it is asked at.
				host  tcp,udp       host:8080      a1 sees gw-a
				host  tcp,udp       host-far:8080  ` + outside + `
				host  tcp,udp       loopback:8080  ` + outside + `
				# An interface, too.
				ext   tcp           host:8081      a1 sees ext
				host  tcp           host:8081      ` + outside + `
				far   tcp           host:8081      ` + outside + `
				# One family.
				ext   tcp4,udp4     host:8082      a1 sees ext
				far   tcp4,udp4     host:8082      ` + outside + `
				ext   tcp6          host:8082      a2 sees ext
				far   tcp6          host:8082      a2 sees far
				ext   udp6          host:8082      refused
				ext   tcp6,udp6     host:8083      a1 sees ext
				far   tcp6,udp6     host:8083      a1 sees far
				b1    tcp6          host:8083      ` + outside + `
				far   tcp4          host:8083      a2 sees far
				ext   udp4          host:8083      refused
				ext   tcp4          host:8085      a1 sees ext
				b1    tcp4          host:8085      a1 sees gw-a
				ext   tcp6          host:8085      refused
				# A sibling, and the host by one address.
				a2    tcp,udp       host:8084      a1 sees gw-a
				a1    tcp,udp       host:8084      ` + outside + `
				host  tcp4,udp4     loopback:8084  a1 sees gw-a
				host  tcp,udp       host:8084      ` + outside + `
				ext   tcp,udp       host:8084      ` + outside + `
			`)
			w.adopts()
			w.unpublish("a", "a1", "8080:80", "8080:80/udp", "8080:80/sctp", "9000-9001:9000-9001/udp", "192.0.2.1:8081:80",
				"[2001:db8:1::1]:8081:80", "8082:80", "8082:80/udp", "8083:80", "8083:80/udp", "8084:80", "8084:80/udp", "8085:80")
			w.unpublish("a", "a2", "[::]:8082:80", "0.0.0.0:8083:81")
			w.sameAs("unpublished", w.rules(), before)
		})
	}
}

// Where endpoints are reached by their own addresses, scopes hold for that, too.
func TestScopesHoldForDirectAccess(t *testing.T) {
	t.Parallel()
	for _, way := range []string{"routed", "direct routing", "trusted interfaces"} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, bridge.Config{AllowDirectRouting: way == "direct routing", UnheldPorts: true})
			w.host.Forward()
			w.secondLAN()
			for i, name := range []string{"a", "b"} {
				spec := networkSpec(name, fmt.Sprintf("172.30.%d.0/24", i+1), fmt.Sprintf("fd00:30:%d::/64", i+1))
				switch way {
				case "routed":
					spec.IPv4.Mode, spec.IPv6.Mode = bridge.Routed, bridge.Routed
				case "trusted interfaces":
					spec.TrustedInterfaces = []string{"eth0", "eth1"}
				}
				w.create(spec)
			}
			w.container("a", "a1", 2)
			w.container("b", "b1", 2)
			w.serve("a1", 82, 83, 84, 9000, 9001, 9010, 9011)
			before := w.rules()
			w.publishWithin("a", "a1", scope("eth0"), "80:80", "80:80/udp", "80:80/sctp", "9000-9001:9000-9001")
			w.publishWithin("a", "a1", scope("", "198.51.100.0/24", "2001:db8:2::/64"), "81:81", "81:81/udp", "9010-9011:9010-9011")
			// Two scopes of one port.
			w.publishWithin("a", "a1", scope("eth0", extOnly...), "82:82")
			w.publishWithin("a", "a1", scope("eth1"), "1082:82")
			w.publishWithin("a", "a1", scope("lo"), "83:83")
			w.publish("a", "a1", "84:84", "84:84/udp")
			w.kernelIsDesired("scopes")
			w.fates(`
				ext   tcp,udp,sctp  a1:80     a1 sees ext
				ext   tcp           a1:9001   a1 sees ext
				far   tcp,udp,sctp  a1:80     silent
				far   tcp           a1:9000   silent
				b1    tcp,udp       a1:80     silent
				far   tcp,udp       a1:81     a1 sees far
				far   tcp           a1:9011   a1 sees far
				ext   tcp,udp       a1:81     silent
				ext   tcp           a1:9010   silent
				b1    tcp,udp       a1:81     silent
				ext   tcp           a1:82     a1 sees ext
				far   tcp           a1:82     a1 sees far
				b1    tcp           a1:82     silent
				ext   tcp           a1:83     silent
				far   tcp           a1:83     silent
				host  tcp           a1:83     a1 sees gw-a
				ext   tcp,udp       a1:84     a1 sees ext
				far   tcp,udp       a1:84     a1 sees far
			`)
			if way != "routed" {
				w.fates(`
					ext   tcp,udp  host:80     a1 sees ext
					ext   tcp      host:9000   a1 sees ext
					far   tcp,udp  host:80     ` + outside + `
					far   tcp      host:9000   ` + outside + `
					far   tcp,udp  host:81     a1 sees far
					far   tcp      host:9010   a1 sees far
					ext   tcp      host:9010   ` + outside + `
					b1    tcp      host:9010   ` + outside + `
					ext   tcp      host:82     a1 sees ext
					far   tcp      host:82     ` + outside + `
					far   tcp      host:1082   a1 sees far
					host  tcp      host:83     a1 sees gw-a
					ext   tcp      host:83     ` + outside + `
				`)
			}
			w.adopts()
			w.unpublish("a", "a1", "82:82")
			w.fates(`
				ext   tcp  a1:82  silent
				far   tcp  a1:82  a1 sees far
			`)
			w.unpublish("a", "a1", "80:80", "80:80/udp", "80:80/sctp", "9000-9001:9000-9001", "81:81", "81:81/udp",
				"9010-9011:9010-9011", "1082:82", "83:83", "84:84", "84:84/udp")
			w.sameAs("unpublished", w.rules(), before)
		})
	}
}

// A proxy serves whoever reaches it: what is out of scope does not.
func TestScopesHoldForTheProxy(t *testing.T) {
	t.Parallel()
	for _, filter := range bridgeFilters(t) {
		t.Run(filter, func(t *testing.T) {
			t.Parallel()
			w := twoLANs(t, bridge.Config{UserlandProxy: true})
			w.filterBridges(filter)
			w.patientTracking()
			w.serve("host", 8080, 8081, 8082, 8083, 9000, 9001, 7777)
			before := w.rules()
			c := w.clients(`
				# Before there is a publication, and after.
				ext   udp,tcp   host:8083      host sees ext | silent
				far   udp,tcp   host:8083      host sees far | silent
				far   tcp       host-far:7777  host sees far | host sees far
			`)
			c.ask()
			w.publishWithin("a", "a1", scope("eth0"), "8080:80", "8080:80/udp", "9000-9001:9000-9001")
			w.publishWithin("a", "a1", scope("lo"), "8081:80", "8081:80/udp")
			w.publishWithin("a", "a1", scope("", "172.30.1.3/32", "fd00:30:1::3/128"), "8082:80", "8082:80/udp")
			w.publishWithin("a", "a1", scope("br-b"), "8083:80", "8083:80/udp")
			w.kernelIsDesired("scopes")
			c.ask()
			w.fates(`
				ext   tcp,udp  host:8080      a1 sees ext
				ext   tcp      host:9001      a1 sees ext
				far   tcp,udp  host:8080      silent
				far   tcp      host:9001      silent
				a1    tcp,udp  host:8080      silent
				a2    tcp,udp  gw-a:8080      silent
				a2    tcp      host:9000      silent
				b1    tcp,udp  host:8080      silent
				host  tcp,udp  host:8080      silent
				host  tcp,udp  loopback:8080  silent
				# The host, by whatever way.
				host  tcp,udp  loopback:8081  host sees loopback
				host  tcp,udp  host:8081      a1 sees host
				a2    tcp,udp  host:8081      silent
				ext   tcp,udp  host:8081      silent
				# A sibling is for the proxy.
				a2    tcp,udp  host:8082      host sees a2
				a1    tcp,udp  host:8082      silent
				host  tcp,udp  loopback:8082  silent
				ext   tcp,udp  host:8082      silent
				b1    tcp,udp  host:8083      a1 sees gw-a
				# Other services of the host are as always.
				far   tcp,udp  host:7777      host sees far
				a2    tcp,udp  host:7777      host sees a2
			`)
			w.adopts()
			// Without the proxy, there is nothing to keep anybody from.
			w.cfg.UserlandProxy = false
			w.reopen()
			w.fates(`
				ext   tcp,udp  host:8080      a1 sees ext
				far   tcp,udp  host:8080      host sees far
				a2    tcp,udp  host:8082      a1 sees gw-a
				a1    tcp,udp  host:8082      host sees a1
			`)
			w.cfg.UserlandProxy = true
			w.reopen()
			w.fates(`
				far   tcp,udp  host:8080      silent
			`)
			w.unpublish("a", "a1", "8080:80", "8080:80/udp", "9000-9001:9000-9001", "8081:80", "8081:80/udp", "8082:80", "8082:80/udp", "8083:80", "8083:80/udp")
			// The chains of the proxy have come and gone: they stand elsewhere.
			w.sameAs("unpublished", slices.Sorted(slices.Values(w.rules())), slices.Sorted(slices.Values(before)))
		})
	}
}

// Who is out of scope meets the socket that holds the port, and hears nothing.
func TestScopedPortsAreHeld(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bridge.Config{})
	w.networkA()
	w.container("a", "a1", 2)
	w.update(func(tx *bridge.Tx) {
		tx.Network("a").Endpoint("a1").PublishWithin(bridge.Scope{Interface: "eth1"}, ports("8080:80", "8080:80/udp")...)
	})
	w.fates(`
		ext   tcp,udp  host:8080      silent
		host  tcp,udp  loopback:8080  silent
	`)
}
