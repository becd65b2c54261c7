package nft

import "github.com/google/nftables/expr"

// A CTDir is a direction of a connection's packets.
type CTDir uint8

// The directions: that of the packet that opened the connection, which is the
// zero value, and the other.
const (
	CTOriginal CTDir = 0
	CTReply    CTDir = 1
)

// String returns nft's word for the direction.
func (d CTDir) String() string {
	return wordOr(map[CTDir]string{CTOriginal: "original", CTReply: "reply"}, d)
}

// The addresses of the packet that opened the connection, before any
// translation.
var (
	CTOriginalIPSaddr  = AddrField{tupleAddr("ct original ip saddr", fromCTOriginal, ctSrcIP, IPv4)}
	CTOriginalIP6Saddr = AddrField{tupleAddr("ct original ip6 saddr", fromCTOriginal, ctSrcIP6, IPv6)}
	CTOriginalIPDaddr  = AddrField{tupleAddr("ct original ip daddr", fromCTOriginal, ctDstIP, IPv4)}
	CTOriginalIP6Daddr = AddrField{tupleAddr("ct original ip6 daddr", fromCTOriginal, ctDstIP6, IPv6)}
)

// The addresses of the packets that answer, as they come in: with the
// translations that the connection has.
var (
	CTReplyIPSaddr  = AddrField{tupleAddr("ct reply ip saddr", fromCTReply, ctSrcIP, IPv4)}
	CTReplyIP6Saddr = AddrField{tupleAddr("ct reply ip6 saddr", fromCTReply, ctSrcIP6, IPv6)}
	CTReplyIPDaddr  = AddrField{tupleAddr("ct reply ip daddr", fromCTReply, ctDstIP, IPv4)}
	CTReplyIP6Daddr = AddrField{tupleAddr("ct reply ip6 daddr", fromCTReply, ctDstIP6, IPv6)}
)

// CTOriginalDport is the destination port of the packet that opened the
// connection, before any translation: behind the translation of a published
// port only this tells which one it was (iptables' --ctorigdstport). The same
// in packets of both directions. The rule must have matched the protocol before,
// by [MetaL4Proto] or a port of it: nft cannot read it otherwise, and protocols
// without ports have other things there, such as type and code in ICMP. A
// packet without a tracked connection does not match.
var CTOriginalDport = Field[uint16]{tuplePort("ct original proto-dst", fromCTOriginal, expr.CtKeyPROTODST)}

// The other ports of the connection, under the same conditions as
// [CTOriginalDport].
var (
	CTOriginalSport = Field[uint16]{tuplePort("ct original proto-src", fromCTOriginal, expr.CtKeyPROTOSRC)}
	CTReplySport    = Field[uint16]{tuplePort("ct reply proto-src", fromCTReply, expr.CtKeyPROTOSRC)}
	CTReplyDport    = Field[uint16]{tuplePort("ct reply proto-dst", fromCTReply, expr.CtKeyPROTODST)}
)

// Keys of the ct expression that x/sys/unix does not name (Linux 4.17).
const (
	ctSrcIP  = 19
	ctDstIP  = 20
	ctSrcIP6 = 21
	ctDstIP6 = 22
)

// CTOriginalDaddr is the original destination of a family's connections:
// [CTOriginalIPDaddr] or [CTOriginalIP6Daddr].
func CTOriginalDaddr(f Family) AddrField {
	if f == IPv6 {
		return CTOriginalIP6Daddr
	}
	return CTOriginalIPDaddr
}

func tupleAddr(name string, dir sourceKind, key uint32, net Family) field {
	typ := net.AddrType()
	return field{name: name, typ: typ, src: source{kind: dir, key: key}, net: net}
}

func tuplePort(name string, dir sourceKind, key expr.CtKey) field {
	return field{name: name, typ: TypeInetService, needsL4: true, src: source{kind: dir, key: uint32(key)}}
}

// tupleFields are the fields of this file.
func tupleFields() []field {
	return []field{
		CTOriginalIPSaddr.field, CTOriginalIP6Saddr.field, CTOriginalIPDaddr.field, CTOriginalIP6Daddr.field,
		CTReplyIPSaddr.field, CTReplyIP6Saddr.field, CTReplyIPDaddr.field, CTReplyIP6Daddr.field,
		CTOriginalSport.field, CTOriginalDport.field, CTReplySport.field, CTReplyDport.field,
	}
}
