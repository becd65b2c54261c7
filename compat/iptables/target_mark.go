package iptables

import (
	"fmt"
	"math"

	"github.com/seawall-net/seawall/nft"
)

// setMark changes the packet's mark, to (mark &^ mask) ^ value.
type setMark struct{ value, mask uint32 }

func targetMark() *Module {
	return &Module{
		Name: "MARK", Target: true, Options: markOptions(), OneOf: markCommands(),
		parse: func(a *arguments) extension { return parseSetMark(a) },
		decode: func(s *structure) extension {
			s.only(2)
			return setMark{s.u32(), s.u32()}
		},
		read: func(s nft.Statement, _ *Rule) (extension, bool) { return readSetMark(s, nft.Mark) },
	}
}

func markCommands() []string {
	return []string{"set-xmark", "set-mark", "and-mark", "or-mark", "xor-mark"}
}

// markOptions are those of MARK and CONNMARK that set a mark; others excludes
// more.
func markOptions(others ...string) []Option {
	var out []Option
	for _, name := range markCommands() {
		o := Option{Name: name, Kind: KindNumber, Value: "bits"}
		if name == "set-xmark" || name == "set-mark" {
			o.Kind, o.Value = KindMark, "value[/mask]"
		}
		for _, other := range append(markCommands(), others...) {
			if other != name {
				o.Excludes = append(o.Excludes, other)
			}
		}
		out = append(out, o)
	}
	return out
}

// parseSetMark reads the first of the options of markOptions that was given.
func parseSetMark(a *arguments) setMark {
	for _, name := range markCommands() {
		if !a.has(name) {
			continue
		}
		bits := uint32(a.number(name))
		switch name {
		case "set-xmark":
			value, mask := a.masked(name)
			return setMark{value, mask}
		case "set-mark":
			value, mask := a.masked(name)
			return setMark{value, value | mask}
		case "and-mark":
			return setMark{0, ^bits}
		case "or-mark":
			return setMark{bits, bits}
		case "xor-mark":
			return setMark{bits, 0}
		}
	}
	return setMark{}
}

func (m setMark) format(w *words) {
	w.option(false, "set-xmark", fmt.Sprintf("0x%x/0x%x", m.value, m.mask))
}

func (m setMark) xt(nft.Family) (uint32, []byte) {
	var l layout
	l.u32(m.value)
	l.u32(m.mask)
	return 2, l.b
}

func (m setMark) nativeForm(*Rule) ([]nft.Statement, bool) { return m.native(nft.Mark) }

// native changes a mark. One that would leave it as it is stays a target.
func (m setMark) native(f nft.MarkField) ([]nft.Statement, bool) {
	switch {
	case m.mask == math.MaxUint32:
		return []nft.Statement{f.Set(m.value)}, true
	case m == setMark{}:
		return nil, false
	}
	return []nft.Statement{f.AndXor(^m.mask, m.value)}, true
}

// readSetMark reads what native made.
func readSetMark(s nft.Statement, want nft.MarkField) (setMark, bool) {
	f, and, xor, ok := nft.Changed(s)
	return setMark{xor, ^and}, ok && f == want
}
