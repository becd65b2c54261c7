package iptables

import (
	"fmt"
	"math"

	"github.com/seawall-net/seawall/nft"
)

// setConnmark changes the connection's mark, or copies it to or from the
// packet's.
type setConnmark struct {
	// mode is connmarkSet, -Save or -Restore.
	mode uint8
	// value is that of connmarkSet, with ctmask as in setMark.
	value, ctmask, nfmask uint32
	// shift is by how many bits the mark is moved, to the left if not right.
	shift uint8
	right bool
}

// Modes of the kernel's xt_connmark_tginfo2.
const (
	connmarkSet = iota
	connmarkSave
	connmarkRestore
)

func targetConnmark() *Module {
	commands := append(markCommands(), "save-mark", "restore-mark")
	return &Module{
		Name: "CONNMARK", Target: true,
		Options: append(markOptions("save-mark", "restore-mark"),
			Option{Name: "save-mark", Excludes: []string{"restore-mark"}},
			Option{Name: "restore-mark"},
			Option{Name: "left-shift-mark", Kind: KindNumber, Max: maxShift, Excludes: []string{"right-shift-mark"}, Value: "bits"},
			Option{Name: "right-shift-mark", Kind: KindNumber, Max: maxShift, Value: "bits"},
			Option{Name: "ctmask", Kind: KindNumber, Excludes: []string{"mask"}, Value: "mask"},
			Option{Name: "nfmask", Kind: KindNumber, Excludes: []string{"mask"}, Value: "mask"},
			Option{Name: "mask", Kind: KindNumber, Value: "mask"},
		),
		OneOf:  commands,
		parse:  parseConnmarkTarget,
		decode: decodeConnmarkTarget,
		read: func(s nft.Statement, _ *Rule) (extension, bool) {
			m, ok := readSetMark(s, nft.CTMark)
			return setConnmark{value: m.value, ctmask: m.mask, nfmask: math.MaxUint32}, ok
		},
	}
}

// maxShift is the number of bits in a mark, less one: how far processors can
// shift.
const maxShift = 31

// parseConnmarkTarget follows the order of the options: a mask behind a value
// with one replaces it.
func parseConnmarkTarget(a *arguments) extension {
	c := setConnmark{ctmask: math.MaxUint32, nfmask: math.MaxUint32}
	for _, v := range a.values {
		switch v.option.Name {
		case "save-mark":
			c.mode = connmarkSave
		case "restore-mark":
			c.mode = connmarkRestore
		case "left-shift-mark", "right-shift-mark":
			c.shift, c.right = uint8(v.numbers[0]), v.option.Name == "right-shift-mark"
		case "ctmask":
			c.ctmask = uint32(v.numbers[0])
		case "nfmask":
			c.nfmask = uint32(v.numbers[0])
		case "mask":
			c.ctmask, c.nfmask = uint32(v.numbers[0]), uint32(v.numbers[0])
		default:
			m := parseSetMark(a)
			c.value, c.ctmask = m.value, m.mask
		}
	}
	return c
}

func (c setConnmark) format(w *words) {
	masks := []string{"--nfmask", fmt.Sprintf("0x%x", c.nfmask), "--ctmask", fmt.Sprintf("0x%x", c.ctmask)}
	switch c.mode {
	case connmarkSet:
		setMark{c.value, c.ctmask}.format(w)
	case connmarkSave:
		w.option(false, "save-mark", masks...)
	case connmarkRestore:
		w.option(false, "restore-mark", masks...)
	}
	switch {
	case c.shift == 0:
	case c.right:
		w.option(false, "right-shift-mark", fmt.Sprint(c.shift))
	default:
		w.option(false, "left-shift-mark", fmt.Sprint(c.shift))
	}
}

func (c setConnmark) xt(nft.Family) (uint32, []byte) {
	var l layout
	l.u32(c.value)
	l.u32(c.ctmask)
	l.u32(c.nfmask)
	l.bool(c.right)
	l.u8(c.shift)
	l.u8(c.mode)
	return 2, l.b
}

func decodeConnmarkTarget(s *structure) extension {
	s.only(2)
	c := setConnmark{value: s.u32(), ctmask: s.u32(), nfmask: s.u32(), right: s.bool(), shift: s.u8(), mode: s.u8()}
	if c.mode > connmarkRestore || c.shift > maxShift || c.mode != connmarkSet && c.value != 0 {
		s.fail("mode %d with value %#x and a shift by %d", c.mode, c.value, c.shift)
	}
	return c
}

// plain forgets the mask of the packet's mark where that is not used.
func (c setConnmark) plain() extension {
	if c.mode == connmarkSet {
		c.nfmask = math.MaxUint32
	}
	return c
}

func (c setConnmark) nativeForm(*Rule) ([]nft.Statement, bool) {
	if c.mode != connmarkSet || c.shift != 0 {
		return nil, false
	}
	return setMark{c.value, c.ctmask}.native(nft.CTMark)
}
