package iptables

import (
	"math"
	"strconv"

	"github.com/seawall-net/seawall/nft"
)

// quota matches until so many bytes have passed.
type quota struct {
	bytes  uint64
	invert bool
}

func matchQuota() *Module {
	return &Module{
		Name:    "quota",
		Options: []Option{{Name: "quota", Kind: KindNumber, Max: math.MaxUint64, Invert: true, Required: true, Value: "bytes"}},
		parse: func(a *arguments) extension {
			return quota{a.number("quota"), a.inverted("quota")}
		},
		decode: func(s *structure) extension {
			s.only(0)
			flags, pad := s.u32(), s.u32()
			if flags > 1 || pad != 0 {
				s.fail("unknown flags %#x", flags)
			}
			q := quota{s.u64(), flags == 1}
			s.zero(8)
			return q
		},
	}
}

func (q quota) format(w *words) { w.option(q.invert, "quota", strconv.FormatUint(q.bytes, 10)) }

func (q quota) xt(nft.Family) (uint32, []byte) {
	var l layout
	l.u32(uint32(b2u(q.invert)))
	l.u32(0)
	l.u64(q.bytes)
	l.u64(0) // where the kernel counts
	return 0, l.b
}
