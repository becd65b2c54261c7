package isolation

import "github.com/seawall-net/seawall/nft"

// The guard drops what is addressed to an endpoint's own address, or to a
// gateway, and comes from outside of all networks. It does so before connection
// tracking; only where replies are addressed to the endpoints themselves it has
// to know the connection, and comes later, but still before any translation.

// guardRules are about what comes from outside and is addressed to the
// network's endpoints, or to the host's address there.
func (f *Filter) guardRules(n Network, guard nft.Chain, add func(nft.Object)) {
	if !n.guarded() {
		return // the subnet is meant to be reached
	}
	for _, name := range n.Trusted {
		f.rule(add, guard, "trusted-"+name, nft.IIFName.Eq(name), nft.Accept())
	}
	if n.Mask != 0 {
		f.rule(add, guard, "mark", nft.Mark.EqMasked(n.Mark, n.Mask), nft.Accept())
	}
	f.dropAtOnce(add, guard, "drop", n.Log, ReasonDirectAccess)
	if n.Gateway.IsValid() {
		add(&nft.Element{Set: f.guard.Ref(), Key: nft.Key(nft.Addr(n.Gateway)), Verdict: nft.Goto(guard.Name)})
	}
	if n.Untranslated {
		f.lateBase(add)
	}
}

// lateBase adds the guard behind connection tracking.
func (f *Filter) lateBase(add func(nft.Object)) {
	add(&f.late)
	add(&f.tracked)
	f.rule(add, f.tracked, "established", nft.CTState.Any(nft.CTEstablished|nft.CTRelated), nft.Accept())
	f.rule(add, f.tracked, "bridges", nft.IIFName.InSet(f.bridges), nft.Accept())
	f.rule(add, f.tracked, "guard", nft.Daddr(f.table.Family).VMap(f.late))
}
