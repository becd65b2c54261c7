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
		return a.String()
	case TypeEtherAddr:
		return net.HardwareAddr(b).String()
	case TypeEtherType:
		return fmt.Sprintf("0x%04x", binary.BigEndian.Uint16(b))
	case TypeInetProto:
		return L4Proto(b[0]).String()
	case TypeInetService:
		return fmt.Sprint(binary.BigEndian.Uint16(b))
	case TypeMark:
		return fmt.Sprintf("0x%08x", hostUint32(v))
	case TypeIFIndex:
		return fmt.Sprint(hostUint32(v))
	case TypeCTState:
		return CTStateBits(hostUint32(v)).String()
	case TypeCTStatus:
		return CTStatusBits(hostUint32(v)).String()
	case TypeFibAddrType:
		return AddrType(hostUint32(v)).String()
	case TypeIFName:
		return quote(strings.TrimRight(string(v), "\x00"))
	}
	return fmt.Sprintf("0x%x", string(v))
}

// formatConcat writes the parts of a concatenation; with an end, those parts
// that differ are ranges.
func formatConcat(parts []Type, v, end Value) string {
	var out []string
	for _, p := range parts {
		n := datatypes[p].size
		if n == 0 || len(v) < pad4(n) {
			return fmt.Sprintf("0x%x", string(v))
		}
		word := formatValue(p, v[:n])
		if len(end) >= pad4(n) {
			if end[:n] != v[:n] {
				word += "-" + formatValue(p, end[:n])
			}
			end = end[pad4(n):]
		}
		out = append(out, word)
		v = v[pad4(n):]
	}
	return strings.Join(out, " . ")
}

// formatPrefix writes a prefix as nft does: a host prefix as the address.
func formatPrefix(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}
