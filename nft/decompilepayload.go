package nft

import (
	"net/netip"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// payload reads bytes of a header that are compared: one field, several that
// stand side by side, which nft merges into one comparison, and at the end the
// first bytes of an address, which is a prefix.
func (d *decompiler) payload() int {
	load, c := &d.in[0], &d.in[1]
	data, ok := c.value(unix.NFTA_CMP_DATA)
	op, okOp := equality(c, unix.NFTA_CMP_OP)
	if !ok || !okOp || c.opaque || !load.has(unix.NFTA_PAYLOAD_DREG) ||
		load.attrs[unix.NFTA_PAYLOAD_DREG] != c.attrs[unix.NFTA_CMP_SREG] ||
		int(load.number(unix.NFTA_PAYLOAD_LEN)) != len(data) || len(data) == 0 {
		return 0
	}
	var statements []Statement
	var fields []field
	for src := load.payloadSource(); len(data) > 0; {
		f, ok := d.fieldAt(src)
		if !ok {
			f, ok = d.bytesAt(src, len(data))
		}
		if !ok {
			return 0
		}
		size := f.size()
		switch {
		case size <= len(data):
			statements = append(statements, compare{f: f, op: op, value: data[:size]})
		case f.typ == TypeIPv4Addr || f.typ == TypeIPv6Addr:
			statements = append(statements, prefix{f: f, prefix: bytesPrefix(data, size), invert: op == expr.CmpOpNeq})
			size = len(data)
		default:
			return 0
		}
		fields = append(fields, f)
		data = data[size:]
		src.offset += uint32(size)
	}
	// "not both" cannot be said with two statements.
	if len(statements) > 1 && op != expr.CmpOpEq {
		m, ok := notPortsOf(statements)
		if !ok {
			return 0
		}
		d.emit(m, m.both())
		return 2
	}
	for i, s := range statements {
		d.emit(s, fields[i])
	}
	return 2
}

// bytesPrefix is the prefix of the addresses of a size that start with bytes.
func bytesPrefix(data Value, size int) netip.Prefix {
	var b [16]byte
	copy(b[:], data)
	a, _ := netip.AddrFromSlice(b[:size])
	return netip.PrefixFrom(a, 8*len(data))
}
