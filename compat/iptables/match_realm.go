package iptables

import (
	"math"

	"github.com/seawall-net/seawall/nft"
)

// realm matches the realm of the packet's route.
type realm struct{ m mark }

func matchRealm() *Module {
	return &Module{
		Name:    "realm",
		Family:  nft.IPv4,
		Hooks:   []nft.Hook{nft.Input, nft.Forward, nft.Output, nft.Postrouting},
		Options: []Option{{Name: "realm", Kind: KindText, Invert: true, Required: true, Value: "value[/mask]"}},
		parse:   parseRealm,
		decode: func(s *structure) extension {
			s.only(0)
			return realm{mark{s.u32(), s.u32(), s.bool()}}
		},
	}
}

// parseRealm knows one name: others are defined by each host.
func parseRealm(a *arguments) extension {
	v := value{text: a.text("realm")}
	if v.text == "cosmos" {
		return realm{mark{0, math.MaxUint32, a.inverted("realm")}}
	}
	if v.mark() != nil {
		a.fail("realm", "%q is not a realm: want value[/mask], each at most 0xffffffff", v.text)
		return realm{}
	}
	return realm{mark{uint32(v.numbers[0]), uint32(v.numbers[1]), a.inverted("realm")}}
}

// format writes numbers: what names a host has for them is not known here.
func (r realm) format(w *words) { w.option(r.m.invert, "realm", formatMark(r.m.value, r.m.mask)) }

func (r realm) xt(f nft.Family) (uint32, []byte) {
	_, b := r.m.xt(f)
	return 0, b
}
