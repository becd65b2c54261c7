package iptables

import (
	"bytes"
	"fmt"
	"net/netip"

	"github.com/seawall-net/seawall/nft"
)

// connlimit matches by how many connections a network has open.
type connlimit struct {
	limit uint32
	upto  bool
	daddr bool
	mask  wideMask
}

// A wideMask is a mask in a union nf_inet_addr, which has room for one of IPv6.
type wideMask struct {
	netip.Addr
	// full is set for the default: all 16 bytes are ones, in IPv4 as well, where
	// the kernel does not look at the last 12. A mask that is spelt out has zeros
	// there.
	full bool
}

// Bits of the kernel's xt_connlimit_info.
const (
	connlimitInvert = 1 << iota
	connlimitDaddr
)

func matchConnlimit() *Module {
	return &Module{
		Name: "connlimit",
		Options: []Option{
			{Name: "connlimit-upto", Kind: KindNumber, Invert: true, Excludes: []string{"connlimit-above"}, Value: "number"},
			{Name: "connlimit-above", Kind: KindNumber, Invert: true, Excludes: []string{"connlimit-upto"}, Value: "number"},
			{Name: "connlimit-mask", Kind: KindPrefixLength, Value: "length"},
			{Name: "connlimit-saddr", Excludes: []string{"connlimit-daddr"}},
			{Name: "connlimit-daddr", Excludes: []string{"connlimit-saddr"}},
		},
		OneOf:  []string{"connlimit-upto", "connlimit-above"},
		parse:  parseConnlimit,
		decode: decodeConnlimit,
	}
}

func parseConnlimit(a *arguments) extension {
	c := connlimit{daddr: a.has("connlimit-daddr"), mask: fullMask(a.family())}
	if a.has("connlimit-upto") {
		c.limit, c.upto = uint32(a.number("connlimit-upto")), !a.inverted("connlimit-upto")
	} else {
		c.limit, c.upto = uint32(a.number("connlimit-above")), a.inverted("connlimit-above")
	}
	if v := a.get("connlimit-mask"); v != nil {
		if prefixLength(v.mask) < 0 {
			a.fail("connlimit-mask", "mask %s is not in one piece", v.mask)
		}
		c.mask = wideMask{Addr: v.mask, full: c.mask.full && v.mask.Is6() && v.mask == c.mask.Addr}
	}
	return c
}

// plain forgets how the mask fills the union, see wideMask.
func (c connlimit) plain() extension {
	c.mask.full = false
	return c
}

// fullMask is the default mask.
func fullMask(f nft.Family) wideMask {
	return wideMask{Addr: prefixMask(f, addrBits(f)), full: true}
}

// layout writes the mask.
func (m wideMask) layout(l *layout) {
	if m.full {
		l.align(4)
		l.bytes(bytes.Repeat([]byte{0xff}, 16))
		return
	}
	l.addr16(m.Addr)
}

// wideMask reads a mask of the structure's family.
func (s *structure) wideMask() wideMask {
	b := s.take(16, 4)
	full := bytes.Count(b, []byte{0xff}) == 16
	n := addrBits(s.family) / 8
	if len(bytes.Trim(b[n:], "\x00")) > 0 && !full {
		s.fail("a mask is longer than an address")
	}
	mask, _ := netip.AddrFromSlice(b[:n])
	return wideMask{Addr: mask, full: full}
}

func (c connlimit) format(w *words) {
	name := "connlimit-above"
	if c.upto {
		name = "connlimit-upto"
	}
	w.option(false, name, fmt.Sprint(c.limit))
	w.option(false, "connlimit-mask", fmt.Sprint(prefixLength(c.mask.Addr)))
	if c.daddr {
		w.option(false, "connlimit-daddr")
	} else {
		w.option(false, "connlimit-saddr")
	}
}

func (c connlimit) xt(nft.Family) (uint32, []byte) {
	var l layout
	c.mask.layout(&l)
	l.u32(c.limit)
	l.u32(uint32(b2u(c.upto)*connlimitInvert | b2u(c.daddr)*connlimitDaddr))
	l.u64(0) // the kernel's
	return 1, l.b
}

func decodeConnlimit(s *structure) extension {
	s.only(1)
	c := connlimit{mask: s.wideMask(), limit: s.u32()}
	flags := s.u32()
	c.upto, c.daddr = flags&connlimitInvert != 0, flags&connlimitDaddr != 0
	if flags > connlimitInvert|connlimitDaddr {
		s.fail("unknown flags %#x", flags)
	}
	if prefixLength(c.mask.Addr) < 0 {
		s.fail("mask %s is not in one piece", c.mask.Addr)
	}
	s.kernelPart(8)
	return c
}

// kernelPart skips a pointer at the end of the structure, which the kernel has
// for itself and lists as zeros, or not at all.
func (s *structure) kernelPart(n int) {
	if at := (s.at + 7) &^ 7; at < len(s.b) {
		s.at = at
		s.skip(n)
	}
}
