package iptables

import (
	"math"
	"slices"
	"strconv"

	"github.com/seawall-net/seawall/nft"
)

// setMSS changes the maximum segment size that a TCP segment announces, at most
// to a smaller one. The kernel does not ask for --syn in rules of nf_tables, as
// it does in those of old iptables.
type setMSS struct {
	// mss is clampMSS for what the route's MTU allows.
	mss uint16
}

const clampMSS = math.MaxUint16

func targetTCPMSS() *Module {
	return &Module{
		Name:      "TCPMSS",
		Target:    true,
		Protocols: []uint8{protoTCP},
		Options: []Option{
			{Name: "set-mss", Kind: KindNumber, Max: math.MaxUint16 - ipv4Header, Excludes: []string{"clamp-mss-to-pmtu"}, Value: "bytes"},
			{Name: "clamp-mss-to-pmtu"},
		},
		OneOf: []string{"set-mss", "clamp-mss-to-pmtu"},
		parse: func(a *arguments) extension {
			if a.has("clamp-mss-to-pmtu") {
				return setMSS{clampMSS}
			}
			if n := a.number("set-mss"); a.family() == nft.IPv6 && n > math.MaxUint16-ipv6Header {
				a.fail("set-mss", "%d is more than %d", n, math.MaxUint16-ipv6Header)
			}
			return setMSS{uint16(a.number("set-mss"))}
		},
		decode: func(s *structure) extension {
			s.only(0)
			m := setMSS{s.u16()}
			if m.mss != clampMSS && m.mss > math.MaxUint16-ipv4Header {
				s.fail("a segment of %d bytes", m.mss)
			}
			return m
		},
	}
}

// Lengths of the headers in front of TCP.
const (
	ipv4Header = 20
	ipv6Header = 40
)

func (m setMSS) format(w *words) {
	if m.mss == clampMSS {
		w.option(false, "clamp-mss-to-pmtu")
		return
	}
	w.option(false, "set-mss", strconv.Itoa(int(m.mss)))
}

func (m setMSS) xt(nft.Family) (uint32, []byte) {
	var l layout
	l.u16(m.mss)
	return 0, l.b
}

func (m setMSS) check(_ *Rule, c Context) error {
	if m.mss == clampMSS && slices.Contains([]nft.Hook{nft.Prerouting, nft.Input}, c.Hook) {
		return wholeRule("--clamp-mss-to-pmtu is not possible in hook %s, where the packet has no route", c.Hook)
	}
	return nil
}
