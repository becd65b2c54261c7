package nft

import (
	"fmt"
	"strings"
)

// An L4Proto is an IP protocol number.
type L4Proto uint8

// The protocols that have a name here; any other number works too.
const (
	ICMP   L4Proto = 1
	TCP    L4Proto = 6
	UDP    L4Proto = 17
	ICMPv6 L4Proto = 58
	SCTP   L4Proto = 132
)

// String returns nft's word for the protocol, or its number. nft takes the
// words from /etc/protocols; these are Debian's.
func (p L4Proto) String() string {
	if word := protocolWords[p]; word != "" {
		return word
	}
	return fmt.Sprint(uint8(p))
}

var protocolWords = map[L4Proto]string{
	ICMP: "icmp", 2: "igmp", 4: "ipencap", TCP: "tcp", UDP: "udp", 33: "dccp", 41: "ipv6", 47: "gre", 50: "esp", 51: "ah",
	ICMPv6: "ipv6-icmp", 89: "ospf", 94: "ipip", 103: "pim", 108: "ipcomp", 112: "vrrp", 115: "l2tp", SCTP: "sctp", 136: "udplite",
}

// CTStateBits is a set of connection tracking states, for [CTState].
type CTStateBits uint32

// The connection tracking states.
const (
	CTInvalid     CTStateBits = 1
	CTEstablished CTStateBits = 2
	CTRelated     CTStateBits = 4
	CTNew         CTStateBits = 8
	CTUntracked   CTStateBits = 64
)

// String lists the states as nft does: "established,related".
func (b CTStateBits) String() string {
	return bitNames(uint32(b), []bitName{
		{1, "invalid"}, {2, "established"}, {4, "related"}, {8, "new"}, {64, "untracked"},
	})
}

// CTStatusBits is a set of connection status bits (the kernel's IPS_*), for
// [CTStatus].
type CTStatusBits uint32

// The connection status bits.
const (
	CTExpected  CTStatusBits = 1 << 0
	CTSeenReply CTStatusBits = 1 << 1
	CTAssured   CTStatusBits = 1 << 2
	CTConfirmed CTStatusBits = 1 << 3
	CTSNAT      CTStatusBits = 1 << 4
	CTDNAT      CTStatusBits = 1 << 5
	CTDying     CTStatusBits = 1 << 9
)

// String lists the bits as nft does: "snat,dnat".
func (b CTStatusBits) String() string {
	return bitNames(uint32(b), []bitName{
		{1 << 0, "expected"}, {1 << 1, "seen-reply"}, {1 << 2, "assured"}, {1 << 3, "confirmed"},
		{1 << 4, "snat"}, {1 << 5, "dnat"}, {1 << 9, "dying"},
	})
}

type bitName struct {
	bit  uint32
	name string
}

// bitNames lists the names of the bits that are set, lowest first, and the
// rest, if any, as a number.
func bitNames(v uint32, names []bitName) string {
	var out []string
	for _, n := range names {
		if v&n.bit != 0 {
			out = append(out, n.name)
			v &^= n.bit
		}
	}
	if v != 0 || out == nil {
		out = append(out, fmt.Sprintf("0x%x", v))
	}
	return strings.Join(out, ",")
}

// An AddrType is what the routing table makes of an address (the kernel's
// RTN_*), for [FibDaddrType] and [FibSaddrType].
type AddrType uint32

// The address types.
const (
	AddrUnspec AddrType = iota
	AddrUnicast
	AddrLocal
	AddrBroadcast
	AddrAnycast
	AddrMulticast
	AddrBlackhole
	AddrUnreachable
	AddrProhibit
)

// String returns nft's word for the address type.
func (t AddrType) String() string {
	names := [...]string{"unspec", "unicast", "local", "broadcast", "anycast", "multicast",
		"blackhole", "unreachable", "prohibit"}
	if int(t) < len(names) {
		return names[t]
	}
	return fmt.Sprint(uint32(t))
}
