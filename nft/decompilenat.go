package nft

import (
	"encoding/binary"
	"net/netip"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// natFlagBits pairs the kernel's flags with this package's.
func natFlagBits() [3]struct {
	kernel uint32
	flag   NATFlags
} {
	return [3]struct {
		kernel uint32
		flag   NATFlags
	}{
		{unix.NF_NAT_RANGE_PROTO_RANDOM, NATRandom},
		{unix.NF_NAT_RANGE_PROTO_RANDOM_FULLY, NATFullyRandom},
		{unix.NF_NAT_RANGE_PERSISTENT, NATPersistent},
	}
}

// natFlags reads flags; false tells that there are others.
func natFlags(kernel uint32) (NATFlags, bool) {
	var flags NATFlags
	for _, b := range natFlagBits() {
		if kernel&b.kernel != 0 {
			flags |= b.flag
			kernel &^= b.kernel
		}
	}
	return flags, kernel == 0
}

func (d *decompiler) masquerade() int {
	e := &d.in[0]
	flags, ok := natFlags(e.number(unix.NFTA_MASQ_FLAGS))
	if !ok || e.has(unix.NFTA_MASQ_REG_PROTO_MIN) || e.has(unix.NFTA_MASQ_REG_PROTO_MAX) {
		return 0
	}
	d.emit(masquerade{flags})
	return 1
}

// nat reads an address, perhaps a port, and the translation to them.
func (d *decompiler) nat() int {
	n := 1
	for n < len(d.in) && n < 2 && d.in[n].name == "immediate" {
		n++
	}
	if n == len(d.in) {
		return 0
	}
	e := &d.in[n]
	if !e.isNAT(d.family) || e.has(unix.NFTA_NAT_REG_PROTO_MIN) != (n == 2) {
		return 0
	}
	flags, ok := natFlags(e.number(unix.NFTA_NAT_FLAGS))
	addr, okAddr := d.in[0].immediate(e.attrs[unix.NFTA_NAT_REG_ADDR_MIN])
	if !ok || !okAddr || len(addr) != natAddrType(e).size() {
		return 0
	}
	s := nat{typ: expr.NATType(e.number(unix.NFTA_NAT_TYPE)), flags: flags}
	s.addr, _ = netip.AddrFromSlice([]byte(addr))
	if n == 2 {
		port, ok := d.in[1].immediate(e.attrs[unix.NFTA_NAT_REG_PROTO_MIN])
		at, _ := slotOf(e.number(unix.NFTA_NAT_REG_ADDR_MIN))
		slot, isReg := slotOf(e.number(unix.NFTA_NAT_REG_PROTO_MIN))
		if overlaps := slot >= at && slot < at+len(addr)/4; !ok || !isReg || overlaps || len(port) != 2 || port == "\x00\x00" {
			return 0
		}
		s.port = binary.BigEndian.Uint16([]byte(port))
	}
	d.emit(s)
	return n + 1
}

// isNAT reports whether the expression is a translation to one address and at
// most one port that a table of the family can hold.
func (e *expression) isNAT(table Family) bool {
	typ := expr.NATType(e.number(unix.NFTA_NAT_TYPE))
	family := Family(e.number(unix.NFTA_NAT_FAMILY))
	return e.name == "nat" && !e.opaque && e.has(unix.NFTA_NAT_TYPE) &&
		(typ == expr.NATTypeDestNAT || typ == expr.NATTypeSourceNAT) &&
		(family == IPv4 || family == IPv6) && (table == INet || table == family) &&
		e.has(unix.NFTA_NAT_REG_ADDR_MIN) &&
		!e.has(unix.NFTA_NAT_REG_ADDR_MAX) && !e.has(unix.NFTA_NAT_REG_PROTO_MAX)
}

// natAddrType is the type of the addresses that a translation leads to.
func natAddrType(e *expression) Type { return Family(e.number(unix.NFTA_NAT_FAMILY)).AddrType() }

// immediate is the value that the expression puts into a register.
func (e *expression) immediate(register string) (Value, bool) {
	if e.name != "immediate" || e.opaque || e.attrs[unix.NFTA_IMMEDIATE_DREG] != register {
		return "", false
	}
	return e.value(unix.NFTA_IMMEDIATE_DATA)
}

// translatesTo reports whether the expression is a destination translation to
// what a map has put into a register, and what type that must be.
func (e *expression) translatesTo(table Family, register uint32) (Type, bool) {
	if !e.isNAT(table) || expr.NATType(e.number(unix.NFTA_NAT_TYPE)) != expr.NATTypeDestNAT ||
		e.number(unix.NFTA_NAT_FLAGS) != 0 || e.number(unix.NFTA_NAT_REG_ADDR_MIN) != register {
		return 0, false
	}
	addr := natAddrType(e)
	if !e.has(unix.NFTA_NAT_REG_PROTO_MIN) {
		return addr, true
	}
	at, _ := slotOf(register)
	slot, ok := slotOf(e.number(unix.NFTA_NAT_REG_PROTO_MIN))
	return TypeOf(addr, TypeInetService), ok && slot == at+addr.size()/4
}
