package bridge

import (
	"cmp"
	"net/netip"
	"slices"
)

// A prefixSet is addresses of both families. It can be searched once it is
// sorted.
type prefixSet []netip.Prefix

// sort sorts the prefixes, and leaves out those that are within others: what is
// left has no address in common.
func (p *prefixSet) sort() {
	slices.SortFunc(*p, func(a, b netip.Prefix) int {
		return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
	})
	kept := (*p)[:0]
	for _, next := range *p {
		if n := len(kept); n == 0 || !kept[n-1].Contains(next.Addr()) {
			kept = append(kept, next)
		}
	}
	*p = kept
}

func (p prefixSet) contains(a netip.Addr) bool {
	i, exact := slices.BinarySearchFunc(p, a, func(p netip.Prefix, a netip.Addr) int { return p.Addr().Compare(a) })
	return exact || i > 0 && p[i-1].Contains(a)
}
