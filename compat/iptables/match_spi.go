package iptables

import (
	"math"
	"strconv"

	"github.com/seawall-net/seawall/nft"
)

// idSpan is a range of identifiers, as some matches have it. iptables does not
// write a range that has all of them, not even inverted.
type idSpan struct {
	lo, hi uint32
	invert bool
}

func parseIDSpan(a *arguments, option string) idSpan {
	if !a.has(option) {
		return idSpan{hi: math.MaxUint32}
	}
	lo, hi := a.span(option)
	return idSpan{uint32(lo), uint32(hi), a.inverted(option)}
}

func (i idSpan) format(w *words, option string) {
	if i.lo != 0 || i.hi != math.MaxUint32 {
		w.option(i.invert, option, formatRange(i.lo, i.hi))
	}
}

// spi matches the security parameter index of ESP, or of AH in IPv4.
type spi struct {
	option string
	idSpan
}

func matchESP() *Module { return matchSPI("esp", 0, protoESP) }

func matchAH() *Module { return matchSPI("ah", nft.IPv4, protoAH) }

func matchSPI(name string, f nft.Family, proto uint8) *Module {
	option := name + "spi"
	return &Module{
		Name:      name,
		Family:    f,
		Protocols: []uint8{proto},
		Options:   []Option{{Name: option, Kind: KindRange, Invert: true, Value: "n[:n]"}},
		parse:     func(a *arguments) extension { return spi{option, parseIDSpan(a, option)} },
		decode: func(s *structure) extension {
			s.only(0)
			return spi{option, idSpan{s.u32(), s.u32(), s.bool()}}
		},
	}
}

func (m spi) format(w *words) { m.idSpan.format(w, m.option) }

func (m spi) xt(nft.Family) (uint32, []byte) {
	var l layout
	l.u32(m.lo)
	l.u32(m.hi)
	l.bool(m.invert)
	return 0, l.b
}

// ah6 matches the authentication header of IPv6.
type ah6 struct {
	spi       idSpan
	length    uint32
	notLength bool
	// reserved asks for the reserved field to be zero.
	reserved bool
}

func matchAH6() *Module {
	return &Module{
		Name:   "ah",
		Family: nft.IPv6,
		Options: []Option{
			{Name: "ahspi", Kind: KindRange, Invert: true, Value: "n[:n]"},
			{Name: "ahlen", Kind: KindNumber, Invert: true, Value: "bytes"},
			{Name: "ahres"},
		},
		parse: func(a *arguments) extension {
			return ah6{parseIDSpan(a, "ahspi"), uint32(a.number("ahlen")), a.inverted("ahlen"), a.has("ahres")}
		},
		decode: func(s *structure) extension {
			s.only(0)
			h := ah6{spi: idSpan{lo: s.u32(), hi: s.u32()}, length: s.u32(), reserved: s.bool()}
			invert := s.u8()
			h.spi.invert, h.notLength = invert&1 != 0, invert&2 != 0
			if invert > 3 {
				s.fail("unknown bits to invert: %#x", invert)
			}
			return h
		},
	}
}

func (h ah6) format(w *words) {
	h.spi.format(w, "ahspi")
	if h.length != 0 || h.notLength {
		w.option(h.notLength, "ahlen", strconv.FormatUint(uint64(h.length), 10))
	}
	if h.reserved {
		w.option(false, "ahres")
	}
}

func (h ah6) xt(nft.Family) (uint32, []byte) {
	var l layout
	l.u32(h.spi.lo)
	l.u32(h.spi.hi)
	l.u32(h.length)
	l.bool(h.reserved)
	l.u8(b2u(h.spi.invert) | b2u(h.notLength)<<1)
	return 0, l.b
}
