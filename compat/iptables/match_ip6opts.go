package iptables

import (
	"strconv"
	"strings"

	"github.com/seawall-net/seawall/nft"
)

// ip6Opts matches the options of IPv6 for every router (hbh) or for the
// destination (dst).
type ip6Opts struct {
	// name is "hbh" or "dst".
	name              string
	hasLength, invert bool
	length            uint32
	hasOptions        bool
	n                 int
	options           [maxIP6Opts]ip6Opt
}

// An ip6Opt is the type of an option and its length; a length of 255 is any.
type ip6Opt struct{ kind, length uint8 }

const (
	maxIP6Opts   = 16
	anyOptLength = 255
)

func matchHBH() *Module { return matchIP6Opts("hbh") }

func matchDst() *Module { return matchIP6Opts("dst") }

func matchIP6Opts(name string) *Module {
	return &Module{
		Name:   name,
		Family: nft.IPv6,
		Options: []Option{
			{Name: name + "-len", Kind: KindNumber, Invert: true, Value: "bytes"},
			{Name: name + "-opts", Kind: KindText, Value: "type[:length][,type[:length]…]"},
		},
		parse: func(a *arguments) extension {
			o := ip6Opts{
				name: name, hasLength: a.has(name + "-len"), invert: a.inverted(name + "-len"),
				length: uint32(a.number(name + "-len")), hasOptions: a.has(name + "-opts"),
			}
			if o.hasOptions {
				o.parse(a, name+"-opts")
			}
			return o
		},
		decode: func(s *structure) extension { return decodeIP6Opts(s, name) },
	}
}

func (o *ip6Opts) parse(a *arguments, option string) {
	for text := range strings.SplitSeq(a.text(option), ",") {
		if o.n == maxIP6Opts {
			a.fail(option, "more than %d options", maxIP6Opts)
			return
		}
		first, second, hasLength := strings.Cut(text, ":")
		kind, ok := wholeNumber(first, 0, 255)
		length, okLength := uint64(anyOptLength), true
		if hasLength {
			length, okLength = wholeNumber(second, 0, 255)
		}
		switch {
		case !ok || !okLength:
			a.fail(option, "%q is not an option: want type[:length], each at most 255", text)
			return
		case hasLength && kind == 0:
			a.fail(option, "type 0 has no length")
			return
		case hasLength && o.n == maxIP6Opts-1:
			a.fail(option, "option %d cannot have a length", maxIP6Opts)
			return
		}
		o.options[o.n] = ip6Opt{uint8(kind), uint8(length)}
		o.n++
	}
}

func (o ip6Opts) format(w *words) {
	if o.hasLength {
		w.option(o.invert, o.name+"-len", strconv.FormatUint(uint64(o.length), 10))
	}
	if !o.hasOptions {
		return
	}
	var list []string
	for _, opt := range o.options[:o.n] {
		text := strconv.Itoa(int(opt.kind))
		if opt.length != anyOptLength {
			text += ":" + strconv.Itoa(int(opt.length))
		}
		list = append(list, text)
	}
	w.option(false, o.name+"-opts", strings.Join(list, ","))
}

func (o ip6Opts) xt(nft.Family) (uint32, []byte) {
	var l layout
	l.u32(o.length)
	l.u8(b2u(o.hasLength) | b2u(o.hasOptions)<<1)
	l.bool(o.invert)
	for _, opt := range o.options {
		l.u16(uint16(opt.kind)<<8 | uint16(opt.length))
	}
	l.u8(uint8(o.n))
	l.align(4)
	return 0, l.b
}

func decodeIP6Opts(s *structure, name string) extension {
	s.only(0)
	o := ip6Opts{name: name, length: s.u32()}
	flags := s.u8()
	o.hasLength, o.hasOptions, o.invert = flags&1 != 0, flags&2 != 0, s.bool()
	for i := range o.options {
		v := s.u16()
		o.options[i] = ip6Opt{uint8(v >> 8), uint8(v)}
	}
	o.n = int(s.u8())
	s.zero(1)
	if flags > 3 || o.n > maxIP6Opts || o.hasOptions != (o.n > 0) || !o.hasLength && (o.invert || o.length != 0) {
		s.fail("flags %#x do not fit the values", flags)
		return o
	}
	for i, opt := range o.options {
		if i >= o.n && opt != (ip6Opt{}) || i < o.n && opt.kind == 0 && opt.length != anyOptLength {
			s.fail("option %d is not used", i)
		}
	}
	return o
}
