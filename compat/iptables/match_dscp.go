package iptables

import (
	"fmt"
	"strings"

	"github.com/seawall-net/seawall/nft"
)

// dscp matches the codepoint of differentiated services (RFC 2474).
type dscp struct {
	value  uint8
	invert bool
}

// maxDSCP is the largest codepoint.
const maxDSCP = 0x3f

func matchDSCP() *Module {
	return &Module{
		Name: "dscp",
		Options: []Option{
			{Name: "dscp", Kind: KindNumber, Max: maxDSCP, Invert: true, Excludes: []string{"dscp-class"}, Value: "n"},
			{Name: "dscp-class", Kind: KindText, Invert: true, Value: "BE|EF|AFxx|CSx"},
		},
		OneOf: []string{"dscp", "dscp-class"},
		parse: func(a *arguments) extension {
			if a.has("dscp") {
				return dscp{uint8(a.number("dscp")), a.inverted("dscp")}
			}
			v, ok := dscpClass(a.text("dscp-class"))
			if !ok {
				a.fail("dscp-class", "unknown class %q: want BE, EF, CS0 to CS7 or AF11 to AF43", a.text("dscp-class"))
			}
			return dscp{v, a.inverted("dscp-class")}
		},
		decode: func(s *structure) extension {
			s.only(0)
			d := dscp{s.u8(), s.bool()}
			if d.value > maxDSCP {
				s.fail("codepoint %#x", d.value)
			}
			return d
		},
	}
}

// dscpClass is the codepoint of a class: BE, EF (RFC 3246), CSx (RFC 2474) or
// AFxy (RFC 2597).
func dscpClass(name string) (uint8, bool) {
	name = strings.ToUpper(name)
	switch {
	case name == "BE":
		return 0, true
	case name == "EF":
		return 0x2e, true
	case len(name) == 3 && name[:2] == "CS" && '0' <= name[2] && name[2] <= '7':
		return (name[2] - '0') << 3, true
	case len(name) == 4 && name[:2] == "AF" && '1' <= name[2] && name[2] <= '4' && '1' <= name[3] && name[3] <= '3':
		return (name[2]-'0')<<3 | (name[3]-'0')<<1, true
	}
	return 0, false
}

func (d dscp) format(w *words) { w.option(d.invert, "dscp", fmt.Sprintf("0x%02x", d.value)) }

func (d dscp) xt(nft.Family) (uint32, []byte) {
	var l layout
	l.u8(d.value)
	l.bool(d.invert)
	return 0, l.b
}
