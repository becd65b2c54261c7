package iptables

import (
	"net/netip"
	"strings"

	"github.com/seawall-net/seawall/nft"
)

// ipRange matches addresses from one to another.
type ipRange struct{ src, dst addrRange }

// An addrRange is one of iprange's options; its zero value was not given.
type addrRange struct {
	lo, hi netip.Addr
	invert bool
}

// Bits of the kernel's xt_iprange_mtinfo.
const (
	ipRangeSrc       = 1 << 0
	ipRangeDst       = 1 << 1
	ipRangeSrcInvert = 1 << 4
	ipRangeDstInvert = 1 << 5
)

func matchIPRange() *Module {
	return &Module{
		Name: "iprange",
		Options: []Option{
			{Name: "src-range", Kind: KindText, Invert: true, Value: "address[-address]"},
			{Name: "dst-range", Kind: KindText, Invert: true, Value: "address[-address]"},
		},
		OneOf: []string{"src-range", "dst-range"},
		parse: func(a *arguments) extension {
			return ipRange{parseAddrRange(a, "src-range"), parseAddrRange(a, "dst-range")}
		},
		decode: decodeIPRange,
	}
}

// parseAddrRange reads one option. A range the wrong way round is one that no
// address is in; iptables only warns of it, and this does not even that.
func parseAddrRange(a *arguments, name string) addrRange {
	if !a.has(name) {
		return addrRange{}
	}
	first, second, isRange := strings.Cut(a.text(name), "-")
	if !isRange {
		second = first
	}
	r := addrRange{invert: a.inverted(name)}
	for _, end := range []struct {
		to   *netip.Addr
		text string
	}{{&r.lo, first}, {&r.hi, second}} {
		addr, err := netip.ParseAddr(end.text)
		if err != nil || addr.BitLen() != addrBits(a.family()) || addr.Zone() != "" {
			a.fail(name, "%s", addrError(a.family(), end.text))
			return addrRange{}
		}
		*end.to = addr
	}
	return r
}

func (r ipRange) format(w *words) {
	r.src.format(w, "src-range")
	r.dst.format(w, "dst-range")
}

func (r addrRange) format(w *words, name string) {
	if r.lo.IsValid() {
		w.option(r.invert, name, r.lo.String()+"-"+r.hi.String())
	}
}

func (r ipRange) xt(nft.Family) (uint32, []byte) {
	var l layout
	for _, a := range []netip.Addr{r.src.lo, r.src.hi, r.dst.lo, r.dst.hi} {
		l.addr16(a)
	}
	l.u8(r.src.flags(ipRangeSrc, ipRangeSrcInvert) | r.dst.flags(ipRangeDst, ipRangeDstInvert))
	return 1, l.b
}

func (r addrRange) flags(given, inverted uint8) uint8 {
	return b2u(r.lo.IsValid())*given | b2u(r.invert)*inverted
}

func decodeIPRange(s *structure) extension {
	s.only(1)
	var a [4]netip.Addr
	for i := range a {
		a[i] = s.addr16()
	}
	flags := s.u8()
	if flags&^(ipRangeSrc|ipRangeDst|ipRangeSrcInvert|ipRangeDstInvert) != 0 || flags&(ipRangeSrc|ipRangeDst) == 0 {
		s.fail("unknown flags %#x", flags)
	}
	read := func(lo, hi netip.Addr, given, inverted uint8) addrRange {
		switch {
		case flags&given != 0:
			return addrRange{lo, hi, flags&inverted != 0}
		case flags&inverted != 0 || !lo.IsUnspecified() || !hi.IsUnspecified():
			s.fail("a range that is not used")
		}
		return addrRange{}
	}
	return ipRange{
		read(a[0], a[1], ipRangeSrc, ipRangeSrcInvert),
		read(a[2], a[3], ipRangeDst, ipRangeDstInvert),
	}
}
