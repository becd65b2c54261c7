package iptables

import (
	"fmt"
	"math"
	"slices"

	"github.com/seawall-net/seawall/nft"
)

// devGroup matches the groups that interfaces were put into (ip link set group).
type devGroup struct{ src, dst groupMatch }

type groupMatch struct {
	set         bool
	invert      bool
	value, mask uint32
}

func matchDevGroup() *Module {
	return &Module{
		Name: "devgroup",
		Options: []Option{
			{Name: "src-group", Kind: KindText, Invert: true, Value: "group[/mask]"},
			{Name: "dst-group", Kind: KindText, Invert: true, Value: "group[/mask]"},
		},
		OneOf: []string{"src-group", "dst-group"},
		parse: func(a *arguments) extension {
			return devGroup{parseGroup(a, "src-group"), parseGroup(a, "dst-group")}
		},
		decode: func(s *structure) extension {
			s.only(0)
			flags := s.u32()
			if flags&5 == 0 || flags > 15 || flags&2 != 0 && flags&1 == 0 || flags&8 != 0 && flags&4 == 0 {
				s.fail("unknown flags %#x", flags)
			}
			d := devGroup{
				src: groupMatch{flags&1 != 0, flags&2 != 0, s.u32(), s.u32()},
				dst: groupMatch{flags&4 != 0, flags&8 != 0, s.u32(), s.u32()},
			}
			for _, g := range []groupMatch{d.src, d.dst} {
				if !g.set && g != (groupMatch{}) {
					s.fail("a group that is not matched")
				}
			}
			return d
		},
		read: readDevGroup,
	}
}

// readDevGroup reads one of what nativeForm made; merge puts them together.
func readDevGroup(s nft.Statement, _ *Rule) (extension, bool) {
	c, ok := nft.Compared(s)
	if !ok {
		return nil, false
	}
	g := groupMatch{set: true, invert: c.Invert, value: uint32(c.Number(c.Value)), mask: math.MaxUint32}
	switch c.Op {
	case nft.Is:
	case nft.Masked:
		// The match ignores other bits of the value, the statement does not.
		if g.mask = uint32(c.Number(c.Mask)); g.value&^g.mask != 0 {
			return nil, false
		}
	default:
		return nil, false
	}
	switch c.Field {
	case nft.IIFGroup.String():
		return devGroup{src: g}, true
	case nft.OIFGroup.String():
		return devGroup{dst: g}, true
	}
	return nil, false
}

func (d devGroup) merge(next extension) (extension, bool) {
	n, ok := next.(devGroup)
	if !ok || d.dst.set || n.src.set {
		return nil, false
	}
	return devGroup{d.src, n.dst}, true
}

// parseGroup reads a group. The only name that is known is the one that every
// host has.
func parseGroup(a *arguments, option string) groupMatch {
	if !a.has(option) {
		return groupMatch{}
	}
	out := groupMatch{set: true, invert: a.inverted(option), mask: math.MaxUint32}
	if a.text(option) == "default" {
		return out
	}
	v := value{option: a.module.option(option), text: a.text(option)}
	if err := v.mark(); err != nil {
		a.fail(option, "%q is not a group: want value[/mask], each at most 0xffffffff, or default", v.text)
		return out
	}
	out.value, out.mask = uint32(v.numbers[0]), uint32(v.numbers[1])
	return out
}

func (d devGroup) format(w *words) {
	d.src.format(w, "src-group")
	d.dst.format(w, "dst-group")
}

func (g groupMatch) format(w *words, option string) {
	switch {
	case !g.set:
	case g.mask != math.MaxUint32:
		w.option(g.invert, option, fmt.Sprintf("0x%x/0x%x", g.value, g.mask))
	case g.value == 0:
		w.option(g.invert, option, "default")
	default:
		w.option(g.invert, option, fmt.Sprintf("0x%x", g.value))
	}
}

func (d devGroup) xt(nft.Family) (uint32, []byte) {
	var l layout
	l.u32(uint32(b2u(d.src.set) | b2u(d.src.invert)<<1 | b2u(d.dst.set)<<2 | b2u(d.dst.invert)<<3))
	for _, g := range []groupMatch{d.src, d.dst} {
		l.u32(g.value)
		l.u32(g.mask)
	}
	return 0, l.b
}

func (d devGroup) check(_ *Rule, c Context) error {
	switch {
	case d.src.set && slices.Contains([]nft.Hook{nft.Output, nft.Postrouting}, c.Hook):
		return wholeRule("no packet has an incoming interface in hook %s", c.Hook)
	case d.dst.set && slices.Contains([]nft.Hook{nft.Prerouting, nft.Input}, c.Hook):
		return wholeRule("no packet has an outgoing interface in hook %s", c.Hook)
	}
	return nil
}

// nativeForm compares groups. The match ignores bits of the value that are not
// in the mask, with which no statement of nf_tables would fit.
func (d devGroup) nativeForm(*Rule) ([]nft.Statement, bool) {
	var out []nft.Statement
	for _, g := range []struct {
		groupMatch
		field nft.MaskField[uint32]
	}{{d.src, nft.IIFGroup}, {d.dst, nft.OIFGroup}} {
		switch {
		case !g.set:
		case g.mask == 0 || g.value&^g.mask != 0:
			return nil, false
		case g.mask == math.MaxUint32 && g.invert:
			out = append(out, g.field.Ne(g.value))
		case g.mask == math.MaxUint32:
			out = append(out, g.field.Eq(g.value))
		case g.invert:
			out = append(out, g.field.NeMasked(g.value, g.mask))
		default:
			out = append(out, g.field.EqMasked(g.value, g.mask))
		}
	}
	return out, true
}
