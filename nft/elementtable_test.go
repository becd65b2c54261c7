package nft

import (
	"math/rand/v2"
	"testing"
)

// The table against a map, with few keys, so that they meet.
func TestElementTable(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(1, 2))
	var table elementTable
	users := map[Value]int32{}
	elements := map[Value]*Element{}
	for step := range 50_000 {
		// The number of keys in use goes up and down, and the table grows.
		key := Key(Port(uint16(rng.IntN(1 + step/20))))
		if rng.IntN(5) < 3 == (step/5000%2 == 0) {
			e := &Element{Key: key}
			there := table.use(e)
			if (there != nil) != (users[key] > 0) || there != nil && there != elements[key] {
				t.Fatalf("step %d: use of a key with %d users finds %v", step, users[key], there)
			}
			if users[key]++; there == nil {
				elements[key] = e
			}
		} else if users[key] > 0 {
			e, last := table.release(key)
			if users[key]--; e != elements[key] || last != (users[key] == 0) {
				t.Fatalf("step %d: release leaves %d users, last is %v", step, users[key], last)
			}
			if last {
				delete(users, key)
			}
		}
		probe := Key(Port(uint16(rng.IntN(1 + step/20))))
		if e, n := table.get(probe); n != users[probe] || n > 0 && e != elements[probe] {
			t.Fatalf("step %d: %d users of %x, want %d", step, n, probe, users[probe])
		}
		if table.n != len(users) {
			t.Fatalf("step %d: %d elements, want %d", step, table.n, len(users))
		}
	}
	seen := 0
	table.all(func(e *Element) {
		if seen++; elements[e.Key] != e {
			t.Errorf("all: %x", e.Key)
		}
	})
	if seen != len(users) {
		t.Errorf("all: %d elements, want %d", seen, len(users))
	}
}
