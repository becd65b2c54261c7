package nft

import (
	"errors"
	"fmt"
	"slices"
	"sort"
)

// A Change is a number of additions and removals that take effect together. It
// ends with Commit or Rollback. The first error sticks.
type Change struct {
	u   *Union
	log steps
	err error
	// adds and dels count the objects that appear and disappear.
	adds, dels int
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
	there := elements.use(e)
	if there != nil && !there.same(e) {
		elements.release(e.Key)
		c.err = fmt.Errorf("nft: %s: %w", e.ID(), ErrContradiction)
	}
	return there == nil
}

func (c *Change) addObject(o Object) bool {
	id := o.ID()
	switch m := c.u.objects[id]; {
	case m == nil && id.Kind == KindRule && id.Key == "":
		c.err = fmt.Errorf("nft: rule %s: a rule without a key is nobody's", o.(*Rule).Chain)
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

// Remove removes a need for an object that was added before.
func (c *Change) Remove(o Object) {
	if c.err != nil {
		return
	}
	s := step{object: o}
	if e, ok := o.(*Element); ok {
		elements := c.u.set(e.Set)
		if _, users := elements.get(e.Key); users == 0 {
			c.err = fmt.Errorf("nft: %s: remove: %w", o.ID(), ErrNotExist)
			return
		}
		if there, last := elements.release(e.Key); last {
			s.changed, s.object = true, there
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
				s.at = int32(c.u.deleteRule(r, m))
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
			if stays(s.object) {
				continue
			}
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
				p.chains[r.Chain] = append(p.chains[r.Chain], placed{m.object.(*Rule), m.handle, m.handle == 0})
			}
		}
	}
	return p.batch(), nil
}

// stays tells whether an object outlives the need for it, since it is others',
// too.
func stays(o Object) bool {
	switch o := o.(type) {
	case *Table:
		return o.Open
	case *Chain:
		return o.Shared
	}
	return false
}

// net marks the steps that matter when objects come and go in one change: for
// each object, the first if it disappears and the last if it appears, and
// neither if it comes back as it was. Nil means all.
func (c *Change) net() []bool {
	if c.adds == 0 || c.dels == 0 {
		return nil
	}
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
	// What is made anew takes along what is in it and what refers to it:
	// tables come before chains and sets, and these before elements.
	renewed := map[ID]bool{}
	for _, kinds := range [][]Kind{{KindTable}, {KindChain, KindSet}} {
		for id, f := range fates {
			if slices.Contains(kinds, id.Kind) && f.comesBack(log) && !f.restored(log, renewed) {
				renewed[id] = true
			}
		}
	}
	net := make([]bool, len(log))
	for _, f := range fates {
		if f.comesBack(log) && f.restored(log, renewed) {
			continue
		}
		net[f.first] = net[f.first] || !log[f.first].added
		net[f.last] = net[f.last] || log[f.last].added
	}
	return net
}

// A fate is the first and the last step of a change that made an object appear
// or disappear.
type fate struct{ first, last int }

// comesBack tells whether an object was there before the change, went, and is
// there after it.
func (f *fate) comesBack(log []*step) bool { return !log[f.first].added && log[f.last].added }

// restored tells whether an object that went and came back is as before. A
// rule never is: its place among rules of the same rank is another.
func (f *fate) restored(log []*step, renewed map[ID]bool) bool {
	gone, back := log[f.first].object, log[f.last].object
	id := gone.ID()
	if renewed[ID{Kind: KindTable, Table: id.Table}] {
		return false
	}
	switch gone := gone.(type) {
	case *Rule:
		return false
	case *Element:
		return gone.same(back.(*Element)) && !renewed[ID{Kind: KindSet, Table: id.Table, Name: id.Name}] &&
			!renewed[ID{Kind: KindChain, Table: id.Table, Name: gone.Verdict.Chain}]
	}
	return sameObject(gone, back)
}

// Commit ends the change: the kernel has done what Batch said. The result tells
// the handles of new rules.
func (c *Change) Commit(r Result) {
	c.u.learn(r)
	if c.dels > 0 {
		for _, s := range c.log.all() {
			if set, ok := s.object.(*Set); ok && s.changed && !s.added {
				c.u.forget(set)
			}
		}
	}
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
				u.deleteRule(r, u.objects[id])
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
	if elements := u.set(e.Set); s.added {
		elements.release(e.Key)
	} else {
		elements.use(e)
	}
}

// Base returns the union as it was when the change began. The change stays open.
func (c *Change) Base() (rs *Ruleset) {
	c.rebase(func() { rs = c.u.Ruleset() })
	return rs
}

// SetHandles learns the handles of the rules that were there when the change
// began from a loaded ruleset. The change stays open; what Batch returned
// before may be out of date.
func (c *Change) SetHandles(have *Ruleset) {
	c.rebase(func() { c.u.SetHandles(have, Result{}) })
}

// rebase calls f with the union as it was when the change began.
func (c *Change) rebase(f func()) {
	log, err := c.log, c.err
	c.Rollback()
	f()
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
}
