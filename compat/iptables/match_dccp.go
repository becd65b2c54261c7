package iptables

import (
	"strconv"
	"strings"

	"github.com/seawall-net/seawall/nft"
)

// dccp matches the ports, packet types and options of DCCP (RFC 4340).
type dccp struct {
	// flags are the parts that are looked at, and invert those of them that must
	// not fit (XT_DCCP_*).
	flags, invert uint8
	sport, dport  ports
	types         uint16
	option        uint8
}

const (
	dccpSport = 1 << iota
	dccpDport
	dccpType
	dccpOption
)

// dccpTypes are in the order of their numbers; INVALID is every other one.
var dccpTypes = [...]string{
	"REQUEST", "RESPONSE", "DATA", "ACK", "DATAACK", "CLOSEREQ", "CLOSE", "RESET", "SYNC", "SYNCACK", "INVALID",
}

// dccpInvalid are all bits of INVALID.
const dccpInvalid = 0xfc00

func matchDCCP() *Module {
	return &Module{
		Name:      "dccp",
		Protocols: []uint8{protoDCCP},
		Options: append(portOptions(),
			Option{Name: "dccp-types", Kind: KindText, Invert: true, Value: "type[,type…]"},
			Option{Name: "dccp-option", Kind: KindNumber, Min: 1, Max: 255, Invert: true, Value: "n"},
		),
		parse: func(a *arguments) extension {
			d := dccp{option: uint8(a.number("dccp-option"))}
			for i, name := range []string{"source-port", "destination-port", "dccp-types", "dccp-option"} {
				d.flags |= b2u(a.has(name)) << i
				d.invert |= b2u(a.inverted(name)) << i
			}
			if a.has("source-port") {
				d.sport = parsePortOption(a, "source-port")
			}
			if a.has("destination-port") {
				d.dport = parsePortOption(a, "destination-port")
			}
			if a.has("dccp-types") {
				d.types = parseDCCPTypes(a)
			}
			return d
		},
		decode: decodeDCCP,
	}
}

func parseDCCPTypes(a *arguments) uint16 {
	var out uint16
next:
	for text := range strings.SplitSeq(a.text("dccp-types"), ",") {
		for n, name := range dccpTypes {
			if strings.EqualFold(text, name) {
				out |= 1 << n
				continue next
			}
		}
		a.fail("dccp-types", "unknown type %q: want %s", text, strings.Join(dccpTypes[:], ", "))
	}
	if out&dccpInvalid != 0 {
		out |= dccpInvalid
	}
	return out
}

func (d dccp) format(w *words) {
	if d.flags&dccpSport != 0 {
		w.option(d.invert&dccpSport != 0, "sport", formatRange(d.sport.lo, d.sport.hi))
	}
	if d.flags&dccpDport != 0 {
		w.option(d.invert&dccpDport != 0, "dport", formatRange(d.dport.lo, d.dport.hi))
	}
	if d.flags&dccpType != 0 {
		var list []string
		for n, name := range dccpTypes {
			if d.types&(1<<n) != 0 {
				list = append(list, name)
			}
		}
		w.option(d.invert&dccpType != 0, "dccp-types", strings.Join(list, ","))
	}
	if d.flags&dccpOption != 0 {
		w.option(d.invert&dccpOption != 0, "dccp-option", strconv.Itoa(int(d.option)))
	}
}

func (d dccp) xt(nft.Family) (uint32, []byte) {
	var l layout
	for _, p := range []ports{d.dport, d.sport} {
		l.u16(p.lo)
		l.u16(p.hi)
	}
	l.u16(uint16(d.flags))
	l.u16(uint16(d.invert))
	l.u16(d.types)
	l.u8(d.option)
	return 0, l.b
}

func decodeDCCP(s *structure) extension {
	s.only(0)
	var d dccp
	d.dport.lo, d.dport.hi, d.sport.lo, d.sport.hi = s.u16(), s.u16(), s.u16(), s.u16()
	flags, invert := s.u16(), s.u16()
	d.types, d.option = s.u16(), s.u8()
	if flags > 15 || invert&^flags != 0 {
		s.fail("unknown flags %#x or bits to invert %#x", flags, invert)
		return d
	}
	d.flags, d.invert = uint8(flags), uint8(invert)
	d.sport.invert, d.dport.invert = d.invert&dccpSport != 0, d.invert&dccpDport != 0
	switch {
	case d.flags&dccpSport == 0 && d.sport != (ports{}), d.flags&dccpDport == 0 && d.dport != (ports{}),
		(d.flags&dccpType != 0) != (d.types != 0), (d.flags&dccpOption != 0) != (d.option != 0),
		d.types&dccpInvalid != 0 && d.types&dccpInvalid != dccpInvalid:
		s.fail("flags %#x do not fit the values", flags)
	}
	return d
}
