package iptables

import (
	"math"

	"github.com/seawall-net/seawall/nft"
)

// udp matches the ports of UDP.
type udp struct{ sport, dport ports }

func matchUDP() *Module {
	return &Module{
		Name:      "udp",
		Protocols: []uint8{protoUDP},
		Options:   portOptions(),
		parse: func(a *arguments) extension {
			return udp{parsePortOption(a, "source-port"), parsePortOption(a, "destination-port")}
		},
		decode: func(s *structure) extension {
			s.only(0)
			var u udp
			u.sport.lo, u.sport.hi, u.dport.lo, u.dport.hi = s.u16(), s.u16(), s.u16(), s.u16()
			invert := s.u8()
			u.sport.invert, u.dport.invert = invert&1 != 0, invert&2 != 0
			if invert > 3 {
				s.fail("unknown bits to invert: %#x", invert)
			}
			return u
		},
		read: func(s nft.Statement, _ *Rule) (extension, bool) {
			sport, dport, ok := readPorts(s, "udp", nft.UDP)
			return udp{sport, dport}, ok
		},
	}
}

func (u udp) merge(other extension) (extension, bool) {
	o := other.(udp)
	sport, ok := mergePorts(u.sport, o.sport)
	dport, ok2 := mergePorts(u.dport, o.dport)
	return udp{sport, dport}, ok && ok2 && mergeable(sport, dport)
}

func (u udp) format(w *words) {
	u.sport.format(w, "sport")
	u.dport.format(w, "dport")
}

func (u udp) xt(nft.Family) (uint32, []byte) {
	var l layout
	for _, p := range []ports{u.sport, u.dport} {
		l.u16(p.lo)
		l.u16(p.hi)
	}
	l.u8(b2u(u.sport.invert) | b2u(u.dport.invert)<<1)
	return 0, l.b
}

// iptablesForm is the ports in statements of nf_tables: iptables uses the match
// only if it has nothing to match.
func (u udp) iptablesForm(*Rule) ([]nft.Statement, bool) {
	if u == (udp{ports{hi: math.MaxUint16}, ports{hi: math.MaxUint16}}) {
		return nil, false
	}
	return compilePorts(nft.UDP, u.sport, nft.UDPSport, u.dport, nft.UDPDport)
}

func (u udp) isDropped() bool {
	return u.sport.isAll() && u.dport.isAll() && (u.sport.invert || u.dport.invert)
}

func (u udp) nativeForm(r *Rule) ([]nft.Statement, bool) { return u.iptablesForm(r) }

// compilePorts matches both ports. Of two that must not be, iptables-nft makes
// one comparison, which is true unless both are.
func compilePorts(l4 nft.L4Proto, sport ports, sf nft.Field[uint16], dport ports, df nft.Field[uint16]) ([]nft.Statement, bool) {
	if sport.isOne() && dport.isOne() && sport.invert && dport.invert {
		return []nft.Statement{nft.NotPorts(l4, sport.lo, dport.lo)}, true
	}
	s, ok := sport.compile(sf)
	d, ok2 := dport.compile(df)
	return append(s, d...), ok && ok2
}
