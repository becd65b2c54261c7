package nft

import "strings"

// A Type is the type of a set's keys, of a map's data, or of a field: one of
// nft's data types, or a concatenation of up to five made with [TypeOf]. Types
// are comparable. The zero Type is none.
type Type uint32

// The data types, with nft's numbers: they are stored with the set, so that
// nft lists its elements properly.
const (
	TypeIPv4Addr    Type = 7
	TypeIPv6Addr    Type = 8
	TypeEtherAddr   Type = 9
	TypeEtherType   Type = 10
	TypeARPOp       Type = 11
	TypeInetProto   Type = 12
	TypeInetService Type = 13
	TypeICMPType    Type = 14
	TypeMark        Type = 19
	TypeIFIndex     Type = 20
	TypeCTState     Type = 26
	TypeCTStatus    Type = 28
	TypeICMPv6Type  Type = 29
	// TypePktType is what the kernel takes a packet for, a [PacketType].
	TypePktType     Type = 31
	TypeFibAddrType Type = 38
	TypeIFName      Type = 41
	// TypeVerdict is the data type of verdict maps.
	TypeVerdict Type = 0xffffff00
)

// The types of fields with numbers that sets here cannot hold: their length is
// not the type's but the field's. nft writes bytes as hexadecimal.
const (
	typeNumber     Type = 4
	typeBytes      Type = 5
	typeTCPFlags   Type = 15
	typeCTDir      Type = 27
	typeICMPCode   Type = 32
	typeICMPv6Code Type = 33
	typeDevGroup   Type = 35
)

// typeBits is how many bits of a concatenated type each part takes.
const typeBits = 6

// datatypes gives each type its name in nft, the length of its values in
// bytes, and whether they are kept in the host's byte order.
var datatypes = map[Type]struct {
	name string
	size int
	host bool
}{
	TypeIPv4Addr:    {"ipv4_addr", 4, false},
	TypeIPv6Addr:    {"ipv6_addr", 16, false},
	TypeEtherAddr:   {"ether_addr", 6, false},
	TypeEtherType:   {"ether_type", 2, false},
	TypeARPOp:       {"arp_op", 2, false},
	TypeInetProto:   {"inet_proto", 1, false},
	TypeInetService: {"inet_service", 2, false},
	TypeICMPType:    {"icmp_type", 1, false},
	TypeICMPv6Type:  {"icmpv6_type", 1, false},
	TypeMark:        {"mark", 4, true},
	TypeIFIndex:     {"iface_index", 4, true},
	TypeCTState:     {"ct_state", 4, true},
	TypeCTStatus:    {"ct_status", 4, true},
	TypePktType:     {"pkt_type", 1, false},
	TypeFibAddrType: {"fib_addrtype", 4, true},
	TypeIFName:      {"ifname", 16, true},
	TypeVerdict:     {"verdict", 0, true},
}

// TypeOf concatenates types, as `type ipv4_addr . inet_service` does in nft.
func TypeOf(parts ...Type) Type {
	var t Type
	for _, p := range parts {
		t = t<<typeBits | p
	}
	return t
}

// parts splits a concatenation into its types.
func (t Type) parts() []Type {
	if t == 0 {
		return nil
	}
	if t == TypeVerdict {
		return []Type{t}
	}
	var out []Type
	for ; t != 0; t >>= typeBits {
		out = append([]Type{t & (1<<typeBits - 1)}, out...)
	}
	return out
}

// known reports whether every part is a type that this package can handle.
func (t Type) known() bool {
	parts := t.parts()
	for _, p := range parts {
		if _, ok := datatypes[p]; !ok {
			return false
		}
	}
	return len(parts) > 0
}

// size is the length of a value of the type: parts of a concatenation are
// padded to four bytes each, as the kernel's registers are.
func (t Type) size() int {
	parts := t.parts()
	if len(parts) == 1 {
		return datatypes[t].size
	}
	n := 0
	for _, p := range parts {
		n += pad4(datatypes[p].size)
	}
	return n
}

// isBits reports whether values of the type are sets of bits.
func (t Type) isBits() bool { return t == TypeCTState || t == TypeCTStatus }

// String returns the type as nft writes it: "ipv4_addr . inet_service".
func (t Type) String() string {
	var names []string
	for _, p := range t.parts() {
		if d, ok := datatypes[p]; ok {
			names = append(names, d.name)
		} else {
			names = append(names, "unknown")
		}
	}
	if names == nil {
		return "none"
	}
	return strings.Join(names, " . ")
}

func pad4(n int) int { return (n + 3) &^ 3 }
