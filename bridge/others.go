package bridge

import (
	"errors"
	"iter"
	"slices"

	"github.com/seawall-net/seawall/nft"
)

// leadTo iterates over the rules and elements of others in our tables that lead
// to a chain: those in chains and sets that are not our own, and rules that are
// not.
func leadTo(have, own *nft.Ruleset, chain nft.ID) iter.Seq[nft.Object] {
	return func(yield func(nft.Object) bool) {
		if chain.Kind != nft.KindChain {
			return
		}
		for o := range have.Objects() {
			var leads bool
			switch o := o.(type) {
			case *nft.Rule:
				leads = (o.Key == "" || own.Lookup(container(o)) == nil) && jumps(o, chain.Name)
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

// strays returns the chains and sets in our tables that this package has made,
// but not for the present facts: another Firewall on the host did, or an update
// that could not be undone. Nobody else's rules have keys.
func strays(have, own *nft.Ruleset, t nft.TableRef) []nft.Object {
	var out []nft.Object
	for _, c := range have.Chains(t) {
		if own.Lookup(c.ID()) != nil {
			continue
		}
		_, err := decodeRecord(c.Userdata)
		rules := have.Rules(c.Ref())
		foreign := slices.ContainsFunc(rules, func(r *nft.Rule) bool { return r.Key == "" })
		if !foreign && (err == nil || len(rules) > 0) {
			out = append(out, c)
		}
	}
	for _, s := range have.Sets(t) {
		if own.Lookup(s.ID()) == nil && s.Userdata == recordOwn {
			out = append(out, s)
		}
	}
	return out
}

// sweep returns the batch that deletes strays. Nothing of ours leads to them.
func sweep(have, own *nft.Ruleset) (nft.Batch, error) {
	var there, rest nft.Ruleset
	var errs []error
	for _, t := range have.Tables() {
		t = closedTable(t)
		errs = append(errs, there.Add(t), rest.Add(t))
		for _, o := range strays(have, own, t.Ref()) {
			errs = append(errs, there.Add(o))
		}
	}
	return nft.Diff(&there, &rest), errors.Join(errs...)
}
