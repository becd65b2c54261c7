package nft

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
)

// newElementLine is what nft writes between two elements on two lines.
const newElementLine = ",\n\t\t\t     "

// foreignMark stands for what this package cannot express. nft does not accept
// it, so that a listing that lacks something cannot be loaded by mistake.
const foreignMark = "<unknown attributes>"

func (p *printer) set(s *Set, elements []*Element) {
	p.line("\t", s.word(), " ", s.Name, " {")
	for _, l := range s.declaration() {
		p.line("\t\t", l)
	}
	if len(elements) > 0 {
		p.WriteString("\t\telements = { ")
		perLine, onLine := s.Key.perLine(), 0
		for i, e := range s.inListingOrder(elements) {
			switch {
			case i == 0:
			case onLine < perLine:
				p.WriteString(", ")
			default:
				p.WriteString(newElementLine)
				onLine = 0
			}
			onLine++
			p.WriteString(e.print(s, p.o))
		}
		p.line(" }")
	}
	p.line("\t}")
}

// word is nft's word for the set: set, or map.
func (s *Set) word() string {
	if s.IsMap() {
		return "map"
	}
	return "set"
}

// declaration lists the properties of the set, one a line.
func (s *Set) declaration() []string {
	typ := "type " + s.Key.String()
	if s.IsMap() {
		typ += " : " + s.Data.String()
	}
	lines := []string{typ}
	if s.Size != 0 {
		lines = append(lines, fmt.Sprintf("size %d", s.Size))
	}
	if s.Interval {
		lines = append(lines, "flags interval")
	}
	if s.Counter {
		lines = append(lines, "counter")
	}
	if s.Comment != "" {
		lines = append(lines, "comment "+quote(s.Comment))
	}
	if s.foreign != "" {
		lines = append(lines, foreignMark)
	}
	return lines
}

// perLine is how many elements with keys of the type nft writes on one line.
func (t Type) perLine() int {
	switch t {
	case TypeARPOp, TypeInetProto, TypeInetService, TypeMark, TypeIFIndex:
		return 5
	case TypeIPv4Addr, TypePktType, TypeCTState, TypeCTStatus:
		return 2
	}
	return 1
}

// inListingOrder sorts elements as nft does: by the number that the key is, if
// the whole key is read as one. The order in which the kernel holds the ranges
// of a concatenation is kept.
func (s *Set) inListingOrder(elements []*Element) []*Element {
	parts := s.Key.parts()
	if s.Interval && len(parts) > 1 {
		return elements
	}
	elements = slices.Clone(elements)
	// Concatenations and names are host order numbers to nft, whatever is in
	// them: where that is little-endian, the last byte counts most.
	if isLittleEndian() && (len(parts) > 1 || datatypes[s.Key].host) {
		slices.SortFunc(elements, func(a, b *Element) int { return compareReversed(a.Key, b.Key) })
	} else {
		slices.SortFunc(elements, func(a, b *Element) int { return cmp.Compare(a.Key, b.Key) })
	}
	return elements
}

func isLittleEndian() bool { return binary.NativeEndian.Uint16([]byte{1, 0}) == 1 }

// compareReversed compares two values from the last byte to the first.
func compareReversed(a, b Value) int {
	if c := cmp.Compare(len(a), len(b)); c != 0 {
		return c
	}
	for i := len(a) - 1; i >= 0; i-- {
		if c := cmp.Compare(a[i], b[i]); c != 0 {
			return c
		}
	}
	return 0
}

// print writes the element as it stands in a listing of its set.
func (e *Element) print(s *Set, o PrintOptions) string {
	out := formatRange(s.Key, e.Key, e.End)
	if s.Counter {
		out += " " + counter{e.Packets, e.Bytes}.print(o)
	}
	if e.Comment != "" {
		out += " comment " + quote(e.Comment)
	}
	if e.foreign != "" {
		out += " " + foreignMark
	}
	switch {
	case s.Data == TypeVerdict:
		out += " : " + e.Verdict.String()
	case s.IsMap():
		out += " : " + formatValue(s.Data, e.Data)
	}
	return out
}
