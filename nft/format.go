package nft

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"strings"
)

// formatValue writes a value of a type as nft does.
func formatValue(t Type, v Value) string {
	parts := t.parts()
	if len(parts) > 1 {
		return formatConcat(parts, v, "")
	}
	if len(v) != t.size() {
		return fmt.Sprintf("0x%x", string(v))
	}
	b := []byte(v)
	switch t {
	case TypeIPv4Addr, TypeIPv6Addr:
		a, _ := netip.AddrFromSlice(b)
		return formatAddr(a)
	case TypeEtherAddr:
		return net.HardwareAddr(b).String()
	case TypeEtherType:
		n := binary.BigEndian.Uint16(b)
		if word := etherTypes[n]; word != "" {
			return word
		}
		return fmt.Sprintf("0x%04x", n)
	case TypeARPOp:
		return ARPOp(binary.BigEndian.Uint16(b)).String()
	case TypeICMPType:
		return ICMPMessage(b[0]).String()
	case TypeICMPv6Type:
		return ICMPv6Message(b[0]).String()
	case TypeInetProto:
		return L4Proto(b[0]).String()
	case TypeInetService:
		return fmt.Sprint(binary.BigEndian.Uint16(b))
	case TypeMark:
		return fmt.Sprintf("0x%08x", hostUint32(v))
	case TypeIFIndex:
		if n := hostUint32(v); n != loopbackIndex {
			return fmt.Sprint(n)
		}
		return quote("lo")
	case TypeCTState:
		return CTStateBits(hostUint32(v)).String()
	case TypeCTStatus:
		return CTStatusBits(hostUint32(v)).String()
	case TypePktType:
		return formatNumber(t, v)
	case TypeFibAddrType:
		return AddrType(hostUint32(v)).String()
	case TypeIFName:
		return quote(strings.TrimRight(string(v), "\x00"))
	}
	return fmt.Sprintf("0x%x", string(v))
}

// loopbackIndex is the index of "lo" in every network namespace.
const loopbackIndex = 1

var etherTypes = map[uint16]string{0x0800: "ip", 0x0806: "arp", 0x86dd: "ip6", 0x8100: "8021q", 0x88a8: "8021ad"}

// formatRange writes what an element's key stands for: a value or, with an
// end, a range or prefix in each part that differs.
func formatRange(t Type, v, end Value) string {
	parts := t.parts()
	if len(parts) > 1 {
		return formatConcat(parts, v, end)
	}
	switch {
	case len(end) != len(v) || end == v:
		return formatValue(t, v)
	case !t.known() || len(v) != t.size():
		return formatValue(t, v) + "-" + formatValue(t, end) // both in hexadecimal
	}
	return formatSpan(t, v, end)
}

// formatSpan writes a range of values, as a prefix if it is one.
func formatSpan(t Type, lo, hi Value) string {
	if bits, ok := prefixBits(lo, hi); ok && (t == TypeIPv4Addr || t == TypeIPv6Addr) {
		return fmt.Sprintf("%s/%d", formatValue(t, lo), bits)
	}
	return formatBounds(t, lo, hi)
}

// formatBounds writes a range by its first and last value: as numbers, where
// these have names.
func formatBounds(t Type, lo, hi Value) string {
	switch t {
	case typeTCPFlags:
		return formatNumber(typeBytes, lo) + "-" + formatNumber(typeBytes, hi)
	case TypeInetProto, TypeICMPType, TypeICMPv6Type, TypeARPOp, typeNumber, typeBytes, typeICMPCode, typeICMPv6Code, TypePktType, typeCTDir:
		return formatNumber(typeNumber, lo) + "-" + formatNumber(typeNumber, hi)
	}
	return formatValue(t, lo) + "-" + formatValue(t, hi)
}

// prefixBits returns the length of the prefix whose first and last addresses
// are given, if there is one.
func prefixBits(lo, hi Value) (int, bool) {
	bits, inHost := 0, false
	for i := range len(lo) * 8 {
		mask := byte(0x80) >> (i % 8)
		l, h := lo[i/8]&mask, hi[i/8]&mask
		switch {
		case l == 0 && h != 0:
			inHost = true
		case l != h || inHost:
			return 0, false
		default:
			bits++
		}
	}
	return bits, true
}

// formatConcat writes the parts of a concatenation; with an end, those parts
// that differ are ranges.
func formatConcat(parts []Type, v, end Value) string {
	if t := TypeOf(parts...); !t.known() || len(v) != t.size() {
		return fmt.Sprintf("0x%x", string(v))
	}
	if len(end) != len(v) {
		end = v
	}
	var out []string
	for _, p := range parts {
		n := datatypes[p].size
		if v[:n] == end[:n] {
			out = append(out, formatValue(p, v[:n]))
		} else {
			out = append(out, formatSpan(p, v[:n], end[:n]))
		}
		v, end = v[pad4(n):], end[pad4(n):]
	}
	return strings.Join(out, " . ")
}

// formatPrefix writes a prefix as nft does: a host prefix as the address.
func formatPrefix(p netip.Prefix) string {
	if p.IsSingleIP() {
		return formatAddr(p.Addr())
	}
	return fmt.Sprintf("%s/%d", formatAddr(p.Addr()), p.Bits())
}

// formatAddr writes an address as the C library does: where the first 96 bits
// of an IPv6 address are zero and the next 16 are not, the rest looks like IPv4.
func formatAddr(a netip.Addr) string {
	if b := a.As16(); a.Is6() && [12]byte(b[:12]) == ([12]byte{}) && b[12]|b[13] != 0 {
		return "::" + netip.AddrFrom4([4]byte(b[12:])).String()
	}
	return a.String()
}

func formatAddrPort(ap netip.AddrPort) string {
	if ap.Addr().Is6() {
		return fmt.Sprintf("[%s]:%d", formatAddr(ap.Addr()), ap.Port())
	}
	return ap.String()
}
