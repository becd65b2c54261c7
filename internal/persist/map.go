package persist

import (
	"hash/maphash"
	"iter"
)

// Map is an immutable hash map. The zero value is empty and ready to use. A Map
// is a small value: copy it freely, a copy is the same snapshot.
//
// Any number of goroutines may read a Map, and derive others from it, at once.
//
// Keys are compared with ==, as in a Go map: a key that holds an interface with
// an incomparable dynamic value panics, and a NaN is never found again.
type Map[K comparable, V any] struct {
	root *node[K, V] // nil: empty
	size int
	seed maphash.Seed // of this map and all maps derived from it; unset in the zero value
}

// Len returns the number of keys.
func (m Map[K, V]) Len() int { return m.size }

// Get returns the value of key and whether there is one.
func (m Map[K, V]) Get(key K) (V, bool) {
	if m.root != nil {
		if e := m.root.get(maphash.Comparable(m.seed, key), key); e != nil {
			return e.value, true
		}
	}
	var none V
	return none, false
}

// All yields every key and its value once, in no particular order.
func (m Map[K, V]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		if m.root != nil {
			m.root.walk(yield)
		}
	}
}

// Set returns a map that has value at key. For many changes at once, Edit is
// several times faster.
func (m Map[K, V]) Set(key K, value V) Map[K, V] {
	e := m.editor(nil)
	e.Set(key, value)
	return e.frozen()
}

// Delete returns a map without key: m itself where m has no such key.
func (m Map[K, V]) Delete(key K) Map[K, V] {
	e := m.editor(nil)
	e.Delete(key)
	return e.frozen()
}

// Edit returns an editor that starts with what m has. It never changes m.
func (m Map[K, V]) Edit() *Editor[K, V] {
	e := m.editor(new(owner))
	return &e
}

func (m Map[K, V]) editor(by *owner) Editor[K, V] {
	if m.seed == (maphash.Seed{}) {
		m.seed = maphash.MakeSeed()
	}
	return Editor[K, V]{root: m.root, size: m.size, seed: m.seed, owner: by}
}
