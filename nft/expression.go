package nft

import (
	"encoding/binary"
	"fmt"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// An expression is one of the kernel's expressions, its attributes in a
// canonical form: two expressions that do the same have the same attributes,
// whoever wrote them.
type expression struct {
	name string
	// attrs are the values by attribute number; "" is an absent one. Data are
	// prefixed with what they are.
	attrs [maxExpressionAttr + 1]string
	// opaque tells that attrs is void, because the expression or one of its
	// attributes is not known here: only raw counts.
	opaque bool
	// raw is what the kernel sent.
	raw string
	// packets and bytes are a counter's.
	packets, bytes uint64
}

const maxExpressionAttr = 8

// Attributes that x/sys/unix does not name.
const nftaBitwiseOp = 6

// An attrKind says what an attribute of an expression holds.
type attrKind uint8

const (
	attrUnknown  attrKind = iota
	attrIgnored           // says nothing about what the expression does
	attrNumber            // 4 bytes
	attrOptional          // 4 bytes; zero is the same as absent
	attrRegister          // the number of a register
	attrByte
	attrShort // 2 bytes
	attrLong  // 8 bytes
	attrText
	attrBytes // of any number
	attrData  // a value or a verdict
	attrCount // 8 bytes that change by themselves
)

// attrKinds lists the attributes of the expressions that can be read back.
func attrKinds(name string) []attrKind {
	switch name {
	case "meta": // DREG, KEY, SREG
		return []attrKind{0, attrRegister, attrNumber, attrRegister}
	case "ct": // DREG, KEY, DIRECTION, SREG
		return []attrKind{0, attrRegister, attrNumber, attrByte, attrRegister}
	case "fib": // DREG, RESULT, FLAGS
		return []attrKind{0, attrRegister, attrNumber, attrNumber}
	case "payload": // DREG, BASE, OFFSET, LEN, SREG, CSUM_TYPE, CSUM_OFFSET, CSUM_FLAGS
		return []attrKind{0, attrRegister, attrNumber, attrNumber, attrNumber, attrRegister,
			attrOptional, attrOptional, attrOptional}
	case "exthdr": // DREG, TYPE, OFFSET, LEN, FLAGS, OP, SREG
		return []attrKind{0, attrRegister, attrByte, attrNumber, attrNumber, attrOptional, attrOptional, attrRegister}
	case "cmp": // SREG, OP, DATA
		return []attrKind{0, attrRegister, attrNumber, attrData}
	case "range": // SREG, OP, FROM_DATA, TO_DATA
		return []attrKind{0, attrRegister, attrNumber, attrData, attrData}
	case "bitwise": // SREG, DREG, LEN, MASK, XOR, OP
		return []attrKind{0, attrRegister, attrRegister, attrNumber, attrData, attrData, attrOptional}
	case "byteorder": // SREG, DREG, OP, LEN, SIZE
		return []attrKind{0, attrRegister, attrRegister, attrNumber, attrNumber, attrNumber}
	case "lookup": // SET, SREG, DREG, SET_ID, FLAGS
		return []attrKind{0, attrText, attrRegister, attrRegister, attrIgnored, attrOptional}
	case "immediate": // DREG, DATA
		return []attrKind{0, attrRegister, attrData}
	case "counter": // BYTES, PACKETS, PAD
		return []attrKind{0, attrCount, attrCount, attrIgnored}
	case "match", "target": // NAME, REV, INFO
		return []attrKind{0, attrText, attrNumber, attrBytes}
	case "limit": // RATE, UNIT, BURST, TYPE, FLAGS, PAD
		return []attrKind{0, attrLong, attrLong, attrOptional, attrOptional, attrOptional, attrIgnored}
	case "log": // GROUP, PREFIX, SNAPLEN, QTHRESHOLD, LEVEL, FLAGS
		return []attrKind{0, attrShort, attrText, attrNumber, attrShort, attrNumber, attrOptional}
	case "reject": // TYPE, ICMP_CODE
		return []attrKind{0, attrNumber, attrByte}
	case "queue": // NUM, TOTAL, FLAGS, SREG_QNUM
		return []attrKind{0, attrShort, attrShort, attrShort, attrRegister}
	case "masq": // FLAGS, REG_PROTO_MIN, REG_PROTO_MAX
		return []attrKind{0, attrOptional, attrRegister, attrRegister}
	case "nat": // TYPE, FAMILY, REG_ADDR_MIN, _MAX, REG_PROTO_MIN, _MAX, FLAGS
		return []attrKind{0, attrNumber, attrNumber, attrRegister, attrRegister, attrRegister,
			attrRegister, attrOptional}
	}
	return nil
}

// decodeExpressions reads a list of expressions.
func decodeExpressions(b []byte) ([]expression, error) {
	var out []expression
	r := attrReader{rest: b}
	for r.next() {
		out = append(out, decodeExpression(r.val))
	}
	return out, r.err
}

// decodeExpression reads an expression. It cannot fail: what is not understood
// is opaque.
func decodeExpression(b []byte) expression {
	var e expression
	hasName, hasData := false, false
	r := attrReader{rest: b}
	for r.next() {
		switch {
		case r.typ == unix.NFTA_EXPR_NAME && !hasName:
			e.name, hasName = r.str(), true
		case r.typ == unix.NFTA_EXPR_DATA && !hasData:
			e.raw, hasData = string(r.val), true
		default:
			r.fail(fmt.Errorf("not part of an expression"))
		}
	}
	kinds := attrKinds(e.name)
	switch {
	case r.err != nil:
		e.raw, e.opaque = string(b), true
	case kinds == nil || !e.decodeAttrs(kinds):
		e.opaque = true
	default:
		e.normalise()
	}
	return e
}

// decodeAttrs fills in attrs; false tells that something is not understood.
func (e *expression) decodeAttrs(kinds []attrKind) bool {
	var seen [maxExpressionAttr + 1]bool
	r := attrReader{rest: []byte(e.raw)}
	for r.next() {
		kind := attrUnknown
		if int(r.typ) < len(kinds) {
			kind = kinds[r.typ]
			if seen[r.typ] && kind != attrIgnored {
				return false
			}
			seen[r.typ] = true
		}
		switch kind {
		case attrUnknown:
			// What a newer kernel added and is zero is a default.
			if len(r.val) != 4 || r.u32() != 0 {
				return false
			}
		case attrNumber:
			r.u32()
			e.attrs[r.typ] = string(r.val)
		case attrOptional:
			if r.u32() != 0 {
				e.attrs[r.typ] = string(r.val)
			}
		case attrRegister:
			e.attrs[r.typ] = string(binary.BigEndian.AppendUint32(nil, canonicalRegister(r.u32())))
		case attrByte, attrShort, attrLong:
			if len(r.val) != map[attrKind]int{attrByte: 1, attrShort: 2, attrLong: 8}[kind] {
				return false
			}
			e.attrs[r.typ] = string(r.val)
		case attrText:
			e.attrs[r.typ] = r.str()
		case attrBytes:
			e.attrs[r.typ] = string(r.val)
		case attrData:
			v, err := decodeData(r.val)
			r.fail(err)
			e.attrs[r.typ] = v
		case attrCount:
			if n := r.u64(); r.typ == unix.NFTA_COUNTER_BYTES {
				e.bytes = n
			} else {
				e.packets = n
			}
		}
	}
	return r.err == nil
}

// The first byte of an attribute with data tells what it is.
const (
	dataValue   = 'v'
	dataVerdict = 'j'
)

// decodeData reads nested data.
func decodeData(b []byte) (string, error) {
	var out string
	r := attrReader{rest: b}
	for r.next() {
		switch {
		case out != "":
			r.fail(fmt.Errorf("more than one value"))
		case r.typ == unix.NFTA_DATA_VALUE:
			out = string(dataValue) + string(r.val)
		case r.typ == unix.NFTA_DATA_VERDICT:
			code, chain, err := decodeVerdict(r.val)
			r.fail(err)
			out = string(binary.BigEndian.AppendUint32([]byte{dataVerdict}, code)) + chain
		default:
			r.fail(fmt.Errorf("neither a value nor a verdict"))
		}
	}
	if r.err == nil && out == "" {
		r.err = fmt.Errorf("no data")
	}
	return out, r.err
}

// doesNothing tells whether an expression might as well not be there: nft turns the
// bytes of every part of a range's key around, and a single one has no order.
func (e *expression) doesNothing() bool {
	return e.name == "byteorder" && !e.opaque &&
		e.attrs[unix.NFTA_BYTEORDER_SREG] == e.attrs[unix.NFTA_BYTEORDER_DREG] &&
		e.number(unix.NFTA_BYTEORDER_LEN) < e.number(unix.NFTA_BYTEORDER_SIZE)
}

// normalise drops what the kernel adds by itself.
func (e *expression) normalise() {
	switch e.name {
	case "nat":
		e.normaliseNAT()
	case "reject":
		if e.number(unix.NFTA_REJECT_TYPE) == unix.NFT_REJECT_TCP_RST && e.attrs[unix.NFTA_REJECT_ICMP_CODE] == "\x00" {
			e.attrs[unix.NFTA_REJECT_ICMP_CODE] = ""
		}
	case "match", "target":
		e.attrs[xtInfo] = alignXT(e.attrs[xtInfo])
	}
}

func (e *expression) normaliseNAT() {
	flags := e.number(unix.NFTA_NAT_FLAGS)
	if e.has(unix.NFTA_NAT_REG_ADDR_MIN) {
		flags &^= unix.NF_NAT_RANGE_MAP_IPS
		if e.attrs[unix.NFTA_NAT_REG_ADDR_MAX] == e.attrs[unix.NFTA_NAT_REG_ADDR_MIN] {
			e.attrs[unix.NFTA_NAT_REG_ADDR_MAX] = ""
		}
	}
	if e.has(unix.NFTA_NAT_REG_PROTO_MIN) {
		flags &^= unix.NF_NAT_RANGE_PROTO_SPECIFIED
		if e.attrs[unix.NFTA_NAT_REG_PROTO_MAX] == e.attrs[unix.NFTA_NAT_REG_PROTO_MIN] {
			e.attrs[unix.NFTA_NAT_REG_PROTO_MAX] = ""
		}
	}
	e.attrs[unix.NFTA_NAT_FLAGS] = ""
	if flags != 0 {
		e.attrs[unix.NFTA_NAT_FLAGS] = string(binary.BigEndian.AppendUint32(nil, flags))
	}
}

func (e *expression) isCounter() bool { return e.name == "counter" && !e.opaque }

func (e *expression) has(attr int) bool { return e.attrs[attr] != "" }

// number is the value of a numeric attribute; 0 if absent.
func (e *expression) number(attr int) uint32 {
	if len(e.attrs[attr]) != 4 {
		return 0
	}
	return binary.BigEndian.Uint32([]byte(e.attrs[attr]))
}

// value is the value of a data attribute, if it is one.
func (e *expression) value(attr int) (Value, bool) {
	if v := e.attrs[attr]; v != "" && v[0] == dataValue {
		return Value(v[1:]), true
	}
	return "", false
}

// canonicalRegister gives the registers that have two numbers the first one.
func canonicalRegister(n uint32) uint32 {
	if slot, ok := slotOf(n); ok {
		return reg(slot)
	}
	return n
}

// slotOf returns the 4-byte slot that a register starts at: the inverse of reg.
func slotOf(n uint32) (int, bool) {
	switch {
	case n >= unix.NFT_REG_1 && n <= unix.NFT_REG_4:
		return 4 * int(n-unix.NFT_REG_1), true
	case n >= unix.NFT_REG32_00 && n <= unix.NFT_REG32_15:
		return int(n - unix.NFT_REG32_00), true
	}
	return 0, false
}

// canonical is what rules are compared by: equal for expressions that do the
// same, different for all others. Counters count as equal whatever they have
// counted.
func canonical(exprs []expression) string {
	var b []byte
	text := func(s string) {
		b = binary.BigEndian.AppendUint32(b, uint32(len(s)))
		b = append(b, s...)
	}
	for i := range exprs {
		e := &exprs[i]
		text(e.name)
		if e.opaque {
			b = append(b, 0xff)
			text(e.raw)
			continue
		}
		name := i > 0 && exprs[i-1].loadsName(e)
		for n, v := range e.attrs {
			if name && n == unix.NFTA_CMP_DATA && v != "" {
				v = v[:1] + string(wholeName(Value(v[1:])))
			}
			if v != "" {
				b = append(b, byte(n))
				text(v)
			}
		}
		b = append(b, 0)
	}
	return string(b)
}

// loadsName tells whether an expression loads an interface's name for the next one,
// a comparison.
func (e *expression) loadsName(next *expression) bool {
	if e.name != "meta" || e.opaque || next.name != "cmp" || next.opaque ||
		e.attrs[unix.NFTA_META_DREG] == "" || e.attrs[unix.NFTA_META_DREG] != next.attrs[unix.NFTA_CMP_SREG] {
		return false
	}
	key := expr.MetaKey(e.number(unix.NFTA_META_KEY))
	return key == expr.MetaKeyIIFNAME || key == expr.MetaKeyOIFNAME
}
