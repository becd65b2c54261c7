package netlab

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"net"
	"net/netip"
	"reflect"
	"testing"
)

func addrPort(text string) netip.AddrPort { return netip.MustParseAddrPort(text) }

// The kernel and the servers accept what Marshal builds: lengths and checksums are right.
func TestRawProbeIsAnswered(t *testing.T) {
	t.Parallel()
	web, phone := pair(t)
	for _, proto := range []string{"tcp", "udp", "sctp"} {
		web.Listen(proto, ":80")
		for _, addrs := range families {
			got := phone.lab.RawProbe(RawProbe{
				From: phone, Interface: "eth0", DstMAC: web.MAC("eth0"),
				Proto: proto, Src: endpoint(addrs.phone, 0), Dst: endpoint(addrs.web, 80), Watch: web,
			})
			if got.Err != nil || !got.Arrived || !got.Answered || got.As.To != endpoint(addrs.web, 80) ||
				got.Reply.From != endpoint(addrs.web, 80) {
				t.Errorf("%s to %s: %v", proto, addrs.web, got)
			}
		}
	}
}

// A frame to 127.0.0.1 of a neighbour is delivered only if that neighbour has been told to route it.
func TestRawProbeToLoopback(t *testing.T) {
	t.Parallel()
	web, phone := pair(t)
	for _, proto := range []string{"tcp", "udp"} {
		web.Listen(proto, "127.0.0.1:80")
	}
	for _, routed := range []bool{false, true} {
		if routed {
			web.SetSysctl("net.ipv4.conf.eth0.route_localnet", "1")
		}
		var probes []RawProbe
		for _, proto := range []string{"tcp", "udp"} {
			// From an own address, and from nobody's.
			for _, src := range []string{"192.0.2.2:0", "192.0.2.66:0"} {
				probes = append(probes, RawProbe{
					From: phone, Interface: "eth0", DstMAC: web.MAC("eth0"), Proto: proto,
					Src: addrPort(src), Dst: addrPort("127.0.0.1:80"), Watch: web,
				})
			}
		}
		for i, got := range phone.lab.RawProbeAll(probes) {
			if got.Err != nil || !got.Arrived || got.Answered != routed {
				t.Errorf("%s from %s with route_localnet %v: %v", probes[i].Proto, probes[i].Src, routed, got)
			}
		}
	}
}

// An answer to an address that nobody has still counts: the attacker claims the address when asked for it.
func TestRawProbeFromAStolenAddress(t *testing.T) {
	t.Parallel()
	web, phone := pair(t)
	web.Listen("tcp", ":80")
	for src, dst := range map[string]string{"192.0.2.66": "192.0.2.1", "2001:db8::66": "2001:db8::1"} {
		got := phone.lab.RawProbe(RawProbe{
			From: phone, Interface: "eth0", DstMAC: web.MAC("eth0"), SrcMAC: net.HardwareAddr{2, 0, 0, 0, 0, 66},
			Proto: "tcp", Src: endpoint(src, 0), Dst: endpoint(dst, 80), Watch: web,
		})
		if got.Err != nil || !got.Answered || got.Reply.To.Addr().String() != src {
			t.Errorf("from %s: %v", src, got)
		}
	}
}

func TestRawProbeSeesNothingBehindARouter(t *testing.T) {
	t.Parallel()
	lab := New(t)
	outside, inside := lab.LAN("outside"), lab.LAN("inside")
	router, web, phone := lab.Namespace("router"), lab.Namespace("web"), lab.Namespace("phone")
	outside.Plug(router, "eth0", "192.0.2.1/24")
	inside.Plug(router, "eth1", "198.51.100.1/24")
	inside.Plug(web, "eth0", "198.51.100.2/24")
	outside.Plug(phone, "eth0", "192.0.2.2/24")
	web.Route("default", "198.51.100.1")
	web.Listen("tcp", ":80")
	probe := RawProbe{
		From: phone, Interface: "eth0", DstMAC: router.MAC("eth0"), Proto: "tcp",
		Src: addrPort("192.0.2.2:0"), Dst: addrPort("198.51.100.2:80"), Watch: web,
	}
	if got := lab.RawProbe(probe); got.Err != nil || got.Arrived || got.Answered {
		t.Errorf("a host that does not forward: %v", got)
	}
	router.Forward()
	if got := lab.RawProbe(probe); !got.Arrived || !got.Answered || got.As.From.Addr() != probe.Src.Addr() {
		t.Errorf("a router: %v", got)
	}
	phone.Route("198.51.100.0/24", "192.0.2.1")
	if got := phone.Probe("tcp", "198.51.100.2:80"); got.Outcome != Delivered || got.Source != got.Local {
		t.Errorf("through the router: %v", got)
	}
	probe.Dst = addrPort("[2001:db8::1]:80")
	if got := lab.RawProbe(probe); got.Err == nil {
		t.Errorf("addresses of two families: %v", got)
	}
}

func TestCapture(t *testing.T) {
	t.Parallel()
	web, phone := pair(t)
	arp := func(f CapturedFrame) bool { return f.Proto == arpReply }
	received, sent := phone.Capture("eth0", arp), web.Capture("", arp)
	question := Frame{
		Dst: net.HardwareAddr{255, 255, 255, 255, 255, 255}, Src: phone.MAC("eth0"), Proto: arpRequest,
		From: addrPort("192.0.2.2:0"), To: addrPort("192.0.2.1:0"),
	}
	phone.SendFrame("eth0", question.Marshal())
	got, ok := received.Next(0)
	if !ok || got.Outgoing || got.Src.String() != web.MAC("eth0").String() || got.From != question.To ||
		got.Index != phone.Index("eth0") {
		t.Errorf("answer %v %v", ok, got)
	}
	if got, ok := sent.Next(0); !ok || !got.Outgoing {
		t.Errorf("the answer was not seen where it was sent: %v %v", ok, got)
	}
	if seen := received.Seen(); len(seen) != 1 {
		t.Errorf("%d frames: %v", len(seen), seen)
	}
}

func TestCaptureSeesVLANTags(t *testing.T) {
	t.Parallel()
	web, phone := pair(t)
	const etherType = 0x88b5 // for local experiments
	capture := web.Capture("eth0", func(f CapturedFrame) bool { return f.EtherType == etherType })
	for _, vlan := range []uint16{0, 7, 0xe00a} {
		frame := Frame{Dst: web.MAC("eth0"), Src: phone.MAC("eth0"), VLAN: vlan, EtherType: etherType, Payload: make([]byte, 46)}
		phone.SendFrame("eth0", frame.Marshal())
		got, ok := capture.Next(0)
		if !ok || got.VLAN != vlan || !reflect.DeepEqual(got.Payload, frame.Payload) {
			t.Errorf("VLAN %d: %v %+v", vlan, ok, got)
		}
	}
}

func TestFramesReadBack(t *testing.T) {
	a, b := net.HardwareAddr{2, 0, 0, 0, 0, 1}, net.HardwareAddr{2, 0, 0, 0, 0, 2}
	for _, pair := range [][2]string{{"192.0.2.1", "198.51.100.1"}, {"2001:db8::1", "::1"}} {
		for i, f := range []Frame{
			{Proto: "tcp", TCPFlags: SYN | ACK, Seq: 1, Ack: 2, Payload: []byte("odd")},
			{Proto: "udp", Payload: []byte("even")},
			{Proto: "sctp", Seq: 1, Ack: 2, Payload: []byte("cookie!")},
			{Proto: "sctp", Seq: 1},
		} {
			f.Dst, f.Src, f.VLAN = a, b, uint16(i)
			f.From, f.To = endpoint(pair[0], 1000), endpoint(pair[1], 2000)
			got := ParseFrame(f.Marshal())
			f.EtherType = got.EtherType
			if !reflect.DeepEqual(got, f) {
				t.Errorf("got %+v\nwant %+v", got, f)
			}
		}
	}
}

func FuzzParseFrame(f *testing.F) {
	for _, proto := range []string{"tcp", "udp", "sctp", "icmp", "47"} {
		for _, addr := range []string{"192.0.2.1", "2001:db8::1"} {
			frame := Frame{Proto: proto, From: endpoint(addr, 1), To: endpoint(addr, 2), Seq: 3, Payload: []byte("payload")}
			f.Add(frame.Marshal())
		}
	}
	f.Add(Frame{Proto: arpReply, From: endpoint("192.0.2.1", 0), To: endpoint("192.0.2.2", 0)}.Marshal())
	f.Fuzz(func(t *testing.T, b []byte) {
		frame := ParseFrame(b)
		if frame.Proto == "" && frame.EtherType == 0 {
			return
		}
		// What was read, written and read again says the same, except for what Marshal does not write: TCP options.
		again := ParseFrame(frame.Marshal())
		if fmt.Sprint(again) != fmt.Sprint(frame) {
			t.Errorf("got %v\nwant %v", again, frame)
		}
	})
}

func FuzzParseSCTP(f *testing.F) {
	f.Add(sctpChunk{sport: 1, dport: 2, kind: sctpInit, initTag: 3}.marshal())
	f.Add(sctpChunk{sport: 1, dport: 2, tag: 4, kind: sctpInitAck, initTag: 3, cookie: []byte("cookie")}.marshal())
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) >= 12 { // no fuzzer guesses a checksum
			b = append([]byte(nil), b...)
			copy(b[8:], make([]byte, 4))
			binary.LittleEndian.PutUint32(b[8:], crc32.Checksum(b, castagnoli))
		}
		c, ok := parseSCTP(b)
		if !ok {
			return
		}
		if again, ok := parseSCTP(c.marshal()); !ok || !reflect.DeepEqual(again, c) {
			t.Errorf("got %+v %v\nwant %+v", again, ok, c)
		}
	})
}
