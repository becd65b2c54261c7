package isolation

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/seawall-net/seawall/nft"
)

// HostAccess says which of the host's own services a network's endpoints reach.
// Published ports are not among them.
type HostAccess uint8

const (
	// HostAll is every service, at every address.
	HostAll HostAccess = iota
	// HostGateway is what listens on the host's address on the network's bridge.
	HostGateway
	// HostNone is none. The endpoints still answer the host, and find its
	// address on the link.
	HostNone
)

// hostRules are about what the network's endpoints send to the host itself.
func (f *Filter) hostRules(n Network, add func(nft.Object)) {
	if n.Host == HostAll {
		return
	}
	add(&f.host)
	add(&f.input)
	f.rule(add, f.input, "bridges", nft.IIFName.VMap(f.host))

	chain := nft.Chain{Table: f.table, Name: n.chain("host")}
	add(&chain)
	f.rule(add, chain, "established", nft.CTState.Any(nft.CTEstablished|nft.CTRelated), nft.Accept())
	if f.table.Family == nft.IPv6 {
		f.rule(add, chain, "neighbours", nft.ICMPv6Type.In(nft.NDNeighborSolicit, nft.NDNeighborAdvert), nft.Accept())
	}
	for i, match := range n.HostPorts {
		f.rule(add, chain, fmt.Sprint("ports-", i), append(slices.Clip(match), nft.Counter(), nft.Accept())...)
	}
	if n.Host == HostGateway && n.Gateway.IsValid() {
		daddr := nft.Daddr(f.table.Family)
		f.rule(add, chain, "gateway", daddr.Eq(n.Gateway), nft.Counter(), nft.Accept())
		if f.table.Family == nft.IPv6 {
			f.rule(add, chain, "link-local", daddr.In(netip.MustParsePrefix("fe80::/10")), nft.Counter(), nft.Accept())
		}
	}
	f.dropAtOnce(add, chain, "drop", n.Log, ReasonHostAccess)
	add(&nft.Element{Set: f.host.Ref(), Key: n.key(), Verdict: nft.Goto(chain.Name)})
}
