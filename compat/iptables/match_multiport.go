package iptables

import (
	"fmt"
	"strings"

	"github.com/seawall-net/seawall/nft"
)

// multiport matches ports that are in a list.
type multiport struct {
	side   multiportSide
	invert bool
	// count is how many of ports there are; a range has two of them, the first of
	// which is marked in isRange.
	count   uint8
	ports   [15]uint16
	isRange [15]bool
}

// A multiportSide says which ports are looked at (enum xt_multiport_flags).
type multiportSide uint8

const (
	sourcePorts multiportSide = iota
	destinationPorts
	eitherPorts
)

var multiportOptions = [...]string{"source-ports", "destination-ports", "ports"}

func matchMultiport() *Module {
	list := func(name string, excludes ...string) Option {
		return Option{Name: name, Kind: KindText, Invert: true, Excludes: excludes, Value: "port[:port][,...]"}
	}
	m := &Module{
		Name:      "multiport",
		Protocols: []uint8{protoTCP, protoUDP, protoUDPLite, protoSCTP, protoDCCP},
		Options: []Option{
			list("source-ports", "destination-ports", "ports"),
			list("destination-ports", "ports"),
			list("ports"),
		},
		OneOf:  multiportOptions[:],
		parse:  parseMultiport,
		decode: decodeMultiport,
	}
	m.Options[0].Aliases, m.Options[1].Aliases = []string{"sports"}, []string{"dports"}
	return m
}

func parseMultiport(a *arguments) extension {
	var m multiport
	for i, option := range multiportOptions {
		if !a.has(option) {
			continue
		}
		m.side, m.invert = multiportSide(i), a.inverted(option)
		for text := range strings.SplitSeq(a.text(option), ",") {
			if err := m.add(text, protocolName(a.rule.Protocol.Number)); err != nil {
				a.fail(option, "%s", err)
				break
			}
		}
	}
	return m
}

// add appends a port or a range.
func (m *multiport) add(text, proto string) error {
	if proto == "udplite" || proto == "dccp" {
		proto = "" // no names of their own
	}
	first, second, isRange := strings.Cut(text, ":")
	need := uint8(1)
	if isRange {
		need = 2
	}
	if int(m.count+need) > len(m.ports) {
		return fmt.Errorf("more than 15 ports, a range counting as two")
	}
	lo, err := parsePort(first, proto)
	if err != nil {
		return err
	}
	m.ports[m.count] = lo
	if isRange {
		hi, err := parsePort(second, proto)
		if err != nil {
			return err
		}
		if lo >= hi {
			return fmt.Errorf("%d is not less than %d", lo, hi)
		}
		m.isRange[m.count], m.ports[m.count+1] = true, hi
	}
	m.count += need
	return nil
}

func (m multiport) format(w *words) {
	var list []string
	for i := 0; i < int(m.count); i++ {
		text := fmt.Sprint(m.ports[i])
		if m.isRange[i] {
			i++
			text += fmt.Sprintf(":%d", m.ports[i])
		}
		list = append(list, text)
	}
	w.option(m.invert, [...]string{"sports", "dports", "ports"}[m.side], strings.Join(list, ","))
}

// xt is struct xt_multiport_v1.
func (m multiport) xt(nft.Family) (uint32, []byte) {
	var l layout
	l.u8(uint8(m.side))
	l.u8(m.count)
	for _, p := range m.ports {
		l.u16(p)
	}
	for _, r := range m.isRange {
		l.bool(r)
	}
	l.bool(m.invert)
	return 1, l.b
}

func decodeMultiport(s *structure) extension {
	s.only(1)
	m := multiport{side: multiportSide(s.u8()), count: s.u8()}
	for i := range m.ports {
		m.ports[i] = s.u16()
	}
	for i := range m.isRange {
		m.isRange[i] = s.bool()
	}
	m.invert = s.bool()
	if m.side > eitherPorts || m.count == 0 || int(m.count) > len(m.ports) || m.isRange[m.count-1] {
		s.fail("not a list of ports")
		return nil
	}
	for i := range int(m.count) {
		if m.isRange[i] && (m.isRange[i+1] || m.ports[i] >= m.ports[i+1]) {
			s.fail("not a list of ports")
		}
	}
	for i := int(m.count); i < len(m.ports); i++ {
		m.ports[i], m.isRange[i] = 0, false
	}
	return m
}

// nativeForm is for a list of one port or range of TCP or UDP.
func (m multiport) nativeForm(r *Rule) ([]nft.Statement, bool) {
	p := ports{lo: m.ports[0], hi: m.ports[0], invert: m.invert}
	switch {
	case m.count == 2 && m.isRange[0]:
		p.hi = m.ports[1]
	case m.count != 1:
		return nil, false
	}
	if p.isAll() {
		return nil, false
	}
	var sport, dport nft.Field[uint16]
	switch r.Protocol.Number {
	case protoTCP:
		sport, dport = nft.TCPSport, nft.TCPDport
	case protoUDP:
		sport, dport = nft.UDPSport, nft.UDPDport
	default:
		return nil, false
	}
	switch m.side {
	case sourcePorts:
		return p.compile(sport)
	case destinationPorts:
		return p.compile(dport)
	}
	return nil, false
}
