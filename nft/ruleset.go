package nft

import (
	"cmp"
	"fmt"
	"iter"
	"maps"
	"slices"
)

// A Ruleset is a collection of objects: what is wanted, or what [Conn.Load]
// found. The zero value is empty. A Ruleset must not be changed while others
// read it.
type Ruleset struct {
	// Generation is the kernel's generation of a loaded ruleset.
	Generation uint32

	tables map[TableRef]*tableObjects
	// added counts the objects ever added: it tells their order.
	added uint64
}

// tableObjects is a table with what is in it.
type tableObjects struct {
	place  uint64
	table  *Table
	chains map[string]*chainObjects
	sets   map[string]*setObjects
}

type chainObjects struct {
	place uint64
	chain *Chain
	rules []*Rule // in the order of evaluation
}

type setObjects struct {
	place    uint64
	set      *Set
	elements map[Value]*Element
	// places tells the order of the elements where it is kept: in interval
	// sets, whose elements nft lists in the order in which they came.
	places map[Value]uint64
}

// NewRuleset makes a ruleset of objects, containers before their contents.
func NewRuleset(objects ...Object) (*Ruleset, error) {
	rs := &Ruleset{}
	for _, o := range objects {
		if err := rs.Add(o); err != nil {
			return nil, err
		}
	}
	return rs, nil
}

// Add adds an object. Its table, chain or set must be there already, and no
// object with the same ID: otherwise the error matches [ErrNotExist] or
// [ErrExist]. Rules are placed by rank.
func (rs *Ruleset) Add(o Object) error {
	id := o.ID()
	rs.added++
	if t, ok := o.(*Table); ok {
		if rs.tables[t.Ref()] != nil {
			return fmt.Errorf("nft: %s: %w", id, ErrExist)
		}
		if rs.tables == nil {
			rs.tables = map[TableRef]*tableObjects{}
		}
		rs.tables[t.Ref()] = &tableObjects{
			place: rs.added, table: t, chains: map[string]*chainObjects{}, sets: map[string]*setObjects{},
		}
		return nil
	}
	t := rs.tables[id.Table]
	if t == nil {
		return fmt.Errorf("nft: %s: table %s: %w", id, id.Table, ErrNotExist)
	}
	switch o := o.(type) {
	case *Chain:
		if t.chains[o.Name] != nil {
			return fmt.Errorf("nft: %s: %w", id, ErrExist)
		}
		t.chains[o.Name] = &chainObjects{place: rs.added, chain: o}
	case *Set:
		if t.sets[o.Name] != nil {
			return fmt.Errorf("nft: %s: %w", id, ErrExist)
		}
		s := &setObjects{place: rs.added, set: o, elements: map[Value]*Element{}}
		if o.Interval {
			s.places = map[Value]uint64{}
		}
		t.sets[o.Name] = s
	case *Rule:
		c := t.chains[o.Chain.Name]
		if c == nil {
			return fmt.Errorf("nft: %s: chain: %w", id, ErrNotExist)
		}
		if o.Key != "" && slices.ContainsFunc(c.rules, func(r *Rule) bool { return r.Key == o.Key }) {
			return fmt.Errorf("nft: %s: %w", id, ErrExist)
		}
		c.insert(o)
	case *Element:
		s := t.sets[o.Set.Name()]
		if s == nil {
			return fmt.Errorf("nft: %s: set: %w", id, ErrNotExist)
		}
		if s.elements[o.Key] != nil {
			return fmt.Errorf("nft: %s: %w", id, ErrExist)
		}
		s.elements[o.Key] = o
		if s.places != nil {
			s.places[o.Key] = rs.added
		}
	}
	return nil
}

// insert places a keyed rule behind those of the same or a lower rank, and a
// rule without a key at the end.
func (c *chainObjects) insert(r *Rule) {
	i := len(c.rules)
	if r.Key != "" {
		for i > 0 && c.rules[i-1].Key != "" && c.rules[i-1].Rank > r.Rank {
			i--
		}
	}
	c.rules = slices.Insert(c.rules, i, r)
}

// Remove removes an object and everything in it. Removing what is not there
// does nothing.
func (rs *Ruleset) Remove(id ID) {
	t := rs.tables[id.Table]
	if t == nil {
		return
	}
	switch id.Kind {
	case KindTable:
		delete(rs.tables, id.Table)
	case KindChain:
		delete(t.chains, id.Name)
	case KindSet:
		delete(t.sets, id.Name)
	case KindRule:
		if c := t.chains[id.Name]; c != nil {
			c.rules = slices.DeleteFunc(c.rules, func(r *Rule) bool { return r.Key == id.Key })
		}
	case KindElement:
		if s := t.sets[id.Name]; s != nil {
			delete(s.elements, Value(id.Key))
			delete(s.places, Value(id.Key))
		}
	}
}

// Lookup returns the object with the ID, or nil.
func (rs *Ruleset) Lookup(id ID) Object {
	t := rs.tables[id.Table]
	if t == nil {
		return nil
	}
	switch id.Kind {
	case KindTable:
		return t.table
	case KindChain:
		if c := t.chains[id.Name]; c != nil {
			return c.chain
		}
	case KindSet:
		if s := t.sets[id.Name]; s != nil {
			return s.set
		}
	case KindRule:
		if c := t.chains[id.Name]; c != nil {
			for _, r := range c.rules {
				if r.Key == id.Key {
					return r
				}
			}
		}
	case KindElement:
		if s := t.sets[id.Name]; s != nil {
			if e := s.elements[Value(id.Key)]; e != nil {
				return e
			}
		}
	}
	return nil
}

// Tables returns the tables in the order in which they were added; in a loaded
// ruleset, this is the order in which they were made in the kernel.
func (rs *Ruleset) Tables() []*Table {
	var out []*Table
	for _, t := range inOrder(rs.tables, func(t *tableObjects) uint64 { return t.place }) {
		out = append(out, t.table)
	}
	return out
}

// Chains returns a table's chains in the order in which they were added.
func (rs *Ruleset) Chains(t TableRef) []*Chain {
	var out []*Chain
	if t := rs.tables[t]; t != nil {
		for _, c := range inOrder(t.chains, func(c *chainObjects) uint64 { return c.place }) {
			out = append(out, c.chain)
		}
	}
	return out
}

// Sets returns a table's sets and maps in the order in which they were added.
func (rs *Ruleset) Sets(t TableRef) []*Set {
	var out []*Set
	if t := rs.tables[t]; t != nil {
		for _, s := range inOrder(t.sets, func(s *setObjects) uint64 { return s.place }) {
			out = append(out, s.set)
		}
	}
	return out
}

// Only returns a ruleset of some of the tables, with everything in them, in the
// same order and of the same generation. It shares the objects, but adding to
// one ruleset or removing from it does not change the other. Tables that are
// not there are left out.
func (rs *Ruleset) Only(tables ...TableRef) *Ruleset {
	out := &Ruleset{Generation: rs.Generation, tables: map[TableRef]*tableObjects{}, added: rs.added}
	for _, ref := range tables {
		if t := rs.tables[ref]; t != nil {
			out.tables[ref] = t.clone()
		}
	}
	return out
}

func (t *tableObjects) clone() *tableObjects {
	out := &tableObjects{
		place: t.place, table: t.table,
		chains: make(map[string]*chainObjects, len(t.chains)), sets: make(map[string]*setObjects, len(t.sets)),
	}
	for name, c := range t.chains {
		out.chains[name] = &chainObjects{c.place, c.chain, slices.Clone(c.rules)}
	}
	for name, s := range t.sets {
		out.sets[name] = &setObjects{s.place, s.set, maps.Clone(s.elements), maps.Clone(s.places)}
	}
	return out
}

// inOrder returns the values of a map in the order of their places.
func inOrder[K comparable, V any](m map[K]V, place func(V) uint64) []V {
	return slices.SortedFunc(maps.Values(m), func(a, b V) int { return cmp.Compare(place(a), place(b)) })
}

// Rules returns a chain's rules in the order of evaluation.
func (rs *Ruleset) Rules(c ChainRef) []*Rule {
	if t := rs.tables[c.Table]; t != nil && t.chains[c.Name] != nil {
		return slices.Clone(t.chains[c.Name].rules)
	}
	return nil
}

// Elements returns a set's elements, sorted by key; those of an interval set
// in the order in which they were added.
func (rs *Ruleset) Elements(s SetRef) []*Element {
	t := rs.tables[s.Table()]
	if t == nil || t.sets[s.Name()] == nil {
		return nil
	}
	return t.sets[s.Name()].sorted()
}

func (s *setObjects) sorted() []*Element {
	out := make([]*Element, 0, len(s.elements))
	for _, e := range s.elements {
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b *Element) int {
		return cmp.Or(cmp.Compare(s.places[a.Key], s.places[b.Key]), cmp.Compare(a.Key, b.Key))
	})
	return out
}

// each yields the elements: in order where it matters, else in any, since
// sorting many costs more than sending them.
func (s *setObjects) each() iter.Seq[*Element] {
	if s.places != nil {
		return slices.Values(s.sorted())
	}
	return maps.Values(s.elements)
}

// Objects returns every object, containers before their contents, in a fixed
// order.
func (rs *Ruleset) Objects() iter.Seq[Object] {
	return func(yield func(Object) bool) {
		for _, t := range rs.Tables() {
			if !yield(t) {
				return
			}
			for _, c := range rs.Chains(t.Ref()) {
				if !yield(c) {
					return
				}
			}
			for _, s := range rs.Sets(t.Ref()) {
				if !yield(s) {
					return
				}
				for _, e := range rs.Elements(s.Ref()) {
					if !yield(e) {
						return
					}
				}
			}
			for _, c := range rs.Chains(t.Ref()) {
				for _, r := range rs.Rules(c.Ref()) {
					if !yield(r) {
						return
					}
				}
			}
		}
	}
}
