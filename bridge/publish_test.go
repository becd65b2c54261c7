package bridge_test

import (
	"net/netip"
	"testing"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/internal/netlab"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// oneNetwork is a world with a1 and a2 on one network, which publish nothing.
func oneNetwork(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, bridge.Config{})
	w.networkA()
	w.container("a", "a1", 2)
	w.container("a", "a2", 3)
	return w
}

func TestPublish(t *testing.T) {
	t.Parallel()
	w := oneNetwork(t)
	w.publish("a", "a1",
		"8080:80", "8080:80/udp", "8080:80/sctp",
		"192.0.2.1:8081:81", "192.0.2.1:8081:81/udp", "192.0.2.1:8081:81/sctp",
		"[2001:db8:1::1]:8081:81", "[2001:db8:1::1]:8081:81/udp", "[2001:db8:1::1]:8081:81/sctp",
		"0.0.0.0:8083:80", "[::]:8084:80",
		"127.0.0.1:8082:80", "[::1]:8082:80",
		"8085:80/udp",
		// One container port by many ports of the host.
		"8086:80", "8087:80",
	)
	// The same port of another address, or of another protocol, is another port.
	w.publish("a", "a2", "192.0.2.3:8081:80", "127.0.0.2:8082:80", "8085:81")
	w.name("loopback2", "127.0.0.2", "")
	w.fates(`
		# Every address.
		ext   tcp,udp,sctp     host:8080       a1 sees ext
		ext   tcp,udp,sctp     host2:8080      a1 sees ext
		# But for those on bridges: they are nobody's business outside.
		ext   tcp,udp,sctp     gw-a:8080       silent
		host  tcp,udp,sctp     gw-a:8080       a1 sees gw-a
		# The container's port is none of the host's.
		ext   tcp,udp          host:80         refused
		# One address.
		ext   tcp,udp,sctp     host:8081       a1 sees ext
		host  tcp,udp,sctp     host:8081       a1 sees gw-a
		host  tcp,udp          loopback:8081   refused
		ext   tcp4             host2:8081      a2 sees ext
		ext   udp4,tcp6,udp6   host2:8081      refused
		# Every address of one family.
		ext   tcp4             host:8083       a1 sees ext
		ext   tcp6             host:8083       refused
		ext   tcp6             host:8084       a1 sees ext
		ext   tcp4             host:8084       refused
		# A loopback address.
		host  tcp4             loopback:8082   a1 sees gw-a
		host  tcp4             loopback2:8082  a2 sees gw-a
		host  udp              loopback:8082   refused
		host  tcp              host:8082       refused
		ext   tcp              host:8082       refused
		# One protocol.
		ext   udp              host:8085       a1 sees ext
		ext   tcp              host:8085       a2 sees ext
		# Many ports of the host.
		ext   tcp              host:8086       a1 sees ext
		ext   tcp              host:8087       a1 sees ext
		ext   tcp              host:8088       refused
	`)
	w.unpublish("a", "a1", "8086:80", "8080:80/udp", "192.0.2.1:8081:81", "8085:80/udp")
	w.fates(`
		# New flows see what is published no more. What is left goes on.
		ext   tcp              host:8086       refused
		ext   tcp              host:8087       a1 sees ext
		ext   udp              host:8080       refused
		ext   tcp,sctp         host:8080       a1 sees ext
		ext   tcp4             host:8081       refused
		ext   tcp6,udp         host:8081       a1 sees ext
		ext   udp              host:8085       refused
		ext   tcp              host:8085       a2 sees ext
	`)
	w.update(func(tx *bridge.Tx) { tx.Network("a").Detach("a2") })
	w.fates(`
		ext   tcp              host:8085       refused
		ext   tcp              host:8080       a1 sees ext
	`)
	w.publish("a", "a1", "8086:81")
	w.fates(`
		ext   tcp              host:8086       a1 sees ext
	`)
}

func TestPublishRanges(t *testing.T) {
	t.Parallel()
	w := oneNetwork(t)
	w.serve("a1", 8999, 9000, 9005, 9009, 9010, 7000, 7001, 7002, 1, 65535)
	w.serve("a2", 9005, 9030, 9031)
	w.publish("a", "a1",
		"9000-9009:9000-9009", "9000-9009:9000-9009/udp", "9000-9009:9000-9009/sctp",
		"9100-9102:7000-7002",
		"192.0.2.3:9030-9031:9030-9031",
		// The edges of what there is.
		"1-2:1-2", "65534-65535:65534-65535/udp", "65535:65535",
	)
	// An exact publication beside ranges, on their edges and across protocols.
	w.publish("a", "a2", "9010:80", "8999:81", "192.0.2.1:9030-9031:9030-9031", "9031:80/udp")
	w.fates(`
		ext   tcp,udp,sctp  host:9000   a1 sees ext
		ext   tcp,udp,sctp  host:9005   a1 sees ext
		ext   tcp,udp,sctp  host2:9009  a1 sees ext
		host  tcp           host:9005   a1 sees gw-a
		ext   udp           host:8999   refused
		ext   udp           host:9010   refused
		ext   tcp           host:8999   a2 sees ext
		ext   tcp           host:9010   a2 sees ext
		# A shifted range keeps the distance.
		ext   tcp           host:9100   a1 sees ext
		ext   tcp           host:9101   a1 sees ext
		ext   tcp           host2:9102  a1 sees ext
		ext   tcp           host:9099   refused
		ext   tcp           host:9103   refused
		ext   udp           host:9101   refused
		ext   tcp           host:7000   refused
		# On one address.
		ext   tcp4          host:9031   a2 sees ext
		ext   tcp6          host:9031   refused
		ext   udp           host:9031   a2 sees ext
		# The first port and the last.
		ext   tcp           host:1      a1 sees ext
		ext   tcp,udp       host:65535  a1 sees ext
		ext   udp           host:1      refused
		# The container answers on ports that nobody published.
		host  tcp,udp       a1:9010     a1 sees gw-a
		ext   tcp,udp       a1:9005     silent
	`)
	w.unpublish("a", "a1", "9000-9009:9000-9009", "9100-9102:7000-7002")
	w.fates(`
		ext   tcp           host:9000   refused
		ext   tcp           host:9009   refused
		ext   tcp           host:9101   refused
		ext   udp,sctp      host:9005   a1 sees ext
		ext   tcp           host:9010   a2 sees ext
	`)
}

// Each port of a shifted range leads to the port that stands as far in, and not to another that is open, too.
func TestPublishShiftedRangeInOrder(t *testing.T) {
	t.Parallel()
	w := oneNetwork(t)
	servers := map[uint16]*netlab.Server{}
	for port := uint16(7000); port < 7003; port++ {
		servers[port] = w.spaces["a1"].Listen("tcp", netip.AddrPortFrom(w.addrs["a1"][0], port).String())
	}
	w.publish("a", "a1", "9100-9102:7000-7002")
	w.fates(`
		ext  tcp4  host:9101  a1 sees ext
		ext  tcp4  host:9102  a1 sees ext
		ext  tcp4  host:9102  a1 sees ext
	`)
	for port, want := range map[uint16]int{7000: 0, 7001: 1, 7002: 2} {
		if got := len(servers[port].Clients()); got != want {
			t.Errorf("port %d has seen %d clients, want %d", port, got, want)
		}
	}
}

// A published port is one of the host's own: what the host forwards is never translated.
func TestTransitIsUntouched(t *testing.T) {
	t.Parallel()
	// Nothing can be held on an address that the host does not have.
	w := newWorld(t, bridge.Config{UnheldPorts: true})
	w.host.Forward()
	w.secondLAN()
	w.networkA()
	w.container("a", "a1", 2, "8080:80", "8080:80/udp", "8080:80/sctp", "9000-9001:9000-9001")
	w.container("a", "a2", 3)
	w.serve("a1", 9000, 9010)
	w.serve("far", 8080, 8088, 9000)
	// Not even what is published on an address that is another's.
	w.publish("a", "a1", "198.51.100.2:8088:80", "[2001:db8:2::2]:8088:80", "198.51.100.2:9010-9011:9010-9011", "[2001:db8:2::2]:9010-9011:9010-9011")
	w.fates(`
		ext   tcp,udp,sctp  far:8080       far sees ext
		ext   tcp,udp       far:9000       far sees ext
		ext   tcp           far:8088       far sees ext
		ext   tcp           far:9010       refused
		host  tcp           far:8088       far sees host-far
		host  tcp           host:8088      refused
		far   tcp,udp       ext:80         ext sees far
		a2    tcp,udp,sctp  far:8080       far sees host-far
		host  tcp,udp       far:8080       far sees host-far
		ext   tcp,udp       host-far:8080  a1 sees ext
		far   tcp,udp       host-far:8080  a1 sees far
		far   tcp,udp       host:8080      a1 sees far
		far   tcp,udp       a1:80          silent
	`)
}

// A host that was no router becomes one for its networks only.
func TestForwardingIsForNetworksOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bridge.Config{})
	w.secondLAN()
	w.networkA()
	w.container("a", "a1", 2, "8080:80", "8080:80/udp")
	w.fates(`
		ext  tcp,udp  far:80     silent
		far  tcp,udp  ext:80     silent
		a1   tcp,udp  far:80     far sees host-far
		ext  tcp,udp  host:8080  a1 sees ext
		far  tcp,udp  host:8080  a1 sees far
	`)
}

// secondLAN connects the host to far, which ext reaches through the host.
func (w *world) secondLAN() {
	w.t.Helper()
	far := w.Namespace("far")
	w.spaces["far"] = far
	w.name("host-far", "198.51.100.1", "2001:db8:2::1")
	w.name("far", "198.51.100.2", "2001:db8:2::2")
	lan := w.LAN("lan2")
	lan.Plug(w.host, "eth1", "198.51.100.1/24", "2001:db8:2::1/64")
	lan.Plug(far, "eth0", "198.51.100.2/24", "2001:db8:2::2/64")
	for _, via := range []string{"198.51.100.1", "2001:db8:2::1"} {
		far.Route("default", via)
	}
	w.ext.Route("198.51.100.0/24", "192.0.2.1")
	w.ext.Route("2001:db8:2::/64", "2001:db8:1::1")
	w.serve("far", 80)
}

// A client with a link-local address is not led to a container: its address means nothing there. It meets the socket that
// holds the port, which is silent.
func TestLinkLocalClients(t *testing.T) {
	t.Parallel()
	w := oneNetwork(t)
	w.needsIPv6()
	w.publish("a", "a1", "8080:80", "8080:80/udp")
	from, to := linkLocal(t, w.ext, "eth0"), linkLocal(t, w.host, "eth0").WithZone("eth0")
	for _, p := range []netlab.Probe{
		{To: netip.AddrPortFrom(to, 8080)},
		{To: netip.AddrPortFrom(to, 8080), Source: netip.AddrPortFrom(from.WithZone("eth0"), 0)},
		{To: netip.AddrPortFrom(w.addrs["host"][1], 8080), Source: netip.AddrPortFrom(from.WithZone("eth0"), 0)},
	} {
		for _, p.Proto = range []string{"tcp", "udp"} {
			p.From = w.ext
			want := w.outcomeHere("silent [link-local-clients: unreachable]", 1)
			if r := w.Probe(p); w.outcome(r) != want {
				t.Errorf("%s from %s to %s: %v, want "+want, p.Proto, p.Source, p.To, r)
			}
			p.To = netip.AddrPortFrom(p.To.Addr(), 8081) // nobody's port
			if r := w.Probe(p); r.Outcome != netlab.Refused {
				t.Errorf("%s from %s to %s: %v, want refused", p.Proto, p.Source, p.To, r)
			}
			p.To = netip.AddrPortFrom(p.To.Addr(), 8080)
		}
	}
	w.fates(`
		ext  tcp6,udp6  host:8080  a1 sees ext
	`)
}

func linkLocal(t *testing.T, ns *netlab.Namespace, ifname string) netip.Addr {
	t.Helper()
	link, err := ns.Netlink().LinkByName(ifname)
	if err != nil {
		t.Fatal(err)
	}
	addrs, err := ns.Netlink().AddrList(link, netlink.FAMILY_V6)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		if a.Scope == unix.RT_SCOPE_LINK {
			addr, _ := netip.AddrFromSlice(a.IP)
			return addr
		}
	}
	t.Fatalf("%s has no link-local address", ifname)
	return netip.Addr{}
}
