package nft

import (
	"fmt"
	"math/big"

	"github.com/google/nftables/expr"
)

// A BytesField is a part of the packet that has no name in nft, such as an
// option of a neighbour discovery message. Make one with [ICMPv6Bytes].
type BytesField struct{ field }

// icmpv6Header is how many bytes every ICMPv6 message begins with; nft has names
// for what is in them.
const icmpv6Header = 8

// maxBytes is how much one comparison takes.
const maxBytes = 16

// ICMPv6Bytes is a part of an ICMPv6 message: n bytes, 1 to 16, from an offset
// of at least 8. The rule must have matched the protocol before, by
// [ICMPv6Type] or [MetaL4Proto]. A message that is too short does not match,
// not even Ne. nft writes it as "@th,192,64".
func ICMPv6Bytes(offset, n int) BytesField {
	return BytesField{field{
		name: fmt.Sprintf("@th,%d,%d", 8*offset, 8*n), typ: typeBytes, bytes: n, l4: ICMPv6, needsL4: true,
		src: source{kind: fromPayload, key: uint32(expr.PayloadBaseTransportHeader), offset: uint32(offset)},
	}}
}

// Eq matches messages that have these bytes there.
func (f BytesField) Eq(b []byte) Statement {
	return compare{f: f.field, op: expr.CmpOpEq, value: Value(b)}
}

// Ne matches messages that have other bytes there.
func (f BytesField) Ne(b []byte) Statement {
	return compare{f: f.field, op: expr.CmpOpNeq, value: Value(b)}
}

// check refuses fields that nft would misread.
func (f field) checkBytes() error {
	if f.typ == typeBytes && (f.src.offset < icmpv6Header || f.bytes < 1 || f.bytes > maxBytes || f.src.offset > 1<<16) {
		return fmt.Errorf("%s: want 1 to %d bytes from an offset of %d", f.name, maxBytes, icmpv6Header)
	}
	return nil
}

// formatNumber writes a number as nft does: bytes without a name as hexadecimal.
func formatNumber(t Type, v Value) string {
	n := new(big.Int).SetBytes([]byte(v))
	switch t {
	case typeBytes:
		return fmt.Sprintf("0x%x", n)
	case typeTCPFlags:
		if b := v[0]; b&(b-1) != 0 || b == 0 {
			return fmt.Sprintf("0x%x", b)
		}
		return TCPFlagBits(v[0]).String()
	case typeCTDir:
		return CTDir(v[0]).String()
	case TypePktType:
		return wordOr(map[uint8]string{0: "host", 1: "broadcast", 2: "multicast", 3: "other"}, v[0])
	case typeICMPCode:
		return wordOr(icmpCodes, v[0])
	case typeICMPv6Code:
		return wordOr(icmpv6Codes, v[0])
	case typeDevGroup:
		if hostUint32(v) == 0 {
			return quote("default")
		}
		return fmt.Sprint(hostUint32(v))
	}
	return n.String()
}

// bytesAt is the field without a name that a payload expression of a rule about
// ICMPv6 reads.
func (d *decompiler) bytesAt(src source, n int) (field, bool) {
	if d.l4 != ICMPv6 || src.kind != fromPayload || src.key != uint32(expr.PayloadBaseTransportHeader) {
		return field{}, false
	}
	f := ICMPv6Bytes(int(src.offset), n)
	return f.field, f.checkBytes() == nil
}
