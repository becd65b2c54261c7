package iptables

import (
	"net/netip"

	"github.com/seawall-net/seawall/nft"
)

// tee sends a copy of the packet to a neighbour.
type tee struct {
	gateway netip.Addr
	oif     string
}

func targetTEE() *Module {
	return &Module{
		Name: "TEE", Target: true,
		Options: []Option{
			{Name: "gateway", Kind: KindAddress, Required: true, Value: "address"},
			{Name: "oif", Kind: KindText, Min: 1, Max: 15, Value: "interface"},
		},
		parse: func(a *arguments) extension {
			requireFullAddr(a, "gateway")
			gateway, _ := a.network("gateway")
			if gateway.IsUnspecified() {
				a.fail("gateway", "%s is not the address of a neighbour", gateway)
			}
			return tee{gateway, a.text("oif")}
		},
		decode: func(s *structure) extension {
			s.only(1)
			t := tee{s.addr16(), s.text(16)}
			if t.gateway.IsUnspecified() {
				s.fail("no gateway")
			}
			s.kernelPart(8)
			return t
		},
	}
}

func (t tee) format(w *words) {
	w.option(false, "gateway", t.gateway.String())
	if t.oif != "" {
		w.option(false, "oif")
		w.name(t.oif)
	}
}

func (t tee) xt(nft.Family) (uint32, []byte) {
	var l layout
	l.addr16(t.gateway)
	l.text(t.oif, 16)
	l.u64(0) // the kernel's
	return 1, l.b
}
