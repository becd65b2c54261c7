package bridge

import (
	"iter"

	"github.com/seawall-net/seawall/nft"
)

// leadTo iterates over the rules and elements of others in our tables that lead
// to a chain: those in chains and sets that are not our own, and in DOCKER-USER.
func (fw *Firewall) leadTo(have, own *nft.Ruleset, chain nft.ID) iter.Seq[nft.Object] {
	return func(yield func(nft.Object) bool) {
		if chain.Kind != nft.KindChain {
			return
		}
		for o := range have.Objects() {
			user := fw.layout.UserChain(chain.Table.Family)
			var leads bool
			switch o := o.(type) {
			case *nft.Rule:
				leads = (o.Chain == user || own.Lookup(container(o)) == nil) && jumps(o, chain.Name)
			case *nft.Element:
				leads = own.Lookup(container(o)) == nil && o.Verdict.Chain == chain.Name
			}
			if leads && o.ID().Table == chain.Table && !yield(o) {
				return
			}
		}
	}
}

func jumps(r *nft.Rule, chain string) bool {
	for _, s := range r.Statements {
		if v, ok := s.(nft.Verdict); ok && v.Chain == chain {
			return true
		}
	}
	return false
}
