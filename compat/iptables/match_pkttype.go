package iptables

import (
	"strconv"
	"strings"

	"github.com/seawall-net/seawall/nft"
)

// pktType matches whom the frame was addressed to.
type pktType struct {
	kind   uint8
	invert bool
}

// pktTypes are the names of the kernel's PACKET_HOST and so on.
var pktTypes = [...]string{"unicast", "broadcast", "multicast", "otherhost"}

func matchPktType() *Module {
	return &Module{
		Name: "pkttype",
		Options: []Option{{
			Name: "pkt-type", Kind: KindText, Invert: true, Required: true, Value: "unicast|broadcast|multicast|otherhost",
		}},
		parse: func(a *arguments) extension {
			kind, ok := parsePktType(a.text("pkt-type"))
			if !ok {
				a.fail("pkt-type", "unknown type %q: want %s", a.text("pkt-type"), strings.Join(pktTypes[:], ", "))
			}
			return pktType{kind, a.inverted("pkt-type")}
		},
		decode: func(s *structure) extension {
			s.only(0)
			kind, invert := s.u32(), s.u32()
			if kind >= uint32(len(pktTypes)) || invert > 1 {
				s.fail("type %d, inverted %d", kind, invert)
				return pktType{}
			}
			return pktType{uint8(kind), invert == 1}
		},
		read: func(s nft.Statement, _ *Rule) (extension, bool) {
			c, ok := nft.Compared(s)
			if !ok || c.Field != nft.MetaPktType.String() || c.Op != nft.Is || c.Number(c.Value) >= uint64(len(pktTypes)) {
				return nil, false
			}
			return pktType{uint8(c.Number(c.Value)), c.Invert}, true
		},
	}
}

func parsePktType(text string) (uint8, bool) {
	text = strings.ToLower(text)
	switch text {
	case "host":
		return 0, true
	case "bcast":
		return 1, true
	case "mcast":
		return 2, true
	}
	for n, name := range pktTypes {
		if text == name {
			return uint8(n), true
		}
	}
	return 0, false
}

func (p pktType) format(w *words) { w.option(p.invert, "pkt-type", p.name()) }

func (p pktType) name() string {
	if int(p.kind) < len(pktTypes) {
		return pktTypes[p.kind]
	}
	return strconv.Itoa(int(p.kind))
}

func (p pktType) xt(nft.Family) (uint32, []byte) {
	var l layout
	l.u32(uint32(p.kind))
	l.u32(uint32(b2u(p.invert)))
	return 0, l.b
}

func (p pktType) nativeForm(*Rule) ([]nft.Statement, bool) {
	if p.invert {
		return []nft.Statement{nft.MetaPktType.Ne(nft.PacketType(p.kind))}, true
	}
	return []nft.Statement{nft.MetaPktType.Eq(nft.PacketType(p.kind))}, true
}
