package bridge_test

import (
	"testing"

	"github.com/seawall-net/seawall/bridge"
)

// A neighbour that knows the route to a network reaches nobody there by his own address.
func TestDirectAccessFromTheLAN(t *testing.T) {
	t.Parallel()
	w := twoNetworks(t, bridge.Config{})
	w.witness("a1", "a2")
	if hasUserChain() {
		w.handAppend("a1", 81, accept)
	}
	w.fates(`
		ext    tcp,udp,sctp  host:8080   a1 sees ext
		ext    tcp,udp,sctp  a1:80       silent
		# An accept in DOCKER-USER comes too late.
		ext    tcp,udp,sctp  a1:81       silent
		ext    tcp,udp,sctp  a2:80       silent
		ext    icmp          a1          silent
		# The accept holds where packets come from our own networks.
		b1     tcp,udp,sctp  a1:81       a1 sees gw-a  [raw-is-first: silent]  [other-networks: silent]
		b1     tcp,udp,sctp  a1:80       silent
	`)
	for _, name := range []string{"a1", "a2"} {
		if n := w.witnessed(name); n != 0 {
			t.Errorf("%d packets from the LAN for %s were tracked, want none: they are dropped before", n, name)
		}
	}
	if n := w.flowsFrom("ext", "a1"); n != 0 {
		t.Errorf("%d connections from ext to a1's own address, want none", n)
	}
}

// Nor whoever has an address there that is no endpoint's, or will be one's later: packets would wait for him. So it is on
// a host that forwards by itself, where no policy is in the way, too.
func TestDirectAccessToAnAddressOfNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bridge.Config{})
	w.host.Forward()
	w.networkA()
	w.networkB()
	w.endpoint("a", "free", 4, true, true, bridge.EndpointSpec{AllowSpoofing: true})
	w.container("b", "b1", 2)
	w.name("more", "172.30.1.9", "fd00:30:1::9")
	w.spaces["free"].Address("eth0", "172.30.1.9/24")
	if !w.ipv4Only {
		w.spaces["free"].Address("eth0", "fd00:30:1::9/64")
	}
	w.fates(`
		host  tcp,udp       more:80  free sees gw-a
		ext   tcp,udp,sctp  more:80  silent
		ext   icmp          more     silent
		b1    tcp,udp       more:80  silent
	`)
	// It may ask outside, and is answered.
	w.fates(`
		free  tcp,udp       ext:80   ext sees host
	`)
}

func TestAllowDirectRouting(t *testing.T) {
	t.Parallel()
	w := twoNetworks(t, bridge.Config{AllowDirectRouting: true})
	w.container("a", "a3", 4, "9000-9009:9000-9009")
	w.serve("a3", 9000, 9009, 9010)
	w.container("a", "a4", 5, "127.0.0.1:8081:81", "[::1]:8081:81", "127.0.0.1:9100-9101:9100-9101", "[::1]:9100-9101:9100-9101")
	w.serve("a4", 9101)
	w.witness("a2")
	w.handAppend("a2", 81, accept)
	w.fates(`
		ext    tcp,udp,sctp  host:8080   a1 sees ext
		# Published ports, by the address of the container itself.
		ext    tcp,udp,sctp  a1:80       a1 sees ext
		ext    tcp           a3:9000     a3 sees ext
		ext    tcp           a3:9009     a3 sees ext
		# What is published on one address of the host is reached by that one only.
		host   tcp4          loopback:8081  a4 sees gw-a
		ext    tcp           a4:81       silent  [one-address: a4 sees ext]
		ext    tcp           a4:9101     silent  [one-address: a4 sees ext]
		# The port of the host is none of the container.
		ext    tcp,udp,sctp  a1:8080     silent
		ext    tcp,udp,sctp  a1:81       silent
		ext    tcp           a3:9010     silent
		ext    udp           a3:9000     silent
		ext    icmp          a1          silent
		ext    tcp,udp,sctp  a2:80       silent
		# DOCKER-USER judges direct access, too.
		ext    tcp,udp,sctp  a2:81       a2 sees ext
		# And what is true of the LAN is true of other networks.
		b1     tcp,udp       a1:80       a1 sees gw-a
		b1     tcp,udp       a1:81       silent
	`)
	if n := w.witnessed("a2"); n == 0 {
		t.Error("the witness saw no packet from the LAN for a2: it would not see any of those that are dropped")
	}
}

// The option can be changed by opening the firewall again.
func TestAllowDirectRoutingLater(t *testing.T) {
	t.Parallel()
	w := twoNetworks(t, bridge.Config{})
	for range 2 {
		w.cfg.AllowDirectRouting = true
		w.reopen()
		w.fates(`
			ext   tcp,udp  a1:80      a1 sees ext
			ext   tcp,udp  a1:81      silent
			ext   tcp,udp  host:8080  a1 sees ext
		`)
		w.cfg.AllowDirectRouting = false
		w.reopen()
		w.fates(`
			ext   tcp,udp  a1:80      silent
			ext   tcp,udp  a1:81      silent
			ext   tcp,udp  host:8080  a1 sees ext
		`)
	}
}
