package persist

import (
	"math/bits"
	"slices"
)

const (
	hashBits  = 64
	levelBits = 5
	levelMask = 1<<levelBits - 1
)

// owner marks the nodes that one Editor made and nobody else has seen. Its
// address is what counts, so it must not be of size zero.
type owner struct{ _ byte }

type entry[K comparable, V any] struct {
	hash  uint64 // kept, so that pushing an entry down a level need not hash again
	key   K
	value V
}

// A node covers the keys whose hashes agree in the bits of the levels above.
// Each value of its own five hash bits has an entry (one key), a child (two or
// more keys) or nothing. Past the last hash bit a node is a plain list of the
// entries that share one hash.
//
// Canonical form: a node below the root covers at least two keys.
type node[K comparable, V any] struct {
	owner     *owner
	entryBits uint32 // which of the 32 places have an entry
	childBits uint32 // which have a child; disjoint from entryBits
	entries   []entry[K, V]
	children  []*node[K, V]
}

// place returns the bit of a hash's place in a node at the level of shift.
func place(hash uint64, shift uint) uint32 {
	return 1 << (hash >> shift & levelMask)
}

// index returns where in a packed slice the place of bit is.
func index(present, bit uint32) int {
	return bits.OnesCount32(present & (bit - 1))
}

// writable returns n itself where by made it, else a copy with room for the
// given number of further entries and children. A nil by owns nothing.
func (n *node[K, V]) writable(by *owner, moreEntries, moreChildren int) *node[K, V] {
	if by != nil && n.owner == by {
		return n
	}
	return &node[K, V]{
		owner:     by,
		entryBits: n.entryBits,
		childBits: n.childBits,
		entries:   copyWithRoom(n.entries, moreEntries),
		children:  copyWithRoom(n.children, moreChildren),
	}
}

func copyWithRoom[T any](s []T, room int) []T {
	if len(s)+room == 0 {
		return nil
	}
	return append(make([]T, 0, len(s)+room), s...)
}

func (n *node[K, V]) get(hash uint64, key K) *entry[K, V] {
	for shift := uint(0); shift < hashBits; shift += levelBits {
		bit := place(hash, shift)
		if n.childBits&bit != 0 {
			n = n.children[index(n.childBits, bit)]
			continue
		}
		if n.entryBits&bit == 0 {
			return nil
		}
		if e := &n.entries[index(n.entryBits, bit)]; e.hash == hash && e.key == key {
			return e
		}
		return nil
	}
	if i := n.find(key); i >= 0 {
		return &n.entries[i]
	}
	return nil
}

// find returns the index of key in a node past the last hash bit, or -1.
func (n *node[K, V]) find(key K) int {
	return slices.IndexFunc(n.entries, func(e entry[K, V]) bool { return e.key == key })
}

// set returns a node that has e: n itself where by made it. It reports whether
// the key is new.
func (n *node[K, V]) set(by *owner, shift uint, e *entry[K, V]) (*node[K, V], bool) {
	if shift >= hashBits {
		if i := n.find(e.key); i >= 0 {
			w := n.writable(by, 0, 0)
			w.entries[i] = *e
			return w, false
		}
		w := n.writable(by, 1, 0)
		w.entries = append(w.entries, *e)
		return w, true
	}

	bit := place(e.hash, shift)
	if n.childBits&bit != 0 {
		i := index(n.childBits, bit)
		child, added := n.children[i].set(by, shift+levelBits, e)
		return n.withChild(by, i, child), added
	}

	i := index(n.entryBits, bit)
	if n.entryBits&bit == 0 {
		w := n.writable(by, 1, 0)
		w.entryBits |= bit
		w.entries = slices.Insert(w.entries, i, *e)
		return w, true
	}
	if old := &n.entries[i]; old.hash == e.hash && old.key == e.key {
		w := n.writable(by, 0, 0)
		w.entries[i] = *e
		return w, false
	}

	child := pair(by, shift+levelBits, &n.entries[i], e)
	w := n.writable(by, 0, 1)
	w.entryBits &^= bit
	w.entries = slices.Delete(w.entries, i, i+1)
	w.childBits |= bit
	w.children = slices.Insert(w.children, index(w.childBits, bit), child)
	return w, true
}

// withChild returns a node whose i-th child is child. A child that is still the
// same was edited in place; then all nodes above it are by's own as well.
func (n *node[K, V]) withChild(by *owner, i int, child *node[K, V]) *node[K, V] {
	if n.children[i] == child {
		return n
	}
	w := n.writable(by, 0, 0)
	w.children[i] = child
	return w
}

// pair returns a node of two entries with different keys.
func pair[K comparable, V any](by *owner, shift uint, a, b *entry[K, V]) *node[K, V] {
	if shift >= hashBits {
		return &node[K, V]{owner: by, entries: []entry[K, V]{*a, *b}}
	}
	bitA, bitB := place(a.hash, shift), place(b.hash, shift)
	if bitA == bitB {
		child := pair(by, shift+levelBits, a, b)
		return &node[K, V]{owner: by, childBits: bitA, children: []*node[K, V]{child}}
	}
	if bitB < bitA {
		a, b = b, a
	}
	return &node[K, V]{owner: by, entryBits: bitA | bitB, entries: []entry[K, V]{*a, *b}}
}

// delete returns a node without key: n itself where by made it, or where there
// is no such key. It reports whether there was. Only a root can end up empty.
func (n *node[K, V]) delete(by *owner, shift uint, hash uint64, key K) (*node[K, V], bool) {
	if shift >= hashBits {
		i := n.find(key)
		if i < 0 {
			return n, false
		}
		w := n.writable(by, 0, 0)
		w.entries = slices.Delete(w.entries, i, i+1)
		return w, true
	}

	bit := place(hash, shift)
	if n.childBits&bit != 0 {
		i := index(n.childBits, bit)
		child, deleted := n.children[i].delete(by, shift+levelBits, hash, key)
		if !deleted {
			return n, false
		}
		if len(child.children) > 0 || len(child.entries) > 1 {
			return n.withChild(by, i, child), true
		}
		// One key is left: it belongs into this node (canonical form).
		w := n.writable(by, 1, 0)
		w.childBits &^= bit
		w.children = slices.Delete(w.children, i, i+1)
		w.entryBits |= bit
		w.entries = slices.Insert(w.entries, index(w.entryBits, bit), child.entries[0])
		return w, true
	}

	if n.entryBits&bit == 0 {
		return n, false
	}
	i := index(n.entryBits, bit)
	if old := &n.entries[i]; old.hash != hash || old.key != key {
		return n, false
	}
	w := n.writable(by, 0, 0)
	w.entryBits &^= bit
	w.entries = slices.Delete(w.entries, i, i+1)
	return w, true
}

// walk yields every entry until yield returns false, which it reports.
func (n *node[K, V]) walk(yield func(K, V) bool) bool {
	for i := range n.entries {
		if !yield(n.entries[i].key, n.entries[i].value) {
			return false
		}
	}
	for _, child := range n.children {
		if !child.walk(yield) {
			return false
		}
	}
	return true
}
