package nft

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sort"
)

// A Union is the objects that a number of users need together: an object that
// two of them need is one object, and stays until neither needs it. Changes to
// it become batches that hold just what the kernel has to add and delete, in
// time that does not depend on the size of the union.
//
// A Union is not safe for concurrent use.
type Union struct {
	objects  map[ID]*member
	elements map[SetRef]map[Value]sharedElement
	// recent are the sets that elements were last added to: a change tends to
	// add to the same few in turn, and a set's name takes long to hash.
	recent [2]recentSet
	rules  map[ChainRef][]*member // keyed rules, in order
	change *Change
}

type member struct {
	object Object
	refs   int
	handle uint64 // of a rule that is in the kernel
}

type sharedElement struct {
	element *Element
	refs    int
}

type recentSet struct {
	ref      SetRef
	elements map[Value]sharedElement
}

// set returns the elements of a set.
func (u *Union) set(ref SetRef) map[Value]sharedElement {
	for i := range u.recent {
		if r := &u.recent[i]; r.elements != nil && r.ref == ref {
			return r.elements
		}
	}
	elements := u.elements[ref]
	if elements == nil {
		elements = map[Value]sharedElement{}
		u.elements[ref] = elements
	}
	u.recent[1] = u.recent[0]
	u.recent[0] = recentSet{ref, elements}
	return elements
}

// NewUnion returns an empty union.
func NewUnion() *Union {
	return &Union{
		objects:  map[ID]*member{},
		elements: map[SetRef]map[Value]sharedElement{},
		rules:    map[ChainRef][]*member{},
	}
}

// A Change is a number of additions and removals that take effect together. It
// ends with Commit or Rollback. The first error sticks.
type Change struct {
	u   *Union
	log steps
	err error
	// adds and dels count the objects that appear and disappear.
	adds, dels int
}

// A step is what Rollback undoes.
type step struct {
	object  Object
	member  *member // of an object other than an element that disappeared
	at      int32   // where a rule was that disappeared
	added   bool
	changed bool // whether the object appeared or disappeared
}

// steps is a list that does not move while it grows.
type steps struct {
	full [][]step
	last []step
	n    int
}

const stepsPerPart = 512

func (s *steps) push(x step) {
	if len(s.last) == cap(s.last) {
		if s.last != nil {
			s.full = append(s.full, s.last)
		}
		size := stepsPerPart
		if s.n == 0 {
			size = 8
		}
		s.last = make([]step, 0, size)
	}
	s.last = append(s.last, x)
	s.n++
}

// all iterates from the first to the last.
func (s *steps) all() iter.Seq2[int, *step] {
	return func(yield func(int, *step) bool) {
		n := 0
		for p := 0; p <= len(s.full); p++ {
			part := s.last
			if p < len(s.full) {
				part = s.full[p]
			}
			for i := range part {
				if !yield(n, &part[i]) {
					return
				}
				n++
			}
		}
	}
}

// backward iterates from the last to the first.
func (s *steps) backward() iter.Seq[*step] {
	return func(yield func(*step) bool) {
		for p := len(s.full); p >= 0; p-- {
			part := s.last
			if p < len(s.full) {
				part = s.full[p]
			}
			for i := len(part) - 1; i >= 0; i-- {
				if !yield(&part[i]) {
					return
				}
			}
		}
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

// ErrContradiction says that two users of a union need objects with the same ID
// that are not equal.
var ErrContradiction = errors.New("two users need it to be different")

// Add adds a need for an object.
func (c *Change) Add(o Object) {
	if c.err != nil {
		return
	}
	s := step{object: o, added: true}
	if e, ok := o.(*Element); ok {
		s.changed = c.addElement(e)
	} else {
		s.changed = c.addObject(o)
	}
	if c.err != nil {
		return
	}
	if s.changed {
		c.adds++
	}
	c.log.push(s)
}

func (c *Change) addElement(e *Element) bool {
	elements := c.u.set(e.Set)
	shared := elements[e.Key]
	switch {
	case shared.refs == 0:
		elements[e.Key] = sharedElement{e, 1}
		return true
	case !shared.element.same(e):
		c.err = fmt.Errorf("nft: %s: %w", e.ID(), ErrContradiction)
	default:
		shared.refs++
		elements[e.Key] = shared
	}
	return false
}

func (c *Change) addObject(o Object) bool {
	id := o.ID()
	switch m := c.u.objects[id]; {
	case m == nil:
		m = &member{object: o, refs: 1}
		c.u.objects[id] = m
		if r, ok := o.(*Rule); ok {
			rules := c.u.rules[r.Chain]
			at := sort.Search(len(rules), func(i int) bool { return rules[i].object.(*Rule).Rank > r.Rank })
			c.u.rules[r.Chain] = slices.Insert(rules, at, m)
		}
		return true
	case !sameObject(m.object, o):
		c.err = fmt.Errorf("nft: %s: %w", id, ErrContradiction)
	default:
		m.refs++
	}
	return false
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
		return a == b || a.Rank == b.Rank && a.Userdata == b.Userdata && a.String() == b.String()
	}
	return false
}

// Remove removes a need for an object that was added before.
func (c *Change) Remove(o Object) {
	if c.err != nil {
		return
	}
	s := step{object: o}
	if e, ok := o.(*Element); ok {
		elements := c.u.set(e.Set)
		shared := elements[e.Key]
		if shared.refs == 0 {
			c.err = fmt.Errorf("nft: %s: remove: %w", o.ID(), ErrNotExist)
			return
		}
		if shared.refs--; shared.refs == 0 {
			s.changed, s.object = true, shared.element
			delete(elements, e.Key)
		} else {
			elements[e.Key] = shared
		}
	} else {
		id := o.ID()
		m := c.u.objects[id]
		if m == nil {
			c.err = fmt.Errorf("nft: %s: remove: %w", id, ErrNotExist)
			return
		}
		if m.refs--; m.refs == 0 {
			s.changed, s.object, s.member = true, m.object, m
			delete(c.u.objects, id)
			if r, ok := o.(*Rule); ok {
				at := slices.Index(c.u.rules[r.Chain], m)
				s.at = int32(at)
				c.u.rules[r.Chain] = slices.Delete(c.u.rules[r.Chain], at, at+1)
			}
		}
	}
	if s.changed {
		c.dels++
	}
	c.log.push(s)
}

// Batch returns what the kernel has to do: deletions first, then additions,
// each in an order that it accepts. What was added and removed again within
// the change is left out.
func (c *Change) Batch() (Batch, error) {
	if c.err != nil {
		return Batch{}, c.err
	}
	p := plan{chains: map[ChainRef][]placed{}}
	net := c.net()
	for i, s := range c.log.all() {
		if !s.changed || net != nil && !net[i] {
			continue
		}
		if !s.added {
			if s.member != nil {
				if r, ok := s.object.(*Rule); ok {
					gone := *r
					gone.Handle = s.member.handle
					p.del.push(&gone)
					continue
				}
			}
			p.del.push(s.object)
			continue
		}
		p.add.push(s.object)
		if r, ok := s.object.(*Rule); ok && p.chains[r.Chain] == nil {
			for _, m := range c.u.rules[r.Chain] {
				p.chains[r.Chain] = append(p.chains[r.Chain], placed{m.object.(*Rule), m.handle})
			}
		}
	}
	return p.batch(), nil
}

// net marks the steps that matter when objects come and go in one change: for
// each object, the first if it disappears and the last if it appears, and
// neither if it comes back as it was. Nil means all.
func (c *Change) net() []bool {
	if c.adds == 0 || c.dels == 0 {
		return nil
	}
	type fate struct{ first, last int }
	fates := make(map[ID]*fate, c.log.n)
	log := make([]*step, c.log.n)
	for i, s := range c.log.all() {
		log[i] = s
		if !s.changed {
			continue
		}
		id := s.object.ID()
		if f := fates[id]; f != nil {
			f.last = i
		} else {
			fates[id] = &fate{i, i}
		}
	}
	net := make([]bool, len(log))
	for _, f := range fates {
		first, last := log[f.first], log[f.last]
		if !first.added && last.added && restored(first.object, last.object) {
			continue
		}
		net[f.first] = net[f.first] || !first.added
		net[f.last] = net[f.last] || last.added
	}
	return net
}

// restored tells whether an object that went and came is as before. A rule
// never is: its place among rules of the same rank is another.
func restored(gone, back Object) bool {
	switch gone := gone.(type) {
	case *Element:
		return gone.same(back.(*Element))
	case *Rule:
		return false
	}
	return sameObject(gone, back)
}

// Commit ends the change: the kernel has done what Batch said. The result tells
// the handles of new rules.
func (c *Change) Commit(r Result) {
	c.u.SetHandles(&Ruleset{}, r)
	c.u.change = nil
}

// Rollback ends the change and leaves the union as it was before.
func (c *Change) Rollback() {
	u := c.u
	for s := range c.log.backward() {
		if e, ok := s.object.(*Element); ok {
			u.undoElement(e, s)
			continue
		}
		id := s.object.ID()
		r, isRule := s.object.(*Rule)
		switch {
		case s.added && s.changed:
			if isRule {
				m := u.objects[id]
				u.rules[r.Chain] = slices.DeleteFunc(u.rules[r.Chain], func(x *member) bool { return x == m })
			}
			delete(u.objects, id)
		case s.added:
			u.objects[id].refs--
		case s.changed:
			s.member.refs = 1
			u.objects[id] = s.member
			if isRule {
				u.rules[r.Chain] = slices.Insert(u.rules[r.Chain], int(s.at), s.member)
			}
		default:
			u.objects[id].refs++
		}
	}
	u.change = nil
}

func (u *Union) undoElement(e *Element, s *step) {
	elements := u.set(e.Set)
	shared := elements[e.Key]
	switch {
	case s.added && s.changed:
		delete(elements, e.Key)
		return
	case s.added:
		shared.refs--
	case s.changed:
		shared = sharedElement{e, 1}
	default:
		shared.refs++
	}
	elements[e.Key] = shared
}

// Base returns the union as it was when the change began. The change stays open.
func (c *Change) Base() *Ruleset {
	log, err := c.log, c.err
	c.Rollback()
	rs := c.u.Ruleset()
	*c = Change{u: c.u}
	c.u.change = c
	for _, s := range log.all() {
		if s.added {
			c.Add(s.object)
		} else {
			c.Remove(s.object)
		}
	}
	c.err = err
	return rs
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
		if t := rs.tables[ref.Table]; t != nil && t.sets[ref.Name] != nil {
			for key, shared := range elements {
				t.sets[ref.Name].elements[key] = shared.element
			}
		}
	}
	return rs
}
