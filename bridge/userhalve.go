package bridge

import (
	"slices"
	"strings"

	"github.com/seawall-net/seawall/nft"
)

// Somebody who flushes everything, and then loads a file that he has saved before, adds the user's rules to
// those that were put back in between. His are the user's; ours go again.

// keptPrefix begins the names of sets that had none, and were put back.
const keptPrefix = "kept"

// halve takes rules that were put back out again where the same have come behind
// them, and returns how many.
func (k *keeper) halve(fw *Firewall, have *nft.Ruleset, b *nft.Batch) (rules int) {
	gone := map[*nft.Rule]bool{}
	for ref := range k.restored {
		kept := fw.users[ref.Table]
		if kept == nil {
			continue
		}
		want, there := kept.rules[ref], have.Rules(ref)
		n := len(want)
		if n == 0 || len(there) != 2*n || !slices.EqualFunc(there[:n], want, sameRule) || !slices.EqualFunc(there[n:], want, sameRule) {
			continue
		}
		for _, r := range there[:n] {
			b.Delete(r)
			gone[r] = true
		}
		rules += n
		delete(k.restored, ref)
	}
	for _, s := range unused(have, gone) {
		b.Delete(s)
	}
	return rules
}

// unused are the sets of ours that only rules which go have asked.
func unused(have *nft.Ruleset, gone map[*nft.Rule]bool) (sets []*nft.Set) {
	asked := map[nft.SetRef]bool{}
	for o := range have.Objects() {
		if r, ok := o.(*nft.Rule); ok {
			for _, name := range r.Sets() {
				if ref := r.Chain.Table.Set(name); !gone[r] {
					asked[ref] = true
				}
			}
		}
	}
	for r := range gone {
		for _, name := range r.Sets() {
			ref := r.Chain.Table.Set(name)
			s, _ := have.Lookup(nft.ID{Kind: nft.KindSet, Table: ref.Table(), Name: name}).(*nft.Set)
			if s != nil && !asked[ref] && strings.HasPrefix(name, keptPrefix) {
				asked[ref] = true
				sets = append(sets, s)
			}
		}
	}
	return sets
}

// sameRule tells whether two rules do the same, but for what is in the sets that
// they ask: one that was written into a rule has another name each time.
func sameRule(a, b *nft.Rule) bool {
	x, ok := nameless(a).Signature()
	y, _ := nameless(b).Signature()
	return ok && x == y && a.Comment == b.Comment
}

// nameless is a rule whose sets, if they had no names, have the same one.
func nameless(r *nft.Rule) *nft.Rule {
	for _, name := range r.Sets() {
		if strings.HasPrefix(strings.TrimPrefix(name, keptPrefix), "__") {
			r = r.WithSet(name, keptPrefix)
		}
	}
	return r
}
