package bridge

import (
	"context"
	"errors"
	"slices"

	"github.com/seawall-net/seawall/nft"
)

// A PolicyLayout is a [Layout] in whose tables it is the policy of a chain that
// drops what belongs to no network, where the firewall itself has switched
// forwarding on.
type PolicyLayout interface {
	// PolicyChain is the chain of a family, which is Shared; the zero ChainRef
	// if there is none.
	PolicyChain(nft.Family) nft.ChainRef
}

func (fw *Firewall) policyChain(f nft.Family) nft.ChainRef {
	if layout, ok := fw.layout.(PolicyLayout); ok && !fw.state.host.Disabled(f) {
		return layout.PolicyChain(f)
	}
	return nft.ChainRef{}
}

// accepts tells whether a family has a chain whose policy is to be set, and that
// accepts now. One that drops already is not ours to set back.
func (fw *Firewall) accepts(f nft.Family) (bool, error) {
	ref := fw.policyChain(f)
	if ref == (nft.ChainRef{}) {
		return false, nil
	}
	have, err := fw.conn.LoadChains(context.Background(), ref.Table)
	if errors.Is(err, nft.ErrGeneration) {
		have, err = fw.conn.LoadUnchecked(context.Background(), ref.Table)
	}
	if err != nil {
		return false, err
	}
	return !slices.ContainsFunc(have.Chains(ref.Table), func(c *nft.Chain) bool {
		return c.Name == ref.Name && c.Policy == nft.PolicyDrop
	}), nil
}

// setPolicy sets the policy with the Tx, if that is part of a fact.
func (tx *Tx) setPolicy(f *Forwarding, p nft.Policy) {
	if ref := tx.fw.policyChain(f.Family); f.Policy && ref != (nft.ChainRef{}) {
		tx.user = append(tx.user, func(b *nft.Batch) { b.SetPolicy(&nft.Chain{Table: ref.Table, Name: ref.Name, Policy: p}) })
	}
}

// unsetPolicies adds to a Tx the opposite of what another one's facts have set.
func (tx *Tx) unsetPolicies(log []applied) {
	for _, a := range slices.Backward(log) {
		f, ok := a.fact.(*Forwarding)
		switch {
		case ok && a.add:
			tx.setPolicy(f, nft.PolicyAccept)
		case ok:
			tx.setPolicy(f, nft.PolicyDrop)
		}
	}
}

// alignPolicies adds to a batch what it takes that the policies are those of the
// families that are enabled now: nothing is dropped in one that was disabled.
func (fw *Firewall) alignPolicies(before *Host, b *nft.Batch) {
	layout, ok := fw.layout.(PolicyLayout)
	if !ok {
		return
	}
	for _, f := range fw.state.forwarding {
		if !f.Policy || before.Disabled(f.Family) == fw.state.host.Disabled(f.Family) {
			continue
		}
		ref, p := layout.PolicyChain(f.Family), nft.PolicyDrop
		if fw.state.host.Disabled(f.Family) {
			p = nft.PolicyAccept
		}
		b.SetPolicy(&nft.Chain{Table: ref.Table, Name: ref.Name, Policy: p})
	}
}

// hasSetPolicy tells whether the policy of a chain is what the firewall has set.
func (fw *Firewall) hasSetPolicy(c *nft.Chain) bool {
	f := fw.state.forwarding[c.Table.Family]
	return f != nil && f.Policy && c.Policy == nft.PolicyDrop && c.Ref() == fw.policyChain(c.Table.Family)
}
