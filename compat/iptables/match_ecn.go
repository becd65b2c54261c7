package iptables

import (
	"strconv"

	"github.com/seawall-net/seawall/nft"
)

// ecn matches the bits of explicit congestion notification (RFC 3168).
type ecn struct {
	// match are the parts that are looked at, and invert those of them that must
	// not fit.
	match, invert uint8
	// codepoint is that of the IP header, for ecnIP.
	codepoint uint8
}

// The parts, as the kernel has them (XT_ECN_OP_MATCH_*).
const (
	ecnIP  = 0x01
	ecnECE = 0x10
	ecnCWR = 0x20
)

func matchECN() *Module {
	return &Module{
		Name: "ecn",
		Options: []Option{
			{Name: "ecn-tcp-cwr", Invert: true},
			{Name: "ecn-tcp-ece", Invert: true},
			{Name: "ecn-ip-ect", Kind: KindNumber, Max: 3, Invert: true, Value: "codepoint"},
		},
		OneOf: []string{"ecn-tcp-cwr", "ecn-tcp-ece", "ecn-ip-ect"},
		parse: func(a *arguments) extension {
			e := ecn{codepoint: uint8(a.number("ecn-ip-ect"))}
			for _, part := range ecnParts() {
				if a.has(part.option) {
					e.match |= part.bit
				}
				if a.inverted(part.option) {
					e.invert |= part.bit
				}
			}
			return e
		},
		decode: func(s *structure) extension {
			s.only(0)
			e := ecn{s.u8(), s.u8(), s.u8()}
			if e.match == 0 || e.match&^(ecnIP|ecnECE|ecnCWR) != 0 || e.invert&^e.match != 0 || e.codepoint > 3 || s.u8() != 0 {
				s.fail("unknown parts %#x, inverted %#x, or codepoint %d", e.match, e.invert, e.codepoint)
			}
			return e
		},
	}
}

type ecnPart struct {
	bit    uint8
	option string
}

// ecnParts are in the order in which iptables writes them.
func ecnParts() []ecnPart {
	return []ecnPart{{ecnECE, "ecn-tcp-ece"}, {ecnCWR, "ecn-tcp-cwr"}, {ecnIP, "ecn-ip-ect"}}
}

func (e ecn) format(w *words) {
	for _, part := range ecnParts() {
		if e.match&part.bit != 0 {
			w.option(e.invert&part.bit != 0, part.option)
		}
	}
	if e.match&ecnIP != 0 {
		w.add(strconv.Itoa(int(e.codepoint)))
	}
}

func (e ecn) xt(nft.Family) (uint32, []byte) {
	var l layout
	l.u8(e.match)
	l.u8(e.invert)
	l.u8(e.codepoint)
	l.u8(0)
	return 0, l.b
}

func (e ecn) check(r *Rule, _ Context) error {
	if e.match&(ecnECE|ecnCWR) != 0 && (r.Protocol.Number != protoTCP || r.Protocol.Invert) {
		return wholeRule("needs -p tcp for the bits of the TCP header")
	}
	return nil
}
