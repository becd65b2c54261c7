package nft

import (
	"slices"
	"strings"

	"github.com/google/nftables/expr"
)

// Fields of the packet's way through the host.
var (
	// IIFName is the name of the interface that the packet came in by.
	IIFName = NameField{Field[string]{meta("iifname", TypeIFName, expr.MetaKeyIIFNAME)}}
	// OIFName is the name of the interface that the packet goes out by.
	OIFName = NameField{Field[string]{meta("oifname", TypeIFName, expr.MetaKeyOIFNAME)}}
	// IIF is the index of the incoming interface; 0 where there is none.
	IIF = Field[uint32]{meta("iif", TypeIFIndex, expr.MetaKeyIIF)}
	// OIF is the index of the outgoing interface; 0 where there is none.
	OIF = Field[uint32]{meta("oif", TypeIFIndex, expr.MetaKeyOIF)}
	// IIFGroup and OIFGroup are the groups of the interfaces (ip link set group).
	IIFGroup = MaskField[uint32]{Field[uint32]{meta("iifgroup", typeDevGroup, expr.MetaKeyIIFGROUP).of(4)}}
	OIFGroup = MaskField[uint32]{Field[uint32]{meta("oifgroup", typeDevGroup, expr.MetaKeyOIFGROUP).of(4)}}
	// MetaPktType is what the kernel takes the frame for.
	MetaPktType = Field[PacketType]{meta("meta pkttype", TypePktType, expr.MetaKeyPKTTYPE).of(1)}
	// Mark is the packet's mark.
	Mark = MarkField{Field[uint32]{meta("meta mark", TypeMark, expr.MetaKeyMARK)}}
	// MetaL4Proto is the transport protocol, behind any IPv6 extension headers.
	MetaL4Proto = Field[L4Proto]{meta("meta l4proto", TypeInetProto, expr.MetaKeyL4PROTO)}
)

// Fields of the connection that the packet belongs to.
var (
	// CTState is the state of the packet's connection.
	CTState = BitField[CTStateBits]{ct("ct state", TypeCTState, expr.CtKeySTATE)}
	// CTStatus is the status of the packet's connection.
	CTStatus = BitField[CTStatusBits]{ct("ct status", TypeCTStatus, expr.CtKeySTATUS)}
	// CTMark is the connection's mark.
	CTMark = MarkField{Field[uint32]{ct("ct mark", TypeMark, expr.CtKeyMARK)}}
	// CTDirection is whether the packet goes the connection's way or back.
	CTDirection = Field[CTDir]{ct("ct direction", typeCTDir, expr.CtKeyDIRECTION).of(1)}
	// CTProtocol is the connection's transport protocol.
	CTProtocol = Field[L4Proto]{ct("ct protocol", TypeInetProto, expr.CtKeyPROTOCOL)}
)

// What the routing table says about the packet's addresses.
var (
	// FibDaddrType is the type of the destination address.
	FibDaddrType = Field[AddrType]{field{name: "fib daddr type", typ: TypeFibAddrType, src: source{kind: fromFibDaddr}}}
	// FibSaddrType is the type of the source address.
	FibSaddrType = Field[AddrType]{field{name: "fib saddr type", typ: TypeFibAddrType, src: source{kind: fromFibSaddr}}}
)

// Fields of the network header.
var (
	IPSaddr  = AddrField{network("ip saddr", TypeIPv4Addr, 12, IPv4)}
	IPDaddr  = AddrField{network("ip daddr", TypeIPv4Addr, 16, IPv4)}
	IP6Saddr = AddrField{network("ip6 saddr", TypeIPv6Addr, 8, IPv6)}
	IP6Daddr = AddrField{network("ip6 daddr", TypeIPv6Addr, 24, IPv6)}
)

// Fields of the transport header. THSport and THDport are the ports of
// whatever protocol has them there; the others match that protocol only.
var (
	THSport   = Field[uint16]{transport("th sport", 0, 0)}
	THDport   = Field[uint16]{transport("th dport", 2, 0)}
	TCPSport  = Field[uint16]{transport("tcp sport", 0, TCP)}
	TCPDport  = Field[uint16]{transport("tcp dport", 2, TCP)}
	UDPSport  = Field[uint16]{transport("udp sport", 0, UDP)}
	UDPDport  = Field[uint16]{transport("udp dport", 2, UDP)}
	SCTPSport = Field[uint16]{transport("sctp sport", 0, SCTP)}
	SCTPDport = Field[uint16]{transport("sctp dport", 2, SCTP)}
)

// Saddr is the source address of a family's packets: [IPSaddr] or [IP6Saddr].
func Saddr(f Family) AddrField {
	if f == IPv6 {
		return IP6Saddr
	}
	return IPSaddr
}

// Daddr is the destination address of a family's packets: [IPDaddr] or
// [IP6Daddr].
func Daddr(f Family) AddrField {
	if f == IPv6 {
		return IP6Daddr
	}
	return IPDaddr
}

// AddrType is the data type of a family's addresses.
func (f Family) AddrType() Type {
	if f == IPv6 {
		return TypeIPv6Addr
	}
	return TypeIPv4Addr
}

// knownFields are the fields that a loaded rule can be read back into.
func knownFields() []field {
	return append(slices.Concat(linkFields(), tupleFields(), headerFields()),
		IIFName.field, OIFName.field, IIF.field, OIF.field, Mark.field, MetaL4Proto.field,
		IIFGroup.field, OIFGroup.field, MetaPktType.field,
		CTState.field, CTStatus.field, CTMark.field, CTDirection.field, CTProtocol.field,
		FibDaddrType.field, FibSaddrType.field,
		IPSaddr.field, IPDaddr.field, IP6Saddr.field, IP6Daddr.field,
		THSport.field, THDport.field, TCPSport.field, TCPDport.field, UDPSport.field,
		UDPDport.field, SCTPSport.field, SCTPDport.field,
	)
}

func meta(name string, typ Type, key expr.MetaKey) field {
	return field{name: name, typ: typ, src: source{kind: fromMeta, key: uint32(key)}}
}

func ct(name string, typ Type, key expr.CtKey) field {
	return field{name: name, typ: typ, src: source{kind: fromCT, key: uint32(key)}}
}

func network(name string, typ Type, offset uint32, net Family) field {
	src := source{kind: fromPayload, key: uint32(expr.PayloadBaseNetworkHeader), offset: offset}
	return field{name: name, typ: typ, src: src, net: net}
}

func transport(name string, offset uint32, l4 L4Proto) field {
	src := source{kind: fromPayload, key: uint32(expr.PayloadBaseTransportHeader), offset: offset}
	return field{name: name, typ: TypeInetService, src: src, l4: l4}
}

// A Concatenation is several fields read as one key.
type Concatenation struct{ parts []field }

// Concat joins selectors into one, as `ip daddr . th dport` does in nft.
func Concat(parts ...Selector) Concatenation {
	var c Concatenation
	for _, p := range parts {
		c.parts = append(c.parts, p.fields()...)
	}
	return c
}

func (c Concatenation) fields() []field { return c.parts }

// Type returns the concatenation of the parts' types.
func (c Concatenation) Type() Type {
	types := make([]Type, len(c.parts))
	for i, p := range c.parts {
		types[i] = p.typ
	}
	return TypeOf(types...)
}

// String returns the concatenation in nft syntax.
func (c Concatenation) String() string {
	names := make([]string, len(c.parts))
	for i, p := range c.parts {
		names[i] = p.name
	}
	return strings.Join(names, " . ")
}

// InSet matches packets whose values together are an element of the set.
func (c Concatenation) InSet(s Set) Statement { return lookup{sel: c, set: s.Name, key: s.Key} }

// NotInSet matches packets whose values together are not an element of the set.
func (c Concatenation) NotInSet(s Set) Statement {
	return lookup{sel: c, set: s.Name, key: s.Key, invert: true}
}

// VMap takes the verdict that a verdict map holds for the values; without one
// the rule goes on.
func (c Concatenation) VMap(s Set) Statement {
	return vmap{sel: c, set: s.Name, key: s.Key, data: s.Data}
}
