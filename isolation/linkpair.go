package isolation

import (
	"net/netip"

	"github.com/seawall-net/seawall/nft"
)

// The ranks of the rules that let linked ports find each other, before what keeps
// ports apart.
const (
	rankPairARP = -2 + iota
	rankPairND
)

// Link adds what brings the packets between two ports that are apart to
// [Filter.Link], which judges them by connection: family bridge does not track
// any. What a port sends to the other's addresses goes to the host, which
// routes it; bridgeMAC is the host's address on the bridge. Only the search for
// neighbours is bridged, in the families in which both have an address.
//
//	      prerouting (-300)                         forward
//	IP ──► to the other's MAC and address?    ARP, ──► the two ports in linked?
//	       ▼ host's MAC, to the host          ND       ▼ accept
//
// It goes with [LinkFilter.NoICC], and comes behind [LinkFilter.Guard].
func (f *LinkFilter) Link(bridgeMAC [6]byte, a, b LinkPort, add func(nft.Object)) {
	ip4 := a.IPv4.IsValid() && b.IPv4.IsValid()
	ip6 := a.IPv6.IsValid() && b.IPv6.IsValid()
	if !ip4 && !ip6 {
		return
	}
	add(&f.linked)
	add(&f.toHost)
	if ip4 {
		add(&f.hosts4)
		f.pairRule(add, "link-arp", rankPairARP, nft.EtherType.Eq(nft.EtherARP))
		f.handOver(add, "ip4", nft.IPDaddr, f.hosts4)
	}
	if ip6 {
		add(&f.hosts6)
		nd := nft.ICMPv6Type.In(nft.NDNeighborSolicit, nft.NDNeighborAdvert)
		f.pairRule(add, "link-nd", rankPairND, nd)
		// Whether a neighbour is still there is asked and answered like other packets.
		add(&nft.Rule{Chain: f.toHost.Ref(), Key: "nd", Rank: -1, Statements: []nft.Statement{nd, nft.Accept()}})
		f.handOver(add, "ip6", nft.IP6Daddr, f.hosts6)
	}
	for _, way := range [][2]LinkPort{{a, b}, {b, a}} {
		from, to := nft.Name(way[0].Interface), way[1]
		add(&nft.Element{Set: f.linked.Ref(), Key: nft.Key(from, nft.Name(to.Interface))})
		element := func(hosts nft.Set, addr netip.Addr) {
			add(&nft.Element{Set: hosts.Ref(), Key: nft.Key(from, nft.MAC(to.MAC), nft.Addr(addr)), Data: nft.Key(nft.MAC(bridgeMAC))})
		}
		if ip4 {
			element(f.hosts4, to.IPv4)
		}
		if ip6 {
			element(f.hosts6, to.IPv6)
		}
	}
}

// pairRule adds a rule about what stays between two linked ports.
func (f *LinkFilter) pairRule(add func(nft.Object), key string, rank int, match nft.Statement) {
	add(&nft.Rule{Chain: f.forward.Ref(), Key: key, Rank: rank, Statements: []nft.Statement{
		match, nft.Concat(nft.IIFName, nft.OIFName).InSet(f.linked), nft.Accept(),
	}})
}

// handOver adds the rule that gives frames to the host.
func (f *LinkFilter) handOver(add func(nft.Object), key string, daddr nft.AddrField, hosts nft.Set) {
	f.rule(add, f.toHost.Name, key,
		nft.EtherDaddr.SetMap(nft.Concat(nft.IIFName, nft.EtherDaddr, daddr), hosts), nft.SetPacketType(nft.PacketHost))
}
