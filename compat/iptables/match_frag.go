package iptables

import (
	"strconv"

	"github.com/seawall-net/seawall/nft"
)

// frag matches the fragment header of IPv6.
type frag struct {
	id idSpan
	// flags are the kernel's (IP6T_FRAG_*).
	flags     uint8
	length    uint32
	notLength bool
}

const (
	fragID = 1 << iota
	fragLength
	fragReserved
	fragFirst
	fragMore
	fragLast
)

func matchFrag() *Module {
	return &Module{
		Name:   "frag",
		Family: nft.IPv6,
		Options: []Option{
			{Name: "fragid", Kind: KindRange, Invert: true, Value: "n[:n]"},
			{Name: "fraglen", Kind: KindNumber, Invert: true, Value: "bytes"},
			{Name: "fragres"},
			{Name: "fragfirst"},
			{Name: "fragmore", Excludes: []string{"fraglast"}},
			{Name: "fraglast"},
		},
		parse: func(a *arguments) extension {
			f := frag{id: parseIDSpan(a, "fragid"), length: uint32(a.number("fraglen")), notLength: a.inverted("fraglen")}
			for i, name := range fragOptions() {
				f.flags |= b2u(a.has(name)) << i
			}
			return f
		},
		decode: func(s *structure) extension {
			s.only(0)
			f := frag{id: idSpan{lo: s.u32(), hi: s.u32()}, length: s.u32(), flags: s.u8()}
			invert := s.u8()
			f.id.invert, f.notLength = invert&1 != 0, invert&2 != 0
			if invert > 3 || f.flags >= fragLast<<1 || f.flags&fragMore != 0 && f.flags&fragLast != 0 ||
				f.flags&fragLength == 0 && (f.notLength || f.length != 0) {
				s.fail("unknown flags %#x or bits to invert %#x", f.flags, invert)
			}
			return f
		},
	}
}

// fragOptions are in the order of their flags, in which iptables writes them.
func fragOptions() []string {
	return []string{"fragid", "fraglen", "fragres", "fragfirst", "fragmore", "fraglast"}
}

func (f frag) format(w *words) {
	f.id.format(w, "fragid")
	if f.flags&fragLength != 0 {
		w.option(f.notLength, "fraglen", strconv.FormatUint(uint64(f.length), 10))
	}
	for i, name := range fragOptions() {
		if flag := uint8(1) << i; flag >= fragReserved && f.flags&flag != 0 {
			w.option(false, name)
		}
	}
}

func (f frag) xt(nft.Family) (uint32, []byte) {
	var l layout
	l.u32(f.id.lo)
	l.u32(f.id.hi)
	l.u32(f.length)
	l.u8(f.flags)
	l.u8(b2u(f.id.invert) | b2u(f.notLength)<<1)
	return 0, l.b
}
