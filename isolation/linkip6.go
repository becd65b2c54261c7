package isolation

import (
	"net/netip"

	"github.com/seawall-net/seawall/nft"
)

// Parts of neighbour discovery messages (RFC 4861) behind the first eight
// bytes. A link-layer address is an option of eight bytes: its type, its length
// in units of eight, and the address.
var (
	ndTarget       = nft.ICMPv6Bytes(8, 16) // of a neighbour solicitation or advertisement
	ndOption       = nft.ICMPv6Bytes(24, 8) // the first one behind the target
	ndOptionType   = nft.ICMPv6Bytes(24, 1)
	ndRouterOption = nft.ICMPv6Bytes(8, 8) // of a router solicitation
)

const (
	ndLength       uint16 = 24 // of a message with a target and no option
	ndRouterLength uint16 = 8
	ndOptionLength uint16 = 8

	ndSourceAddress byte = 1
	ndTargetAddress byte = 2
	ndNonce         byte = 14 // RFC 7527
)

// linkOption is the option that tells a link-layer address.
func linkOption(kind byte, mac [6]byte) []byte { return append([]byte{kind, 1}, mac[:]...) }

func unspecified4() netip.Addr { return netip.IPv4Unspecified() }

// ipv6 lets a port send from its own addresses, and ask for them from none.
func (f *LinkFilter) ipv6(add func(nft.Object)) {
	f.rule(add, chainIPv6, "own", nft.Concat(nft.IIFName, nft.EtherSaddr, nft.IP6Saddr).InSet(f.ip6), nft.Goto(chainOwnIPv6))
	f.rule(add, chainIPv6, "unsourced", nft.IP6Saddr.Eq(netip.IPv6Unspecified()),
		nft.Concat(nft.IIFName, nft.EtherSaddr).InSet(f.mac), nft.MetaL4Proto.Eq(nft.ICMPv6), nft.IIFName.VMap(f.dad))
	f.drop(add, chainIPv6)

	f.ownIP(add, chainOwnIPv6, 547, 546)
	f.rule(add, chainOwnIPv6, "icmp6", nft.MetaL4Proto.Eq(nft.ICMPv6), nft.Goto(chainICMPv6))
	f.rule(add, chainOwnIPv6, "accept", nft.MetaL4Proto.Ne(nft.UDP), nft.Accept())
	// Extension headers may reach into a second fragment: what is there is not
	// judged, and receivers drop it (RFC 7112).
	f.rule(add, chainOwnIPv6, "udp", nft.UDPDport.Ne(546), nft.Accept())
	f.rule(add, chainOwnIPv6, "fragment", nft.IP6LaterFragment(), nft.Accept())
	f.drop(add, chainOwnIPv6)
}

// icmp6 drops what only routers say, and looks at what neighbours say.
func (f *LinkFilter) icmp6(add func(nft.Object)) {
	f.rule(add, chainICMPv6, "type", nft.ICMPv6Type.VMap(f.icmp6Types))
	f.rule(add, chainICMPv6, "accept", nft.ICMPv6Type.Ne(nft.NDRedirect), nft.Accept())
	// The type is in the first fragment, or the packet is dropped.
	f.rule(add, chainICMPv6, "fragment", nft.IP6LaterFragment(), nft.Accept())
	f.drop(add, chainICMPv6)
	verdict := func(v nft.Verdict, types ...nft.ICMPv6Message) {
		for _, t := range types {
			add(&nft.Element{Set: f.icmp6Types.Ref(), Key: nft.Key(nft.Byte(uint8(t))), Verdict: v})
		}
	}
	verdict(nft.Goto(chainSpoofed), nft.NDRouterAdvert, nft.NDRedirect, nft.MLDQuery, nft.ICMPv6RouterRenumbering, nft.INDSolicit, nft.INDAdvert,
		nft.MulticastRouterAdvert, nft.MulticastRouterSolicitation, nft.MulticastRouterTermination)
	verdict(nft.Goto(chainND), nft.NDRouterSolicit, nft.NDNeighborSolicit, nft.NDNeighborAdvert)
}

// neighbours begins what [LinkFilter.Guard] ends: it knows the addresses.
func (f *LinkFilter) neighbours(add func(nft.Object)) {
	// Behind extension headers the length would not tell where the message ends.
	f.rule(add, chainND, "extended", nft.IP6Nexthdr.Ne(nft.ICMPv6), nft.Counter(), nft.Goto(chainSpoofed))
	f.rule(add, chainND, "solicit", nft.ICMPv6Type.Eq(nft.NDNeighborSolicit), nft.IP6Length.Eq(ndLength), nft.Accept())
	f.rule(add, chainND, "router", nft.ICMPv6Type.Eq(nft.NDRouterSolicit), nft.IP6Length.Eq(ndRouterLength), nft.Accept())
	f.rule(add, chainND, "port", nft.IIFName.VMap(f.nd))
	f.drop(add, chainND)

	f.rule(add, chainDAD, "extended", nft.IP6Nexthdr.Ne(nft.ICMPv6), nft.Counter(), nft.Goto(chainSpoofed))
	f.rule(add, chainDAD, "plain", nft.IP6Length.Eq(ndLength), nft.Accept())
	f.rule(add, chainDAD, "nonce", nft.IP6Length.Eq(ndLength+ndOptionLength), nft.MetaL4Proto.Eq(nft.ICMPv6), ndOptionType.Eq([]byte{ndNonce}), nft.Accept())
	f.drop(add, chainDAD)

	f.rule(add, chainUnsourced, "report", nft.ICMPv6Type.Eq(nft.MLDReport), nft.Accept())
	f.rule(add, chainUnsourced, "done", nft.ICMPv6Type.Eq(nft.MLDDone), nft.Accept())
	f.rule(add, chainUnsourced, "report2", nft.ICMPv6Type.Eq(nft.MLDv2Report), nft.Accept())
	f.rule(add, chainUnsourced, "router", nft.ICMPv6Type.Eq(nft.NDRouterSolicit), nft.IP6Length.Eq(ndRouterLength), nft.Accept())
	f.drop(add, chainUnsourced)
}
