package bridge

import (
	"context"
	"errors"
	"slices"

	"github.com/seawall-net/seawall/nft"
)

// repair brings the kernel back to what it should be, and returns how many objects
// that took. also may add to the batch, which it is part of. What flows have to end
// is left to purge.
func (fw *Firewall) repair(ctx context.Context, also func(have *nft.Ruleset, b *nft.Batch) error) (objects int, err error) {
	own := fw.union.Ruleset()
	have, result, err := fw.converge(ctx, opHeal, func(have *nft.Ruleset) (nft.Batch, error) {
		recognise(have, own)
		b := nft.Diff(have, own)
		if b.Len() > 0 {
			var drift *DriftError
			switch adopted, err := fw.takeOverOthers(ctx, have, b); {
			case adopted:
				own, b = fw.union.Ruleset(), nft.Batch{}
			case !errors.As(err, &drift):
				return nft.Batch{}, err
			case fw.keepOthers(ctx, have):
				own = fw.union.Ruleset()
				b = nft.Diff(have, own)
			}
		}
		b = fw.withCounters(b)
		fw.mendPolicies(have, &b)
		if also != nil {
			if err := also(have, &b); err != nil {
				return nft.Batch{}, err
			}
		}
		if n := b.Len(); n > 0 {
			objects = n
		}
		return b, nil
	})
	if err == nil {
		fw.union.SetHandles(have, result)
	}
	if err == nil && slices.ContainsFunc(have.Tables(), func(t *nft.Table) bool { return len(strays(have, own, t.Ref())) > 0 }) {
		_, _, err = fw.converge(ctx, opHeal, func(have *nft.Ruleset) (nft.Batch, error) {
			b, err := sweep(have, own)
			objects += b.Len()
			return b, err
		})
	}
	if err != nil {
		return 0, err
	}
	if objects > 0 {
		fw.flows.all = true // while the rules were not there, flows were tracked without them
	}
	return objects, nil
}

// mendPolicies adds to a batch what it takes that the policies which the firewall
// has set are set again. Diff leaves those of shared chains alone.
func (fw *Firewall) mendPolicies(have *nft.Ruleset, b *nft.Batch) {
	for _, f := range []nft.Family{nft.IPv4, nft.IPv6} {
		fact, ref := fw.state.forwarding[f], fw.policyChain(f)
		if fact == nil || !fact.Policy || ref == (nft.ChainRef{}) {
			continue
		}
		c, _ := have.Lookup(nft.ID{Kind: nft.KindChain, Table: ref.Table, Name: ref.Name}).(*nft.Chain)
		if c == nil || c.Policy != nft.PolicyDrop {
			b.SetPolicy(&nft.Chain{Table: ref.Table, Name: ref.Name, Policy: nft.PolicyDrop})
		}
	}
}
