package iptables

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/seawall-net/seawall/nft"
)

// addrBits is the length of a family's addresses.
func addrBits(f nft.Family) int {
	if f == nft.IPv6 {
		return 128
	}
	return 32
}

// anyAddr is 0.0.0.0 or ::.
func anyAddr(f nft.Family) netip.Addr {
	if f == nft.IPv6 {
		return netip.IPv6Unspecified()
	}
	return netip.IPv4Unspecified()
}

// prefixMask is the mask of a prefix.
func prefixMask(f nft.Family, n int) netip.Addr {
	b := make([]byte, addrBits(f)/8)
	for i := range n {
		b[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// parseAddr reads an address as iptables does. Names are refused, except
// localhost: a rule must not depend on a name server.
func parseAddr(f nft.Family, text string) (netip.Addr, error) {
	if text == "localhost" {
		if f == nft.IPv6 {
			return netip.IPv6Loopback(), nil
		}
		return netip.AddrFrom4([4]byte{127, 0, 0, 1}), nil
	}
	if f == nft.IPv6 {
		a, err := netip.ParseAddr(text)
		if err == nil && a.Is6() && a.Zone() == "" {
			return a, nil
		}
		return netip.Addr{}, addrError(f, text)
	}
	if a, ok := dottedAddr(text, false); ok {
		return a, nil
	}
	return netip.Addr{}, addrError(f, text)
}

func addrError(f nft.Family, text string) error {
	family := "IPv4"
	if f == nft.IPv6 {
		family = "IPv6"
	}
	if a, err := netip.ParseAddr(text); err == nil && a.BitLen() != addrBits(f) {
		return fmt.Errorf("%q is not an %s address", text, family)
	}
	return fmt.Errorf("%q is not an %s address; host names are not looked up", text, family)
}

// dottedAddr reads up to four numbers; those that are missing at the end are 0,
// which a mask does not allow.
func dottedAddr(text string, isMask bool) (netip.Addr, bool) {
	parts := strings.Split(text, ".")
	if len(parts) > 4 || isMask && len(parts) != 4 {
		return netip.Addr{}, false
	}
	var b [4]byte
	for i, p := range parts {
		n, ok := wholeNumber(p, 0, 255)
		if !ok {
			return netip.Addr{}, false
		}
		b[i] = byte(n)
	}
	return netip.AddrFrom4(b), true
}

// parseMask reads the length of a prefix, or a mask.
func parseMask(f nft.Family, text string) (netip.Addr, error) {
	if f == nft.IPv6 {
		if a, err := netip.ParseAddr(text); err == nil && a.Is6() && a.Zone() == "" {
			return a, nil
		}
	} else if a, ok := dottedAddr(text, true); ok {
		return a, nil
	}
	n, ok := wholeNumber(text, 0, uint64(addrBits(f)))
	if !ok {
		return netip.Addr{}, fmt.Errorf("%q is neither a mask nor the length of a prefix (0 to %d)", text, addrBits(f))
	}
	return prefixMask(f, int(n)), nil
}

// parseNetwork reads an address and, behind a slash, a mask. The address keeps
// its bits outside of the mask.
func parseNetwork(f nft.Family, text string) (addr, mask netip.Addr, err error) {
	mask = prefixMask(f, addrBits(f))
	name, maskText, ok := cutLast(text, "/")
	if ok {
		if mask, err = parseMask(f, maskText); err != nil {
			return addr, mask, err
		}
	}
	if mask.IsUnspecified() { // iptables does not look at the name
		return anyAddr(f), mask, nil
	}
	addr, err = parseAddr(f, name)
	return addr, mask, err
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// maskAddr clears the bits outside of the mask.
func maskAddr(a, mask netip.Addr) netip.Addr {
	b, m := a.AsSlice(), mask.AsSlice()
	for i := range b {
		b[i] &= m[i]
	}
	a, _ = netip.AddrFromSlice(b)
	return a
}

// parseAddresses reads the value of -s or -d: one network, or several with
// commas between them.
func parseAddresses(f nft.Family, text string, invert bool) ([]Address, error) {
	var out []Address
	for part := range strings.SplitSeq(text, ",") {
		addr, mask, err := parseNetwork(f, strings.TrimLeft(part, " \t\n\v\f\r"))
		if err != nil {
			return nil, err
		}
		if mask.IsUnspecified() && !invert {
			out = append(out, Address{})
			continue
		}
		out = append(out, Address{Addr: maskAddr(addr, mask), Mask: mask, Invert: invert})
	}
	switch {
	case len(out) > maxAddresses:
		return nil, fmt.Errorf("more than %d addresses", maxAddresses)
	case invert && len(out) > 1:
		return nil, fmt.Errorf(`"!" is not possible with more than one address`)
	case invert && out[0].Mask.IsUnspecified():
		return nil, fmt.Errorf("no packet would match")
	}
	return out, nil
}

// maxAddresses keeps what a rule expands into within reason; iptables has no
// such limit.
const maxAddresses = 4096
