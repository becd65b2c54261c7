package portmap

import "iter"

// A Chooser proposes host ports for bindings that leave them open (see
// [Binding.Dynamic]). It goes round, as Docker does: each search of a range begins
// where the last one ended, so that a port that was just given up is not handed
// out at once to somebody whose clients mean another.
//
// It knows nothing of what is taken: the caller tries each candidate. The zero
// value is ready to use. It is not safe for concurrent use.
type Chooser struct {
	last map[search]uint16
}

// A search is what goes round by itself.
type search struct {
	among Ports
	proto Proto
}

// Candidates iterates over the host ports that b could have, each once: for a
// range of host ports to one container port all of that range, also those that
// are reserved, and otherwise those of e that are not reserved. Several container
// ports get as many consecutive host ports. The host ports of a binding that is
// not dynamic are the only candidate. There are none if e has too few ports that
// are not reserved.
//
// All claims of the binding, of whatever family, share the ports; so may other
// bindings that are to have the same.
func (c *Chooser) Candidates(b Binding, e Ephemeral) iter.Seq[Ports] {
	return func(yield func(Ports) bool) {
		if !b.Dynamic() {
			yield(b.Host)
			return
		}
		among := b.Host
		if among.IsZero() {
			among = e.ports
		} else {
			e.reserved = nil // who names the ports means them
		}
		if n := b.Container.Len(); n > 0 && n <= among.Len() {
			c.goRound(search{among, b.Proto}, n, e, yield)
		}
	}
}

// goRound yields all blocks of n ports, from where the last search ended.
func (c *Chooser) goRound(s search, n int, e Ephemeral, yield func(Ports) bool) {
	first, end := int(s.among.First), int(s.among.Last)-n+2 // blocks begin at first to end-1
	start := first
	if last, ok := c.last[s]; ok && int(last)+1 < end {
		start = int(last) + 1
	}
	if c.last == nil {
		c.last = map[search]uint16{}
	}
	for _, part := range [2][2]int{{start, end}, {first, start}} {
		for at := part[0]; at < part[1]; at++ {
			block := Ports{uint16(at), uint16(at + n - 1)}
			if r, found := e.firstReserved(block); found {
				at = int(r.Last)
				continue
			}
			c.last[s] = block.Last
			if !yield(block) {
				return
			}
		}
	}
}
