package iptables

import (
	"fmt"
	"strings"

	"github.com/seawall-net/seawall/nft"
)

// icmp matches the type and code of a message of ICMP or ICMPv6.
type icmp struct {
	v6 bool
	// kind is the type; in IPv4, anyICMP stands for all.
	kind             uint8
	minCode, maxCode uint8
	invert           bool
}

const anyICMP = 255

func matchICMP() *Module {
	return &Module{
		Name: "icmp", Family: nft.IPv4, Protocols: []uint8{protoICMP},
		Options: []Option{{Name: "icmp-type", Kind: KindText, Invert: true, Required: true, Value: "type[/code]"}},
		parse:   func(a *arguments) extension { return parseICMP(a, "icmp-type", false) },
		decode:  func(s *structure) extension { return decodeICMP(s, false) },
	}
}

func matchICMP6() *Module {
	return &Module{
		Name: "icmp6", Family: nft.IPv6, Protocols: []uint8{protoICMPv6},
		Options: []Option{{Name: "icmpv6-type", Kind: KindText, Invert: true, Required: true, Value: "type[/code]"}},
		parse:   func(a *arguments) extension { return parseICMP(a, "icmpv6-type", true) },
		decode:  func(s *structure) extension { return decodeICMP(s, true) },
	}
}

func parseICMP(a *arguments, option string, v6 bool) extension {
	m := icmp{v6: v6, invert: a.inverted(option), maxCode: 255}
	text := a.text(option)
	var found []icmpName
	for _, n := range icmpNames(v6) {
		if len(text) <= len(n.name) && strings.EqualFold(text, n.name[:len(text)]) {
			found = append(found, n)
		}
	}
	switch len(found) {
	case 0:
	case 1:
		m.kind = found[0].kind
		if found[0].code >= 0 {
			m.minCode, m.maxCode = uint8(found[0].code), uint8(found[0].code)
		}
		return m
	default:
		a.fail(option, "%q is ambiguous: %s, %s", text, found[0].name, found[1].name)
		return nil
	}
	kind, code, hasCode := strings.Cut(text, "/")
	lo, hi, ok := icmpRange(kind)
	m.kind = lo
	if ok && lo != hi {
		a.fail(option, "%q: a range of types is not possible", text)
		return nil
	}
	if hasCode {
		var okCode bool
		m.minCode, m.maxCode, okCode = icmpRange(code)
		ok = ok && okCode
	}
	if !ok {
		a.fail(option, "unknown type %q", text)
		return nil
	}
	return m
}

// icmpRange reads number[:number].
func icmpRange(text string) (lo, hi uint8, ok bool) {
	first, second, isRange := strings.Cut(text, ":")
	n, ok := wholeNumber(first, 0, 255)
	m, ok2 := n, true
	if isRange {
		m, ok2 = wholeNumber(second, 0, 255)
	}
	return uint8(n), uint8(m), ok && ok2
}

// format writes numbers, as iptables does. Of several codes iptables writes the
// first only, which would be another rule if it were read back: here all are
// written, in the form that it reads.
func (m icmp) format(w *words) {
	option, text := "icmp-type", fmt.Sprint(m.kind)
	if m.v6 {
		option = "icmpv6-type"
	}
	switch {
	case m.minCode == m.maxCode:
		text += fmt.Sprintf("/%d", m.minCode)
	case m.minCode != 0 || m.maxCode != 255:
		text += fmt.Sprintf("/%d:%d", m.minCode, m.maxCode)
	case m.kind == anyICMP && !m.v6:
		text = "any"
	}
	w.option(m.invert, option, text)
}

// xt is struct ipt_icmp or ip6t_icmp.
func (m icmp) xt(nft.Family) (uint32, []byte) {
	return 0, []byte{m.kind, m.minCode, m.maxCode, b2u(m.invert)}
}

func decodeICMP(s *structure, v6 bool) extension {
	s.only(0)
	return icmp{v6: v6, kind: s.u8(), minCode: s.u8(), maxCode: s.u8(), invert: s.bool()}
}

// An icmpName is iptables' name of a type, or of one code of it.
type icmpName struct {
	name string
	kind uint8
	code int16 // -1: all
}

func icmpNames(v6 bool) []icmpName {
	if v6 {
		return icmp6TypeNames
	}
	return icmpTypeNames
}

var icmpTypeNames = []icmpName{
	{"any", anyICMP, -1}, {"echo-reply", 0, -1}, {"pong", 0, -1},
	{"destination-unreachable", 3, -1}, {"network-unreachable", 3, 0}, {"host-unreachable", 3, 1},
	{"protocol-unreachable", 3, 2}, {"port-unreachable", 3, 3}, {"fragmentation-needed", 3, 4},
	{"source-route-failed", 3, 5}, {"network-unknown", 3, 6}, {"host-unknown", 3, 7},
	{"network-prohibited", 3, 9}, {"host-prohibited", 3, 10}, {"TOS-network-unreachable", 3, 11},
	{"TOS-host-unreachable", 3, 12}, {"communication-prohibited", 3, 13}, {"host-precedence-violation", 3, 14},
	{"precedence-cutoff", 3, 15}, {"source-quench", 4, -1},
	{"redirect", 5, -1}, {"network-redirect", 5, 0}, {"host-redirect", 5, 1}, {"TOS-network-redirect", 5, 2},
	{"TOS-host-redirect", 5, 3}, {"echo-request", 8, -1}, {"ping", 8, -1},
	{"router-advertisement", 9, -1}, {"router-solicitation", 10, -1},
	{"time-exceeded", 11, -1}, {"ttl-exceeded", 11, -1}, {"ttl-zero-during-transit", 11, 0}, {"ttl-zero-during-reassembly", 11, 1},
	{"parameter-problem", 12, -1}, {"ip-header-bad", 12, 0}, {"required-option-missing", 12, 1},
	{"timestamp-request", 13, -1}, {"timestamp-reply", 14, -1},
	{"address-mask-request", 17, -1}, {"address-mask-reply", 18, -1},
}

var icmp6TypeNames = []icmpName{
	{"destination-unreachable", 1, -1}, {"no-route", 1, 0}, {"communication-prohibited", 1, 1}, {"beyond-scope", 1, 2},
	{"address-unreachable", 1, 3}, {"port-unreachable", 1, 4}, {"failed-policy", 1, 5}, {"reject-route", 1, 6},
	{"packet-too-big", 2, -1},
	{"time-exceeded", 3, -1}, {"ttl-exceeded", 3, -1}, {"ttl-zero-during-transit", 3, 0}, {"ttl-zero-during-reassembly", 3, 1},
	{"parameter-problem", 4, -1}, {"bad-header", 4, 0}, {"unknown-header-type", 4, 1}, {"unknown-option", 4, 2},
	{"echo-request", 128, -1}, {"ping", 128, -1}, {"echo-reply", 129, -1}, {"pong", 129, -1},
	{"router-solicitation", 133, -1}, {"router-advertisement", 134, -1},
	{"neighbour-solicitation", 135, -1}, {"neighbor-solicitation", 135, -1},
	{"neighbour-advertisement", 136, -1}, {"neighbor-advertisement", 136, -1}, {"redirect", 137, -1},
}
