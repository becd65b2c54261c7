package iptables

import (
	"fmt"
	"math"

	"github.com/seawall-net/seawall/nft"
)

// mark matches the packet's mark.
type mark struct {
	value, mask uint32
	invert      bool
}

func matchMark() *Module {
	return &Module{
		Name:    "mark",
		Options: []Option{{Name: "mark", Kind: KindMark, Invert: true, Required: true, Value: "value[/mask]"}},
		parse: func(a *arguments) extension {
			v, m := a.masked("mark")
			return mark{v, m, a.inverted("mark")}
		},
		decode: func(s *structure) extension {
			s.only(1)
			return mark{s.u32(), s.u32(), s.bool()}
		},
		read: func(s nft.Statement, _ *Rule) (extension, bool) { return readMark(s, "meta mark") },
	}
}

func (m mark) format(w *words) { w.option(m.invert, "mark", formatMark(m.value, m.mask)) }

// formatMark writes a mark and its mask.
func formatMark(value, mask uint32) string {
	if mask == math.MaxUint32 {
		return fmt.Sprintf("0x%x", value)
	}
	return fmt.Sprintf("0x%x/0x%x", value, mask)
}

func (m mark) xt(nft.Family) (uint32, []byte) {
	var l layout
	l.u32(m.value)
	l.u32(m.mask)
	l.bool(m.invert)
	return 1, l.b
}

// iptablesForm compares the mark itself.
func (m mark) iptablesForm(*Rule) ([]nft.Statement, bool) { return compileMark(nft.Mark, m) }

func (m mark) nativeForm(*Rule) ([]nft.Statement, bool) { return compileMark(nft.Mark, m) }

// compileMark compares a mark; ok is false without a bit to compare.
func compileMark(f nft.MarkField, m mark) (s []nft.Statement, ok bool) {
	switch {
	case m.mask == 0:
		return nil, false
	case m.mask == math.MaxUint32 && m.invert:
		return []nft.Statement{f.Ne(m.value)}, true
	case m.mask == math.MaxUint32:
		return []nft.Statement{f.Eq(m.value)}, true
	case m.invert:
		return []nft.Statement{f.NeMasked(m.value, m.mask)}, true
	}
	return []nft.Statement{f.EqMasked(m.value, m.mask)}, true
}

// readMark reads what compileMark made of a field.
func readMark(s nft.Statement, field string) (mark, bool) {
	c, ok := nft.Compared(s)
	if !ok || c.Field != field {
		return mark{}, false
	}
	m := mark{uint32(c.Number(c.Value)), math.MaxUint32, c.Invert}
	if c.Op == nft.Masked {
		m.mask = uint32(c.Number(c.Mask))
	}
	return m, c.Op == nft.Is || c.Op == nft.Masked
}
