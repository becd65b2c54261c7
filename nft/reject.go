package nft

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// A RejectKind is how a packet is refused.
type RejectKind uint8

// The ways to refuse. RejectICMP, the zero value, is an ICMP error of the
// packet's own family: unreachable, with the code in [Reject].
const (
	RejectICMP RejectKind = iota
	// RejectTCPReset answers with a TCP reset. The rule must have matched the
	// protocol before.
	RejectTCPReset
	// RejectICMPX is an ICMP error with a code that both families have, for
	// tables of both.
	RejectICMPX
)

// Codes of [RejectICMP] in IPv4 (RFC 792, RFC 1812).
const (
	ICMPNetUnreachable  uint8 = 0
	ICMPHostUnreachable uint8 = 1
	ICMPProtUnreachable uint8 = 2
	ICMPPortUnreachable uint8 = 3
	ICMPNetProhibited   uint8 = 9
	ICMPHostProhibited  uint8 = 10
	ICMPAdminProhibited uint8 = 13
)

// Codes of [RejectICMP] in IPv6 (RFC 4443).
const (
	ICMPv6NoRoute         uint8 = 0
	ICMPv6AdminProhibited uint8 = 1
	ICMPv6AddrUnreachable uint8 = 3
	ICMPv6PortUnreachable uint8 = 4
	ICMPv6PolicyFail      uint8 = 5
	ICMPv6RejectRoute     uint8 = 6
)

// Codes of [RejectICMPX].
const (
	ICMPXNoRoute         uint8 = 0
	ICMPXPortUnreachable uint8 = 1
	ICMPXHostUnreachable uint8 = 2
	ICMPXAdminProhibited uint8 = 3
)

// A Reject is a statement that refuses the packet with an answer to its sender,
// in chains of the hooks prerouting, input, forward and output of tables of
// family ip, ip6 and inet. Tables of family inet have RejectICMPX, the others
// RejectICMP.
type Reject struct {
	Kind RejectKind
	// Code is the ICMP error's: what iptables and nft take without one is
	// ICMPPortUnreachable or ICMPv6PortUnreachable, while zero is no route to the
	// network. It must be 0 in a TCP reset.
	Code uint8
}

// String returns the statement in nft syntax, for a table of IPv4 packets.
func (r Reject) String() string { return r.print(IPv4) }

// print writes the statement for a table of a family.
func (r Reject) print(table Family) string {
	switch {
	case r.Kind == RejectTCPReset:
		return "reject with tcp reset"
	case r.Kind == RejectICMPX:
		return rejectWith("icmpx", icmpxCodes, r.Code, ICMPXPortUnreachable)
	case table == IPv6:
		return rejectWith("icmpv6", icmpv6Codes, r.Code, ICMPv6PortUnreachable)
	}
	return rejectWith("icmp", icmpCodes, r.Code, ICMPPortUnreachable)
}

func rejectWith(kind string, words map[uint8]string, code, usual uint8) string {
	if code == usual {
		return "reject"
	}
	return "reject with " + kind + " " + wordOr(words, code)
}

// nft's words for the codes.
var (
	icmpCodes = map[uint8]string{0: "net-unreachable", 1: "host-unreachable", 2: "prot-unreachable", 3: "port-unreachable",
		4: "frag-needed", 9: "net-prohibited", 10: "host-prohibited", 13: "admin-prohibited"}
	icmpv6Codes = map[uint8]string{0: "no-route", 1: "admin-prohibited", 3: "addr-unreachable", 4: "port-unreachable",
		5: "policy-fail", 6: "reject-route"}
	icmpxCodes = map[uint8]string{0: "no-route", 1: "port-unreachable", 2: "host-unreachable", 3: "admin-prohibited"}
)

// check refuses what does not work in a table of a family, or where the rule
// has not asked for the protocol.
func (r Reject) check(table Family, l4 L4Proto) error {
	oneFamily := table == IPv4 || table == IPv6
	switch {
	case r.Kind > RejectICMPX:
		return fmt.Errorf("not a way to reject")
	case !oneFamily && (table != INet || r.Kind == RejectICMP), oneFamily && r.Kind == RejectICMPX:
		return fmt.Errorf("this way to reject does not exist in a table of family %s", table)
	case r.Kind == RejectTCPReset && l4 != TCP:
		return fmt.Errorf("a TCP reset needs to know the protocol: match it before, as with MetaL4Proto.Eq(TCP)")
	case r.Kind == RejectTCPReset && r.Code != 0:
		return fmt.Errorf("a TCP reset has no code")
	case r.Kind == RejectICMPX && r.Code > ICMPXAdminProhibited:
		return fmt.Errorf("code %d: at most %d", r.Code, ICMPXAdminProhibited)
	}
	return nil
}

func (r Reject) compile(c *compiler) {
	if err := r.check(c.family, c.l4); err != nil {
		c.fail("%w", err)
		return
	}
	c.expression("reject", func(e *encoder) {
		e.u32(unix.NFTA_REJECT_TYPE, uint32(r.Kind))
		e.bytes(unix.NFTA_REJECT_ICMP_CODE, string([]byte{r.Code}))
	})
}

// reject reads a refusal.
func (d *decompiler) reject() int {
	e := &d.in[0]
	kind := e.number(unix.NFTA_REJECT_TYPE)
	if !e.has(unix.NFTA_REJECT_TYPE) || kind > uint32(RejectICMPX) {
		return 0
	}
	r := Reject{Kind: RejectKind(kind)}
	if code := e.attrs[unix.NFTA_REJECT_ICMP_CODE]; code != "" {
		r.Code = code[0]
	}
	if r.check(d.family, d.l4) != nil {
		return 0
	}
	d.emit(r)
	return 1
}
