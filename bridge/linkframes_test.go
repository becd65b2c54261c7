package bridge_test

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/internal/netlab"
)

// A linkFrame is a frame that a container sends, and what it is.
type linkFrame struct {
	what string
	raw  []byte
	// malformed tells that it does not get through br_netfilter whole, whoever sends it: fragments, broken headers, and
	// what connection tracking takes for invalid.
	malformed bool
}

var (
	broadcast    = net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	allNodesMAC  = net.HardwareAddr{0x33, 0x33, 0, 0, 0, 1}
	allNodes     = netip.MustParseAddr("ff02::1")
	unspecified6 = netip.IPv6Unspecified()
	nobody       = netip.MustParseAddr("198.51.100.7")
	nobody6      = netip.MustParseAddr("2001:db8:ffff::7")
)

// A station is somebody on a bridge.
type station struct {
	mac           net.HardwareAddr
	ip4, ip6, ll6 netip.Addr
}

func (w *world) station(name, ifname string) station {
	w.t.Helper()
	space := w.spaces[name]
	if space == nil {
		space = w.host
	}
	s := station{mac: space.MAC(ifname), ip4: w.addrs[name][0], ip6: w.addrs[name][1]}
	s.ll6 = eui64(s.mac)
	if !s.ip6.IsValid() { // one that it would have
		s.ip6 = netip.AddrFrom16([16]byte{0: 0xfd, 3: 0x30, 5: s.ip4.As4()[2], 15: s.ip4.As4()[3]})
	}
	return s
}

func eui64(m net.HardwareAddr) netip.Addr {
	return netip.AddrFrom16([16]byte{0xfe, 0x80, 8: m[0] ^ 2, m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5]})
}

func ether(dst, src net.HardwareAddr, etherType uint16, payload []byte) []byte {
	return netlab.Frame{Dst: dst, Src: src, EtherType: etherType, Payload: payload}.Marshal()
}

// datagram is a udp packet.
func datagram(dst, src net.HardwareAddr, from netip.Addr, sport uint16, to netip.Addr, dport uint16) []byte {
	return netlab.Frame{
		Dst: dst, Src: src, Proto: "udp", From: netip.AddrPortFrom(from, sport), To: netip.AddrPortFrom(to, dport), Payload: []byte("frame"),
	}.Marshal()
}

// arpOver is an ARP packet with everything in it open to choice.
func arpOver(dst, src net.HardwareAddr, op uint16, sha net.HardwareAddr, spa netip.Addr, tpa netip.Addr) []byte {
	b := []byte{0, 1, 8, 0, 6, 4}
	b = binary.BigEndian.AppendUint16(b, op)
	b = append(append(b, sha...), spa.AsSlice()...)
	b = append(append(b, make([]byte, 6)...), tpa.AsSlice()...)
	return ether(dst, src, 0x0806, b)
}

// icmp6 is an ICMPv6 packet to all nodes, with a checksum.
func icmp6(src net.HardwareAddr, from netip.Addr, kind byte, body ...[]byte) []byte {
	return netlab.Frame{
		Dst: allNodesMAC, Src: src, Proto: "icmp", From: netip.AddrPortFrom(from, 0), To: netip.AddrPortFrom(allNodes, 0),
		Payload: append([]byte{kind, 0, 0, 0}, bytes.Join(body, nil)...),
	}.Marshal()
}

// behind puts the payload of an IPv6 packet behind an extension header.
func behind(frame []byte, kind byte, header []byte) []byte {
	const network, ipv6 = 14, 40
	out := append([]byte(nil), frame[:network+ipv6]...)
	header[0] = out[network+6]
	out[network+6] = kind
	out = append(append(out, header...), frame[network+ipv6:]...)
	binary.BigEndian.PutUint16(out[network+4:], uint16(len(out)-network-ipv6))
	return out
}

// option is a link-layer address, or another option of eight bytes, in neighbour discovery.
func option(kind byte, mac net.HardwareAddr) []byte { return append([]byte{kind, 1}, mac...) }

var reserved = make([]byte, 4)

// tagged puts a VLAN tag of some EtherType on a frame.
func tagged(frame []byte, etherType, tag uint16) []byte {
	out := append([]byte(nil), frame[:12]...)
	out = binary.BigEndian.AppendUint16(out, etherType)
	out = binary.BigEndian.AppendUint16(out, tag)
	return append(out, frame[12:]...)
}

// untagged is the frame as a capture shows it: the kernel takes the tags off that it knows.
func untagged(frame []byte) []byte {
	if t := binary.BigEndian.Uint16(frame[12:]); t != 0x8100 && t != 0x88a8 {
		return frame
	}
	return append(append([]byte(nil), frame[:12]...), frame[16:]...)
}

// A watcher is a place where frames arrive.
type watcher struct {
	name    string
	mac     net.HardwareAddr
	capture *netlab.Capture
}

func (w *world) watch(name string, space *netlab.Namespace, ifname string) *watcher {
	w.t.Helper()
	return &watcher{name, space.MAC(ifname), space.Capture(ifname, func(f netlab.CapturedFrame) bool { return !f.Outgoing })}
}

// gets tells whether a frame is addressed to the watcher.
func (v *watcher) gets(frame []byte) bool { return frame[0]&1 != 0 || bytes.Equal(frame[:6], v.mac) }

func (v *watcher) saw(frame []byte) bool {
	for _, f := range v.capture.Seen() {
		if bytes.Equal(f.Raw, untagged(frame)) {
			return true
		}
	}
	return false
}

// await waits until the watcher has seen a frame.
func (v *watcher) await(frame []byte) bool {
	for !v.saw(frame) {
		if _, ok := v.capture.Next(0); !ok {
			return v.saw(frame)
		}
	}
	return true
}

// arrive sends frames from a container and compares where they arrive: those of passing everywhere that they are
// addressed to, those of dropped nowhere. They are sent last, so that they have overtaken none. With a layout without IPv6 those
// of IPv6 are dropped, unless the container may send in others' names.
func (w *world) arrive(from string, dropped, passing []linkFrame, watchers ...*watcher) {
	w.t.Helper()
	if lacksIPv6() && w.judged(from) { // it has no address of IPv6 that it may send from
		var ipv4 []linkFrame
		dropped = dropped[:len(dropped):len(dropped)]
		for _, f := range passing {
			if binary.BigEndian.Uint16(f.raw[12:]) == 0x86dd {
				dropped = append(dropped, f)
			} else {
				ipv4 = append(ipv4, f)
			}
		}
		passing = ipv4
	}
	w.deliver(from, dropped, passing, watchers...)
}

// deliver is arrive with the frames as they are.
func (w *world) deliver(from string, dropped, passing []linkFrame, watchers ...*watcher) {
	w.t.Helper()
	for _, f := range append(dropped[:len(dropped):len(dropped)], passing...) {
		w.spaces[from].SendFrame("eth0", f.raw)
	}
	for _, f := range passing {
		for _, v := range watchers {
			if v.gets(f.raw) && !v.await(f.raw) {
				w.t.Errorf("%s: %s does not reach %s", from, f.what, v.name)
			}
		}
	}
	for _, v := range watchers {
		v.sawNone(w.t, dropped)
	}
}

// judged tells whether an endpoint may not send in others' names.
func (w *world) judged(endpoint string) bool {
	v := w.fw.View()
	for n := range v.Networks() {
		if e := v.Endpoint(n.Spec.Name, endpoint); e != nil {
			return !e.Spec.AllowSpoofing
		}
	}
	w.t.Fatalf("there is no endpoint %s", endpoint)
	return false
}

func (v *watcher) sawNone(t testing.TB, frames []linkFrame) {
	t.Helper()
	for _, f := range frames {
		if v.saw(f.raw) {
			t.Errorf("%s reaches %s", f.what, v.name)
		}
	}
}

// endpoint attaches and connects an endpoint with addresses of its network by its host part, in the families that the
// words say, and answers on port 80.
func (w *world) endpoint(network, name string, hostPart int, ipv4, ipv6 bool, spec bridge.EndpointSpec) {
	w.t.Helper()
	var pair addrPair
	for i, p := range w.subnets[network] {
		if p.IsValid() && []bool{ipv4, ipv6}[i] {
			pair[i] = nth(p, hostPart)
		}
	}
	w.addrs[name] = pair
	spec.Name, spec.IPv4, spec.IPv6 = name, pair[0], pair[1]
	w.update(func(tx *bridge.Tx) { tx.Network(network).Attach(spec) })
	w.connect(network, name)
	w.serve(name, 80)
}

// eachFilter runs a test with br_netfilter on and off.
func eachFilter(t *testing.T, test func(*testing.T, string)) {
	for _, filter := range bridgeFilters(t) {
		t.Run(strings.ReplaceAll(filter, " ", "="), func(t *testing.T) {
			t.Parallel()
			test(t, filter)
		})
	}
}

// byNetlink renames an interface of the host and makes it a port of a bridge.
func (w *world) byNetlink(name, newName, bridgeName string) {
	w.t.Helper()
	h := w.host.Netlink()
	link, err := h.LinkByName(name)
	if err != nil {
		w.t.Fatal(err)
	}
	master, err := h.LinkByName(bridgeName)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, step := range []func() error{
		func() error { return h.LinkSetDown(link) },
		func() error { return h.LinkSetName(link, newName) },
		func() error { return h.LinkSetMasterByIndex(link, master.Attrs().Index) },
		func() error { return h.LinkSetUp(link) },
	} {
		if err := step(); err != nil {
			w.t.Fatal(err)
		}
	}
}
