package bridge

import (
	"math/rand/v2"
	"net"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"github.com/seawall-net/seawall/nft"
	"github.com/seawall-net/seawall/portmap"
)

// randomFacts makes a fact of every kind, with every field anything it can be.
func randomFacts(rnd *rand.Rand) []Fact {
	addr := func() netip.Addr {
		var v6 [16]byte
		for i := range v6 {
			v6[i] = byte(rnd.Uint32())
		}
		switch rnd.IntN(3) {
		case 0:
			return netip.Addr{}
		case 1:
			return netip.AddrFrom4([4]byte(v6[:4]))
		}
		return netip.AddrFrom16(v6)
	}
	text := func(n int) string {
		b := make([]byte, rnd.IntN(n+1))
		for i := range b {
			b[i] = byte(rnd.Uint32())
		}
		return string(b)
	}
	gateway := func() (g Gateway) {
		if a := addr(); a.IsValid() {
			g = Gateway{Subnet: netip.PrefixFrom(a, rnd.IntN(a.BitLen()+1)), Address: addr()}
		}
		return g
	}
	ports := func() portmap.Ports { return portmap.Ports{First: uint16(rnd.Uint32()), Last: uint16(rnd.Uint32())} }
	order := func() uint64 { return rnd.Uint64() >> (16 + rnd.IntN(48)) }

	h := &Host{AllowDirectRouting: rnd.IntN(2) == 0}
	f := &Forwarding{Family: []nft.Family{nft.IPv4, nft.IPv6}[rnd.IntN(2)]}
	n := &Network{Host: h, Order: order(), Spec: NetworkSpec{Name: text(maxName), Bridge: text(maxIfName), IPv4: gateway(), IPv6: gateway(), MTU: rnd.IntN(65536)}}
	e := &Endpoint{Network: n, Order: order(), Spec: EndpointSpec{Name: text(maxName), IPv4: addr(), IPv6: addr(), MAC: net.HardwareAddr(text(6))}}
	b := &Binding{Endpoint: e, Order: order(), Port: portmap.Binding{HostAddr: addr(), Proto: portmap.Proto(rnd.IntN(3)), Host: ports(), Container: ports()}}
	h.record, f.record, n.record, e.record = h.encode("native"), f.encode(), n.encode(), e.encode()
	return []Fact{h, f, n, e, b}
}

func wantRecord(f Fact) record {
	switch f := f.(type) {
	case *Host:
		return record{kind: recordHost, layout: "native", host: Host{AllowDirectRouting: f.AllowDirectRouting}}
	case *Forwarding:
		return record{kind: recordForward, family: f.Family, order: uint64(f.Family)}
	case *Network:
		return record{kind: recordNetwork, order: f.Order, network: f.Spec}
	case *Endpoint:
		return record{kind: recordEndpoint, order: f.Order, parent: f.Network.Order, end: f.Spec}
	case *Binding:
		return record{kind: recordBinding, order: f.Order, parent: f.Endpoint.Order, binding: f.Port}
	}
	return record{}
}

func TestRecordsRoundTrip(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(1, 5))
	for range 2000 {
		for _, f := range randomFacts(rnd) {
			got, err := decodeRecord(f.Record())
			if err != nil {
				t.Fatalf("%+v: %v", f, err)
			}
			if want := wantRecord(f); !reflect.DeepEqual(got, want) {
				t.Fatalf("got %+v, want %+v", got, want)
			}
		}
	}
}

// Even the largest facts fit into the kernel.
func TestLargestRecordsFit(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("n", maxName)
	v6 := netip.MustParsePrefix("fd00:1:2:3:4:5:6:0/113")
	n := &Network{Order: 1<<48 - 1, Spec: NetworkSpec{Name: long, Bridge: strings.Repeat("b", maxIfName),
		IPv4: Gateway{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParseAddr("10.255.255.254")},
		IPv6: Gateway{v6, v6.Addr().Next()}, MTU: 65535}}
	e := &Endpoint{Network: n, Order: 1<<48 - 1, Spec: EndpointSpec{Name: long,
		IPv4: netip.MustParseAddr("10.0.0.2"), IPv6: v6.Addr().Next().Next(), MAC: net.HardwareAddr{2, 0, 0, 0, 0, 1}}}
	b := &Binding{Endpoint: e, Order: 1<<48 - 1, Port: portmap.Binding{HostAddr: v6.Addr(), Proto: portmap.SCTP,
		Host: portmap.Ports{First: 1, Last: 65535}, Container: portmap.Ports{First: 1, Last: 65535}}}
	n.record, e.record = n.encode(), e.encode()
	// The kernel's limit for elements is the lowest; a TLV header takes a few bytes.
	for _, f := range []Fact{n, e, b} {
		if size := len(f.Record()); size > 240 {
			t.Errorf("%T: %d bytes", f, size)
		}
	}
}

// What is cut short, longer, or out of range is refused.
func TestMalformedRecordsAreRefused(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(2, 5))
	for range 50 {
		for _, f := range randomFacts(rnd) {
			s := f.Record()
			for n := range len(s) {
				if r, err := decodeRecord(s[:n]); err == nil {
					t.Fatalf("%d of %d bytes of %+v are read as %+v", n, len(s), f, r)
				}
			}
			if _, err := decodeRecord(s + "x"); err == nil {
				t.Fatalf("%+v and more is read", f)
			}
		}
	}
	huge := &Network{Spec: NetworkSpec{MTU: 1 << 20}}
	odd := &Binding{Endpoint: &Endpoint{}, Port: portmap.Binding{Proto: 255}}
	proto := []byte(odd.encode())
	i := strings.IndexByte(string(proto), 0xff)
	proto = append(proto[:i+1], append([]byte{0x02}, proto[i+2:]...)...) // 383, which is 127 in eight bits
	for name, s := range map[string]string{
		"MTU": huge.encode(), "protocol": string(proto), "kind": "X", "nothing": "",
		"version": string([]byte{recordHost, 2}), "family": string([]byte{recordForward, 7}),
	} {
		if r, err := decodeRecord(s); err == nil {
			t.Errorf("%s: read as %+v", name, r)
		}
	}
}

// FuzzDecodeRecord: nothing makes the decoder panic, and what it reads means
// the same when it is written again.
func FuzzDecodeRecord(f *testing.F) {
	rnd := rand.New(rand.NewPCG(3, 5))
	for range 20 {
		for _, fact := range randomFacts(rnd) {
			f.Add(fact.Record())
		}
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := decodeRecord(s)
		if err != nil {
			return
		}
		var again string
		switch r.kind {
		case recordHost:
			again = r.host.encode(r.layout)
		case recordForward:
			again = (&Forwarding{Family: r.family}).encode()
		case recordNetwork:
			again = (&Network{Order: r.order, Spec: r.network}).encode()
		case recordEndpoint:
			again = (&Endpoint{Network: &Network{Order: r.parent}, Order: r.order, Spec: r.end}).encode()
		case recordBinding:
			again = (&Binding{Endpoint: &Endpoint{Order: r.parent}, Order: r.order, Port: r.binding}).encode()
		default:
			t.Fatalf("kind %q", r.kind)
		}
		got, err := decodeRecord(again)
		if err != nil || !reflect.DeepEqual(got, r) {
			t.Fatalf("%q is read as %+v, written as %q, and read as %+v, %v", s, r, again, got, err)
		}
	})
}
