package iptables

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/seawall-net/seawall/nft"
)

// route matches the routing header of IPv6.
type route struct {
	kind     uint32
	segments idSpan
	length   uint32
	// flags are the kernel's (IP6T_RT_*), and invert those of the first three that
	// must not fit.
	flags, invert uint8
	n             int
	addrs         [maxRouteAddrs]netip.Addr
}

const maxRouteAddrs = 16

const (
	routeType = 1 << iota
	routeSegments
	routeLength
	routeReserved
	routeAddrs
	routeNotStrict
)

func matchRT() *Module {
	return &Module{
		Name:   "rt",
		Family: nft.IPv6,
		Options: []Option{
			{Name: "rt-type", Kind: KindNumber, Invert: true, Value: "n"},
			{Name: "rt-segsleft", Kind: KindRange, Invert: true, Value: "n[:n]"},
			{Name: "rt-len", Kind: KindNumber, Invert: true, Value: "bytes"},
			{Name: "rt-0-res", Also: []string{"rt-type"}},
			{Name: "rt-0-addrs", Kind: KindText, Also: []string{"rt-type"}, Value: "address[,address…]"},
			{Name: "rt-0-not-strict", Also: []string{"rt-0-addrs"}},
		},
		parse:  parseRoute,
		decode: decodeRoute,
	}
}

func parseRoute(a *arguments) extension {
	r := route{
		kind: uint32(a.number("rt-type")), segments: parseIDSpan(a, "rt-segsleft"), length: uint32(a.number("rt-len")),
	}
	for i, name := range []string{"rt-type", "rt-segsleft", "rt-len", "rt-0-res", "rt-0-addrs", "rt-0-not-strict"} {
		r.flags |= b2u(a.has(name)) << i
		r.invert |= b2u(a.inverted(name)) << i
		if i >= 3 && a.has(name) && (r.kind != 0 || r.invert&routeType != 0) {
			a.fail(name, "needs --rt-type 0")
		}
	}
	if !a.has("rt-0-addrs") {
		return r
	}
	for text := range strings.SplitSeq(a.text("rt-0-addrs"), ",") {
		addr, err := netip.ParseAddr(text)
		switch {
		case err != nil || addr.Is4() || addr.Zone() != "":
			a.fail("rt-0-addrs", "%q is not an IPv6 address", text)
			return r
		case r.n == maxRouteAddrs:
			a.fail("rt-0-addrs", "more than %d addresses", maxRouteAddrs)
			return r
		}
		r.addrs[r.n] = addr
		r.n++
	}
	return r
}

func (r route) format(w *words) {
	if r.flags&routeType != 0 {
		w.option(r.invert&routeType != 0, "rt-type", strconv.FormatUint(uint64(r.kind), 10))
	}
	r.segments.format(w, "rt-segsleft")
	if r.flags&routeLength != 0 {
		w.option(r.invert&routeLength != 0, "rt-len", strconv.FormatUint(uint64(r.length), 10))
	}
	if r.flags&routeReserved != 0 {
		w.option(false, "rt-0-res")
	}
	if r.flags&routeAddrs != 0 {
		var list []string
		for _, a := range r.addrs[:r.n] {
			list = append(list, a.String())
		}
		w.option(false, "rt-0-addrs", strings.Join(list, ","))
	}
	if r.flags&routeNotStrict != 0 {
		w.option(false, "rt-0-not-strict")
	}
}

func (r route) xt(nft.Family) (uint32, []byte) {
	var l layout
	for _, n := range []uint32{r.kind, r.segments.lo, r.segments.hi, r.length} {
		l.u32(n)
	}
	l.u8(r.flags)
	l.u8(r.invert)
	for _, a := range r.addrs {
		l.addr16(a)
	}
	l.u8(uint8(r.n))
	l.align(4)
	return 0, l.b
}

func decodeRoute(s *structure) extension {
	s.only(0)
	r := route{kind: s.u32(), segments: idSpan{lo: s.u32(), hi: s.u32()}, length: s.u32(), flags: s.u8(), invert: s.u8()}
	r.segments.invert = r.invert&routeSegments != 0
	var addrs [maxRouteAddrs]netip.Addr
	for i := range addrs {
		addrs[i] = netip.AddrFrom16([16]byte(s.take(16, 4)))
	}
	r.n = int(s.u8())
	s.zero(3)
	zeroOnly := r.flags & (routeReserved | routeAddrs | routeNotStrict)
	switch {
	case r.flags >= routeNotStrict<<1 || r.invert&^(r.flags&(routeType|routeSegments|routeLength)) != 0 || r.n > maxRouteAddrs:
		s.fail("unknown flags %#x or bits to invert %#x", r.flags, r.invert)
		return r
	case zeroOnly != 0 && (r.flags&routeType == 0 || r.invert&routeType != 0 || r.kind != 0),
		(r.flags&routeAddrs != 0) != (r.n > 0), r.flags&routeNotStrict != 0 && r.n == 0,
		r.flags&routeType == 0 && r.kind != 0, r.flags&routeLength == 0 && r.length != 0,
		r.flags&routeSegments == 0 && r.segments != parseIDSpan(&arguments{}, ""):
		s.fail("flags %#x do not fit the values", r.flags)
		return r
	}
	copy(r.addrs[:], addrs[:r.n])
	return r
}
