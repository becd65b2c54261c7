package bridge_test

import (
	"net/netip"
	"testing"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/internal/netlab"
)

func internal(s *bridge.NetworkSpec) { s.Internal = true }

// An internal network is cut off, whatever its containers try.
func TestInternal(t *testing.T) {
	t.Parallel()
	for _, filter := range bridgeFilters(t) {
		t.Run(filter, func(t *testing.T) {
			t.Parallel()
			w := modeWorld(t, internal)
			w.filterBridges(filter)
			w.serve("host", 8089)
			discovery := ""
			if filter == filterOn {
				discovery = "[internal-discovery: silent]"
			}
			w.fates(`
				# Its endpoints reach each other, and the host by its address there.
				a2    tcp,udp,sctp  a1:81      a1 sees a2 ` + discovery + `
				a2    icmp          a1         delivered  ` + discovery + `
				a2    tcp,udp       gw-a:8089  host sees a2
				a2    icmp          gw-a       delivered
				host  tcp,udp,sctp  a1:81      a1 sees gw-a
				# Without a route there is no way out.
				a1    tcp,udp       ext:80     unreachable
				a1    tcp,udp       host:8089  unreachable
				a1    tcp,udp       b1:80      unreachable
				# Ports that others publish are not reached by the gateway's address either.
				a1    tcp,udp       gw-a:8090  silent
				# Nothing comes in. What is published is not.
				ext   tcp,udp,sctp  a1:80      silent
				ext   icmp          a1         silent
				ext   tcp,udp       host:8080  refused
				ext   tcp,udp       gw-a:8089  silent
				b1    tcp,udp,sctp  a1:80      silent
				b1    icmp          a1         silent
				b1    tcp,udp       host:8080  refused
				host  tcp4,udp4     loopback:8080  refused
			`)
			// A container with privileges adds what it lacks.
			for _, name := range []string{"a1", "a2"} {
				for i := range w.families() {
					w.spaces[name].Route("default", w.addrs["gw-a"][i].String())
				}
			}
			w.fates(`
				a1    tcp,udp,sctp  ext:80     silent
				a1    icmp          ext        silent
				a1    tcp,udp       host:8089  silent
				a1    tcp,udp       host2:8089 silent
				a1    tcp,udp       gw-b:8089  silent
				a1    icmp          host       silent
				a1    tcp,udp       host:8090  silent
				a1    tcp,udp       gw-b:8090  silent
				a1    tcp,udp       gw-a:8090  silent
				a1    tcp,udp,sctp  b1:80      silent
				a1    icmp          b1         silent
				a1    tcp,udp       gw-a:8089  host sees a1
			`)
		})
	}
}

// A name server that listens on the host's own addresses is no way to resolve external names.
func TestInternalReachesNoResolver(t *testing.T) {
	t.Parallel()
	w := modeWorld(t, internal)
	for _, addr := range []string{"127.0.0.53:53", "192.0.2.1:53", "[2001:db8:1::1]:53"} {
		w.host.Listen("udp", addr)
		w.host.Listen("tcp", addr)
	}
	w.name("resolved", "127.0.0.53", "")
	for i := range w.families() {
		w.spaces["a1"].Route("default", w.addrs["gw-a"][i].String())
	}
	w.fates(`
		host  udp,tcp  resolved:53  host sees loopback
		b1    udp,tcp  host:53      host sees b1
		a1    udp,tcp  host:53      silent
		a1    udp,tcp  gw-a:53      refused
	`)
	w.frames(`
		a1    udp,tcp  resolved:53  host stays quiet
		a1    udp,tcp  host:53      host stays quiet
	`)
}

// Raw frames with any addresses get no further.
func TestFramesFromInternal(t *testing.T) {
	t.Parallel()
	w := modeWorld(t, internal)
	w.frames(`
		a1  tcp,udp,sctp  ext:80     ext gets nothing
		a1  tcp,udp,sctp  b1:80      b1 gets nothing
		a1  tcp,udp       host:8090  b1 gets nothing
		a1  tcp,udp       gw-a:8090  b1 gets nothing
		a1  tcp,udp       gw-b:8090  b1 gets nothing
		b1  tcp,udp       a1:80      a1 gets nothing
		ext tcp,udp       a1:80      a1 gets nothing
		ext tcp,udp       a1:81      a1 gets nothing
	`)
	// In the name of somebody who may.
	var probes []netlab.RawProbe
	for i := range w.families() {
		for _, src := range []string{"b1", "host", "ext", "gw-a"} {
			probes = append(probes, netlab.RawProbe{
				From: w.spaces["a1"], Interface: "eth0", DstMAC: w.hostMAC("a1"), Proto: "udp",
				Src: netip.AddrPortFrom(w.addrs[src][i], 4000), Dst: netip.AddrPortFrom(w.addrs["ext"][i], 80), Watch: w.ext,
			}, netlab.RawProbe{
				From: w.spaces["a1"], Interface: "eth0", DstMAC: w.hostMAC("a1"), Proto: "udp",
				Src: netip.AddrPortFrom(w.addrs[src][i], 4001), Dst: netip.AddrPortFrom(w.addrs["host"][i], 8090), Watch: w.spaces["b1"],
			})
		}
	}
	for i, r := range w.RawProbeAll(probes) {
		if r.Arrived || r.Err != nil {
			t.Errorf("%s to %s: %v", probes[i].Src, probes[i].Dst, r)
		}
	}
}

// The host has no address on the bridge of an isolated network, and no IPv6 there.
func TestIsolated(t *testing.T) {
	t.Parallel()
	w := modeWorld(t, func(s *bridge.NetworkSpec) { s.Internal = true; mode(bridge.Isolated)(s) })
	w.serve("host", 8089)
	w.fates(`
		a2    tcp,udp,sctp  a1:81      a1 sees a2
		a2    icmp          a1         delivered
		a1    tcp,udp       ext:80     unreachable
		a1    tcp,udp       host:8089  unreachable
		ext   tcp,udp       a1:80      silent
		# Not even the host has a route there.
		b1    tcp,udp       a1:80      unreachable
	`)
	link, err := w.host.Netlink().LinkByName("br-a")
	if err != nil {
		t.Fatal(err)
	}
	if addrs, err := w.host.Netlink().AddrList(link, 0); err != nil || len(addrs) != 0 {
		t.Errorf("the bridge has the addresses %v (%v)", addrs, err)
	}
	if got := w.host.Sysctl("net.ipv6.conf.br-a.disable_ipv6"); got != "1" {
		t.Errorf("disable_ipv6 of the bridge is %s", got)
	}
	w.frames(`
		a1  tcp,udp  host:8089  host stays quiet
		a1  tcp,udp  gw-b:8089  host stays quiet
		a1  tcp,udp  host:8090  b1 gets nothing
		a1  tcp,udp  ext:80     ext gets nothing
	`)
	want := facts(w.fw)
	w.reopen()
	w.sameAs("adopted", facts(w.fw), want)
	w.update(func(tx *bridge.Tx) { tx.RemoveNetwork("a"); tx.RemoveNetwork("b") })
	if v := w.fw.View(); v.Network("a") != nil {
		t.Error("the network is still there")
	}
}

// One family of a network can be isolated, and the other not.
func TestIsolatedFamily(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bridge.Config{})
	w.create(with(specA, func(s *bridge.NetworkSpec) { s.Internal, s.IPv6.Mode = true, bridge.Isolated }))
	w.container("a", "a1", 2)
	w.container("a", "a2", 3)
	w.serve("host", 8089)
	w.fates(`
		a1  tcp,udp    a2:80      a2 sees a1
		a1  tcp4,udp4  gw-a:8089  host sees a1
		a1  tcp6,udp6  gw-a:8089  silent
	`)
}
