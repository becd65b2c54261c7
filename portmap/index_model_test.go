package portmap

import (
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
)

// modelIndex is an Index that cannot be wrong: a list of claims, searched port by
// port.
type modelIndex map[Claim]int

func (m modelIndex) blockers(c Claim) []Claim {
	var found []Claim
	for other := range m {
		if c.Proto == other.Proto && c.Addr.Is4() == other.Addr.Is4() && modelExcludes(c, other) {
			found = append(found, other)
		}
	}
	return found
}

func modelExcludes(a, b Claim) bool {
	if a.Addr != b.Addr && !a.Addr.IsUnspecified() && !b.Addr.IsUnspecified() {
		return false
	}
	for port := int(a.Ports.First); port <= int(a.Ports.Last); port++ {
		if b.Ports.Contains(uint16(port)) {
			return true
		}
	}
	return false
}

// randomClaim is of few ports and addresses, so that conflicts are frequent, at
// either end of the range of ports.
func randomClaim(rnd *rand.Rand) Claim {
	addrs := [...]netip.Addr{
		netip.IPv4Unspecified(), netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.0.0.2"),
		netip.MustParseAddr("10.0.0.1"), netip.IPv6Unspecified(), netip.MustParseAddr("::1"), netip.MustParseAddr("fd00::1"),
	}
	first := 1 + rnd.IntN(400)
	if rnd.IntN(4) == 0 {
		first = 65535 - rnd.IntN(200)
	}
	last := first
	switch rnd.IntN(4) {
	case 0:
		last += rnd.IntN(10)
	case 1:
		last += rnd.IntN(200)
	}
	return Claim{addrs[rnd.IntN(len(addrs))], Ports{uint16(first), uint16(min(last, 65535))}, Proto(rnd.IntN(3))}
}

// A history runs on an Index and on its model, and keeps what undoes each change.
type history struct {
	t     *testing.T
	index Index[int]
	model modelIndex
	undo  []func()
}

// try asks for c, compares everything that can be seen, and returns what was in
// the way, or the zero value if c has been added.
func (h *history) try(c Claim, owner int) Claim {
	h.t.Helper()
	blockers := h.model.blockers(c)
	other, who, found := h.index.Conflict(c)
	if found != (len(blockers) > 0) {
		h.t.Fatalf("Conflict(%v) = %v, the model has %v", c, found, blockers)
	}
	if found && (!slices.Contains(blockers, other) || h.model[other] != who) {
		h.t.Fatalf("Conflict(%v) = %v of %d, the model has %v", c, other, who, blockers)
	}
	if _, there := h.model[c]; !there && h.index.Remove(c) {
		h.t.Fatalf("Remove(%v) found what had not been added", c)
	}
	if err := h.index.Add(c, owner); (err != nil) != found {
		h.t.Fatalf("Add(%v) = %v, the model has %v", c, err, blockers)
	}
	if !found {
		h.model[c] = owner
		h.undo = append(h.undo, func() { h.remove(c) })
	}
	h.checkLen()
	return other
}

func (h *history) remove(c Claim) {
	h.t.Helper()
	if !h.index.Remove(c) {
		h.t.Fatalf("Remove(%v) did not find it", c)
	}
	owner := h.model[c]
	delete(h.model, c)
	h.undo = append(h.undo, func() {
		if err := h.index.Add(c, owner); err != nil {
			h.t.Fatalf("undoing Remove(%v): %v", c, err)
		}
		h.model[c] = owner
	})
	h.checkLen()
}

func (h *history) checkLen() {
	h.t.Helper()
	if h.index.Len() != len(h.model) {
		h.t.Fatalf("Len() = %d, want %d", h.index.Len(), len(h.model))
	}
}

// rollBack undoes everything since the last rollBack.
func (h *history) rollBack() {
	changes := h.undo
	for _, undo := range slices.Backward(changes) {
		undo()
	}
	h.undo = nil
}

// checkAll checks that every claim of the model is there, with its owner.
func (h *history) checkAll() {
	h.t.Helper()
	for c, owner := range h.model {
		if other, who, found := h.index.Conflict(c); !found || other != c || who != owner {
			h.t.Fatalf("%v is %v of %d, want %d", c, other, who, owner)
		}
	}
}

// TestIndexAgainstModel runs a random history of transactions, half of which are
// undone.
func TestIndexAgainstModel(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	h := &history{t: t, model: make(modelIndex)}
	added, refused, undone := 0, 0, 0
	for transaction := range 1500 {
		before := maps.Clone(h.model)
		for step := range 1 + rnd.IntN(8) {
			blocker := h.try(randomClaim(rnd), transaction*8+step)
			if !blocker.Addr.IsValid() {
				added++
				continue
			}
			refused++
			if rnd.IntN(2) == 0 { // make room: otherwise everything is soon taken
				h.remove(blocker)
			}
		}
		if rnd.IntN(2) == 0 {
			undone += len(h.undo)
			h.rollBack()
			if !maps.Equal(h.model, before) {
				t.Fatalf("transaction %d: undone, the claims are %v, and were %v", transaction, h.model, before)
			}
			h.checkAll()
		}
		h.undo = nil
	}
	if added < 1000 || refused < 1000 || undone < 1000 {
		t.Fatalf("%d additions, %d refusals and %d changes undone are too few to say anything", added, refused, undone)
	}
	h.checkAll()
	for c := range maps.Clone(h.model) {
		h.remove(c)
	}
	checkEmpty(t, &h.index)
}
