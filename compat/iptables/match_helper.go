package iptables

import (
	"github.com/seawall-net/seawall/nft"
)

// helper matches connections that a helper of the connection tracking, such as
// ftp, expected; with an empty name, those of any helper.
type helper struct {
	name   string
	invert bool
}

// maxHelperName is the longest name, without the zero at its end.
const maxHelperName = 29

func matchHelper() *Module {
	return &Module{
		Name:    "helper",
		Options: []Option{{Name: "helper", Kind: KindText, Max: maxHelperName, Invert: true, Required: true, Value: "name"}},
		parse: func(a *arguments) extension {
			return helper{a.text("helper"), a.inverted("helper")}
		},
		decode: func(s *structure) extension {
			s.only(0)
			invert := s.u32() != 0
			return helper{s.text(maxHelperName + 1), invert}
		},
	}
}

func (h helper) format(w *words) {
	w.option(h.invert, "helper")
	w.quote(h.name)
}

func (h helper) xt(nft.Family) (uint32, []byte) {
	var l layout
	l.u32(uint32(b2u(h.invert)))
	l.text(h.name, maxHelperName+1)
	return 0, l.b
}
