package bridge

import (
	"net/netip"

	"github.com/seawall-net/seawall/nft"
)

// The anchor's sets, all of names of interfaces: bridges of networks, those of
// networks that may not use the host's services, and ports of endpoints that
// may not reach each other.
func anchorSets(t nft.TableRef) []*nft.Set {
	names := []string{"bridges", "guarded"}
	if t.Family == nft.Bridge {
		names = []string{"apart"}
	}
	var out []*nft.Set
	for _, name := range names {
		out = append(out, &nft.Set{Table: t, Name: name, Key: nft.TypeIFName})
	}
	return out
}

// elements are what a fact puts into the anchor's sets.
func (a *anchor) elements(f Fact) []nft.Object {
	var out []nft.Object
	add := func(t nft.TableRef, set, name string) {
		t.Name = anchorTable
		out = append(out, &nft.Element{Set: t.Set(set), Key: nft.Key(nft.Name(name))})
	}
	for _, t := range a.tables {
		switch f := f.(type) {
		case *Network:
			if t.Family == nft.Bridge {
				continue
			}
			add(t, "bridges", f.Spec.Bridge)
			if f.Spec.Internal || f.Spec.DisableHostAccess {
				add(t, "guarded", f.Spec.Bridge)
			}
		case *Endpoint:
			if t.Family == nft.Bridge && f.Network.Spec.DisableICC {
				add(t, "apart", f.Spec.HostIfName)
			}
		}
	}
	return out
}

// content is what is in one of the anchor's tables beside its sets.
func (a *anchor) content(t nft.TableRef) (chains []*nft.Chain, rules []*nft.Rule) {
	chain := func(name string, kind nft.ChainType, hook nft.Hook, priority int32) func(...nft.Statement) {
		c := &nft.Chain{Table: t, Name: name, Type: kind, Hook: hook, Priority: priority}
		chains = append(chains, c)
		return func(s ...nft.Statement) { rules = append(rules, &nft.Rule{Chain: c.Ref(), Statements: s}) }
	}
	set := func(name string) nft.Set { return nft.Set{Table: t, Name: name, Key: nft.TypeIFName} }
	// judged lets pass what has the bit, unless the anchor is shut.
	judged := func(rule func(...nft.Statement)) {
		clear := nft.Mark.AndXor(^a.mark, 0)
		if a.shut {
			rule(clear)
			return
		}
		rule(nft.Mark.EqMasked(a.mark, a.mark), clear, nft.Accept())
	}
	if t.Family == nft.Bridge {
		rule := chain("forward", nft.FilterChain, nft.Forward, priorityJudgedFrames+1)
		judged(rule)
		rule(nft.IIFName.InSet(set("apart")), nft.OIFName.InSet(set("apart")), nft.Counter(), nft.Drop())
		return chains, rules
	}
	loopback := netip.MustParsePrefix("127.0.0.0/8")
	if t.Family == nft.IPv6 {
		loopback = netip.MustParsePrefix("::1/128")
	}
	raw := chain("raw-prerouting", nft.FilterChain, nft.Prerouting, nft.PriorityRaw)
	if a.host.WSL2Mirrored && t.Family == nft.IPv4 {
		raw(nft.IIFName.Eq(wsl2Loopback), nft.Accept())
	}
	raw(nft.IIFName.Ne("lo"), nft.Daddr(t.Family).In(loopback), nft.Counter(), nft.Drop())

	// The hooks of translation stay in use.
	chain("nat-prerouting", nft.NATChain, nft.Prerouting, nft.PriorityDNAT)
	chain("nat-output", nft.NATChain, nft.Output, nft.PriorityDNAT)
	chain("nat-postrouting", nft.NATChain, nft.Postrouting, nft.PrioritySNAT)

	known := nft.CTState.Any(nft.CTEstablished | nft.CTRelated)
	forward := chain("forward", nft.FilterChain, nft.Forward, priorityJudged+1)
	judged(forward)
	forward(known, nft.Accept())
	forward(nft.IIFName.InSet(set("bridges")), nft.Counter(), nft.Drop())
	forward(nft.OIFName.InSet(set("bridges")), nft.Counter(), nft.Drop())

	input := chain("input", nft.FilterChain, nft.Input, priorityJudged+1)
	judged(input)
	input(known, nft.Accept())
	if t.Family == nft.IPv6 {
		input(nft.ICMPv6Type.In(nft.NDNeighborSolicit, nft.NDNeighborAdvert), nft.Accept())
	}
	input(nft.IIFName.InSet(set("guarded")), nft.Counter(), nft.Drop())
	return chains, rules
}
