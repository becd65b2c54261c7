package iptables

import (
	"math/bits"

	"github.com/seawall-net/seawall/nft"
)

// addrtype matches what the routing table says about addresses.
type addrtype struct {
	// source and dest are bits of addrTypeWords.
	source, dest             uint16
	invertSource, invertDest bool
	in, out                  bool
}

// addrTypeWords are the kernel's RTN_* types, each the bit of its number.
var addrTypeWords = []bitWord{
	{"UNSPEC", 1 << 0}, {"UNICAST", 1 << 1}, {"LOCAL", 1 << 2}, {"BROADCAST", 1 << 3}, {"ANYCAST", 1 << 4},
	{"MULTICAST", 1 << 5}, {"BLACKHOLE", 1 << 6}, {"UNREACHABLE", 1 << 7}, {"PROHIBIT", 1 << 8}, {"THROW", 1 << 9},
	{"NAT", 1 << 10}, {"XRESOLVE", 1 << 11},
}

func matchAddrtype() *Module {
	return &Module{
		Name: "addrtype",
		Options: []Option{
			{Name: "src-type", Kind: KindText, Invert: true, Value: "type[,...]"},
			{Name: "dst-type", Kind: KindText, Invert: true, Value: "type[,...]"},
			{Name: "limit-iface-in", Excludes: []string{"limit-iface-out"}},
			{Name: "limit-iface-out"},
		},
		OneOf: []string{"src-type", "dst-type"},
		parse: func(a *arguments) extension {
			t := addrtype{
				invertSource: a.inverted("src-type"), invertDest: a.inverted("dst-type"),
				in: a.has("limit-iface-in"), out: a.has("limit-iface-out"),
			}
			if a.has("src-type") {
				t.source = parseBitWords(a, "src-type", addrTypeWords)
			}
			if a.has("dst-type") {
				t.dest = parseBitWords(a, "dst-type", addrTypeWords)
			}
			return t
		},
		decode: func(s *structure) extension {
			s.only(1)
			t := addrtype{source: s.u16(), dest: s.u16()}
			flags := s.u32()
			t.invertSource, t.invertDest, t.in, t.out = flags&1 != 0, flags&2 != 0, flags&4 != 0, flags&8 != 0
			if flags > 15 || unknownBits(t.source|t.dest, addrTypeWords) {
				s.fail("unknown flags or types")
			}
			return t
		},
		read: readAddrtype,
	}
}

// readAddrtype reads what nativeForm made.
func readAddrtype(s nft.Statement, r *Rule) (extension, bool) {
	c, ok := nft.Compared(s)
	n := c.Number(c.Value)
	if !ok || c.Op != nft.Is || n >= uint64(len(addrTypeWords)) || r.Family != nft.IPv4 {
		return nil, false
	}
	switch c.Field {
	case "fib saddr type":
		return addrtype{source: 1 << n, invertSource: c.Invert}, true
	case "fib daddr type":
		return addrtype{dest: 1 << n, invertDest: c.Invert}, true
	}
	return nil, false
}

func (t addrtype) merge(other extension) (extension, bool) {
	o := other.(addrtype)
	if t.in || t.out || o.in || o.out || t.source != 0 && o.source != 0 || t.dest != 0 && o.dest != 0 {
		return nil, false
	}
	if o.source != 0 {
		t.source, t.invertSource = o.source, o.invertSource
	}
	if o.dest != 0 {
		t.dest, t.invertDest = o.dest, o.invertDest
	}
	return t, true
}

func (t addrtype) format(w *words) {
	if t.source != 0 {
		w.option(t.invertSource, "src-type", formatBitWords(t.source, addrTypeWords))
	}
	if t.dest != 0 {
		w.option(t.invertDest, "dst-type", formatBitWords(t.dest, addrTypeWords))
	}
	if t.in {
		w.option(false, "limit-iface-in")
	}
	if t.out {
		w.option(false, "limit-iface-out")
	}
}

func (t addrtype) xt(nft.Family) (uint32, []byte) {
	var l layout
	l.u16(t.source)
	l.u16(t.dest)
	l.u32(uint32(b2u(t.invertSource) | b2u(t.invertDest)<<1 | b2u(t.in)<<2 | b2u(t.out)<<3))
	return 1, l.b
}

func (t addrtype) check(r *Rule, c Context) error {
	switch {
	case r.Family == nft.IPv6 && (t.source|t.dest)>>6 != 0: // kernel: from BLACKHOLE on
		return wholeRule("IPv6 has no types from BLACKHOLE on")
	case r.Family == nft.IPv6 && (t.source|t.dest)&(1<<3) != 0:
		return wholeRule("IPv6 has no BROADCAST")
	case t.in && (c.Hook == nft.Output || c.Hook == nft.Postrouting):
		return wholeRule("--limit-iface-in: no packet has an incoming interface in hook %s", c.Hook)
	case t.out && (c.Hook == nft.Prerouting || c.Hook == nft.Input):
		return wholeRule("--limit-iface-out: no packet has an outgoing interface in hook %s", c.Hook)
	}
	return nil
}

// nativeForm asks the routing table for one type. For IPv6, the kernel's match
// asks in another way than nf_tables does.
func (t addrtype) nativeForm(r *Rule) ([]nft.Statement, bool) {
	if r.Family != nft.IPv4 || t.in || t.out || bits.OnesCount16(t.source) > 1 || bits.OnesCount16(t.dest) > 1 {
		return nil, false
	}
	var out []nft.Statement
	add := func(f nft.Field[nft.AddrType], types uint16, invert bool) {
		typ := nft.AddrType(bits.TrailingZeros16(types))
		switch {
		case types == 0:
		case invert:
			out = append(out, f.Ne(typ))
		default:
			out = append(out, f.Eq(typ))
		}
	}
	add(nft.FibSaddrType, t.source, t.invertSource)
	add(nft.FibDaddrType, t.dest, t.invertDest)
	return out, len(out) > 0
}
