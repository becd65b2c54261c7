package nft

import "hash/maphash"

// An elementTable holds the elements of one set of a union by key, with the
// number of their users. It does what a map would, at a third of the cost: a
// key is hashed once to look for it and to put it in, keys are not stored
// twice, and growing hashes nothing again. The zero value is empty.
type elementTable struct {
	slots []elementSlot // a power of two, or none
	n     int
	seed  maphash.Seed
}

// An elementSlot is free if it has no users.
type elementSlot struct {
	element *Element
	hash    uint32
	users   int32
}

// slot returns the slot of a key, or the free one that it would go to.
func (t *elementTable) slot(key Value) (s *elementSlot, hash uint32) {
	if t.slots == nil {
		t.seed = maphash.MakeSeed()
		t.slots = make([]elementSlot, 8)
	}
	hash = uint32(maphash.String(t.seed, string(key)))
	mask := uint32(len(t.slots) - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		s := &t.slots[i]
		if s.users == 0 || s.hash == hash && s.element.Key == key {
			return s, hash
		}
	}
}

// get returns the element with a key and the number of its users, which is zero
// if there is none.
func (t *elementTable) get(key Value) (e *Element, users int32) {
	if t.n == 0 {
		return nil, 0
	}
	s, _ := t.slot(key)
	return s.element, s.users
}

// use adds a user to an element and returns the element with the key that was
// there already, or nil.
func (t *elementTable) use(e *Element) (there *Element) {
	if 4*t.n >= 3*len(t.slots) {
		t.grow()
	}
	s, hash := t.slot(e.Key)
	if s.users > 0 {
		s.users++
		return s.element
	}
	*s = elementSlot{e, hash, 1}
	t.n++
	return nil
}

// release takes a user from the element with a key, which has one, and tells
// whether it was the last.
func (t *elementTable) release(key Value) (e *Element, last bool) {
	s, hash := t.slot(key)
	e = s.element
	if s.users--; s.users > 0 {
		return e, false
	}
	t.n--
	*s = elementSlot{}
	// What had to go on because this slot was taken would not be found now:
	// move it up.
	mask := uint32(len(t.slots) - 1)
	hole := hash & mask
	for &t.slots[hole] != s {
		hole = (hole + 1) & mask
	}
	for i := (hole + 1) & mask; t.slots[i].users > 0; i = (i + 1) & mask {
		if home := t.slots[i].hash & mask; (i-home)&mask >= (i-hole)&mask {
			t.slots[hole], t.slots[i] = t.slots[i], elementSlot{}
			hole = i
		}
	}
	return e, true
}

// grow doubles the table.
func (t *elementTable) grow() {
	old := t.slots
	t.slots = make([]elementSlot, max(8, 2*len(old)))
	if old == nil {
		t.seed = maphash.MakeSeed()
	}
	mask := uint32(len(t.slots) - 1)
	for _, s := range old {
		if s.users == 0 {
			continue
		}
		i := s.hash & mask
		for t.slots[i].users > 0 {
			i = (i + 1) & mask
		}
		t.slots[i] = s
	}
}

// all calls f with every element.
func (t *elementTable) all(f func(*Element)) {
	for i := range t.slots {
		if t.slots[i].users > 0 {
			f(t.slots[i].element)
		}
	}
}
