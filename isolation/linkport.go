package isolation

import (
	"net/netip"

	"github.com/seawall-net/seawall/nft"
)

// A LinkPort is an endpoint's interface on the host, a port of its network's bridge,
// and what the endpoint may send from.
type LinkPort struct {
	// Interface is the port's name.
	Interface string
	// MAC is the endpoint's link-layer address.
	MAC [6]byte
	// IPv4 and IPv6 are the endpoint's addresses. Without one it sends nothing of
	// that family, and no ARP or neighbour discovery. With IPv6 it also has the
	// link-local address that is made of the MAC.
	IPv4, IPv6 netip.Addr
}

func (p LinkPort) key() nft.Value { return nft.Key(nft.Name(p.Interface)) }

// linkLocal is the address that the port gives itself (RFC 4291, appendix A).
func (p LinkPort) linkLocal() netip.Addr {
	m := p.MAC
	return netip.AddrFrom16([16]byte{0xfe, 0x80, 8: m[0] ^ 2, m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5]})
}

// Guard adds what lets an endpoint send in its own name only: by MAC, by IPv4 and
// IPv6 source, as the sender in ARP and in neighbour discovery, and not as a
// router, a DHCP server or a bridge. Ports without it send what they like.
// It goes with [LinkFilter.Network].
func (f *LinkFilter) Guard(n LinkNetwork, p LinkPort, add func(nft.Object)) {
	name, mac := nft.Name(p.Interface), nft.MAC(p.MAC)
	add(&nft.Element{Set: f.mac.Ref(), Key: nft.Key(name, mac)})
	if p.IPv4.IsValid() {
		add(&nft.Element{Set: f.ip4.Ref(), Key: nft.Key(name, mac, nft.Addr(p.IPv4))})
	}
	if p.IPv6.IsValid() {
		f.neighbour(p, add)
		for _, a := range []netip.Addr{p.IPv6, p.linkLocal()} {
			add(&nft.Element{Set: f.ip6.Ref(), Key: nft.Key(name, mac, nft.Addr(a))})
		}
	}
	add(&nft.Element{Set: f.spoofed.Ref(), Key: p.key(), Verdict: nft.Goto(n.spoofed())})
	add(&nft.Element{Set: f.ports.Ref(), Key: p.key()})
}

// neighbour adds the chains about what the port says and asks of its addresses.
func (f *LinkFilter) neighbour(p LinkPort, add func(nft.Object)) {
	nd, dad := "nd-"+p.Interface, "dad-"+p.Interface
	add(&nft.Chain{Table: f.table, Name: nd})
	add(&nft.Chain{Table: f.table, Name: dad})
	source, target := linkOption(ndSourceAddress, p.MAC), linkOption(ndTargetAddress, p.MAC)

	f.rule(add, nd, "solicit", nft.ICMPv6Type.Eq(nft.NDNeighborSolicit), nft.IP6Length.Eq(ndLength+ndOptionLength), ndOption.Eq(source), nft.Accept())
	f.rule(add, nd, "router", nft.ICMPv6Type.Eq(nft.NDRouterSolicit), nft.IP6Length.Eq(ndRouterLength+ndOptionLength), ndRouterOption.Eq(source), nft.Accept())
	for _, own := range []struct {
		key  string
		addr netip.Addr
	}{{"", p.IPv6}, {"-link-local", p.linkLocal()}} {
		a := own.addr.AsSlice()
		f.rule(add, nd, "plain"+own.key, nft.ICMPv6Type.Eq(nft.NDNeighborAdvert), nft.IP6Length.Eq(ndLength), ndTarget.Eq(a), nft.Accept())
		f.rule(add, nd, "advert"+own.key, nft.ICMPv6Type.Eq(nft.NDNeighborAdvert), nft.IP6Length.Eq(ndLength+ndOptionLength), ndTarget.Eq(a), ndOption.Eq(target), nft.Accept())
		f.rule(add, dad, "dad"+own.key, nft.ICMPv6Type.Eq(nft.NDNeighborSolicit), ndTarget.Eq(a), nft.Goto(chainDAD))
	}
	f.drop(add, nd)
	f.rule(add, dad, "else", nft.Goto(chainUnsourced))

	add(&nft.Element{Set: f.nd.Ref(), Key: p.key(), Verdict: nft.Goto(nd)})
	add(&nft.Element{Set: f.dad.Ref(), Key: p.key(), Verdict: nft.Goto(dad)})
}
