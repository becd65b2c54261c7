package nft

import (
	"fmt"
	"strings"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// A MarkField is a mark of 32 bits, which programs on a host share by each
// using bits of its own.
type MarkField struct{ Field[uint32] }

// EqMasked matches packets whose mark, of the bits in mask, has those of value.
// A value with others matches nothing.
func (f MarkField) EqMasked(value, mask uint32) Statement {
	return newMasked(f.Field, value, mask, false)
}

// NeMasked matches packets whose mark differs from value in the bits in mask.
func (f MarkField) NeMasked(value, mask uint32) Statement {
	return newMasked(f.Field, value, mask, true)
}

// Set gives the packet, or the connection, a mark.
func (f MarkField) Set(v uint32) Statement { return setMark{f: f.field, xor: v} }

// SetBits sets bits of the mark and keeps all others.
func (f MarkField) SetBits(bits uint32) Statement { return f.AndXor(^bits, bits) }

// AndXor changes the mark to (mark & and) ^ xor.
func (f MarkField) AndXor(and, xor uint32) Statement {
	return setMark{f: f.field, and: and, xor: xor, reads: true}
}

func maskExpr(mask, xor uint32) *expr.Bitwise {
	return &expr.Bitwise{
		SourceRegister: reg(0), DestRegister: reg(0), Len: 4,
		Mask: []byte(MarkValue(mask).value()), Xor: []byte(MarkValue(xor).value()),
	}
}

// setMark changes a mark: to xor, or to (mark & and) ^ xor.
type setMark struct {
	f        field
	and, xor uint32
	reads    bool
}

func (s setMark) String() string {
	out := s.f.name + " set "
	if !s.reads {
		return out + formatValue(TypeMark, MarkValue(s.xor).value())
	}
	// nft writes & with the bits that are kept or set anew, ^ with those that are
	// turned over, and | with those that are set whatever they were.
	words := []string{s.f.name}
	or := s.xor &^ s.and
	for _, p := range []struct {
		op   string
		bits uint32
		none uint32
	}{{"&", s.and | or, 1<<32 - 1}, {"^", s.xor & s.and, 0}, {"|", or, 0}} {
		if p.bits != p.none {
			words = append(words, p.op, fmt.Sprintf("0x%08x", p.bits))
		}
	}
	return out + strings.Join(words, " ")
}

func (s setMark) compile(c *compiler) {
	if s.reads {
		if s.and == 1<<32-1 && s.xor == 0 {
			c.fail("the mark would stay as it is")
			return
		}
		c.one(s.f)
		c.add(maskExpr(s.and, s.xor))
	} else {
		c.add(&expr.Immediate{Register: reg(0), Data: []byte(MarkValue(s.xor).value())})
	}
	switch s.f.src.kind {
	case fromMeta:
		c.add(&expr.Meta{Key: expr.MetaKey(s.f.src.key), Register: reg(0), SourceRegister: true})
	case fromCT:
		c.add(&expr.Ct{Key: expr.CtKey(s.f.src.key), Register: reg(0), SourceRegister: true})
	default:
		c.fail("the field is a zero value, not one of this package's fields")
	}
}

// setMark reads what changes a mark.
func (d *decompiler) setMark() int {
	if d.in[0].name == "immediate" {
		v, ok := d.in[0].value(unix.NFTA_IMMEDIATE_DATA)
		if len(d.in) < 2 || !ok || len(v) != 4 {
			return 0
		}
		f, ok := d.in[1].marks(d.in[0].attrs[unix.NFTA_IMMEDIATE_DREG])
		if !ok {
			return 0
		}
		d.emit(setMark{f: f, xor: hostUint32(v)})
		return 2
	}
	if len(d.in) < 3 || d.in[1].name != "bitwise" {
		return 0
	}
	read, slot, ok := d.field(&d.in[0])
	e := &d.in[1]
	and, okAnd := e.value(unix.NFTA_BITWISE_MASK)
	xor, okXor := e.value(unix.NFTA_BITWISE_XOR)
	if !ok || !okAnd || !okXor || e.opaque || e.has(nftaBitwiseOp) || e.number(unix.NFTA_BITWISE_LEN) != 4 ||
		len(and) != 4 || len(xor) != 4 || e.number(unix.NFTA_BITWISE_SREG) != reg(slot) ||
		and == "\xff\xff\xff\xff" && xor == "\x00\x00\x00\x00" {
		return 0
	}
	f, ok := d.in[2].marks(e.attrs[unix.NFTA_BITWISE_DREG])
	if !ok || f.src != read.src {
		return 0
	}
	d.emit(setMark{f: f, and: hostUint32(and), xor: hostUint32(xor), reads: true})
	return 3
}

// marks tells which mark an expression sets from a register.
func (e *expression) marks(register string) (field, bool) {
	if e.opaque || register == "" {
		return field{}, false
	}
	switch {
	case e.name == "meta" && e.attrs[unix.NFTA_META_SREG] == register && !e.has(unix.NFTA_META_DREG) &&
		expr.MetaKey(e.number(unix.NFTA_META_KEY)) == expr.MetaKeyMARK:
		return Mark.field, true
	case e.name == "ct" && e.attrs[unix.NFTA_CT_SREG] == register && !e.has(unix.NFTA_CT_DREG) && !e.has(unix.NFTA_CT_DIRECTION) &&
		expr.CtKey(e.number(unix.NFTA_CT_KEY)) == expr.CtKeyMARK:
		return CTMark.field, true
	}
	return field{}, false
}
