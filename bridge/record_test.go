package bridge

import (
	"math/rand/v2"
	"net"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/seawall-net/seawall/isolation"
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
			g = Gateway{Subnet: netip.PrefixFrom(a, rnd.IntN(a.BitLen()+1)), Address: addr(), SNAT: addr(), HostBinding: addr(),
				Mode: GatewayMode(rnd.IntN(4)), InhibitAddress: rnd.IntN(2) == 0, ExplicitOnly: rnd.IntN(2) == 0}
		}
		return g
	}
	ports := func() portmap.Ports { return portmap.Ports{First: uint16(rnd.Uint32()), Last: uint16(rnd.Uint32())} }
	order := func() uint64 { return rnd.Uint64() >> (16 + rnd.IntN(48)) }

	h := &Host{}
	h.setFlags(uint64(rnd.IntN(hostFlags + 1)))
	f := &Forwarding{Family: []nft.Family{nft.IPv4, nft.IPv6}[rnd.IntN(2)]}
	n := &Network{Host: h, Order: order(), Spec: NetworkSpec{Name: text(maxName), Bridge: text(maxIfName), IPv4: gateway(), IPv6: gateway(), MTU: rnd.IntN(65536),
		IfPrefix: text(maxIfPrefix), AcceptFwmark: Fwmark{rnd.Uint32(), rnd.Uint32()}}}
	n.Spec.setFlags(uint64(rnd.IntN(networkFlags + 1)))
	for range rnd.IntN(maxTrusted + 1) {
		n.Spec.TrustedInterfaces = append(n.Spec.TrustedInterfaces, text(maxIfName))
	}
	e := &Endpoint{Network: n, Order: order(), Spec: EndpointSpec{Name: text(maxName), IPv4: addr(), IPv6: addr(), MAC: net.HardwareAddr(text(6)),
		HostIfName: text(maxIfName), AllowSpoofing: rnd.IntN(2) == 0}}
	b := &Binding{Endpoint: e, Order: order(), Port: portmap.Binding{HostAddr: addr(), Proto: portmap.Proto(rnd.IntN(3)), Host: ports(), Container: ports()}}
	if b.Port.Dynamic() {
		b.first = uint16(rnd.Uint32())
	}
	if rnd.IntN(2) == 0 {
		b.scope = &Scope{Interface: text(maxIfName)}
		for range rnd.IntN(maxFrom + 1) {
			if a := addr(); a.IsValid() {
				b.scope.From = append(b.scope.From, netip.PrefixFrom(a, rnd.IntN(a.BitLen()+1)))
			}
		}
		if b.scope.isZero() {
			b.scope = nil
		}
	}
	l := &ContainerLink{From: e, To: &Endpoint{Order: order()}, Order: order(), Port: LinkPort{ports(), portmap.Proto(rnd.IntN(3))}}
	h.record, f.record, n.record, e.record = h.encode("native"), f.encode(), n.encode(), e.encode()
	return []Fact{h, f, n, e, b, l}
}

func wantRecord(f Fact) record {
	switch f := f.(type) {
	case *Host:
		return record{kind: recordHost, layout: "native", host: withoutRecord(*f)}
	case *Forwarding:
		return record{kind: recordForward, family: f.Family, order: uint64(f.Family)}
	case *Network:
		return record{kind: recordNetwork, order: f.Order, network: f.Spec}
	case *Endpoint:
		return record{kind: recordEndpoint, order: f.Order, parent: f.Network.Order, end: f.Spec}
	case *Binding:
		return record{kind: recordBinding, order: f.Order, parent: f.Endpoint.Order, binding: f.Port, first: f.first, scope: f.Scope()}
	case *ContainerLink:
		return record{kind: recordLink, order: f.Order, parent: f.From.Order, to: f.To.Order, link: f.Port}
	}
	return record{}
}

func withoutRecord(h Host) Host {
	h.record = ""
	return h
}

// join reads the records of a fact, in another order, and returns them as one.
func join(t *testing.T, f Fact) string {
	t.Helper()
	all := f.Records()
	if len(all) == 1 {
		return all[0]
	}
	parts := recordParts{}
	for i, r := range slices.Backward(all) {
		if len(r) > maxRecord {
			t.Fatalf("%T: record %d has %d bytes", f, i, len(r))
		}
		d, err := decodeRecord(r)
		if err != nil || d.kind != recordPart {
			t.Fatalf("%T: record %d: %+v, %v", f, i, d, err)
		}
		for range 2 { // as in the tables of two families
			if whole, complete := parts.add(d.part); complete {
				return whole
			}
		}
		if parts.incomplete(nil) == nil {
			t.Fatal("a missing part is not noticed")
		}
	}
	t.Fatalf("%T: %d records make none", f, len(all))
	return ""
}

func TestRecordsRoundTrip(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(1, 5))
	for range 2000 {
		for _, f := range randomFacts(rnd) {
			got, err := decodeRecord(join(t, f))
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
		IPv4: Gateway{Subnet: netip.MustParsePrefix("10.0.0.0/8"), Address: netip.MustParseAddr("10.255.255.254"), Mode: Routed,
			SNAT: netip.MustParseAddr("10.255.255.254"), HostBinding: netip.MustParseAddr("10.255.255.254"), InhibitAddress: true},
		IPv6: Gateway{Subnet: v6, Address: v6.Addr().Next(), SNAT: v6.Addr().Next(), HostBinding: v6.Addr().Next(), Mode: Routed, InhibitAddress: true},
		MTU:  65535, IfPrefix: strings.Repeat("p", maxIfPrefix), AcceptFwmark: Fwmark{1<<32 - 1, 1<<32 - 1}}}
	n.Spec.setFlags(networkFlags)
	for range maxTrusted {
		n.Spec.TrustedInterfaces = append(n.Spec.TrustedInterfaces, strings.Repeat("t", maxIfName))
	}
	e := &Endpoint{Network: n, Order: 1<<48 - 1, Spec: EndpointSpec{Name: long,
		IPv4: netip.MustParseAddr("10.0.0.2"), IPv6: v6.Addr().Next().Next(), MAC: net.HardwareAddr{2, 0, 0, 0, 0, 1}}}
	b := &Binding{Endpoint: e, Order: 1<<48 - 1, Port: portmap.Binding{HostAddr: v6.Addr(), Proto: portmap.SCTP,
		Host: portmap.Ports{First: 1, Last: 65535}, Container: portmap.Ports{First: 1, Last: 65535}}}
	b.scope = &Scope{Interface: strings.Repeat("i", maxIfName)}
	for range maxFrom {
		b.scope.From = append(b.scope.From, netip.PrefixFrom(v6.Addr().Next(), 128))
	}
	n.record, e.record = n.encode(), e.encode()
	// The kernel's limit for elements is the lowest; a TLV header takes a few bytes.
	l := &ContainerLink{From: e, To: e, Order: 1<<48 - 1, Port: LinkPort{b.Port.Host, portmap.SCTP}}
	for _, f := range []Fact{n, e, b, l} {
		for _, r := range f.Records() {
			if len(r) > maxRecord {
				t.Errorf("%T: %d bytes", f, len(r))
			}
		}
	}
	if got := len(n.Records()); got > isolation.Records {
		t.Errorf("a network has %d records, and there is room for %d", got, isolation.Records)
	}
}

// What is cut short, longer, or out of range is refused.
func TestMalformedRecordsAreRefused(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(2, 5))
	for range 50 {
		for _, f := range randomFacts(rnd) {
			s := join(t, f)
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
	proto := strings.Replace(odd.encode(), "\xfe\x03", "\xfe\x07", 1) // 511, which is 255 in eight bits
	for name, s := range map[string]string{
		"MTU": huge.encode(), "protocol": proto, "kind": "X", "nothing": "",
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
			for _, r := range fact.Records() {
				f.Add(r)
			}
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
			b := &Binding{Endpoint: &Endpoint{Order: r.parent}, Order: r.order, Port: r.binding, first: r.first}
			if !r.scope.isZero() {
				b.scope = &r.scope
			}
			again = b.encode()
		case recordLink:
			again = (&ContainerLink{From: &Endpoint{Order: r.parent}, To: &Endpoint{Order: r.to}, Order: r.order, Port: r.link}).encode()
		case recordPart:
			w := recordWriter{[]byte{recordPart, r.part.kind}}
			w.order(r.part.order)
			w.b = append(w.b, byte(r.part.index), byte(r.part.count))
			again = w.String() + r.part.text
		default:
			t.Fatalf("kind %q", r.kind)
		}
		got, err := decodeRecord(again)
		if err != nil || !reflect.DeepEqual(got, r) {
			t.Fatalf("%q is read as %+v, written as %q, and read as %+v, %v", s, r, again, got, err)
		}
	})
}
