package iptables

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/seawall-net/seawall/nft"
)

// A natRange is what a translation chooses from: struct nf_nat_range2.
type natRange struct {
	// min and max are the addresses; the zero netip.Addr keeps the packet's.
	min, max netip.Addr
	// ports tells that ports are translated too.
	ports            bool
	minPort, maxPort uint16
	// shifted tells that a port keeps its distance to base.
	shifted bool
	base    uint16

	random, fullyRandom, persistent bool
}

// The kernel's NF_NAT_RANGE_* bits.
const (
	natMapIPs      = 1 << 0
	natPorts       = 1 << 1
	natRandom      = 1 << 2
	natPersistent  = 1 << 3
	natFullyRandom = 1 << 4
	natShifted     = 1 << 5
)

// flags are the kernel's.
func (n natRange) flags() uint32 {
	return uint32(b2u(n.min.IsValid())*natMapIPs | b2u(n.ports)*natPorts | b2u(n.random)*natRandom |
		b2u(n.persistent)*natPersistent | b2u(n.fullyRandom)*natFullyRandom | b2u(n.shifted)*natShifted)
}

// setFlags takes what only flags say.
func (n *natRange) setFlags(flags uint32) {
	n.ports, n.random = flags&natPorts != 0, flags&natRandom != 0
	n.persistent, n.fullyRandom = flags&natPersistent != 0, flags&natFullyRandom != 0
	n.shifted = flags&natShifted != 0
}

// parseNATFlags reads --random and the like.
func (n *natRange) parseFlags(a *arguments) {
	n.random, n.fullyRandom, n.persistent = a.has("random"), a.has("random-fully"), a.has("persistent")
}

// parsePorts reads port[-port[/base]].
func (n *natRange) parsePorts(a *arguments, option, text string) {
	switch p := a.rule.Protocol; p.Number {
	case protoTCP, protoUDP, protoSCTP, protoDCCP, protoICMP:
	default:
		a.fail(option, "ports need -p tcp, udp, sctp or dccp")
		return
	}
	n.ports = true
	first, rest, isRange := strings.Cut(text, "-")
	port, err := parsePort(first, "")
	n.minPort, n.maxPort = port, port
	if err != nil {
		a.fail(option, "%s", err)
		return
	}
	if !isRange {
		return
	}
	second, base, shifted := strings.Cut(rest, "/")
	hi, ok := wholeNumber(second, 0, 65535)
	n.maxPort, n.shifted = uint16(hi), shifted
	switch {
	case !ok:
		a.fail(option, "%q is not a port", second)
	case n.maxPort < n.minPort:
		a.fail(option, "%d is more than %d", n.minPort, n.maxPort)
	case shifted:
		if n.base, err = parsePort(base, ""); err != nil || n.base == 0 {
			a.fail(option, "%q is not a port", base)
		}
	}
}

// parseTo reads [address[-address]][:ports], IPv6 addresses in brackets if
// ports follow.
func (n *natRange) parseTo(a *arguments, option string) {
	text := a.text(option)
	if text == "" {
		a.fail(option, "the address is missing")
		return
	}
	addrs, portText, hasPorts := text, "", false
	if open := strings.Index(text, "["); open >= 0 {
		end := strings.Index(text, "]")
		if a.family() == nft.IPv4 || open != 0 || end < 0 || end+1 < len(text) && text[end+1] != ':' {
			a.fail(option, "%q is not an address", text)
			return
		}
		addrs = text[1:end]
		if end+1 < len(text) {
			portText, hasPorts = text[end+2:], true
		}
	} else if strings.Count(text, ":") == 1 {
		addrs, portText, hasPorts = strings.Cut(text, ":")
	}
	if hasPorts {
		n.parsePorts(a, option, portText)
		if addrs == "" {
			return
		}
	}
	first, second, isRange := strings.Cut(addrs, "-")
	n.min = parseNATAddr(a, option, first)
	n.max = n.min
	if isRange {
		n.max = parseNATAddr(a, option, second)
	}
}

func parseNATAddr(a *arguments, option, text string) netip.Addr {
	addr, err := netip.ParseAddr(text)
	if err != nil || addr.BitLen() != addrBits(a.family()) || addr.Zone() != "" {
		a.fail(option, "%q is not an address of %s", text, toolName(a.family()))
		return netip.Addr{}
	}
	return addr
}

func (n natRange) portText() string {
	if !n.ports {
		return ""
	}
	out := fmt.Sprint(n.minPort)
	if n.maxPort != n.minPort {
		out += fmt.Sprintf("-%d", n.maxPort)
	}
	if n.shifted {
		out += fmt.Sprintf("/%d", n.base)
	}
	return out
}

// toText is the value of --to-source and --to-destination.
func (n natRange) toText() string {
	out := ""
	if n.min.IsValid() {
		out = n.min.String()
		if n.max != n.min {
			out += "-" + n.max.String()
		}
		if n.ports && n.min.Is6() {
			out = "[" + out + "]"
		}
	}
	if n.ports {
		out += ":" + n.portText()
	}
	return out
}

func (n natRange) formatFlags(w *words) {
	if n.random {
		w.option(false, "random")
	}
	if n.fullyRandom {
		w.option(false, "random-fully")
	}
	if n.persistent {
		w.option(false, "persistent")
	}
}

// range4 is struct nf_nat_ipv4_multi_range_compat with one range.
func (n natRange) range4() []byte {
	var l layout
	l.u32(1)
	l.u32(n.flags())
	for _, a := range []netip.Addr{n.min, n.max} {
		b := make([]byte, 4)
		copy(b, a.AsSlice())
		l.bytes(b)
	}
	l.be16(n.minPort)
	l.be16(n.maxPort)
	return l.b
}

// range6 is struct nf_nat_range.
func (n natRange) range6() []byte {
	var l layout
	l.u32(n.flags())
	l.addr16(n.min)
	l.addr16(n.max)
	l.be16(n.minPort)
	l.be16(n.maxPort)
	return l.b
}

// range2 is struct nf_nat_range2.
func (n natRange) range2() []byte {
	l := layout{n.range6()}
	l.be16(n.base)
	l.align(4)
	return l.b
}

// byFamily is the older structure of the family.
func (n natRange) byFamily(f nft.Family) []byte {
	if f == nft.IPv6 {
		return n.range6()
	}
	return n.range4()
}

func decodeRange4(s *structure) natRange {
	var n natRange
	if count := s.u32(); count != 1 {
		s.fail("%d ranges, not one", count)
	}
	flags := s.u32()
	n.setFlags(flags)
	lo, _ := netip.AddrFromSlice(s.bytes(4))
	hi, _ := netip.AddrFromSlice(s.bytes(4))
	n.minPort, n.maxPort = s.be16(), s.be16()
	n.finish(s, flags, natFullyRandom<<1-1, lo, hi)
	return n
}

func decodeRange6(s *structure, known uint32) natRange {
	var n natRange
	flags := s.u32()
	n.setFlags(flags)
	lo, hi := s.addr16(), s.addr16()
	n.minPort, n.maxPort = s.be16(), s.be16()
	n.finish(s, flags, known, lo, hi)
	return n
}

func decodeRange2(s *structure) natRange {
	n := decodeRange6(s, natShifted<<1-1)
	n.base = s.be16()
	s.skip(2)
	return n
}

// finish checks what was read, and drops what the flags say is void.
func (n *natRange) finish(s *structure, flags, known uint32, lo, hi netip.Addr) {
	if flags&^known != 0 {
		s.fail("unknown flags %#x", flags&^known)
	}
	if flags&natMapIPs != 0 {
		n.min, n.max = lo, hi
	}
	if !n.ports {
		n.minPort, n.maxPort = 0, 0
	}
}

// byFamily decodes the older structure of the family.
func decodeRangeByFamily(s *structure) natRange {
	if s.family == nft.IPv6 {
		return decodeRange6(s, natFullyRandom<<1-1)
	}
	return decodeRange4(s)
}

// nativeFlags are the flags as nf_tables has them.
func (n natRange) nativeFlags() nft.NATFlags {
	var f nft.NATFlags
	if n.random {
		f |= nft.NATRandom
	}
	if n.fullyRandom {
		f |= nft.NATFullyRandom
	}
	if n.persistent {
		f |= nft.NATPersistent
	}
	return f
}

// single is the one address and port that there are to choose from.
func (n natRange) single() (netip.AddrPort, bool) {
	ok := n.min.IsValid() && n.min == n.max && n.minPort == n.maxPort && !n.shifted && (!n.ports || n.minPort != 0)
	return netip.AddrPortFrom(n.min, n.minPort), ok
}

// readNAT reads a translation of nf_tables.
func readNAT(s nft.Statement, kind nft.TranslationKind) (natRange, bool) {
	t, ok := nft.Translated(s)
	if !ok || t.Kind != kind {
		return natRange{}, false
	}
	n := natRange{
		min: t.To.Addr(), max: t.To.Addr(), ports: t.To.Port() != 0, minPort: t.To.Port(), maxPort: t.To.Port(),
		random: t.Flags&nft.NATRandom != 0, fullyRandom: t.Flags&nft.NATFullyRandom != 0, persistent: t.Flags&nft.NATPersistent != 0,
	}
	return n, true
}
