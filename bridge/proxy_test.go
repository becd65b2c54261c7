package bridge_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/internal/netlab"
)

// A userland proxy is played by the host's own listeners on published ports, which are not held for that reason;
// TestSocketsForAProxy is about one that is handed the sockets.

// With a proxy, what the host sends to its loopback addresses, and what comes from a port's own network, is for the
// proxy. All else is translated, and nothing that the host sends is masqueraded.
func TestUserlandProxy(t *testing.T) {
	t.Parallel()
	for _, filter := range bridgeFilters(t) {
		t.Run(filter, func(t *testing.T) {
			t.Parallel()
			w := twoNetworks(t, bridge.Config{UserlandProxy: true, UnheldPorts: true})
			w.filterBridges(filter)
			w.publish("a", "a2", "127.0.0.1:8082:81", "[::1]:8082:81", "9000-9001:9000-9001", "9100-9101:80-81/udp",
				"192.0.2.3:8083:80", "[2001:db8:1::3]:8083:80", "192.0.2.3:9200-9201:80-81", "[2001:db8:1::3]:9200-9201:80-81")
			w.serve("a2", 9000, 9001)
			w.serve("host", 8080, 8082, 8083, 9000, 9001, 9100, 9101, 9200, 9201)
			w.fates(`
				# To the proxy: by loopback addresses.
				host   tcp,udp,sctp  loopback:8080  host sees loopback
				host   tcp           loopback:8082  host sees loopback
				host   tcp           loopback:9001  host sees loopback
				host   udp           loopback:9101  host sees loopback
				# To the proxy: from the network itself, the container that publishes included.
				a1     tcp,udp,sctp  host:8080      host sees a1
				a2     tcp,udp,sctp  host:8080      host sees a2
				a2     tcp,udp,sctp  gw-a:8080      host sees a2
				a2     tcp,udp,sctp  gw-b:8080      host sees a2
				a1     tcp           host:9000      host sees a1
				a1     tcp           host2:9001     host sees a1
				a1     udp           host:9101      host sees a1
				a2     udp           host:9100      host sees a2
				a1     tcp           host2:8083     host sees a1
				a1     tcp           host2:9201     host sees a1
				# What is published on another address only is a service of the host like any other.
				a1     tcp           host:8083      host sees a1
				b1     tcp           host:9201      host sees b1
				# To the container: from the host's other addresses, as itself.
				host   tcp,udp,sctp  host:8080      a1 sees host
				host   tcp,udp,sctp  gw-a:8080      a1 sees gw-a
				host   tcp           host:9000      a2 sees host
				host   tcp4          host2:8083     a2 sees host
				host   tcp6          host2:8083     a2 sees host2
				# To the container: from other networks, and from outside.
				b1     tcp,udp,sctp  host:8080      a1 sees gw-a  [to-the-proxy: host sees b1] [other-networks: silent]
				b1     tcp,udp,sctp  gw-b:8080      a1 sees gw-a  [to-the-proxy: host sees b1] [other-networks: silent]
				b1     tcp           gw-a:9000      a2 sees gw-a  [to-the-proxy: host sees b1] [other-networks: silent]
				b1     udp           host:9101      a2 sees gw-a  [to-the-proxy: host sees b1] [other-networks: silent]
				b1     tcp           host2:9201     a2 sees gw-a  [to-the-proxy: host sees b1] [other-networks: silent]
				b1     tcp           host2:8083     a2 sees gw-a  [to-the-proxy: host sees b1] [other-networks: silent]
				ext    tcp,udp,sctp  host:8080      a1 sees ext
				ext    tcp           host:9001      a2 sees ext
				ext    udp           host2:9100     a2 sees ext
				ext    tcp           host2:8083     a2 sees ext
				ext    tcp           host2:9201     a2 sees ext
				# The proxy reaches the containers, and what leaves a network is masqueraded as ever.
				host   tcp,udp,sctp  a1:80          a1 sees gw-a
				a1     tcp,udp       ext:80         ext sees host
				a2     tcp,udp,sctp  a1:80          a1 sees a2
				# What is closed without a proxy is closed with one.
				ext    tcp,udp,sctp  a1:80          silent
				b1     tcp,udp,sctp  a1:80          silent
				ext    tcp           gw-a:8080      silent
			`)
			w.frames(`
				ext  tcp,udp,sctp  loopback:8080  host stays quiet
				b1   tcp,udp       loopback:8080  host stays quiet
				a1   tcp,udp       loopback:8080  host stays quiet
				a2   tcp           loopback:8082  host stays quiet
				ext  tcp           loopback:9000  host stays quiet
				ext  tcp           host:8080      a1 answers
			`)
			// A loopback address is not sent from to a container, where nobody could answer it.
			for i := range w.families() {
				want := w.outcomeHere("host sees loopback [loopback-clients: silent]", i)
				r := w.Probe(netlab.Probe{
					From: w.host, Proto: "tcp", To: netip.AddrPortFrom(w.addrs["host"][i], 8080),
					Source: netip.AddrPortFrom(w.addrs["loopback"][i], 0),
				})
				if got := w.outcome(r); got != want {
					t.Errorf("from %s: %s (%v)", w.addrs["loopback"][i], got, r)
				}
			}
			w.carriesLoopback(false)
		})
	}
}

// carriesLoopback compares what the links of network a are set to: whether they carry loopback addresses, and whether
// a1 and a2 can be given back what they sent.
func (w *world) carriesLoopback(want bool) {
	w.t.Helper()
	value, routes := "0", 0
	if want {
		value, routes = "1", 1
	}
	if lacksIPv6() {
		routes = 0
	}
	if got := w.host.Sysctl("net.ipv4.conf.br-a.route_localnet"); got != value {
		w.t.Errorf("route_localnet is %s, want %s", got, value)
	}
	h := w.host.Netlink()
	br, err := h.LinkByName("br-a")
	if err != nil {
		w.t.Fatal(err)
	}
	all, err := h.RouteListFiltered(netlink.FAMILY_V6, &netlink.Route{LinkIndex: br.Attrs().Index, Table: 255},
		netlink.RT_FILTER_OIF|netlink.RT_FILTER_TABLE)
	if err != nil {
		w.t.Fatal(err)
	}
	found := 0
	for _, r := range all {
		if r.Dst != nil && r.Dst.String() == "::1/128" {
			found++
		}
	}
	if found != routes {
		w.t.Errorf("%d routes for ::1 on br-a, want %d", found, routes)
	}
	links, err := h.LinkList()
	if err != nil {
		w.t.Fatal(err)
	}
	ports := 0
	for _, l := range links {
		if l.Attrs().MasterIndex != br.Attrs().Index {
			continue
		}
		ports++
		info, err := h.LinkGetProtinfo(l)
		if err != nil {
			w.t.Fatal(err)
		}
		if info.Hairpin != want {
			w.t.Errorf("hairpin mode of %s is %t", l.Attrs().Name, info.Hairpin)
		}
	}
	if ports != 2 {
		w.t.Errorf("br-a has %d ports, want 2", ports)
	}
}

// The proxy can come and go when the firewall is opened again.
func TestUserlandProxyLater(t *testing.T) {
	t.Parallel()
	w := twoNetworks(t, bridge.Config{UnheldPorts: true})
	w.publish("a", "a2", "127.0.0.1:8082:81", "[::1]:8082:81")
	w.serve("host", 8080, 8082)
	same := `
		ext    tcp,udp,sctp  host:8080      a1 sees ext
		ext    tcp,udp       a1:80          silent
	`
	alone := slices.Sorted(slices.Values(w.rules(w.tables()...)))
	w.carriesLoopback(true)
	for range 2 {
		w.cfg.UserlandProxy = true
		w.reopen()
		w.carriesLoopback(false)
		w.kernelIsDesired("with a proxy")
		w.fates(same + `
			b1     tcp,udp,sctp  host:8080      a1 sees gw-a  [to-the-proxy: host sees b1] [other-networks: silent]
			host   tcp,udp,sctp  loopback:8080  host sees loopback
			host   tcp           loopback:8082  host sees loopback
			host   tcp,udp,sctp  host:8080      a1 sees host
			a2     tcp,udp,sctp  host:8080      host sees a2
			a1     tcp,udp,sctp  gw-a:8080      host sees a1
		`)
		w.cfg.UserlandProxy = false
		w.reopen()
		w.carriesLoopback(true)
		// Chains that were made anew are listed last.
		w.sameAs("without a proxy", slices.Sorted(slices.Values(w.rules(w.tables()...))), alone)
		w.kernelIsDesired("without a proxy")
		w.fates(same + `
			b1     tcp,udp,sctp     host:8080      a1 sees gw-a  [other-networks: silent]
			host   tcp4,udp4,sctp4  loopback:8080  a1 sees gw-a
			host   tcp4             loopback:8082  a2 sees gw-a
			host   tcp,udp,sctp     host:8080      a1 sees gw-a
			a2     tcp,udp,sctp     host:8080      a1 sees gw-a
			a1     tcp,udp,sctp     gw-a:8080      a1 sees gw-a
		`)
	}
}

// What a process that died did not get done about links is done by the next, without a change of the option.
func TestLinksAreAlignedByTheNextOpen(t *testing.T) {
	t.Parallel()
	for _, proxy := range []bool{false, true} {
		t.Run(fmt.Sprint("proxy ", proxy), func(t *testing.T) {
			t.Parallel()
			w := twoNetworks(t, bridge.Config{UserlandProxy: proxy})
			w.carriesLoopback(!proxy)
			h := w.host.Netlink()
			links, err := h.LinkList()
			if err != nil {
				t.Fatal(err)
			}
			for _, l := range links {
				if l.Type() == "veth" && l.Attrs().MasterIndex == w.host.Index("br-a") {
					if err := h.LinkSetHairpin(l, proxy); err != nil {
						t.Fatal(err)
					}
				}
			}
			value := map[bool]string{false: "0", true: "1"}
			w.host.SetSysctl("net.ipv4.conf.br-a.route_localnet", value[proxy])
			generation := w.generation()
			w.reopen()
			w.carriesLoopback(!proxy)
			if got := w.generation(); got != generation {
				t.Errorf("generation %d, was %d: rules were written", got, generation)
			}
		})
	}
}

// Networks without ICC, and without access to the host's services, reach their own published ports by the proxy.
func TestUserlandProxyOfClosedNetworks(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bridge.Config{UserlandProxy: true, UnheldPorts: true})
	spec := networkSpec("a", "172.30.1.0/24", "fd00:30:1::/64")
	spec.DisableICC, spec.DisableHostAccess = true, true
	w.create(spec)
	w.networkB()
	w.container("a", "a1", 2, "8080:80", "8080:80/udp", "192.0.2.1:8081:80", "[2001:db8:1::1]:8081:80", "9000-9001:80-81")
	w.container("a", "a2", 3)
	w.container("b", "b1", 2, "8090:80")
	w.serve("host", 8080, 8081, 8090, 9001, 9090)
	w.fates(`
		a2    tcp,udp  host:8080   host sees a2
		a2    tcp,udp  gw-a:8080   host sees a2
		a1    tcp,udp  host:8080   host sees a1
		a2    tcp      host:8081   host sees a2
		a2    tcp      host:9001   host sees a2
		a2    tcp      host:8090   b1 sees gw-b
		b1    tcp      host:8080   a1 sees gw-a
		ext   tcp      host:8080   a1 sees ext
		# And nothing else.
		a2    udp      host:9001   silent
		a2    tcp      host2:8081  silent
		a2    tcp,udp  host:9090   silent
		a2    tcp,udp  gw-a:9090   silent
		a2    icmp     host        silent
		ext   tcp,udp  host:9090   host sees ext
	`)
}
