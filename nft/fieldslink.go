package nft

import "github.com/google/nftables/expr"

// Fields of the Ethernet header. They exist in tables of family bridge and
// netdev only.
var (
	// EtherDaddr and EtherSaddr are the frame's addresses.
	EtherDaddr = MACField{Field[[6]byte]{ethernet("ether daddr", TypeEtherAddr, 0)}}
	EtherSaddr = Field[[6]byte]{ethernet("ether saddr", TypeEtherAddr, 6)}
	// EtherType is what the frame itself says that it carries: of a frame with a
	// VLAN tag that is [EtherVLAN] or [EtherQinQ], also where the network card
	// or the kernel has taken the tag off. Below 1536 it is a length (IEEE 802.3).
	EtherType = Field[uint16]{ethernet("ether type", TypeEtherType, 12)}
	// MetaProtocol is the EtherType behind any VLAN tag that the kernel has
	// taken off.
	MetaProtocol = Field[uint16]{field{name: "meta protocol", typ: TypeEtherType, link: true,
		src: source{kind: fromMeta, key: uint32(expr.MetaKeyPROTOCOL)}}}
)

// EtherTypes, for [EtherType], [MetaProtocol], [ARPPtype] and [EtherTypeValue].
const (
	EtherIPv4 uint16 = 0x0800
	EtherARP  uint16 = 0x0806
	EtherVLAN uint16 = 0x8100
	EtherIPv6 uint16 = 0x86dd
	EtherQinQ uint16 = 0x88a8
)

// Fields of ARP packets (RFC 826): the kinds and lengths of the addresses, what
// is asked or told, and the addresses of sender and target, in a packet for
// IPv4 over Ethernet.
var (
	ARPHtype      = Field[uint16]{network("arp htype", typeNumber, 0, ARP).of(2)}
	ARPPtype      = Field[uint16]{network("arp ptype", TypeEtherType, 2, ARP)}
	ARPHlen       = Field[uint8]{network("arp hlen", typeNumber, 4, ARP).of(1)}
	ARPPlen       = Field[uint8]{network("arp plen", typeNumber, 5, ARP).of(1)}
	ARPOperation  = Field[ARPOp]{network("arp operation", TypeARPOp, 6, ARP)}
	ARPSaddrEther = Field[[6]byte]{network("arp saddr ether", TypeEtherAddr, 8, ARP)}
	ARPSaddrIP    = AddrField{network("arp saddr ip", TypeIPv4Addr, 14, ARP)}
	ARPDaddrEther = Field[[6]byte]{network("arp daddr ether", TypeEtherAddr, 18, ARP)}
	ARPDaddrIP    = AddrField{network("arp daddr ip", TypeIPv4Addr, 24, ARP)}
)

// Fields of the IPv6 header.
var (
	// IP6Length is the number of bytes behind the header.
	IP6Length = Field[uint16]{network("ip6 length", typeNumber, 4, IPv6).of(2)}
	// IP6Nexthdr is what follows the header: perhaps an extension header, where
	// [MetaL4Proto] is what follows those.
	IP6Nexthdr = Field[L4Proto]{network("ip6 nexthdr", TypeInetProto, 6, IPv6)}
	// IP6Hoplimit is 255 in packets that no router has forwarded.
	IP6Hoplimit = Field[uint8]{network("ip6 hoplimit", typeNumber, 7, IPv6).of(1)}
)

// What an ICMP packet is: the codes say more of a type.
var (
	ICMPCode   = Field[uint8]{icmp("icmp code", typeICMPCode, ICMP, IPv4).at(1).of(1)}
	ICMPv6Code = Field[uint8]{icmp("icmpv6 code", typeICMPv6Code, ICMPv6, IPv6).at(1).of(1)}
	ICMPType   = Field[ICMPMessage]{icmp("icmp type", TypeICMPType, ICMP, IPv4)}
	ICMPv6Type = Field[ICMPv6Message]{icmp("icmpv6 type", TypeICMPv6Type, ICMPv6, IPv6)}
)

func ethernet(name string, typ Type, offset uint32) field {
	src := source{kind: fromPayload, key: uint32(expr.PayloadBaseLLHeader), offset: offset}
	return field{name: name, typ: typ, src: src, link: true}
}

func icmp(name string, typ Type, l4 L4Proto, net Family) field {
	f := transport(name, 0, l4)
	f.typ, f.l4Net = typ, net
	return f
}

// of gives a field of numbers its length in bytes.
func (f field) of(bytes int) field {
	f.bytes = bytes
	return f
}

// at moves a field of a header.
func (f field) at(offset uint32) field {
	f.src.offset = offset
	return f
}

// linkFields are the fields of this file.
func linkFields() []field {
	return []field{
		EtherDaddr.field, EtherSaddr.field, EtherType.field, MetaProtocol.field,
		ARPHtype.field, ARPPtype.field, ARPHlen.field, ARPPlen.field, ARPOperation.field,
		ARPSaddrEther.field, ARPSaddrIP.field, ARPDaddrEther.field, ARPDaddrIP.field,
		IP6Length.field, IP6Nexthdr.field, IP6Hoplimit.field, ICMPType.field, ICMPv6Type.field, ICMPCode.field, ICMPv6Code.field,
	}
}

// netOfEtherType is the family of packets of an EtherType, or 0.
func netOfEtherType(v Value) Family {
	switch v {
	case EtherTypeValue(EtherIPv4).value():
		return IPv4
	case EtherTypeValue(EtherIPv6).value():
		return IPv6
	case EtherTypeValue(EtherARP).value():
		return ARP
	}
	return 0
}

// etherTypeOf is the EtherType of a family's packets.
func etherTypeOf(net Family) uint16 {
	switch net {
	case IPv6:
		return EtherIPv6
	case ARP:
		return EtherARP
	}
	return EtherIPv4
}

// saysNet is the family that packets have which a comparison lets through, as far
// as Ethernet tells.
func (m compare) saysNet() Family {
	if m.op != expr.CmpOpEq || m.f.src != EtherType.src && m.f.src != MetaProtocol.src {
		return 0
	}
	return netOfEtherType(m.value)
}

// saysL4 is the protocol of packets that a comparison lets through.
func (m compare) saysL4() L4Proto {
	if m.op != expr.CmpOpEq || len(m.value) != 1 || m.f.src != MetaL4Proto.src && m.f.name != IP6Nexthdr.name && m.f.name != IPProtocol.name {
		return 0
	}
	return L4Proto(m.value[0])
}
