package isolation

import (
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"net/netip"

	"github.com/seawall-net/seawall/nft"
)

// OpenWithin adds what lets packets in to a port of an endpoint that were sent to
// the endpoint's own address, where the network allows that, and that come from
// one of the prefixes, of any address if there are none, and by an interface, by
// any if it is empty. What it adds for the same port several times adds up.
func (f *Filter) OpenWithin(n Network, addr netip.Addr, proto nft.L4Proto, port uint16, from []netip.Prefix, iface string, add func(nft.Object)) {
	ask := nft.Rule{Chain: nft.ChainRef{Table: f.table, Name: n.chain("to")}, Key: "within", Rank: -1}
	lookup := f.port().VMap(f.within)
	switch n.Access {
	case Routed, Direct:
		ask.Statements = []nft.Statement{lookup}
		add(&f.within)
		add(&ask)
	case Published:
		for _, name := range n.Trusted {
			rule := ask
			rule.Key += "-" + name
			rule.Statements = []nft.Statement{nft.IIFName.Eq(name), lookup}
			add(&f.within)
			add(&rule)
		}
		if len(n.Trusted) == 0 {
			return
		}
	default:
		return
	}
	chain := nft.Chain{Table: f.table, Name: fmt.Sprintf("within-%s-%d-%d", hex.EncodeToString(addr.AsSlice()), proto, port)}
	add(&chain)
	if len(from) == 0 {
		from = []netip.Prefix{netip.PrefixFrom(addr, 0).Masked()}
	}
	for _, p := range from {
		f.withinRule(chain, p, iface, add)
	}
	add(&nft.Element{Set: f.within.Ref(), Key: nft.Key(nft.Addr(addr), nft.Proto(proto), nft.Port(port)), Verdict: nft.Jump(chain.Name)})
}

func (f *Filter) withinRule(chain nft.Chain, p netip.Prefix, iface string, add func(nft.Object)) {
	var match []nft.Statement
	if iface != "" {
		match = append(match, nft.IIFName.Eq(iface))
	}
	if p.Bits() > 0 {
		match = append(match, nft.Saddr(f.table.Family).In(p))
	}
	key := p.String() + "@" + iface
	// The order is of no meaning, but the next process must find the same.
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(key))
	add(&nft.Rule{
		Chain: chain.Ref(), Key: key, Rank: int(hash.Sum32() >> 1),
		Statements: f.accept(match...),
	})
}
