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
	// Names must be those of ports of the protocol.
	lo, hi, err := parsePorts(a.text(name), a.module.Name)
	if err != nil {
		a.fail(name, "%s", err)
	}
	return ports{lo, hi, a.inverted(name)}
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

// formatCompared writes what iptables-nft reads back of compile's statements.
func (p ports) formatCompared(w *words, option string) {
	if p.invert && p.lo == 0 && p.hi != 0 && !p.isAll() {
		p = ports{lo: p.hi + 1, hi: math.MaxUint16}
	}
	p.format(w, option)
}

// compile matches a port as iptables-nft does; ok is false for a range that has
// its ends exchanged.
func (p ports) compile(f nft.Field[uint16]) (s []nft.Statement, ok bool) {
	one := func(s nft.Statement) ([]nft.Statement, bool) { return []nft.Statement{s}, true }
	switch {
	case p.isAll():
		return nil, true
	case p.lo > p.hi:
		return nil, false
	case p.lo == p.hi && p.invert:
		return one(f.Ne(p.lo))
	case p.lo == p.hi:
		return one(f.Eq(p.lo))
	case p.lo == 0 && p.invert:
		return one(f.Above(p.hi))
	case p.lo == 0:
		return one(f.AtMost(p.hi))
	case p.invert:
		return one(f.NotIn(p.lo, p.hi))
	}
	return one(f.In(p.lo, p.hi))
}

// anyPorts are all ports.
func anyPorts() ports { return ports{hi: math.MaxUint16} }

// portsOf reads what compile made, in the form that iptables writes.
func portsOf(c nft.Comparison) (ports, bool) {
	lo, hi := uint16(c.Number(c.Value)), uint16(c.Number(c.To))
	switch c.Op {
	case nft.Is:
		return ports{lo, lo, c.Invert}, true
	case nft.Between:
		return ports{lo, hi, c.Invert}, true
	case nft.AtMost:
		return ports{0, lo, false}, lo != math.MaxUint16
	case nft.AtLeast:
		return ports{lo, math.MaxUint16, false}, lo != 0
	case nft.Above:
		return ports{lo + 1, math.MaxUint16, false}, lo != math.MaxUint16
	case nft.Below:
		return ports{0, lo - 1, false}, lo != 0
	}
	return ports{}, false
}

// readPorts reads a comparison of ports of the protocol, whose fields begin with
// its name.
func readPorts(s nft.Statement, proto string, l4 nft.L4Proto) (sport, dport ports, ok bool) {
	sport, dport = anyPorts(), anyPorts()
	if p, src, dst, is := nft.NotPortsOf(s); is {
		return ports{src, src, true}, ports{dst, dst, true}, p == l4
	}
	c, is := nft.Compared(s)
	if !is {
		return sport, dport, false
	}
	switch c.Field {
	case proto + " sport":
		sport, ok = portsOf(c)
	case proto + " dport":
		dport, ok = portsOf(c)
	}
	return sport, dport, ok
}

// mergePorts joins what two statements say. Two that must not be are one
// statement already.
func mergePorts(a, b ports) (ports, bool) {
	switch {
	case a.isAll():
		return b, true
	case b.isAll():
		return a, true
	}
	return a, false
}

// mergeable tells whether ports that are told of by two statements mean the same
// when they are written as one match.
func mergeable(sport, dport ports) bool {
	return !sport.isOne() || !dport.isOne() || !sport.invert || !dport.invert
}
