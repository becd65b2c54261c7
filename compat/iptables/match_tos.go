package iptables

import (
	"fmt"

	"github.com/seawall-net/seawall/nft"
)

// tos matches the type of service of IPv4 or the traffic class of IPv6.
type tos struct {
	value, mask uint8
	invert      bool
}

func matchTOS() *Module {
	return &Module{
		Name: "tos",
		Options: []Option{{
			// The mask that a name has.
			Max:  0x3f,
			Name: "tos", Kind: KindTOS, Invert: true, Required: true, Value: "value[/mask]",
		}},
		parse: func(a *arguments) extension {
			v, m := a.masked("tos")
			return tos{uint8(v), uint8(m), a.inverted("tos")}
		},
		decode: func(s *structure) extension {
			s.only(1)
			mask, value := s.u8(), s.u8()
			return tos{value, mask, s.bool()}
		},
	}
}

func (t tos) format(w *words) {
	w.option(t.invert, "tos", fmt.Sprintf("0x%02x/0x%02x", t.value, t.mask))
}

func (t tos) xt(nft.Family) (uint32, []byte) {
	var l layout
	l.u8(t.mask)
	l.u8(t.value)
	l.bool(t.invert)
	return 1, l.b
}
