package nft

import (
	"fmt"
	"slices"
)

// Diff returns the batch that turns have into want, for the generation of
// have. Objects that both have are left alone, counters included; rules keep
// their place; in an [Chain.Open] or [Chain.Shared] chain only keyed rules are
// looked at, and in a [Table.Open] table only the chains and sets that are
// wanted. A table that is Open in have stays.
//
// Diff(x, x) is empty. So is Diff after the commit, with one exception: the
// kernel does not change a table's flags along with its base chains. If both
// differ, the table is made anew, unless it is open: then the batch changes
// the flags, and the next Diff tells the rest.
func Diff(have, want *Ruleset) Batch {
	d := differ{have: have, want: want, p: plan{chains: map[ChainRef][]placed{}}, renew: map[ID]bool{}}
	for _, t := range have.Tables() {
		if want.tables[t.Ref()] == nil && !t.Open {
			d.p.del.push(t)
		}
	}
	for _, t := range want.Tables() {
		d.table(t)
	}
	b := d.p.batch()
	b.Generation = have.Generation
	return b
}

type differ struct {
	have, want *Ruleset
	p          plan
	// renew holds the chains and sets that have to be made anew, and with
	// them everything that refers to them.
	renew map[ID]bool
}

func (d *differ) table(t *Table) {
	want, have := d.want.tables[t.Ref()], d.have.tables[t.Ref()]
	if have != nil && t.Open {
		if have.table.Flags != t.Flags && hooksDiffer(have, want) {
			d.p.add.push(t)
			return
		}
	} else if have != nil && (have.table.Comment != t.Comment || have.table.Userdata != t.Userdata ||
		have.table.Flags != t.Flags && hooksDiffer(have, want)) {
		// The kernel cannot change these, and the flags not along with the base
		// chains: the table is made anew.
		d.p.del.push(have.table)
		have = nil
	}
	if have == nil {
		have = &tableObjects{}
		d.p.add.push(t)
	} else if have.table.Flags != t.Flags {
		d.p.add.push(t)
	}
	for _, c := range d.want.Chains(t.Ref()) {
		d.chain(c, have.chains[c.Name])
	}
	for _, s := range d.want.Sets(t.Ref()) {
		d.set(s, have.sets[s.Name])
	}
	if !t.Open && len(have.chains)+len(have.sets) > 0 {
		for _, c := range d.have.Chains(t.Ref()) {
			if want.chains[c.Name] == nil {
				d.p.del.push(c)
				d.renew[c.ID()] = true
			}
		}
		for _, s := range d.have.Sets(t.Ref()) {
			if want.sets[s.Name] == nil && !s.anonymous {
				d.p.del.push(s)
				d.renew[s.ID()] = true
			}
		}
	}
	for _, s := range d.want.Sets(t.Ref()) {
		d.elements(want.sets[s.Name], have.sets[s.Name])
	}
	for _, c := range d.want.Chains(t.Ref()) {
		d.rules(want.chains[c.Name], have.chains[c.Name])
	}
}

// hooksDiffer tells whether base chains come, go or are made anew.
func hooksDiffer(have, want *tableObjects) bool {
	for _, pair := range [][2]*tableObjects{{have, want}, {want, have}} {
		for name, c := range pair[0].chains {
			if c.chain.Hook == NoHook {
				continue
			}
			other := pair[1].chains[name]
			if other == nil && pair[1] == want && want.table.Open {
				continue // somebody else's, which stays
			}
			if other == nil || !sameButPolicy(c.chain, other.chain) {
				return true
			}
		}
	}
	return false
}

// sameButPolicy tells whether two chains differ in nothing but what the kernel
// can change.
func sameButPolicy(a, b *Chain) bool {
	x, y := *a, *b
	if x.open() || y.open() {
		// The kernel cannot change them, and the chain's rules are not ours to lose.
		x.Comment, y.Comment, x.Userdata, y.Userdata = "", "", "", ""
	}
	x.Open, y.Open, x.Policy, y.Policy = false, false, 0, 0
	x.Shared, y.Shared = false, false
	return x == y
}

func (d *differ) chain(c *Chain, have *chainObjects) {
	if have == nil {
		d.p.add.push(c)
		return
	}
	same := sameButPolicy(have.chain, c)
	if same && (have.chain.Policy == c.Policy || c.Shared) {
		return
	}
	if !same && !c.Shared { // the kernel says what is wrong with a shared one
		d.p.del.push(have.chain)
		d.renew[c.ID()] = true
	}
	d.p.add.push(c)
}

func (d *differ) set(s *Set, have *setObjects) {
	if have != nil {
		if *have.set == *s {
			return
		}
		d.p.del.push(have.set)
		d.renew[s.ID()] = true
	}
	d.p.add.push(s)
}

func (d *differ) elements(want, have *setObjects) {
	if have == nil || d.renew[want.set.ID()] {
		have = &setObjects{}
	}
	for key, h := range have.elements {
		if want.elements[key] == nil {
			d.p.del.push(h)
		}
	}
	for w := range want.each() {
		h := have.elements[w.Key]
		if h != nil && h.same(w) && !d.refersToNew(w.Set.Table(), w.Verdict) {
			continue
		}
		if h != nil {
			d.p.del.push(h)
		}
		d.p.add.push(w)
	}
}

// refersToNew tells whether a statement refers to something made anew.
func (d *differ) refersToNew(t TableRef, s Statement) bool {
	if len(d.renew) == 0 {
		return false
	}
	switch s := s.(type) {
	case Verdict:
		return s.Chain != "" && d.renew[ID{Kind: KindChain, Table: t, Name: s.Chain}]
	case lookup:
		return d.renew[ID{Kind: KindSet, Table: t, Name: s.set}]
	case vmap:
		return d.renew[ID{Kind: KindSet, Table: t, Name: s.set}]
	case dnatMap:
		return d.renew[ID{Kind: KindSet, Table: t, Name: s.set}]
	}
	return false
}

// rules keeps the longest run of rules that are as wanted and in the wanted
// order, and makes the others anew.
func (d *differ) rules(want, have *chainObjects) {
	if have == nil || d.renew[want.chain.ID()] {
		have = &chainObjects{}
	}
	wanted := want.rules
	if want.chain.open() {
		wanted = slices.DeleteFunc(slices.Clone(wanted), func(r *Rule) bool { return r.Key == "" })
	}
	place, copies := map[string]int{}, map[string]int{}
	for i, r := range wanted {
		place[ruleName(r, copies)] = i
	}
	clear(copies)
	var candidates []placed // in the kernel's order
	var order []int         // their wanted places
	for _, h := range have.rules {
		if h.Key == "" && want.chain.open() {
			continue
		}
		i, ok := place[ruleName(h, copies)]
		if ok && h.same(wanted[i]) && !slices.ContainsFunc(h.Statements, func(s Statement) bool {
			return d.refersToNew(h.Chain.Table, s)
		}) {
			candidates = append(candidates, placed{rule: h, handle: h.Handle})
			order = append(order, i)
		} else {
			d.p.del.push(h)
		}
	}
	final := make([]placed, len(wanted))
	for i, r := range wanted {
		final[i] = placed{rule: r, isNew: true}
	}
	for n, kept := range longestAscent(order) {
		if kept {
			final[order[n]] = candidates[n]
		} else {
			d.p.del.push(candidates[n].rule)
		}
	}
	for i, r := range wanted {
		if final[i].isNew {
			d.p.add.push(r)
			d.p.chains[want.chain.Ref()] = final
		}
	}
}

// ruleName is what a rule is known by in its chain: its key or, without one,
// what it does and how many rules before it do the same.
func ruleName(r *Rule, copies map[string]int) string {
	if r.Key != "" {
		return "key " + r.Key
	}
	name, ok := r.canonical()
	name = fmt.Sprintf("%t %q %q %q", ok, name, r.Comment, r.Userdata)
	copies[name]++
	return fmt.Sprint(name, copies[name])
}

// longestAscent marks a longest ascending subsequence.
func longestAscent(seq []int) []bool {
	var tails []int // tails[n] is the index of the smallest end of an ascent of n+1
	prev := make([]int, len(seq))
	for i, v := range seq {
		n, _ := slices.BinarySearchFunc(tails, v, func(t, v int) int { return seq[t] - v })
		prev[i] = -1
		if n > 0 {
			prev[i] = tails[n-1]
		}
		if n == len(tails) {
			tails = append(tails, i)
		} else {
			tails[n] = i
		}
	}
	keep := make([]bool, len(seq))
	if len(tails) > 0 {
		for i := tails[len(tails)-1]; i >= 0; i = prev[i] {
			keep[i] = true
		}
	}
	return keep
}
