package nft

import (
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// A fieldIndex finds fields by where they are read from.
type fieldIndex map[source][]field

func newFieldIndex() fieldIndex {
	idx := fieldIndex{}
	for _, f := range knownFields() {
		idx[f.src] = append(idx[f.src], f)
	}
	return idx
}

// field returns the field that an expression loads whole, and the slot of the
// register that it loads it into.
func (d *decompiler) field(e *expression) (field, int, bool) {
	if e.opaque {
		return field{}, 0, false
	}
	var src source
	size := -1
	var dreg uint32
	switch e.name {
	case "meta":
		if e.has(unix.NFTA_META_SREG) {
			return field{}, 0, false
		}
		src = source{kind: fromMeta, key: e.number(unix.NFTA_META_KEY)}
		dreg = e.number(unix.NFTA_META_DREG)
	case "ct":
		src = source{kind: fromCT, key: e.number(unix.NFTA_CT_KEY)}
		if dir := e.attrs[unix.NFTA_CT_DIRECTION]; dir != "" {
			switch CTDir(dir[0]) {
			case CTOriginal:
				src.kind = fromCTOriginal
			case CTReply:
				src.kind = fromCTReply
			default:
				return field{}, 0, false
			}
		}
		if e.has(unix.NFTA_CT_SREG) {
			return field{}, 0, false
		}
		dreg = e.number(unix.NFTA_CT_DREG)
	case "fib":
		if e.number(unix.NFTA_FIB_RESULT) != unix.NFT_FIB_RESULT_ADDRTYPE {
			return field{}, 0, false
		}
		switch e.number(unix.NFTA_FIB_FLAGS) {
		case unix.NFTA_FIB_F_DADDR:
			src.kind = fromFibDaddr
		case unix.NFTA_FIB_F_SADDR:
			src.kind = fromFibSaddr
		}
		dreg = e.number(unix.NFTA_FIB_DREG)
	case "exthdr":
		if typ := e.attrs[unix.NFTA_EXTHDR_TYPE]; typ != "" && e.number(unix.NFTA_EXTHDR_OP) == uint32(expr.ExthdrOpTcpopt) &&
			!e.has(unix.NFTA_EXTHDR_FLAGS) && !e.has(unix.NFTA_EXTHDR_SREG) {
			src = source{kind: fromTCPOption, key: uint32(typ[0]), offset: e.number(unix.NFTA_EXTHDR_OFFSET)}
		}
		size, dreg = int(e.number(unix.NFTA_EXTHDR_LEN)), e.number(unix.NFTA_EXTHDR_DREG)
	case "payload":
		if !e.isPayloadLoad() {
			return field{}, 0, false
		}
		src, size = e.payloadSource(), int(e.number(unix.NFTA_PAYLOAD_LEN))
		dreg = e.number(unix.NFTA_PAYLOAD_DREG)
	}
	f, ok := d.fieldAt(src)
	if !ok && size >= 0 {
		f, ok = d.bytesAt(src, size)
	}
	slot, isReg := slotOf(dreg)
	if !ok || !isReg || size >= 0 && size != f.size() {
		return field{}, 0, false
	}
	return f, slot, true
}

func (e *expression) isPayloadLoad() bool {
	return e.name == "payload" && !e.opaque && !e.has(unix.NFTA_PAYLOAD_SREG) &&
		!e.has(unix.NFTA_PAYLOAD_CSUM_TYPE) && !e.has(unix.NFTA_PAYLOAD_CSUM_OFFSET) &&
		!e.has(nftaPayloadCsumFlags)
}

const nftaPayloadCsumFlags = 8

func (e *expression) payloadSource() source {
	return source{kind: fromPayload, key: e.number(unix.NFTA_PAYLOAD_BASE), offset: e.number(unix.NFTA_PAYLOAD_OFFSET)}
}

// fieldAt returns the field with a source that exists in the packets that the
// rule has narrowed down to.
func (d *decompiler) fieldAt(src source) (field, bool) {
	net := d.family
	if !d.oneNet() {
		net = d.net
	}
	var found field
	ok := false
	for _, f := range d.fields[src] {
		if f.link && d.family != Bridge && d.family != Netdev || f.l4Net != 0 && d.family == ARP || f.net != 0 && f.net != net || f.l4 != 0 && f.l4 != d.l4 || f.needsL4 && d.l4 == 0 {
			continue
		}
		if !ok || f.l4 != 0 { // "tcp dport" rather than "th dport"
			found, ok = f, true
		}
	}
	return found, ok
}
