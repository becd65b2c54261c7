package iptables

import (
	"strconv"

	"github.com/seawall-net/seawall/nft"
)

// hops matches how many routers a packet may still pass: the time to live of
// IPv4 (ttl), the hop limit of IPv6 (hl).
type hops struct {
	// name is "ttl" or "hl".
	name  string
	mode  hopsMode
	value uint8
}

// hopsMode is how the kernel compares (IPT_TTL_EQ and so on).
type hopsMode uint8

const (
	hopsEq hopsMode = iota
	hopsNe
	hopsLess
	hopsMore
)

func matchTTL() *Module { return matchHops("ttl", nft.IPv4) }

func matchHL() *Module { return matchHops("hl", nft.IPv6) }

func matchHops(name string, f nft.Family) *Module {
	eq, lt, gt := name+"-eq", name+"-lt", name+"-gt"
	return &Module{
		Name:   name,
		Family: f,
		Options: []Option{
			{Name: eq, Aliases: []string{name}, Kind: KindNumber, Max: 255, Invert: true, Excludes: []string{lt, gt}, Value: "n"},
			{Name: lt, Kind: KindNumber, Max: 255, Excludes: []string{gt}, Value: "n"},
			{Name: gt, Kind: KindNumber, Max: 255, Value: "n"},
		},
		OneOf: []string{eq, lt, gt},
		parse: func(a *arguments) extension {
			h := hops{name: name}
			for mode, option := range map[hopsMode]string{hopsEq: eq, hopsLess: lt, hopsMore: gt} {
				if a.has(option) {
					h.mode, h.value = mode, uint8(a.number(option))
				}
			}
			if a.inverted(eq) {
				h.mode = hopsNe
			}
			return h
		},
		decode: func(s *structure) extension {
			s.only(0)
			h := hops{name, hopsMode(s.u8()), s.u8()}
			if h.mode > hopsMore {
				s.fail("unknown comparison %d", h.mode)
			}
			return h
		},
		read: func(s nft.Statement, r *Rule) (extension, bool) {
			c, ok := nft.Compared(s)
			h := hops{name: name, value: uint8(c.Number(c.Value))}
			if !ok || c.Field != h.field(r.Family).String() {
				return nil, false
			}
			switch {
			case c.Op == nft.Is && c.Invert:
				h.mode = hopsNe
			case c.Op == nft.Below:
				h.mode = hopsLess
			case c.Op == nft.Above:
				h.mode = hopsMore
			case c.Op != nft.Is:
				return nil, false
			}
			return h, true
		},
	}
}

func (hops) field(f nft.Family) nft.Field[uint8] {
	if f == nft.IPv6 {
		return nft.IP6Hoplimit
	}
	return nft.IPTTL
}

func (h hops) format(w *words) {
	suffix := "-eq"
	switch h.mode {
	case hopsLess:
		suffix = "-lt"
	case hopsMore:
		suffix = "-gt"
	}
	w.option(h.mode == hopsNe, h.name+suffix, strconv.Itoa(int(h.value)))
}

func (h hops) xt(nft.Family) (uint32, []byte) {
	var l layout
	l.u8(uint8(h.mode))
	l.u8(h.value)
	return 0, l.b
}

func (h hops) nativeForm(r *Rule) ([]nft.Statement, bool) {
	field := h.field(r.Family)
	compare := map[hopsMode]func(uint8) nft.Statement{
		hopsEq: field.Eq, hopsNe: field.Ne, hopsLess: field.Below, hopsMore: field.Above,
	}[h.mode]
	return []nft.Statement{compare(h.value)}, true
}
