package portmap

import (
	"net/netip"

	"github.com/seawall-net/seawall/nft"
)

// A Network is what address translation has to know of a network, in its family.
type Network struct {
	// Bridge is the name of the network's Linux bridge.
	Bridge string
	// Subnet is the network's prefix in the table's family.
	Subnet netip.Prefix
	// Source says what becomes of the source addresses of what leaves the
	// network. The zero value is Masquerade.
	Source Source
	// SNAT is the address that packets leave with, for FixedSource.
	SNAT netip.Addr
	// Random chooses the ports of packets that leave at random.
	Random bool
	// UserlandProxy is the Host's.
	UserlandProxy bool
	// Log returns what notes a packet that is about to be dropped for a reason. Nil
	// notes nothing.
	Log func(reason string) []nft.Statement
}

// Source says what becomes of source addresses.
type Source uint8

const (
	// Masquerade gives packets the address of the interface they leave by.
	Masquerade Source = iota
	// FixedSource gives them a fixed address.
	FixedSource
	// OwnSource leaves them as they are.
	OwnSource
)

// Network adds what a network needs: masquerading of what leaves it, and of
// what comes back to it by a published port (hairpin), unless that is left to a
// proxy.
func (n *NAT) Network(net Network, add func(nft.Object)) {
	from := nft.Chain{Table: n.table, Name: "nat-from-" + net.Bridge}
	add(&from)
	bridge := nft.Key(nft.Name(net.Bridge))
	if net.UserlandProxy {
		add(&nft.Element{Set: n.proxied.bridges.Ref(), Key: bridge})
	} else {
		// Replies must come back this way: a sibling would answer directly, from
		// an address that the client never asked.
		n.rule(add, from, "hairpin", nft.OIFName.Eq(net.Bridge), nft.CTStatus.Any(nft.CTDNAT),
			nft.Counter(), nft.Masquerade(0))
		n.entering(net, add)
	}
	n.leaving(net, from, add)
	add(&nft.Element{Set: n.bridges.Ref(), Key: bridge, Verdict: nft.Jump(from.Name)})
}

// entering adds what masquerades what the host itself sends into the network.
func (n *NAT) entering(net Network, add func(nft.Object)) {
	local := nft.Chain{Table: n.table, Name: "nat-to-" + net.Bridge}
	add(&local)
	saddr := nft.Saddr(n.table.Family)
	// A loopback address means nothing on the bridge, and the host's others
	// may be unreachable from inside.
	n.rule(add, local, "host", nft.FibSaddrType.Eq(nft.AddrLocal), nft.Counter(), nft.Masquerade(0))
	n.rule(add, local, "hairpin", nft.CTStatus.Any(nft.CTDNAT), saddr.In(net.Subnet), nft.Counter(), nft.Masquerade(0))
	add(&nft.Element{Set: n.local.Ref(), Key: nft.Key(nft.Name(net.Bridge)), Verdict: nft.Jump(local.Name)})
}

// leaving adds what gives packets that leave the network another source.
func (n *NAT) leaving(net Network, from nft.Chain, add func(nft.Object)) {
	if net.Source == OwnSource {
		return
	}
	flags := nft.NATFlags(0)
	if net.Random {
		flags = nft.NATFullyRandom
	}
	multicast := netip.MustParsePrefix("224.0.0.0/4")
	if n.table.Family == nft.IPv6 {
		multicast = netip.MustParsePrefix("ff00::/8")
	}
	out, saddr := nft.OIFName.Ne(net.Bridge), nft.Saddr(n.table.Family)
	unicast := nft.Daddr(n.table.Family).NotIn(multicast)
	translate := nft.Masquerade(flags)
	if net.Source == FixedSource {
		translate = nft.SNAT(net.SNAT, flags)
	}
	n.rule(add, from, "masquerade", out, saddr.In(net.Subnet), unicast, nft.Counter(), translate)
	// What DOCKER-USER has let through in another's name is not translated, and
	// must not leave as it is.
	n.drop(add, from, "forged", net.Log, ReasonForgedSource, out, saddr.NotIn(net.Subnet), unicast)
}
