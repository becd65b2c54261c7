package iptables

import (
	"net"

	"github.com/seawall-net/seawall/nft"
)

// mac matches the Ethernet address that a frame comes from. It stays a match of
// xtables in every table: it never fits what came over links that are not
// Ethernet, inverted or not.
type mac struct {
	addr   [6]byte
	invert bool
}

func matchMAC() *Module {
	return &Module{
		Name:    "mac",
		Hooks:   []nft.Hook{nft.Prerouting, nft.Input, nft.Forward},
		Options: []Option{{Name: "mac-source", Kind: KindMAC, Invert: true, Required: true, Value: "xx:xx:xx:xx:xx:xx"}},
		parse: func(a *arguments) extension {
			return mac{a.get("mac-source").mac, a.inverted("mac-source")}
		},
		decode: func(s *structure) extension {
			s.only(0)
			m := mac{addr: [6]byte(s.bytes(6))}
			m.invert = s.u32() != 0
			return m
		},
	}
}

func (m mac) format(w *words) { w.option(m.invert, "mac-source", net.HardwareAddr(m.addr[:]).String()) }

func (m mac) xt(nft.Family) (uint32, []byte) {
	var l layout
	l.bytes(m.addr[:])
	l.u32(uint32(b2u(m.invert)))
	return 0, l.b
}
