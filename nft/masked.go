package nft

import (
	"encoding/binary"
	"fmt"
	"math/big"
	"net/netip"
	"slices"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// A MaskField is a number in the packet whose bits mean something each.
type MaskField[T scalar] struct{ Field[T] }

// EqMasked matches packets whose number, of the bits in mask, has those of value.
// A value with others matches nothing.
func (f MaskField[T]) EqMasked(value, mask T) Statement {
	return newMasked(f.Field, value, mask, false)
}

// NeMasked matches packets whose number differs from value in the bits in mask.
func (f MaskField[T]) NeMasked(value, mask T) Statement { return newMasked(f.Field, value, mask, true) }

// EqMasked matches packets whose address, of the bits in mask, has those of
// value; a mask that begins with ones and ends with zeros is a prefix, see
// [AddrField.In].
func (f AddrField) EqMasked(value, mask netip.Addr) Statement { return f.masked(value, mask, false) }

// NeMasked matches packets whose address differs from value in the bits in mask.
func (f AddrField) NeMasked(value, mask netip.Addr) Statement { return f.masked(value, mask, true) }

func (f AddrField) masked(value, mask netip.Addr, invert bool) Statement {
	if bits := leadingOnes(Addr(mask).value()); bits >= 0 && value.BitLen() == mask.BitLen() {
		return prefix{f: f.field, prefix: netip.PrefixFrom(value, bits).Masked(), invert: invert}
	}
	return masked{f: f.field, mask: Addr(mask).value(), value: Addr(value).value(), invert: invert}
}

func newMasked[T scalar](f Field[T], value, mask T, invert bool) Statement {
	return masked{f: f.field, mask: datum(mask).value(), value: datum(value).value(), invert: invert}
}

// masked compares some bits of a field.
type masked struct {
	f           field
	mask, value Value
	invert      bool
}

func (m masked) String() string {
	if m.f.typ == typeTCPFlags {
		return m.flags()
	}
	// Of a mask without gaps at the upper end of a number, nft makes a prefix.
	upper := slices.Clone([]byte(m.mask))
	if m.f.hostOrder() {
		upper = binary.BigEndian.AppendUint32(nil, hostUint32(m.mask))
	}
	if bits := leadingOnes(Value(upper)); bits >= 0 && m.f.hostOrder() {
		out := m.f.name + " " + bang(m.invert) + m.f.format(m.value)
		if bits < 8*len(upper) {
			out += fmt.Sprintf("/%d", bits)
		}
		return out
	}
	return m.f.name + " & " + m.number(m.mask) + m.op() + m.number(m.value)
}

func (m masked) op() string {
	if m.invert {
		return " != "
	}
	return " == "
}

// number writes a value where a mask is: without the words that it has.
func (m masked) number(v Value) string {
	switch m.f.typ {
	case TypeMark, TypeIPv4Addr, TypeIPv6Addr:
		return m.f.format(v)
	case typeDevGroup:
		return fmt.Sprint(hostUint32(v))
	}
	return new(big.Int).SetBytes([]byte(v)).String()
}

// flags writes a comparison of TCP flags, for which nft has forms of its own.
func (m masked) flags() string {
	mask, value := TCPFlagBits(m.mask[0]), TCPFlagBits(m.value[0])
	oneBit := mask&(mask-1) == 0
	switch {
	case mask == 1<<8-1:
		return m.f.name + m.op() + m.f.format(m.value)
	case value == 0 && m.invert:
		return m.f.name + " " + mask.String()
	case value == 0:
		return m.f.name + " ! " + mask.String()
	case oneBit && value&(value-1) == 0:
		return m.f.name + " & " + mask.String() + m.op() + value.String()
	}
	return m.f.name + " " + bang(m.invert) + value.String() + " / " + mask.String()
}

func (m masked) compile(c *compiler) {
	size := m.f.size()
	if len(m.mask) != size || len(m.value) != size || m.mask == Value(make([]byte, size)) {
		c.fail("want a mask and a value of %d bytes", size)
		return
	}
	op := expr.CmpOpEq
	if m.invert {
		op = expr.CmpOpNeq
	}
	c.one(m.f)
	c.add(
		&expr.Bitwise{SourceRegister: reg(0), DestRegister: reg(0), Len: uint32(size), Mask: []byte(m.mask), Xor: make([]byte, size)},
		&expr.Cmp{Op: op, Register: reg(0), Data: []byte(m.value)})
}

// masked reads a field of which some bits are compared.
func (d *decompiler) masked(f field, e *expression) int {
	if len(d.in) < 3 {
		return 0
	}
	c := &d.in[2]
	size := f.size()
	mask, okMask := e.value(unix.NFTA_BITWISE_MASK)
	xor, okXor := e.value(unix.NFTA_BITWISE_XOR)
	want, okWant := c.value(unix.NFTA_CMP_DATA)
	op, okOp := equality(c, unix.NFTA_CMP_OP)
	zero := Value(make([]byte, size))
	if c.name != "cmp" || c.opaque || !okMask || !okXor || !okWant || !okOp || e.has(nftaBitwiseOp) ||
		int(e.number(unix.NFTA_BITWISE_LEN)) != size || len(mask) != size || len(want) != size || xor != zero ||
		c.attrs[unix.NFTA_CMP_SREG] != e.attrs[unix.NFTA_BITWISE_DREG] {
		return 0
	}
	switch {
	case f.typ.isBits():
		if want != zero || mask == want {
			return 0
		}
		d.emit(hasBits{f: f, bits: hostUint32(mask), invert: op == expr.CmpOpEq}, f)
		return 3
	case f.typ == TypeIPv4Addr || f.typ == TypeIPv6Addr:
		bits := leadingOnes(mask)
		a, _ := netip.AddrFromSlice([]byte(want))
		if p, err := a.Prefix(bits); bits >= 0 && err == nil && p.Addr() == a {
			d.emit(prefix{f: f, prefix: p, invert: op == expr.CmpOpNeq}, f)
			return 3
		} else if bits >= 0 {
			return 0 // an address with bits that the mask takes away
		}
	case f.typ != TypeMark && f.typ != typeNumber && f.typ != typeTCPFlags && f.typ != typeDevGroup:
		return 0
	}
	if mask == zero {
		return 0
	}
	d.emit(masked{f: f, mask: mask, value: want, invert: op == expr.CmpOpNeq}, f)
	return 3
}

// leadingOnes is the length of the prefix that a mask stands for, or -1.
func leadingOnes(mask Value) int {
	n, ended := 0, false
	for i := range 8 * len(mask) {
		if mask[i/8]&(0x80>>(i%8)) == 0 {
			ended = true
			continue
		}
		if ended {
			return -1
		}
		n++
	}
	return n
}
