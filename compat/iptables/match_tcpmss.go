package iptables

import (
	"math"

	"github.com/seawall-net/seawall/nft"
)

// tcpMSS matches the maximum segment size that a TCP segment announces. There is
// no native form: the match drops segments whose options are cut off.
type tcpMSS struct {
	lo, hi uint16
	invert bool
}

func matchTCPMSS() *Module {
	return &Module{
		Name:      "tcpmss",
		Protocols: []uint8{protoTCP},
		Options: []Option{{
			Name: "mss", Kind: KindRange, Max: math.MaxUint16, Invert: true, Required: true, Value: "bytes[:bytes]",
		}},
		parse: func(a *arguments) extension {
			lo, hi := a.span("mss")
			if lo > hi {
				a.fail("mss", "%d is more than %d", lo, hi)
			}
			return tcpMSS{uint16(lo), uint16(hi), a.inverted("mss")}
		},
		decode: func(s *structure) extension {
			s.only(0)
			return tcpMSS{s.u16(), s.u16(), s.bool()}
		},
	}
}

func (t tcpMSS) format(w *words) { w.option(t.invert, "mss", formatRange(t.lo, t.hi)) }

func (t tcpMSS) xt(nft.Family) (uint32, []byte) {
	var l layout
	l.u16(t.lo)
	l.u16(t.hi)
	l.bool(t.invert)
	return 0, l.b
}
