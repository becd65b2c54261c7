package isolation

import (
	"net/netip"

	"github.com/seawall-net/seawall/nft"
)

// A Neighbour is an endpoint at its link.
type Neighbour struct {
	// Addr is its address in the filter's family.
	Addr netip.Addr
	// MAC is its link-layer address.
	MAC [6]byte
}

// The ranks of the rules that ask for links, before everything else of a network's
// chain.
const (
	rankLinks = -3 + iota
	rankLinkNeighbours
)

// Link adds what lets an endpoint of a network without ICC open connections to a
// port of a sibling. Replies are let through as those of all connections. It is
// about packets that are routed, and with br_netfilter also about those that
// are bridged.
func (f *Filter) Link(n Network, from, to Neighbour, proto nft.L4Proto, port uint16, add func(nft.Object)) {
	if !n.DisableICC {
		return // nothing is closed
	}
	if f.judging.GuardOnly {
		f.noRedirects(n.Bridge, add)
		return
	}
	saddr, daddr := nft.Saddr(f.table.Family), nft.Daddr(f.table.Family)
	add(&f.links)
	f.noRedirects(n.Bridge, add)
	f.linkRule(n, "links", rankLinks, add, nft.Concat(saddr, daddr, nft.MetaL4Proto, nft.THDport).InSet(f.links))
	add(&nft.Element{Set: f.links.Ref(), Key: nft.Key(nft.Addr(from.Addr), nft.Addr(to.Addr), nft.Proto(proto), nft.Port(port))})
	if f.table.Family == nft.IPv6 {
		f.linkNeighbours(n, from, to, add)
	}
}

// linkNeighbours lets two siblings find each other, which IPv4 leaves to ARP.
func (f *Filter) linkNeighbours(n Network, a, b Neighbour, add func(nft.Object)) {
	add(&f.neighbours)
	f.linkRule(n, "link-neighbours", rankLinkNeighbours, add,
		nft.ICMPv6Type.In(nft.NDNeighborSolicit, nft.NDNeighborAdvert),
		nft.Concat(nft.IP6Saddr, nft.IP6Daddr).InSet(f.neighbours))
	for _, pair := range [][2]Neighbour{{a, b}, {b, a}} {
		asks, answers := pair[0], pair[1]
		for _, p := range [][2]netip.Addr{
			{asks.Addr, solicitedNode(answers.Addr)}, {linkLocal(asks.MAC), solicitedNode(answers.Addr)},
			{asks.Addr, answers.Addr}, {linkLocal(asks.MAC), answers.Addr}, // whether it is still there
			{answers.Addr, linkLocal(asks.MAC)},
		} {
			add(&nft.Element{Set: f.neighbours.Ref(), Key: nft.Key(nft.Addr(p[0]), nft.Addr(p[1]))})
		}
	}
}

// linkRule adds a rule about what stays in the network.
func (f *Filter) linkRule(n Network, key string, rank int, add func(nft.Object), match ...nft.Statement) {
	statements := append([]nft.Statement{nft.OIFName.Eq(n.Bridge)}, match...)
	add(&nft.Rule{
		Chain: nft.ChainRef{Table: f.table, Name: n.chain("from")}, Key: key, Rank: rank,
		Statements: f.accept(statements...),
	})
}

// solicitedNode is the group in which an address is asked for (RFC 4291, 2.7.1).
func solicitedNode(a netip.Addr) netip.Addr {
	b := a.As16()
	return netip.AddrFrom16([16]byte{0xff, 0x02, 11: 0x01, 12: 0xff, 13: b[13], 14: b[14], 15: b[15]})
}

// linkLocal is the address that an interface gives itself (RFC 4291, appendix A).
func linkLocal(m [6]byte) netip.Addr {
	return netip.AddrFrom16([16]byte{0xfe, 0x80, 8: m[0] ^ 2, m[1], m[2], 0xff, 0xfe, m[3], m[4], m[5]})
}

// noRedirects adds what keeps the host from telling the endpoints of networks
// without ICC that their siblings are neighbours: what it routes between linked
// ones comes and goes by the same interface. The kernel has no switch for it in
// IPv6, and in IPv4 one that another for all interfaces overrides.
func (f *Filter) noRedirects(bridge string, add func(nft.Object)) {
	apart := f.apart()
	add(&apart)
	add(&f.output)
	redirect := nft.ICMPType.Eq(nft.ICMPRedirect)
	if f.table.Family == nft.IPv6 {
		redirect = nft.ICMPv6Type.Eq(nft.NDRedirect)
	}
	f.rule(add, f.output, "redirect", redirect, nft.OIFName.InSet(apart), nft.Drop())
	add(&nft.Element{Set: apart.Ref(), Key: nft.Key(nft.Name(bridge))})
}
