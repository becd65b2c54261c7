package bridge_test

import (
	"bytes"
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/internal/netlab"
)

// neighbourMessage is an ICMPv6 message with a target to an address.
func neighbourMessage(dst, src net.HardwareAddr, from, to netip.Addr, kind byte, target netip.Addr, option []byte) []byte {
	return netlab.Frame{
		Dst: dst, Src: src, Proto: "icmp", From: netip.AddrPortFrom(from, 0), To: netip.AddrPortFrom(to, 0),
		Payload: bytes.Join([][]byte{{kind, 0, 0, 0}, reserved, target.AsSlice(), option}, nil),
	}.Marshal()
}

// groupOf is where an address is asked for, and the MAC of that group.
func groupOf(a netip.Addr) (netip.Addr, net.HardwareAddr) {
	b := a.As16()
	ip := netip.AddrFrom16([16]byte{0: 0xff, 1: 2, 11: 1, 12: 0xff, 13: b[13], 14: b[14], 15: b[15]})
	return ip, net.HardwareAddr{0x33, 0x33, 0xff, b[13], b[14], b[15]}
}

// Of what linked endpoints send to each other, only the search for each other crosses the bridge, in both directions.
func TestLinkedFrames(t *testing.T) {
	t.Parallel()
	eachFilter(t, func(t *testing.T, filter string) {
		w := newWorld(t, bridge.Config{})
		w.networkApart()
		w.filterBridges(filter)
		w.container("a", "a2", 3)
		w.container("a", "a3", 4)
		w.endpoint("a", "free", 5, true, true, bridge.EndpointSpec{AllowSpoofing: true})
		w.link("a", "free", "a2", "80", "80/udp")
		third := w.watch("a3", w.spaces["a3"], "eth0")
		for _, pair := range [][2]string{{"free", "a2"}, {"a2", "free"}} {
			me, other := w.station(pair[0], "eth0"), w.station(pair[1], "eth0")
			group, groupMAC := groupOf(other.ip6)
			message := func(kind byte, option []byte) []byte {
				return neighbourMessage(other.mac, me.mac, me.ip6, other.ip6, kind, me.ip6, option)
			}
			dropped := []linkFrame{
				{what: "IPv4 to everybody", raw: datagram(broadcast, me.mac, me.ip4, 7000, other.ip4, 80)},
				{what: "IPv6 to everybody", raw: datagram(allNodesMAC, me.mac, me.ip6, 7000, other.ip6, 80)},
				{what: "IPv6 of the link", raw: datagram(other.mac, me.mac, me.ll6, 7000, other.ll6, 80)},
				{what: "IPv4 for somebody else", raw: datagram(other.mac, me.mac, me.ip4, 7000, nobody, 80)},
				{what: "ping to all nodes", raw: icmp6(me.mac, me.ip6, 128, reserved)},
				{what: "another EtherType", raw: ether(other.mac, me.mac, 0x88b5, []byte("secret"))},
				{what: "another EtherType to everybody", raw: ether(broadcast, me.mac, 0x88b5, []byte("secret"))},
				{what: "a tagged frame", raw: tagged(datagram(other.mac, me.mac, me.ip4, 7000, other.ip4, 80), 0x8100, 5)},
				{what: "a router advertisement", raw: message(134, nil)},
				{what: "a redirect", raw: message(137, me.ip6.AsSlice())},
			}
			passing := []linkFrame{
				{what: "ARP request", raw: arpOver(broadcast, me.mac, 1, me.mac, me.ip4, other.ip4)},
				{what: "ARP reply", raw: arpOver(other.mac, me.mac, 2, me.mac, me.ip4, other.ip4)},
			}
			discovery := []linkFrame{
				{what: "solicitation", raw: neighbourMessage(groupMAC, me.mac, me.ip6, group, 135, other.ip6, option(1, me.mac))},
				{what: "advertisement", raw: message(136, option(2, me.mac))},
				{what: "solicitation of one that was there", raw: neighbourMessage(other.mac, me.mac, me.ip6, other.ip6, 135, other.ip6, option(1, me.mac))},
			}
			// To iptables' rules the search for an IPv6 neighbour is what any packet is, and where there is no IPv6, so it is to ours.
			if w.ipv4Only || w.differs("links-of-ipv4", 1) && filter == filterOn {
				dropped = append(dropped, discovery...)
			} else {
				passing = append(passing, discovery...)
			}
			w.arrive(pair[0], dropped, passing, w.watch(pair[1], w.spaces[pair[1]], "eth0"))
			third.sawNone(t, append(dropped, passing...))
		}
		// Frames that are bridged and routed are the same to the layers above.
		w.fates(`
			free  tcp,udp  a2:80    a2 sees free  [links-of-ipv4: closed]
			free  tcp,udp  a2:81    silent
			a2    tcp,udp  free:80  silent
			a3    tcp,udp  a2:80    closed
		`)
	})
}

// isRedirect tells whether a frame tells of a better way.
func isRedirect(f netlab.CapturedFrame) bool {
	at := func(i int) byte {
		if i < len(f.Raw) {
			return f.Raw[i]
		}
		return 0
	}
	switch {
	case at(12) == 0x08 && at(13) == 0x00:
		return at(23) == 1 && at(14+20) == 5
	case at(12) == 0x86 && at(13) == 0xdd:
		return at(20) == 58 && at(14+40) == 137
	}
	return false
}

// The host routes between linked endpoints, but does not tell them to do without it.
func TestLinksCauseNoRedirects(t *testing.T) {
	t.Parallel()
	eachFilter(t, func(t *testing.T, filter string) {
		w := linkable(t, func(*bridge.NetworkSpec) {})
		w.filterBridges(filter)
		w.link("a", "a1", "a2", "80", "80/udp")
		var captures []*netlab.Capture
		for _, name := range []string{"a1", "a2"} {
			captures = append(captures, w.spaces[name].Capture("eth0", isRedirect))
		}
		for range 2 {
			w.fates(`
				a1  tcp,udp  a2:80  a2 sees a1  [links-of-ipv4: closed]
			`)
		}
		for _, c := range captures {
			for _, f := range c.Seen() {
				t.Errorf("a redirect: % x", f.Raw)
			}
		}
	})
}

// Links are of the families that both endpoints have and the host routes.
func TestLinksInSomeFamilies(t *testing.T) {
	t.Parallel()
	eachFilter(t, func(t *testing.T, filter string) {
		w := newWorld(t, bridge.Config{})
		w.needsIPv6()
		w.create(with(specA, func(s *bridge.NetworkSpec) { s.DisableICC, s.IPv6.InhibitAddress = true, true }))
		w.create(with(specB, func(s *bridge.NetworkSpec) { s.DisableICC = true }))
		w.filterBridges(filter)
		w.container("a", "a1", 2)
		w.container("a", "a2", 3)
		w.container("b", "b1", 2)
		w.endpoint("b", "four", 3, true, false, bridge.EndpointSpec{})
		w.endpoint("b", "six", 4, false, true, bridge.EndpointSpec{})
		before := w.rules()
		w.link("a", "a1", "a2", "80", "80/udp")
		w.link("b", "b1", "four", "80", "80/udp")
		w.link("b", "six", "b1", "80", "80/udp")
		w.adopts()
		w.fates(`
			a1    tcp4,udp4  a2:80    a2 sees a1
			a1    tcp6,udp6  a2:80    closed
			a2    tcp,udp    a1:80    closed
			b1    tcp4,udp4  four:80  four sees b1
			four  tcp4,udp4  b1:80    silent
			six   tcp6,udp6  b1:80    b1 sees six
			b1    tcp6,udp6  six:80   silent
		`)
		w.update(func(tx *bridge.Tx) {
			tx.Network("a").Endpoint("a1").Unlink("a2")
			tx.Network("b").Endpoint("b1").Unlink("four")
			tx.Network("b").Endpoint("six").Unlink("b1")
		})
		w.sameAs("unlinked", w.rules(), before)
	})
}

// Links of a disabled family change nothing there, and those of the other stay.
func TestLinksWithDisabledFamilies(t *testing.T) {
	t.Parallel()
	w := linkable(t, func(*bridge.NetworkSpec) {})
	w.filterBridges(filterOff)
	w.link("a", "a1", "a2", "80", "80/udp")
	for _, c := range []struct {
		off  []int
		want string
	}{
		{[]int{1}, `
			a1  tcp4,udp4  a2:80  a2 sees a1
			a2  tcp4,udp4  a1:80  silent
			a2  tcp6,udp6  a1:80  a1 sees a2
		`},
		{[]int{0}, `
			a1  tcp6,udp6  a2:80  a2 sees a1  [links-of-ipv4: closed]
			a2  tcp6,udp6  a1:80  silent
			a2  tcp4,udp4  a1:80  a1 sees a2
		`},
		{[]int{0, 1}, `
			a2  tcp,udp  a1:80  a1 sees a2
		`},
		{nil, `
			a1  tcp,udp  a2:80  a2 sees a1  [links-of-ipv4: closed]
			a2  tcp,udp  a1:80  closed
		`},
	} {
		cfg := disabling(c.off...)
		w.cfg.DisableIPv4, w.cfg.DisableIPv6 = cfg.DisableIPv4, cfg.DisableIPv6
		w.reopen()
		w.kernelIsDesired("reopened")
		w.fates(c.want)
	}
	w.cfg.DisableIPv4, w.cfg.DisableIPv6 = true, false
	w.reopen()
	w.update(func(tx *bridge.Tx) { tx.Network("a").Endpoint("a1").Unlink("a2") })
	w.kernelIsDesired("unlinked")
}

// Without an address of the host there is no way between linked endpoints, nor by a bridge with an address that the rules do not know.
func TestLinksThatCannotWork(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bridge.Config{})
	h := w.host.Netlink()
	own := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br-b", HardwareAddr: net.HardwareAddr{2, 0, 0, 0, 0, 9}}}
	if err := h.LinkAdd(own); err != nil {
		t.Fatal(err)
	}
	w.update(func(tx *bridge.Tx) {
		tx.CreateNetwork(with(specA, func(s *bridge.NetworkSpec) {
			s.DisableICC, s.Internal, s.IPv4.Mode, s.IPv6.Mode = true, true, bridge.Isolated, bridge.Isolated
		}))
	})
	w.subnets["a"] = prefixPair{specA.IPv4.Subnet, specA.IPv6.Subnet}
	w.create(with(specB, func(s *bridge.NetworkSpec) { s.DisableICC = true }))
	for i, name := range []string{"a1", "a2"} {
		w.attach("a", name, 2+i)
	}
	for i, name := range []string{"b1", "b2"} {
		w.container("b", name, 2+i)
	}
	before := w.rules()
	for _, c := range []struct{ network, from, to, text string }{
		{"a", "a1", "a2", "no address on br-a"}, {"b", "b1", "b2", "02:42:ac:1e:02:01"},
	} {
		err := w.try(func(tx *bridge.Tx) { tx.Network(c.network).Endpoint(c.from).Link(c.to, linkPorts("80")...) })
		if !errors.Is(err, fs.ErrInvalid) || !strings.Contains(err.Error(), c.text) {
			t.Errorf("a link of %s: %v, want %s", c.from, err, c.text)
		}
	}
	w.sameAs("refused", w.rules(), before)
	if err := h.LinkSetHardwareAddr(own, net.HardwareAddr{2, 0x42, 172, 30, 2, 1}); err != nil {
		t.Fatal(err)
	}
	w.link("b", "b1", "b2", "80")
	w.fates(`
		b1  tcp  b2:80  b2 sees b1  [links-of-ipv4: closed]
		b2  tcp  b1:80  silent
	`)
}
