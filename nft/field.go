package nft

import (
	"encoding/binary"
	"net/netip"

	"github.com/google/nftables/expr"
)

// A Selector reads something from a packet, to be looked up in a set or map:
// a [Field], an [AddrField], a [BitField], or several of them joined by
// [Concat].
type Selector interface {
	// Type is the data type of what is read: the key type of a fitting set.
	Type() Type
	// String names the selector in nft syntax: "ip daddr . th dport".
	String() string
	// fields are the selector's parts.
	fields() []field
}

// A field describes how one value is read from a packet.
type field struct {
	name string
	typ  Type
	src  source
	// net and l4, when set, are what the packet must be for the field to
	// exist; the compiler adds the matches that nft leaves unwritten.
	net Family
	l4  L4Proto
	// needsL4 says that the rule must have asked for a protocol before: l4, or,
	// without one, whichever.
	needsL4 bool
	// l4Net is what packets of l4 are in; l4 implies it.
	l4Net Family
	// link says that the field exists only where the frame is seen.
	link bool
	// bytes is the length of a number's values; that of others is their type's.
	bytes int
}

// A source is the place in the kernel's view of a packet where a field is.
type source struct {
	kind   sourceKind
	key    uint32 // meta key, ct key, or payload base
	offset uint32 // payload and options
}

type sourceKind uint8

const (
	fromMeta sourceKind = iota + 1
	fromPayload
	fromCT
	fromCTOriginal
	fromCTReply
	fromTCPOption // key is the option's kind
	fromFibDaddr
	fromFibSaddr
)

// size is the length of the field's values in bytes.
func (f field) size() int {
	if f.bytes != 0 {
		return f.bytes
	}
	return f.typ.size()
}

// hostOrder tells that values are kept in the host's byte order, in which bytes
// cannot be compared for more or less.
func (f field) hostOrder() bool { return datatypes[f.typ].host || f.typ == typeDevGroup }

// format writes a value of the field as nft does.
func (f field) format(v Value) string {
	if f.bytes != 0 && len(v) == f.bytes {
		return formatNumber(f.typ, v)
	}
	return formatValue(f.typ, v)
}

// Type returns the data type of the field.
func (f field) Type() Type { return f.typ }

// String returns nft's name of the field.
func (f field) String() string  { return f.name }
func (f field) fields() []field { return []field{f} }

// InSet matches packets whose value is an element of the set.
func (f field) InSet(s Set) Statement { return lookup{sel: f, set: s.Name, key: s.Key} }

// NotInSet matches packets whose value is not an element of the set.
func (f field) NotInSet(s Set) Statement {
	return lookup{sel: f, set: s.Name, key: s.Key, invert: true}
}

// VMap takes the verdict that a verdict map holds for the value; without one
// the rule goes on.
func (f field) VMap(s Set) Statement { return vmap{sel: f, set: s.Name, key: s.Key, data: s.Data} }

// A Field is something that can be read from a packet, with values of type T.
type Field[T scalar] struct{ field }

// scalar lists the Go types of field values.
type scalar interface {
	string | uint8 | uint16 | uint32 | L4Proto | AddrType | [6]byte | ARPOp | ICMPMessage | ICMPv6Message |
		PacketType | TCPFlagBits | CTDir
}

// Eq matches packets whose value is v.
func (f Field[T]) Eq(v T) Statement {
	return compare{f: f.field, op: expr.CmpOpEq, value: datum(v).value()}
}

// Ne matches packets whose value is not v.
func (f Field[T]) Ne(v T) Statement {
	return compare{f: f.field, op: expr.CmpOpNeq, value: datum(v).value()}
}

// In matches packets whose value is between lo and hi, both included.
func (f Field[T]) In(lo, hi T) Statement {
	return between{f: f.field, lo: datum(lo).value(), hi: datum(hi).value()}
}

// NotIn matches packets whose value is not between lo and hi.
func (f Field[T]) NotIn(lo, hi T) Statement {
	return between{f: f.field, lo: datum(lo).value(), hi: datum(hi).value(), invert: true}
}

// AtMost matches packets whose value is v or less. Fields whose values are in the
// host's byte order, such as marks, do not have it.
func (f Field[T]) AtMost(v T) Statement {
	return compare{f: f.field, op: expr.CmpOpLte, value: datum(v).value()}
}

// AtLeast matches packets whose value is v or more, under the same condition.
func (f Field[T]) AtLeast(v T) Statement {
	return compare{f: f.field, op: expr.CmpOpGte, value: datum(v).value()}
}

// Below matches packets whose value is less than v, under the same condition.
func (f Field[T]) Below(v T) Statement {
	return compare{f: f.field, op: expr.CmpOpLt, value: datum(v).value()}
}

// Above matches packets whose value is more than v, under the same condition.
func (f Field[T]) Above(v T) Statement {
	return compare{f: f.field, op: expr.CmpOpGt, value: datum(v).value()}
}

func isOrder(op expr.CmpOp) bool {
	return op == expr.CmpOpLt || op == expr.CmpOpLte || op == expr.CmpOpGt || op == expr.CmpOpGte
}

// datum encodes a Go value as the kernel's registers hold it.
func datum[T scalar](v T) Datum {
	switch v := any(v).(type) {
	case string:
		return Name(v)
	case uint8:
		return Byte(v)
	case ICMPMessage:
		return Byte(uint8(v))
	case ICMPv6Message:
		return Byte(uint8(v))
	case PacketType:
		return Byte(uint8(v))
	case TCPFlagBits:
		return Byte(uint8(v))
	case CTDir:
		return Byte(uint8(v))
	case ARPOp:
		return Port(uint16(v))
	case L4Proto:
		return Proto(v)
	case uint16:
		return Port(v)
	case uint32:
		return MarkValue(v)
	case AddrType:
		return MarkValue(uint32(v))
	case [6]byte:
		return MAC(v)
	}
	panic("unreachable: scalar lists no other type")
}

func (d Datum) value() Value { return Value(d.b[:d.n]) }

// An AddrField is an IPv4 or IPv6 address read from a packet.
type AddrField struct{ field }

// Eq matches packets whose address is a.
func (f AddrField) Eq(a netip.Addr) Statement {
	return compare{f: f.field, op: expr.CmpOpEq, value: Addr(a).value()}
}

// Ne matches packets whose address is not a.
func (f AddrField) Ne(a netip.Addr) Statement {
	return compare{f: f.field, op: expr.CmpOpNeq, value: Addr(a).value()}
}

// In matches packets whose address is in the prefix.
func (f AddrField) In(p netip.Prefix) Statement { return prefix{f: f.field, prefix: p.Masked()} }

// NotIn matches packets whose address is not in the prefix.
func (f AddrField) NotIn(p netip.Prefix) Statement {
	return prefix{f: f.field, prefix: p.Masked(), invert: true}
}

// A BitField is a set of bits that go with a packet.
type BitField[T CTStateBits | CTStatusBits] struct{ field }

// Any matches packets that have at least one of the bits, as `ct state
// established,related` does in nft.
func (f BitField[T]) Any(bits T) Statement { return hasBits{f: f.field, bits: uint32(bits)} }

// None matches packets that have none of the bits.
func (f BitField[T]) None(bits T) Statement {
	return hasBits{f: f.field, bits: uint32(bits), invert: true}
}

// hostUint32 reads a value that is kept in the host's byte order.
func hostUint32(v Value) uint32 {
	if len(v) != 4 {
		return 0
	}
	return binary.NativeEndian.Uint32([]byte(v))
}
