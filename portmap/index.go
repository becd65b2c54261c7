package portmap

import (
	"iter"

	"github.com/seawall-net/seawall/internal/persist"
)

// Index is an immutable set of claims none of which conflict, each with an
// owner of the caller's choice. Two claims conflict if they have the family, the
// protocol and a port in common, and either the address too or one of them is
// for all addresses: 0.0.0.0:80 excludes 127.0.0.1:80, but 127.0.0.1:80 does not
// exclude 127.0.0.2:80, nor [::]:80.
//
// The zero value is empty and ready to use. An Index is a small value; copying
// it is a snapshot. Any number of goroutines may read it and edit it at once:
// editing makes another Index.
//
// The cost of finding, adding or removing the claim of one port is that of a few
// look-ups and one change in a persistent hash map: it grows with the logarithm
// of the number of claims. A range is held as whole blocks of 64 ports and what
// remains at its ends: 10,000 ports are fewer than 300 insertions, although as
// many look-ups.
type Index[Owner any] struct {
	cells persist.Map[cell, tenants[Owner]]
	size  int
}

// A cell is a port, or an aligned block of ports, of one protocol and family:
// the port in the lower 16 bits, the protocol above, then two flags. A number
// hashes faster than a struct.
type cell uint32

const (
	blockLen = 64

	cellIPv6  cell = 1 << 24
	cellBlock cell = 1 << 25
)

func portCell(c Claim, port int) cell {
	n := cell(port) | cell(c.Proto)<<16
	if c.Addr.Is6() {
		n |= cellIPv6
	}
	return n
}

func blockCell(c Claim, firstPort int) cell { return portCell(c, firstPort) | cellBlock }

// cells yields where a claim is stored: whole blocks, and single ports at its
// ends. Every port of the claim is covered once.
func (c Claim) cells() iter.Seq[cell] {
	return func(yield func(cell) bool) {
		last := int(c.Ports.Last)
		for port := int(c.Ports.First); port <= last; {
			if port%blockLen == 0 && port+blockLen-1 <= last {
				if !yield(blockCell(c, port)) {
					return
				}
				port += blockLen
				continue
			}
			if !yield(portCell(c, port)) {
				return
			}
			port++
		}
	}
}

// Len returns the number of claims.
func (x Index[Owner]) Len() int { return x.size }

// Conflict returns a claim that excludes c, and its owner. If there are several,
// which one is not defined. A claim without ports or address conflicts with
// nothing.
func (x Index[Owner]) Conflict(c Claim) (other Claim, owner Owner, found bool) {
	if x.size > 0 && c.Validate() == nil {
		if h := conflict(x.cells.Get, c); h != nil {
			return h.claim, h.owner, true
		}
	}
	return Claim{}, owner, false
}

// conflict looks at every block that c touches and at every port of c. Another
// claim may be stored as either.
func conflict[Owner any](get func(cell) (tenants[Owner], bool), c Claim) *holder[Owner] {
	first, last := int(c.Ports.First), int(c.Ports.Last)
	for block := first - first%blockLen; block <= last; block += blockLen {
		if at, ok := get(blockCell(c, block)); ok {
			if h := at.excluding(c); h != nil {
				return h
			}
		}
	}
	for port := first; port <= last; port++ {
		if at, ok := get(portCell(c, port)); ok {
			if h := at.excluding(c); h != nil {
				return h
			}
		}
	}
	return nil
}

// Edit returns an editor that starts with what x has. It never changes x.
func (x Index[Owner]) Edit() *IndexEditor[Owner] {
	return &IndexEditor[Owner]{cells: x.cells.Edit(), size: x.size}
}

// IndexEditor adds and removes claims. Get one from Index.Edit. Dropping it drops
// what it did. It is for one goroutine at a time.
type IndexEditor[Owner any] struct {
	cells *persist.Editor[cell, tenants[Owner]]
	size  int
}

// Add takes c for owner. The error is a *SpecError for a claim that is not
// valid, or a *ConflictError[Owner] (fs.ErrExist); nothing is changed then.
func (e *IndexEditor[Owner]) Add(c Claim, owner Owner) error {
	if err := c.Validate(); err != nil {
		return err
	}
	if h := conflict(e.cells.Get, c); h != nil {
		return &ConflictError[Owner]{Claim: c, Other: h.claim, Owner: h.owner}
	}
	h := &holder[Owner]{claim: c, owner: owner}
	for at := range c.cells() {
		there, _ := e.cells.Get(at)
		e.cells.Set(at, there.with(h))
	}
	e.size++
	return nil
}

// Remove gives up exactly c and reports whether it was there. A part of a range,
// or several claims at once, cannot be removed this way.
func (e *IndexEditor[Owner]) Remove(c Claim) bool {
	if c.Validate() != nil {
		return false
	}
	for at := range c.cells() {
		there, _ := e.cells.Get(at)
		if h := there.of(c.Addr); h == nil || h.claim != c {
			return false // only the first cell can be missing: claims are stored whole
		}
		if left := there.without(c.Addr); left.first == nil {
			e.cells.Delete(at)
		} else {
			e.cells.Set(at, left)
		}
	}
	e.size--
	return true
}

// Index returns an immutable index of what the editor has now. The editor can be
// used further.
func (e *IndexEditor[Owner]) Index() Index[Owner] {
	return Index[Owner]{cells: e.cells.Map(), size: e.size}
}
