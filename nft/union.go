package nft

import (
	"cmp"
	"slices"
)

// A Union is the objects that a number of users need together: an object that
// two of them need is one object, and stays until neither needs it. Changes to
// it become batches that hold just what the kernel has to add and delete, in
// time that does not depend on the size of the union.
//
// A Union is not safe for concurrent use.
type Union struct {
	objects  map[ID]*member
	elements map[SetRef]*elementTable
	rules    map[ChainRef][]*member // keyed rules, in order
	change   *Change
}

type member struct {
	object Object
	refs   int
	handle uint64 // of a rule that is in the kernel
}

// set returns the elements of a set.
func (u *Union) set(ref SetRef) *elementTable {
	elements := u.elements[ref]
	if elements == nil {
		elements = &elementTable{}
		u.elements[ref] = elements
	}
	return elements
}

// NewUnion returns an empty union.
func NewUnion() *Union {
	return &Union{
		objects:  map[ID]*member{},
		elements: map[SetRef]*elementTable{},
		rules:    map[ChainRef][]*member{},
	}
}

// Begin starts a change. The previous one must have ended.
func (u *Union) Begin() *Change {
	if u.change != nil {
		panic("nft: a change of the union is still open")
	}
	u.change = &Change{u: u}
	return u.change
}

// sameObject compares two objects of the same ID, other than elements.
func sameObject(a, b Object) bool {
	switch a := a.(type) {
	case *Table:
		return *a == *b.(*Table)
	case *Chain:
		return *a == *b.(*Chain)
	case *Set:
		return *a == *b.(*Set)
	case *Rule:
		b := b.(*Rule)
		return a == b || a.same(b)
	}
	return false
}

// Lookup returns a table, chain, set or rule of the union, or nil.
func (u *Union) Lookup(id ID) Object {
	if m := u.objects[id]; m != nil {
		return m.object
	}
	return nil
}

// Element returns the element of a set with a key, or nil.
func (u *Union) Element(s SetRef, key Value) *Element {
	elements := u.elements[s]
	if elements == nil || elements.n == 0 {
		return nil
	}
	e, _ := elements.get(key)
	return e
}

// forget frees what is kept for a set that is gone.
func (u *Union) forget(s *Set) {
	ref := s.Ref()
	if t := u.elements[ref]; u.objects[s.ID()] == nil && t != nil && t.n == 0 {
		delete(u.elements, ref)
	}
}

// deleteRule takes a rule out of its chain's order and returns where it was.
func (u *Union) deleteRule(r *Rule, m *member) int {
	at := slices.Index(u.rules[r.Chain], m)
	if u.rules[r.Chain] = slices.Delete(u.rules[r.Chain], at, at+1); len(u.rules[r.Chain]) == 0 {
		delete(u.rules, r.Chain)
	}
	return at
}

// SetHandles learns the handles of rules: those that were there, from a loaded
// ruleset, and those that a commit has added since.
func (u *Union) SetHandles(have *Ruleset, r Result) {
	for ref, rules := range u.rules {
		for _, loaded := range have.Rules(ref) {
			for _, m := range rules {
				if m.object.(*Rule).Key == loaded.Key {
					m.handle = loaded.Handle
				}
			}
		}
	}
	u.learn(r)
}

func (u *Union) learn(r Result) {
	for id, handle := range r.Handles {
		if m := u.objects[id]; m != nil {
			m.handle = handle
		}
	}
}

// Ruleset returns the union's objects as a ruleset, with the handles of rules
// where they are known.
func (u *Union) Ruleset() *Ruleset {
	rs := &Ruleset{}
	byKind := map[Kind][]*member{}
	for id, m := range u.objects {
		byKind[id.Kind] = append(byKind[id.Kind], m)
	}
	for _, k := range []Kind{KindTable, KindChain, KindSet} {
		// A map has no order; a ruleset has.
		slices.SortFunc(byKind[k], func(a, b *member) int {
			x, y := a.object.ID(), b.object.ID()
			return cmp.Or(cmp.Compare(x.Table.Family, y.Table.Family), cmp.Compare(x.Table.Name, y.Table.Name), cmp.Compare(x.Name, y.Name))
		})
		for _, m := range byKind[k] {
			if err := rs.Add(m.object); err != nil {
				panic(err) // a layout that adds a chain without its table is wrong
			}
		}
	}
	for ref, rules := range u.rules {
		t := rs.tables[ref.Table]
		if t == nil || t.chains[ref.Name] == nil {
			continue
		}
		for _, m := range rules {
			r := *m.object.(*Rule)
			r.Handle = m.handle
			t.chains[ref.Name].rules = append(t.chains[ref.Name].rules, &r)
		}
	}
	for ref, elements := range u.elements {
		if t := rs.tables[ref.Table()]; t != nil && t.sets[ref.Name()] != nil {
			s := t.sets[ref.Name()]
			elements.all(func(e *Element) { s.elements[e.Key] = e })
		}
	}
	return rs
}
