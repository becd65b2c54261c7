package iptables

import (
	"math"
	"strconv"

	"github.com/seawall-net/seawall/nft"
)

// ports are the ports of one side, as the tcp, udp and sctp matches have them.
type ports struct {
	lo, hi uint16
	invert bool
}

// portOptions are the options that these matches share.
func portOptions() []Option {
	return []Option{
		{Name: "source-port", Aliases: []string{"sport"}, Kind: KindPortRange, Invert: true, Value: "port[:port]"},
		{Name: "destination-port", Aliases: []string{"dport"}, Kind: KindPortRange, Invert: true, Value: "port[:port]"},
	}
}

func parsePortOption(a *arguments, name string) ports {
	if !a.has(name) {
		return ports{hi: math.MaxUint16}
	}
	lo, hi := a.span(name)
	return ports{uint16(lo), uint16(hi), a.inverted(name)}
}

// isAll tells whether the range has all ports. Inverted, that would be none, but
// iptables-nft takes it for all too.
func (p ports) isAll() bool { return p.lo == 0 && p.hi == math.MaxUint16 }

// isOne tells whether the range has one port, and not 0, which iptables-nft
// does not take for one.
func (p ports) isOne() bool { return p.lo == p.hi && p.lo != 0 }

func (p ports) format(w *words, option string) {
	if p.isAll() {
		return
	}
	text := strconv.Itoa(int(p.lo))
	if p.hi != p.lo {
		text += ":" + strconv.Itoa(int(p.hi))
	}
	w.option(p.invert, option, text)
}

// compile matches a port; ok is false for a range that has its ends exchanged.
func (p ports) compile(f nft.Field[uint16]) (s []nft.Statement, ok bool) {
	switch {
	case p.isAll():
		return nil, true
	case p.lo > p.hi:
		return nil, false
	case p.lo == p.hi && p.invert:
		return []nft.Statement{f.Ne(p.lo)}, true
	case p.lo == p.hi:
		return []nft.Statement{f.Eq(p.lo)}, true
	case p.invert:
		return []nft.Statement{f.NotIn(p.lo, p.hi)}, true
	}
	return []nft.Statement{f.In(p.lo, p.hi)}, true
}
