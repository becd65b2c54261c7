package iptables

import (
	"strconv"

	"github.com/seawall-net/seawall/nft"
)

// cpu matches the processor that handles the packet.
type cpu struct {
	number uint32
	invert bool
}

func matchCPU() *Module {
	return &Module{
		Name:    "cpu",
		Options: []Option{{Name: "cpu", Kind: KindNumber, Invert: true, Required: true, Value: "n"}},
		parse: func(a *arguments) extension {
			return cpu{uint32(a.number("cpu")), a.inverted("cpu")}
		},
		decode: func(s *structure) extension {
			s.only(0)
			number, invert := s.u32(), s.u32()
			if invert > 1 {
				s.fail("inverted %d", invert)
			}
			return cpu{number, invert == 1}
		},
	}
}

func (c cpu) format(w *words) { w.option(c.invert, "cpu", strconv.FormatUint(uint64(c.number), 10)) }

func (c cpu) xt(nft.Family) (uint32, []byte) {
	var l layout
	l.u32(c.number)
	l.u32(uint32(b2u(c.invert)))
	return 0, l.b
}
