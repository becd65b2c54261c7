package nft

import (
	"encoding/binary"
	"fmt"
	"math/big"
	"net/netip"
	"strings"

	"github.com/google/nftables/expr"
)

// An Operator says how a [Comparison] compares.
type Operator uint8

// The operators, with the parts of a Comparison that they use. The zero value
// is none of them.
const (
	// Is compares with Value.
	Is Operator = iota + 1
	// Below, AtMost, Above and AtLeast compare with Value: less, at most, more,
	// at least.
	Below
	AtMost
	Above
	AtLeast
	// Between compares with the range from Value to To, both included.
	Between
	// InPrefix compares with Prefix.
	InPrefix
	// Masked compares the bits in Mask with Value.
	Masked
	// AnyBits asks for any of the bits in Value.
	AnyBits
	// Begins compares the beginning of a name with Value.
	Begins
)

var operators = [...]string{"?", "is", "below", "at most", "above", "at least", "between", "in prefix", "masked", "any bits", "begins"}

// String names the operator.
func (o Operator) String() string {
	if int(o) >= len(operators) {
		return fmt.Sprintf("operator(%d)", uint8(o))
	}
	return operators[o]
}

// A Comparison is what a statement compares a field with, for those who read
// rules: the inverse of [Field.Eq] and the like.
type Comparison struct {
	// Field is nft's name of the field, as the field's String returns it: "ip
	// saddr", "tcp dport", "meta l4proto".
	Field string
	// Type is the data type of the field.
	Type Type
	Op   Operator
	// Invert matches the packets that the comparison does not hold for. The
	// operators of order have no inverse.
	Invert bool
	// Value, To and Mask are as the kernel's registers hold them: see Number,
	// Addr and Name.
	Value, To, Mask Value
	Prefix          netip.Prefix

	// host tells that numbers are in the host's byte order.
	host bool
}

// Compared returns what a statement compares; false if it is no comparison.
func Compared(s Statement) (Comparison, bool) {
	switch s := s.(type) {
	case compare:
		c := s.f.comparison(Is, s.op == expr.CmpOpNeq)
		if op, ok := orders()[s.op]; ok {
			c.Op = op
		}
		c.Value = s.value
		return c, true
	case between:
		c := s.f.comparison(Between, s.invert)
		c.Value, c.To = s.lo, s.hi
		return c, true
	case prefix:
		c := s.f.comparison(InPrefix, s.invert)
		c.Prefix = s.prefix
		return c, true
	case masked:
		c := s.f.comparison(Masked, s.invert)
		c.Value, c.Mask = s.value, s.mask
		return c, true
	case hasBits:
		c := s.f.comparison(AnyBits, s.invert)
		c.Value = MarkValue(s.bits).value()
		return c, true
	case namePrefix:
		c := s.f.comparison(Begins, s.invert)
		c.Value = Value(s.prefix)
		return c, true
	}
	return Comparison{}, false
}

func orders() map[expr.CmpOp]Operator {
	return map[expr.CmpOp]Operator{expr.CmpOpLt: Below, expr.CmpOpLte: AtMost, expr.CmpOpGt: Above, expr.CmpOpGte: AtLeast}
}

func (f field) comparison(op Operator, invert bool) Comparison {
	return Comparison{Field: f.name, Type: f.typ, Op: op, Invert: invert, host: f.hostOrder()}
}

// Number reads one of the comparison's values as a number; 0 if it has more than
// 8 bytes.
func (c Comparison) Number(v Value) uint64 {
	if c.host && len(v) == 4 {
		return uint64(binary.NativeEndian.Uint32([]byte(v)))
	}
	if len(v) > 8 {
		return 0
	}
	return new(big.Int).SetBytes([]byte(v)).Uint64()
}

// Addr reads one of the comparison's values as an address; the zero Addr if it
// is none.
func (c Comparison) Addr(v Value) netip.Addr {
	if c.Type != TypeIPv4Addr && c.Type != TypeIPv6Addr {
		return netip.Addr{}
	}
	a, _ := netip.AddrFromSlice([]byte(v))
	return a
}

// Name reads Value as the name of an interface, or the beginning of one.
func (c Comparison) Name() string {
	name, _, _ := strings.Cut(string(c.Value), "\x00")
	return name
}

// Counted returns what a counter has counted; false if the statement is none.
func Counted(s Statement) (packets, bytes uint64, ok bool) {
	c, ok := s.(counter)
	return c.packets, c.bytes, ok
}

// CounterAt is a [Counter] that begins with packets and bytes counted before.
func CounterAt(packets, bytes uint64) Statement { return counter{packets, bytes} }
