package iptables

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strconv"

	"github.com/seawall-net/seawall/nft"
)

// policy matches how IPsec has treated the packet, or will.
type policy struct {
	out, none, strict bool
	n                 int
	elements          [maxPolicyElements]policyElement
}

// The protocols of IPsec.
const (
	protoESP    = 50
	protoAH     = 51
	protoIPComp = 108
)

const maxPolicyElements = 4

// A policyElement is one transformation of a policy.
type policyElement struct {
	match, invert policyParts
	src, srcMask  netip.Addr
	dst, dstMask  netip.Addr
	spi, reqid    uint32
	proto         uint8
	tunnel        bool
}

// policyParts are the parts of an element, in the order of the kernel's struct
// xt_policy_spec.
type policyParts struct{ src, dst, proto, mode, spi, reqid bool }

// The kernel's flags (XT_POLICY_MATCH_*).
const (
	policyIn = 1 << iota
	policyOut
	policyNone
	policyStrict
)

func matchPolicy() *Module {
	return &Module{
		Name: "policy",
		Options: []Option{
			{Name: "dir", Kind: KindText, Required: true, Value: "in|out"},
			{Name: "pol", Kind: KindText, Value: "none|ipsec"},
			{Name: "strict"},
			{Name: "reqid", Kind: KindNumber, Multi: true, Invert: true, Value: "n"},
			{Name: "spi", Kind: KindNumber, Multi: true, Invert: true, Value: "n"},
			{Name: "proto", Kind: KindProtocol, Multi: true, Invert: true, Value: "ah|esp|ipcomp"},
			{Name: "mode", Kind: KindText, Multi: true, Invert: true, Value: "transport|tunnel"},
			{Name: "tunnel-src", Kind: KindNetwork, Multi: true, Invert: true, Value: "address[/mask]"},
			{Name: "tunnel-dst", Kind: KindNetwork, Multi: true, Invert: true, Value: "address[/mask]"},
			{Name: "next", Multi: true, Also: []string{"strict"}},
		},
		parse:  parsePolicy,
		decode: decodePolicy,
	}
}

func parsePolicy(a *arguments) extension {
	p := policy{out: a.text("dir") == "out", none: a.text("pol") == "none", strict: a.has("strict")}
	if d := a.text("dir"); d != "in" && d != "out" {
		a.fail("dir", "unknown direction %q: want in or out", d)
	}
	if pol := a.text("pol"); a.has("pol") && pol != "none" && pol != "ipsec" {
		a.fail("pol", "unknown policy %q: want none or ipsec", pol)
	}
	for _, v := range a.values {
		switch name := v.option.Name; {
		case name == "dir" || name == "pol" || name == "strict":
			if name == "strict" && p.none {
				a.fail(name, "cannot be used together with --pol none")
			}
		case p.none:
			a.fail(name, "cannot be used together with --pol none")
		case name == "next":
			if p.n++; p.n == maxPolicyElements {
				a.fail(name, "there can be %d elements", maxPolicyElements)
				return p
			}
		default:
			p.elements[p.n].set(a, v)
		}
	}
	if !p.none {
		p.n++
	}
	for i, e := range p.elements[:p.n] {
		switch {
		case p.strict && e.match == (policyParts{}):
			a.fail("strict", "element %d is empty: want --reqid, --spi, --proto, --mode, --tunnel-src or --tunnel-dst", i+1)
		case (e.match.src || e.match.dst) && e.tunnel == e.invert.mode:
			a.fail("", "--tunnel-src and --tunnel-dst need --mode tunnel")
		}
	}
	return p
}

// set notes an option.
func (e *policyElement) set(a *arguments, v *value) {
	name := v.option.Name
	flag := func(was, invert *bool) {
		if *was {
			a.fail(name, "was given before for the same element")
		}
		*was, *invert = true, v.invert
	}
	switch name {
	case "reqid":
		flag(&e.match.reqid, &e.invert.reqid)
		e.reqid = uint32(v.numbers[0])
	case "spi":
		flag(&e.match.spi, &e.invert.spi)
		e.spi = uint32(v.numbers[0])
	case "proto":
		flag(&e.match.proto, &e.invert.proto)
		if e.proto = uint8(v.numbers[0]); !isIPsec(e.proto) {
			a.fail(name, "%q is not ah, esp or ipcomp", v.text)
		}
	case "mode":
		flag(&e.match.mode, &e.invert.mode)
		if e.tunnel = v.text == "tunnel"; !e.tunnel && v.text != "transport" {
			a.fail(name, "unknown mode %q: want transport or tunnel", v.text)
		}
	case "tunnel-src":
		flag(&e.match.src, &e.invert.src)
		e.src, e.srcMask = v.addr, v.mask
	case "tunnel-dst":
		flag(&e.match.dst, &e.invert.dst)
		e.dst, e.dstMask = v.addr, v.mask
	}
	if v.mask.IsValid() && prefixLength(v.mask) < 0 {
		a.fail(name, "mask %s is not in one piece", v.mask)
	}
}

func isIPsec(proto uint8) bool {
	return slices.Contains([]uint8{protoESP, protoAH, protoIPComp}, proto)
}

func (p policy) format(w *words) {
	dir, pol := "in", "ipsec"
	if p.out {
		dir = "out"
	}
	if p.none {
		pol = "none"
	}
	w.add("--dir", dir, "--pol", pol)
	if p.strict {
		w.add("--strict")
	}
	for i, e := range p.elements[:p.n] {
		if i > 0 {
			w.add("--next")
		}
		e.format(w)
	}
}

func (e policyElement) format(w *words) {
	if e.match.reqid {
		w.option(e.invert.reqid, "reqid", strconv.FormatUint(uint64(e.reqid), 10))
	}
	if e.match.spi {
		w.option(e.invert.spi, "spi", fmt.Sprintf("0x%x", e.spi))
	}
	if e.match.proto {
		w.option(e.invert.proto, "proto", protocolName(e.proto))
	}
	if e.match.mode {
		mode := "transport"
		if e.tunnel {
			mode = "tunnel"
		}
		w.option(e.invert.mode, "mode", mode)
	}
	if e.match.dst {
		w.option(e.invert.dst, "tunnel-dst", formatHost(e.dst, e.dstMask))
	}
	if e.match.src {
		w.option(e.invert.src, "tunnel-src", formatHost(e.src, e.srcMask))
	}
}

// formatHost writes an address and its mask, without the mask of a single
// address.
func formatHost(addr, mask netip.Addr) string {
	if prefixLength(mask) == mask.BitLen() {
		return addr.String()
	}
	return addr.String() + formatMask(mask)
}

func (p policy) xt(nft.Family) (uint32, []byte) {
	var l layout
	for _, e := range p.elements {
		e.layout(&l)
	}
	flags := uint16(policyIn)
	if p.out {
		flags = policyOut
	}
	l.u16(flags | uint16(b2u(p.none))*policyNone | uint16(b2u(p.strict))*policyStrict)
	l.u16(uint16(p.n))
	return 0, l.b
}

func (e policyElement) layout(l *layout) {
	l.addr16(e.src)
	l.mask16(e.srcMask)
	l.addr16(e.dst)
	l.mask16(e.dstMask)
	// The kernel compares this with the number in network byte order; iptables
	// does not convert it, and so --spi is byte-swapped on little-endian hosts.
	l.u32(e.spi)
	l.u32(e.reqid)
	l.u8(e.proto)
	l.u8(b2u(e.tunnel))
	l.u8(e.match.bits())
	l.u8(e.invert.bits())
}

// mask16 writes a mask as iptables' parser leaves it: that of a single address
// has all 16 bytes set, in IPv4 too.
func (l *layout) mask16(mask netip.Addr) {
	if mask.Is4() && prefixLength(mask) == 32 {
		mask = netip.AddrFrom16([16]byte(slices.Repeat([]byte{0xff}, 16)))
	}
	l.addr16(mask)
}

func (s policyParts) list() []bool { return []bool{s.src, s.dst, s.proto, s.mode, s.spi, s.reqid} }

// bits are bit fields of C, which big-endian machines fill from the other end.
func (s policyParts) bits() uint8 {
	var out uint8
	for i, set := range s.list() {
		out |= b2u(set) * bitField(i)
	}
	return out
}

func bitField(i int) uint8 {
	if binary.NativeEndian.Uint16([]byte{0, 1}) == 1 {
		return 0x80 >> i
	}
	return 1 << i
}

func partsOf(bits uint8) policyParts {
	has := func(i int) bool { return bits&bitField(i) != 0 }
	return policyParts{has(0), has(1), has(2), has(3), has(4), has(5)}
}

func decodePolicy(s *structure) extension {
	s.only(0)
	var p policy
	var read [maxPolicyElements]policyElement
	for i := range read {
		read[i] = decodePolicyElement(s)
	}
	flags, n := s.u16(), s.u16()
	p.out, p.none, p.strict = flags&policyOut != 0, flags&policyNone != 0, flags&policyStrict != 0
	switch {
	case flags > 15 || p.out == (flags&policyIn != 0) || n > maxPolicyElements:
		s.fail("unknown flags %#x, or %d elements", flags, n)
		return p
	case p.none && (n != 0 || p.strict) || !p.none && (n == 0 || n > 1 && !p.strict):
		s.fail("%d elements with flags %#x", n, flags)
		return p
	}
	p.n = int(n)
	copy(p.elements[:], read[:n])
	return p
}

func decodePolicyElement(s *structure) policyElement {
	var e policyElement
	e.src, e.srcMask, e.dst, e.dstMask = s.addr16(), s.addr16(), s.addr16(), s.addr16()
	e.spi, e.reqid, e.proto = s.u32(), s.u32(), s.u8()
	e.tunnel = s.bool()
	match, invert := s.u8(), s.u8()
	e.match, e.invert = partsOf(match), partsOf(invert)
	if e.match.bits() != match || e.invert.bits() != invert || invert&^match != 0 || e.match.proto && !isIPsec(e.proto) {
		s.fail("unknown parts %#x, inverted %#x, or protocol %d", match, invert, e.proto)
	}
	if !e.match.src {
		e.src, e.srcMask = netip.Addr{}, netip.Addr{}
	} else if prefixLength(e.srcMask) < 0 {
		s.fail("mask %s is not in one piece", e.srcMask)
	}
	if !e.match.dst {
		e.dst, e.dstMask = netip.Addr{}, netip.Addr{}
	} else if prefixLength(e.dstMask) < 0 {
		s.fail("mask %s is not in one piece", e.dstMask)
	}
	return e
}

func (p policy) check(_ *Rule, c Context) error {
	switch {
	case p.out && slices.Contains([]nft.Hook{nft.Prerouting, nft.Input}, c.Hook):
		return wholeRule("--dir out is not possible in hook %s", c.Hook)
	case !p.out && slices.Contains([]nft.Hook{nft.Output, nft.Postrouting}, c.Hook):
		return wholeRule("--dir in is not possible in hook %s", c.Hook)
	}
	return nil
}
