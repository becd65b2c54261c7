package bridge_test

import (
	"bytes"
	"net"
	"net/netip"
	"slices"
	"testing"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/internal/netlab"
)

// forged are frames in which a station pretends to be what it is not.
func forged(me, sibling, host station) []linkFrame {
	udp := func(src net.HardwareAddr, from, to netip.Addr) []byte {
		return datagram(broadcast, src, from, 7000, to, 80)
	}
	arp := func(op uint16, sha net.HardwareAddr, spa, tpa netip.Addr) []byte {
		return arpOver(broadcast, me.mac, op, sha, spa, tpa)
	}
	arpWith := func(at int, v byte) []byte {
		b := arp(1, me.mac, me.ip4, sibling.ip4)
		b[14+at] = v
		return b
	}
	target := func(a netip.Addr) []byte { return a.AsSlice() }
	advert := icmp6(me.mac, me.ll6, 134, make([]byte, 12))
	stranger := net.HardwareAddr{2, 0x42, 9, 9, 9, 9}
	plain := datagram(broadcast, me.mac, me.ip4, 7000, sibling.ip4, 80)
	badHeader := datagram(broadcast, me.mac, me.ip4, 7001, sibling.ip4, 80)
	badHeader[14] = 0x44
	return []linkFrame{
		{what: "IPv4 from a sibling's MAC", raw: udp(sibling.mac, me.ip4, host.ip4)},
		{what: "IPv4 from a stranger's MAC", raw: udp(stranger, me.ip4, sibling.ip4)},
		{what: "IPv6 from a stranger's MAC", raw: udp(stranger, me.ip6, sibling.ip6)},
		{what: "another EtherType from a stranger's MAC", raw: ether(broadcast, stranger, 0x88b5, []byte("forged"))},
		{what: "another EtherType from the host's MAC", raw: ether(broadcast, host.mac, 0x88b5, []byte("forged"))},
		{what: "a sibling's IPv4 address", raw: udp(me.mac, sibling.ip4, sibling.ip4)},
		{what: "the host's IPv4 address", raw: udp(me.mac, host.ip4, sibling.ip4)},
		{what: "a foreign IPv4 address", raw: udp(me.mac, nobody, sibling.ip4)},
		{what: "no IPv4 address", raw: udp(me.mac, netip.IPv4Unspecified(), sibling.ip4)},
		{what: "an IPv4 header too short", raw: badHeader, malformed: true},
		{what: "a sibling's IPv6 address", raw: udp(me.mac, sibling.ip6, sibling.ip6)},
		{what: "the host's IPv6 address", raw: udp(me.mac, host.ip6, sibling.ip6)},
		{what: "a foreign IPv6 address", raw: udp(me.mac, nobody6, sibling.ip6)},
		{what: "a sibling's link-local address", raw: udp(me.mac, sibling.ll6, sibling.ip6)},
		{what: "the host's link-local address", raw: udp(me.mac, host.ll6, sibling.ip6)},
		{what: "udp without an IPv6 address", raw: udp(me.mac, unspecified6, sibling.ip6)},

		{what: "ARP reply for the host", raw: arp(2, me.mac, host.ip4, sibling.ip4)},
		{what: "ARP reply for a sibling", raw: arp(2, me.mac, sibling.ip4, host.ip4)},
		{what: "gratuitous ARP for the host", raw: arp(1, me.mac, host.ip4, host.ip4)},
		{what: "gratuitous ARP for a sibling", raw: arp(2, me.mac, sibling.ip4, sibling.ip4)},
		{what: "ARP of a sibling's MAC", raw: arp(2, sibling.mac, me.ip4, host.ip4)},
		{what: "ARP of a sibling, whole", raw: arp(2, sibling.mac, sibling.ip4, host.ip4)},
		{what: "ARP from a sibling's MAC", raw: arpOver(broadcast, sibling.mac, 2, sibling.mac, sibling.ip4, host.ip4)},
		{what: "ARP from a stranger's MAC", raw: arpOver(broadcast, stranger, 1, me.mac, me.ip4, host.ip4)},
		{what: "ARP probe for a sibling's address", raw: arp(1, me.mac, netip.IPv4Unspecified(), sibling.ip4)},
		{what: "ARP probe for the host's address", raw: arp(1, me.mac, netip.IPv4Unspecified(), host.ip4)},
		{what: "ARP probe from a sibling's MAC", raw: arp(1, sibling.mac, netip.IPv4Unspecified(), me.ip4)},
		{what: "ARP reply from no address", raw: arp(2, me.mac, netip.IPv4Unspecified(), me.ip4)},
		{what: "reverse ARP", raw: arp(3, me.mac, me.ip4, sibling.ip4)},
		{what: "ARP of another hardware", raw: arpWith(1, 6)},
		{what: "ARP of another protocol", raw: arpWith(2, 0x86)},
		{what: "ARP with long hardware addresses", raw: arpWith(4, 8)},
		{what: "ARP with long protocol addresses", raw: arpWith(5, 16)},

		{what: "advertisement of the host", raw: icmp6(me.mac, me.ip6, 136, reserved, target(host.ip6), option(2, me.mac))},
		{what: "advertisement of the host's link-local address", raw: icmp6(me.mac, me.ip6, 136, reserved, target(host.ll6), option(2, me.mac))},
		{what: "advertisement of a sibling", raw: icmp6(me.mac, me.ip6, 136, reserved, target(sibling.ip6), option(2, me.mac))},
		{what: "advertisement of a sibling without a MAC", raw: icmp6(me.mac, me.ip6, 136, reserved, target(sibling.ip6))},
		{what: "advertisement of a sibling's MAC", raw: icmp6(me.mac, me.ip6, 136, reserved, target(me.ip6), option(2, sibling.mac))},
		{what: "advertisement with a second option", raw: icmp6(me.mac, me.ip6, 136, reserved, target(me.ip6), option(2, me.mac), option(2, sibling.mac))},
		{what: "advertisement behind an extension header", raw: behind(icmp6(me.mac, me.ip6, 136, reserved, target(me.ip6), option(2, me.mac)), 60, []byte{0, 0, 1, 4, 0, 0, 0, 0})},
		{what: "advertisement from no address", raw: icmp6(me.mac, unspecified6, 136, reserved, target(me.ip6), option(2, me.mac))},
		{what: "solicitation with a sibling's MAC", raw: icmp6(me.mac, me.ip6, 135, reserved, target(host.ip6), option(1, sibling.mac))},
		{what: "solicitation with a second option", raw: icmp6(me.mac, me.ip6, 135, reserved, target(host.ip6), option(1, me.mac), option(1, sibling.mac))},
		{what: "solicitation from a sibling", raw: icmp6(me.mac, sibling.ip6, 135, reserved, target(host.ip6), option(1, me.mac))},
		{what: "duplicate address detection for a sibling", raw: icmp6(me.mac, unspecified6, 135, reserved, target(sibling.ip6))},
		{what: "duplicate address detection for the host", raw: icmp6(me.mac, unspecified6, 135, reserved, target(host.ll6))},
		{what: "duplicate address detection with a MAC", raw: icmp6(me.mac, unspecified6, 135, reserved, target(me.ip6), option(1, sibling.mac))},
		{what: "duplicate address detection from a sibling's MAC", raw: icmp6(sibling.mac, unspecified6, 135, reserved, target(me.ip6))},
		{what: "router solicitation with a sibling's MAC", raw: icmp6(me.mac, me.ll6, 133, reserved, option(1, sibling.mac))},
		{what: "router solicitation with a MAC, from no address", raw: icmp6(me.mac, unspecified6, 133, reserved, option(1, sibling.mac))},
		{what: "ping from no address", raw: icmp6(me.mac, unspecified6, 128, reserved)},

		{what: "router advertisement", raw: advert},
		{what: "router advertisement from the global address", raw: icmp6(me.mac, me.ip6, 134, make([]byte, 12))},
		{what: "router advertisement of the host", raw: icmp6(me.mac, host.ll6, 134, make([]byte, 12))},
		{what: "router advertisement behind hop-by-hop options", raw: behind(advert, 0, []byte{0, 0, 1, 4, 0, 0, 0, 0})},
		{what: "router advertisement behind destination options", raw: behind(advert, 60, []byte{0, 0, 1, 4, 0, 0, 0, 0})},
		{what: "router advertisement in an atomic fragment", raw: behind(advert, 44, []byte{0, 0, 0, 0, 0, 0, 0, 1}), malformed: true},
		{what: "router advertisement in a first fragment", raw: behind(advert, 44, []byte{0, 0, 0, 1, 0, 0, 0, 2}), malformed: true},
		{what: "a first fragment that ends in an extension header",
			raw: behind(behind(advert[:14+40], 60, []byte{0, 3, 1, 4, 0, 0, 0, 0}), 44, []byte{0, 0, 0, 1, 0, 0, 0, 3}), malformed: true},
		{what: "redirect", raw: icmp6(me.mac, me.ll6, 137, make([]byte, 36)), malformed: true},
		{what: "multicast listener query", raw: icmp6(me.mac, me.ll6, 130, make([]byte, 20))},
		{what: "multicast router advertisement", raw: icmp6(me.mac, me.ll6, 151, reserved)},
		{what: "inverse solicitation", raw: icmp6(me.mac, me.ll6, 141, reserved, option(1, me.mac)), malformed: true},

		{what: "DHCP answer", raw: datagram(broadcast, me.mac, me.ip4, 67, netip.MustParseAddr("255.255.255.255"), 68)},
		{what: "DHCP answer from another port", raw: datagram(broadcast, me.mac, me.ip4, 7000, netip.MustParseAddr("255.255.255.255"), 68)},
		{what: "DHCP from a server", raw: datagram(sibling.mac, me.mac, me.ip4, 67, sibling.ip4, 7000)},
		{what: "DHCPv6 answer", raw: datagram(sibling.mac, me.mac, me.ll6, 547, sibling.ll6, 546)},
		{what: "DHCPv6 answer from another port", raw: datagram(sibling.mac, me.mac, me.ip6, 7000, sibling.ip6, 546)},

		{what: "a tagged frame", raw: tagged(plain, 0x8100, 5)},
		{what: "a frame with a priority tag", raw: tagged(plain, 0x8100, 0x2000)},
		{what: "a tagged ARP reply for the host", raw: tagged(arp(2, me.mac, host.ip4, sibling.ip4), 0x8100, 0x4000)},
		{what: "a provider's tag", raw: tagged(plain, 0x88a8, 6)},
		{what: "two tags", raw: tagged(tagged(plain, 0x8100, 5), 0x88a8, 6)},
		{what: "an old double tag", raw: tagged(tagged(plain, 0x8100, 5), 0x9100, 6)},
		{what: "a bridge's BPDU", raw: ether(net.HardwareAddr{1, 0x80, 0xc2, 0, 0, 0}, me.mac, 38, append([]byte{0x42, 0x42, 3}, make([]byte, 35)...))},
	}
}

// honest are frames that a station may send.
func honest(me, sibling, host station) []linkFrame {
	udp := func(dst net.HardwareAddr, from, to netip.Addr) []byte {
		return datagram(dst, me.mac, from, 7001, to, 80)
	}
	arp := func(op uint16, spa, tpa netip.Addr) []byte {
		return arpOver(broadcast, me.mac, op, me.mac, spa, tpa)
	}
	target := func(a netip.Addr) []byte { return a.AsSlice() }
	report := func(from netip.Addr) []byte {
		record := append([]byte{4, 0, 0, 0}, netip.MustParseAddr("ff02::fb").AsSlice()...)
		return behind(icmp6(me.mac, from, 143, []byte{0, 0, 0, 1}, record), 0, []byte{0, 0, 5, 2, 0, 0, 1, 0})
	}
	return []linkFrame{
		{what: "IPv4", raw: udp(sibling.mac, me.ip4, sibling.ip4)},
		{what: "IPv4 to the host", raw: udp(host.mac, me.ip4, host.ip4)},
		{what: "IPv6", raw: udp(sibling.mac, me.ip6, sibling.ip6)},
		{what: "IPv6 from the link-local address", raw: udp(sibling.mac, me.ll6, sibling.ll6)},
		{what: "a question to a DHCP server", raw: datagram(sibling.mac, me.mac, me.ip4, 68, sibling.ip4, 67)},
		{what: "ping", raw: icmp6(me.mac, me.ip6, 128, reserved)},
		{what: "a later fragment", raw: behind(icmp6(me.mac, me.ip6, 128, []byte("fragment....")), 44, []byte{0, 0, 0, 8, 0, 0, 0, 4}), malformed: true},

		{what: "ARP request", raw: arp(1, me.ip4, sibling.ip4)},
		{what: "ARP reply", raw: arp(2, me.ip4, sibling.ip4)},
		{what: "gratuitous ARP", raw: arp(1, me.ip4, me.ip4)},
		{what: "ARP probe", raw: arp(1, netip.IPv4Unspecified(), me.ip4)},

		{what: "solicitation", raw: icmp6(me.mac, me.ip6, 135, reserved, target(sibling.ip6), option(1, me.mac))},
		{what: "solicitation without a MAC", raw: icmp6(me.mac, me.ll6, 135, reserved, target(sibling.ip6))},
		{what: "advertisement", raw: icmp6(me.mac, me.ip6, 136, reserved, target(me.ip6), option(2, me.mac))},
		{what: "advertisement without a MAC", raw: icmp6(me.mac, me.ip6, 136, reserved, target(me.ip6))},
		{what: "advertisement of the link-local address", raw: icmp6(me.mac, me.ll6, 136, reserved, target(me.ll6), option(2, me.mac))},
		{what: "duplicate address detection", raw: icmp6(me.mac, unspecified6, 135, reserved, target(me.ip6))},
		{what: "duplicate address detection with a nonce", raw: icmp6(me.mac, unspecified6, 135, reserved, target(me.ll6), option(14, net.HardwareAddr{1, 2, 3, 4, 5, 6}))},
		{what: "router solicitation", raw: icmp6(me.mac, me.ll6, 133, reserved, option(1, me.mac))},
		{what: "router solicitation from no address", raw: icmp6(me.mac, unspecified6, 133, reserved)},
		{what: "multicast report", raw: report(me.ll6)},
		{what: "multicast report from no address", raw: report(unspecified6)},

		{what: "another EtherType", raw: ether(sibling.mac, me.mac, 0x88b5, []byte("honest"))},
		{what: "another EtherType to all", raw: ether(broadcast, me.mac, 0x88b5, []byte("honest to all"))},
	}
}

// wellFormed takes out what is malformed, if br_netfilter is on.
func wellFormed(frames []linkFrame, filter string) []linkFrame {
	var out []linkFrame
	for _, f := range frames {
		if !f.malformed || filter == filterOff {
			out = append(out, f)
		}
	}
	return out
}

// An endpoint sends in its own name only, unless it may do otherwise.
func TestSpoofing(t *testing.T) {
	t.Parallel()
	eachFilter(t, func(t *testing.T, filter string) {
		w := newWorld(t, bridge.Config{})
		w.networkA()
		w.filterBridges(filter)
		w.container("a", "a1", 2)
		w.container("a", "a2", 3)
		w.endpoint("a", "free", 4, true, true, bridge.EndpointSpec{AllowSpoofing: true})
		w.endpoint("a", "four", 5, true, false, bridge.EndpointSpec{HostIfName: "port4"})
		if w.host.Index("port4") == 0 {
			t.Error("the interface has another name")
		}
		if !w.ipv4Only {
			w.endpoint("a", "six", 6, false, true, bridge.EndpointSpec{})
		}
		me, sibling, host := w.station("a1", "eth0"), w.station("a2", "eth0"), w.station("gw-a", "br-a")
		watchers := []*watcher{w.watch("a2", w.spaces["a2"], "eth0"), w.watch("the host", w.host, "br-a")}

		w.arrive("a1", forged(me, sibling, host), wellFormed(honest(me, sibling, host), filter), watchers...)
		// Without an address of a family an endpoint sends nothing of it.
		four := w.station("four", "eth0")
		split := func(me station, family string) (mine, other []linkFrame) {
			for _, f := range wellFormed(honest(me, sibling, host), filter) {
				switch is6 := f.raw[12] == 0x86; {
				case f.raw[12] == 0x88:
					mine = append(mine, f)
				case is6 == (family == "IPv6"):
					mine = append(mine, f)
				default:
					other = append(other, f)
				}
			}
			return mine, other
		}
		mine, other := split(four, "IPv4")
		w.arrive("four", append(other, linkFrame{what: "IPv6 from an address of its own", raw: datagram(sibling.mac, four.mac, four.ll6, 1, sibling.ll6, 2)}), mine, watchers...)
		if !w.ipv4Only {
			six := w.station("six", "eth0")
			six.ip4 = nth(w.subnets["a"][0], 6)
			mine, other = split(six, "IPv6")
			w.arrive("six", other, mine, watchers...)
			w.fates(`
				six   tcp6,udp6          a2:80    a2 sees six
			`)
		}

		// All of this is no hindrance.
		w.fates(`
			a1    tcp,udp,sctp       a2:80    a2 sees a1
			a1    icmp               a2       delivered
			free  tcp,udp            a2:80    a2 sees free
			four  tcp4,udp4          a2:80    a2 sees four
			a1    tcp,udp            ext:80   ext sees host
			a2    tcp,udp            gw-a:99  refused
		`)

		// Who may spoof does all of it, in the others' names: nobody trusts their neighbours afterwards.
		free := w.station("free", "eth0")
		all := wellFormed(append(honest(free, sibling, host), forged(free, sibling, host)...), filter)
		if filter == filterOn && w.differs("forged-host-source", 1) {
			all = slices.DeleteFunc(all, func(f linkFrame) bool { return f.what == "the host's link-local address" })
		}
		if w.ipv4Only {
			// The sibling answers no IPv6, so that the bridge would go on looking for it where its MAC was last.
			all = slices.DeleteFunc(all, func(f linkFrame) bool { return f.raw[12] == 0x86 && bytes.Equal(f.raw[6:12], sibling.mac) })
		}
		w.arrive("free", nil, all, watchers...)
	})
}

// A frame in somebody else's name is dropped though that one's connection is established.
func TestSpoofingInsideAConnection(t *testing.T) {
	t.Parallel()
	eachFilter(t, func(t *testing.T, filter string) {
		w := newWorld(t, bridge.Config{})
		w.networkA()
		w.filterBridges(filter)
		w.container("a", "a1", 2)
		w.container("a", "a2", 3)
		w.endpoint("a", "free", 4, true, true, bridge.EndpointSpec{AllowSpoofing: true})
		for i := range w.families() {
			probe := netlab.RawProbe{
				From: w.spaces["a1"], Interface: "eth0", DstMAC: w.host.MAC("br-a"), Proto: "udp",
				Src: netip.AddrPortFrom(w.addrs["a1"][i], 7000), Dst: netip.AddrPortFrom(w.addrs["ext"][i], 80), Watch: w.ext,
			}
			if r := w.RawProbe(probe); !r.Answered {
				t.Errorf("%s: the connection: %s", families[i], r)
			}
			for _, from := range []string{"a2", "free"} {
				probe.From = w.spaces[from]
				if r := w.RawProbe(probe); r.Err != nil || r.Arrived != (from == "free") {
					t.Errorf("%s: in a1's connection from %s: %s", families[i], from, r)
				}
			}
		}
	})
}

// The rules are in force before there is a link: an interface of the name that was promised is guarded when it appears.
func TestSpoofingBeforeTheLink(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bridge.Config{})
	w.networkA()
	w.filterBridges(filterOff)
	w.container("a", "a2", 3)
	w.addrs["own"] = addrPair{nth(w.subnets["a"][0], 7), nth(w.subnets["a"][1], 7)}
	spec := bridge.EndpointSpec{Name: "own", IPv4: w.addrs["own"][0], IPv6: w.addrs["own"][1], HostIfName: "port7"}
	space := w.Namespace("own")
	w.spaces["own"] = space
	w.Veth(w.host, "made", space, "eth0")
	spec.MAC = space.MAC("eth0")
	w.update(func(tx *bridge.Tx) { tx.Network("a").Attach(spec) })
	w.reopen() // the name is read back
	w.byNetlink("made", "port7", "br-a")

	me, sibling, host := w.station("own", "eth0"), w.station("a2", "eth0"), w.station("gw-a", "br-a")
	watchers := []*watcher{w.watch("a2", w.spaces["a2"], "eth0"), w.watch("the host", w.host, "br-a")}
	w.arrive("own", forged(me, sibling, host), honest(me, sibling, host), watchers...)
}
