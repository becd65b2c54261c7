package iptables

import (
	"slices"
	"strings"

	"github.com/seawall-net/seawall/nft"
)

// ip6Header matches which extension headers an IPv6 packet has.
type ip6Header struct {
	// headers are the kernel's MASK_*.
	headers uint8
	invert  bool
	// soft allows others as well.
	soft bool
}

// ip6HeaderNames are what the headers can be called, those of the highest bit
// first; the first name of each is iptables' own.
var ip6HeaderNames = [...]string{
	"hop-by-hop hop hopopt ip 0",
	"ipv6-opts dst 60",
	"ipv6-route route 43",
	"ipv6-frag frag 44",
	"ah auth 51",
	"esp 50",
	"ipv6-nonxt none 59",
	"protocol prot 255",
}

func matchIP6Header() *Module {
	return &Module{
		Name:   "ipv6header",
		Family: nft.IPv6,
		Options: []Option{
			{Name: "header", Kind: KindText, Invert: true, Required: true, Value: "header[,header…]"},
			{Name: "soft"},
		},
		parse: func(a *arguments) extension {
			h := ip6Header{invert: a.inverted("header"), soft: a.has("soft")}
			for text := range strings.SplitSeq(a.text("header"), ",") {
				bit, ok := ip6HeaderBit(text)
				if !ok {
					a.fail("header", "unknown header %q: want hop, dst, route, frag, auth, esp, none or prot", text)
				}
				h.headers |= bit
			}
			return h
		},
		decode: func(s *structure) extension {
			s.only(0)
			headers, invert, soft := s.u8(), s.u8(), s.u8()
			if headers == 0 || invert != 0 && invert != 0xff || soft != 0 && soft != 0xff {
				s.fail("headers %#x, inverted %#x, mode %#x", headers, invert, soft)
			}
			return ip6Header{headers, invert != 0, soft != 0}
		},
	}
}

func ip6HeaderBit(name string) (uint8, bool) {
	for i, names := range ip6HeaderNames {
		if slices.Contains(strings.Fields(names), name) {
			return 0x80 >> i, true
		}
	}
	return 0, false
}

func (h ip6Header) format(w *words) {
	var list []string
	for i, names := range ip6HeaderNames {
		if h.headers&(0x80>>i) != 0 {
			name, _, _ := strings.Cut(names, " ")
			list = append(list, name)
		}
	}
	w.option(h.invert, "header", strings.Join(list, ","))
	if h.soft {
		w.option(false, "soft")
	}
}

func (h ip6Header) xt(nft.Family) (uint32, []byte) {
	var l layout
	l.u8(h.headers)
	l.u8(b2u(h.invert) * 0xff)
	l.u8(b2u(h.soft) * 0xff)
	return 0, l.b
}
