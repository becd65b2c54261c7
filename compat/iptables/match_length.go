package iptables

import (
	"fmt"
	"math"

	"github.com/seawall-net/seawall/nft"
)

// length matches the packet's length, from the network header on.
type length struct {
	lo, hi uint16
	invert bool
}

func matchLength() *Module {
	return &Module{
		Name: "length",
		Options: []Option{{
			Name: "length", Kind: KindRange, Max: math.MaxUint16, Invert: true, Required: true, Value: "bytes[:bytes]",
		}},
		parse: func(a *arguments) extension {
			lo, hi := a.span("length")
			return length{uint16(lo), uint16(hi), a.inverted("length")}
		},
		decode: func(s *structure) extension {
			s.only(0)
			return length{s.u16(), s.u16(), s.bool()}
		},
	}
}

func (l length) format(w *words) { w.option(l.invert, "length", formatRange(l.lo, l.hi)) }

// formatRange writes one number, or two with a colon between them.
func formatRange[T uint8 | uint16 | uint32](lo, hi T) string {
	if lo == hi {
		return fmt.Sprintf("%d", lo)
	}
	return fmt.Sprintf("%d:%d", lo, hi)
}

func (l length) xt(nft.Family) (uint32, []byte) {
	var out layout
	out.u16(l.lo)
	out.u16(l.hi)
	out.bool(l.invert)
	return 0, out.b
}
