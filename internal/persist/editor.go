package persist

import "hash/maphash"

// Editor makes many changes to a map without a copy for each. Get one from
// Map.Edit. Dropping an Editor drops its changes; no map is ever affected.
//
// An Editor is for one goroutine at a time, while others read, and edit, the
// map it came from and the maps it returned.
type Editor[K comparable, V any] struct {
	root  *node[K, V] // nil: empty
	size  int
	seed  maphash.Seed
	owner *owner // of the nodes no Map has seen; nil: every change copies its path
}

// Len returns the number of keys.
func (e *Editor[K, V]) Len() int { return e.size }

// Get returns the value of key and whether there is one.
func (e *Editor[K, V]) Get(key K) (V, bool) { return e.frozen().Get(key) }

// Set puts value at key, replacing what was there.
func (e *Editor[K, V]) Set(key K, value V) {
	e.set(entry[K, V]{hash: maphash.Comparable(e.seed, key), key: key, value: value})
}

func (e *Editor[K, V]) set(item entry[K, V]) {
	if e.root == nil {
		e.root = &node[K, V]{owner: e.owner}
	}
	root, added := e.root.set(e.owner, 0, &item)
	e.root = root
	if added {
		e.size++
	}
}

// Delete removes key and reports whether it was there.
func (e *Editor[K, V]) Delete(key K) bool {
	return e.root != nil && e.delete(maphash.Comparable(e.seed, key), key)
}

func (e *Editor[K, V]) delete(hash uint64, key K) bool {
	root, deleted := e.root.delete(e.owner, 0, hash, key)
	if !deleted {
		return false
	}
	e.root = root
	if e.size--; e.size == 0 {
		e.root = nil
	}
	return true
}

// Map returns an immutable map of what the editor has now. The editor can be
// used further: what it changes from here on, it copies first.
func (e *Editor[K, V]) Map() Map[K, V] {
	e.owner = new(owner)
	return e.frozen()
}

// frozen is what the editor has, as a map that is good until the next change.
func (e *Editor[K, V]) frozen() Map[K, V] {
	return Map[K, V]{root: e.root, size: e.size, seed: e.seed}
}
