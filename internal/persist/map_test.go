package persist

import (
	"maps"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
)

// mustEqual compares a map with a Go map both ways: by looking every key up and
// by iterating.
func mustEqual[K, V comparable](t *testing.T, got Map[K, V], want map[K]V) {
	t.Helper()
	if got.Len() != len(want) {
		t.Fatalf("Len() = %d, want %d", got.Len(), len(want))
	}
	for k, v := range want {
		if g, ok := got.Get(k); !ok || g != v {
			t.Fatalf("Get(%v) = %v, %v; want %v, true", k, g, ok, v)
		}
	}
	seen := make(map[K]V)
	for k, v := range got.All() {
		if _, twice := seen[k]; twice {
			t.Fatalf("All yields %v twice", k)
		}
		seen[k] = v
	}
	if !maps.Equal(seen, want) {
		t.Fatalf("All yields %v, want %v", seen, want)
	}
	mustBeCanonical(t, got.root, 0)
}

// mustBeCanonical checks what the algorithms rely on: the bits agree with the
// slices, every entry is at the place of its hash, and no node below the root
// covers fewer than two keys.
func mustBeCanonical[K comparable, V any](t *testing.T, n *node[K, V], shift uint) {
	t.Helper()
	if n == nil {
		return
	}
	if shift > 0 && len(n.children) == 0 && len(n.entries) < 2 {
		t.Fatalf("a node at shift %d has %d entries and no child", shift, len(n.entries))
	}
	if shift >= hashBits {
		for _, e := range n.entries {
			if e.hash != n.entries[0].hash {
				t.Fatalf("a list past the last hash bit has the hashes %x and %x", n.entries[0].hash, e.hash)
			}
		}
		return
	}
	if n.entryBits&n.childBits != 0 {
		t.Fatalf("entries %b and children %b share a place", n.entryBits, n.childBits)
	}
	if want := index(n.entryBits, 0); len(n.entries) != want {
		t.Fatalf("%d entries for the bits %b", len(n.entries), n.entryBits)
	}
	if want := index(n.childBits, 0); len(n.children) != want {
		t.Fatalf("%d children for the bits %b", len(n.children), n.childBits)
	}
	for i, e := range n.entries {
		if bit := place(e.hash, shift); n.entryBits&bit == 0 || index(n.entryBits, bit) != i {
			t.Fatalf("entry %d with hash %x is at the wrong place of %b at shift %d", i, e.hash, n.entryBits, shift)
		}
	}
	for _, child := range n.children {
		mustBeCanonical(t, child, shift+levelBits)
	}
}

func TestZeroMapIsEmpty(t *testing.T) {
	var m Map[string, int]
	mustEqual(t, m, map[string]int{})
	if _, ok := m.Get("a"); ok {
		t.Error("the zero Map has a key")
	}
	mustEqual(t, m.Delete("a"), map[string]int{})
	e := m.Edit()
	if e.Delete("a") {
		t.Error("Delete found a key in an empty editor")
	}
	if _, ok := e.Get("a"); ok {
		t.Error("Get found a key in an empty editor")
	}
	mustEqual(t, e.Map(), map[string]int{})
}

func TestSetAndDeleteLeaveTheOldMap(t *testing.T) {
	var empty Map[string, int]
	one := empty.Set("a", 1)
	two := one.Set("b", 2)
	changed := two.Set("a", 3)
	less := changed.Delete("b")
	none := less.Delete("a")
	mustEqual(t, empty, map[string]int{})
	mustEqual(t, one, map[string]int{"a": 1})
	mustEqual(t, two, map[string]int{"a": 1, "b": 2})
	mustEqual(t, changed, map[string]int{"a": 3, "b": 2})
	mustEqual(t, less, map[string]int{"a": 3})
	mustEqual(t, none, map[string]int{})
	mustEqual(t, none.Set("c", 4), map[string]int{"c": 4})
	if less.Delete("zzz") != less {
		t.Error("Delete of a missing key made another map")
	}
}

func TestEditorAfterMapCopies(t *testing.T) {
	e := Map[int, int]{}.Edit()
	for i := range 1000 {
		e.Set(i, i)
	}
	first := e.Map()
	for i := range 1000 {
		if i%2 == 0 {
			e.Delete(i)
		} else {
			e.Set(i, -i)
		}
	}
	second := e.Map()
	e.Set(5, 55)

	want := make(map[int]int)
	for i := range 1000 {
		want[i] = i
	}
	mustEqual(t, first, want)
	for i := range 1000 {
		if delete(want, i); i%2 == 1 {
			want[i] = -i
		}
	}
	mustEqual(t, second, want)
	if v, _ := e.Get(5); v != 55 || e.Len() != 500 {
		t.Errorf("the editor has 5: %d and %d keys, want 55 and 500", v, e.Len())
	}
}

func TestAllStops(t *testing.T) {
	e := Map[int, int]{}.Edit()
	for i := range 5000 {
		e.Set(i, i)
	}
	for _, stop := range []int{1, 2, 40, 4999} {
		seen := 0
		for range e.Map().All() {
			if seen++; seen == stop {
				break
			}
		}
		if seen != stop {
			t.Errorf("after a break at %d, %d were seen", stop, seen)
		}
	}
}

// TestRandomHistory makes a long random history through Set, Delete and editors
// and keeps some snapshots; at the end each must be as it was when taken.
func TestRandomHistory(t *testing.T) {
	type snapshot struct {
		got  Map[string, int]
		want map[string]int
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	var kept []snapshot
	var m Map[string, int]
	model := make(map[string]int)
	for step := range 300 {
		e := m.Edit()
		for range rnd.IntN(100) {
			key, value := strconv.Itoa(rnd.IntN(2000)), rnd.Int()
			_, had := model[key]
			switch rnd.IntN(5) {
			case 0, 1:
				e.Set(key, value)
				model[key] = value
			case 2:
				if e.Delete(key) != had {
					t.Fatalf("step %d: Delete(%s) = %v, want %v", step, key, !had, had)
				}
				delete(model, key)
			case 3:
				e = e.Map().Set(key, value).Edit()
				model[key] = value
			case 4:
				e = e.Map().Delete(key).Edit()
				delete(model, key)
			}
		}
		if rnd.IntN(4) == 0 { // a rollback: drop the editor
			model = make(map[string]int)
			maps.Insert(model, m.All())
			continue
		}
		m = e.Map()
		kept = append(kept, snapshot{m, maps.Clone(model)})
	}
	for _, s := range kept {
		mustEqual(t, s.got, s.want)
	}
}

func TestReadersWhileOthersDerive(t *testing.T) {
	e := Map[int, int]{}.Edit()
	want := make(map[int]int)
	for i := range 3000 {
		e.Set(i, i)
		want[i] = i
	}
	base := e.Map()
	var all sync.WaitGroup
	for worker := range 4 {
		all.Go(func() {
			mine := base.Edit()
			for i := range 3000 {
				mine.Set(i, worker)
				mine.Delete(i / 2)
			}
			single := base
			for i := range 200 {
				single = single.Set(i, worker)
			}
			if single.Len() != 3000 || mine.Len() >= 3000 {
				t.Errorf("worker %d: %d and %d keys", worker, single.Len(), mine.Len())
			}
		})
		all.Go(func() {
			sum := 0
			for i := range 3000 {
				v, _ := base.Get(i)
				sum += v
			}
			if sum != 3000*2999/2 {
				t.Errorf("a reader saw the sum %d", sum)
			}
		})
	}
	all.Wait()
	mustEqual(t, base, want)
}

// FuzzHistory reads a history from the input: three bytes a step. The hashes
// are chosen by the input too, so that entries collide in any number of bits.
func FuzzHistory(f *testing.F) {
	f.Add([]byte("\x00\x01\x01\x00\x02\x02\x01\x01\x00"))
	f.Add([]byte{0, 0x10, 1, 0, 0x11, 1, 0, 0x12, 1, 3, 0, 0, 1, 0x10, 1, 1, 0x11, 1, 1, 0x12, 1})
	f.Add([]byte{0, 0x51, 9, 0, 0x52, 9, 0, 0x61, 9, 1, 0x51, 9, 3, 0, 0, 1, 0x52, 9})
	f.Fuzz(func(t *testing.T, history []byte) {
		// The upper four bits of a key say how its hash differs from the others.
		hash := func(key byte) uint64 { return uint64(key>>4) << (key >> 4 * 4) }
		e := Map[byte, byte]{}.Edit()
		model := make(map[byte]byte)
		var kept []Map[byte, byte]
		var wants []map[byte]byte
		for ; len(history) >= 3; history = history[3:] {
			verb, key, value := history[0]%4, history[1], history[2]
			switch verb {
			case 0:
				e.set(entry[byte, byte]{hash(key), key, value})
				model[key] = value
			case 1:
				_, had := model[key]
				if got := e.root != nil && e.delete(hash(key), key); got != had {
					t.Fatalf("delete(%x) = %v, want %v", key, got, had)
				}
				delete(model, key)
			case 2:
				want, had := model[key]
				var found *entry[byte, byte]
				if e.root != nil {
					found = e.root.get(hash(key), key)
				}
				if (found != nil) != had || had && found.value != want {
					t.Fatalf("get(%x) = %v, want %v, %v", key, found, want, had)
				}
			case 3:
				kept = append(kept, e.Map())
				wants = append(wants, maps.Clone(model))
			}
		}
		kept = append(kept, e.Map())
		wants = append(wants, model)
		for i, m := range kept {
			if m.Len() != len(wants[i]) {
				t.Fatalf("snapshot %d has %d keys, want %d", i, m.Len(), len(wants[i]))
			}
			if got := maps.Collect(m.All()); !maps.Equal(got, wants[i]) {
				t.Fatalf("snapshot %d is %v, want %v", i, got, wants[i])
			}
			mustBeCanonical(t, m.root, 0)
		}
	})
}
