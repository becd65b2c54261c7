package portmap

import "strconv"

// Ports is a range of consecutive ports, both ends included. The zero value is
// no port at all; otherwise 1 <= First <= Last. Two are the same range if and
// only if they are ==.
type Ports struct {
	First, Last uint16
}

// Port returns the range that is the one port n.
func Port(n uint16) Ports { return Ports{n, n} }

// IsZero reports whether p is the zero value: no port given.
func (p Ports) IsZero() bool { return p == Ports{} }

// Len returns the number of ports, from 0 to 65535. It is 0 for a range that is
// not valid.
func (p Ports) Len() int {
	if !p.valid() {
		return 0
	}
	return int(p.Last) - int(p.First) + 1
}

// Contains reports whether n is one of the ports.
func (p Ports) Contains(n uint16) bool {
	return p.valid() && p.First <= n && n <= p.Last
}

// Overlaps reports whether the two ranges have a port in common.
func (p Ports) Overlaps(q Ports) bool {
	return p.valid() && q.valid() && p.First <= q.Last && q.First <= p.Last
}

// String returns "80" for one port, "8000-8009" for more and "" for none.
func (p Ports) String() string {
	if p.IsZero() {
		return ""
	}
	s := strconv.Itoa(int(p.First))
	if p.Last != p.First {
		s += "-" + strconv.Itoa(int(p.Last))
	}
	return s
}

func (p Ports) valid() bool { return 0 < p.First && p.First <= p.Last }

// problem says why p is no range of ports, or "".
func (p Ports) problem() string {
	switch {
	case p.First == 0 || p.Last == 0:
		return "must be 1-65535"
	case p.Last < p.First:
		return "the range is reversed"
	}
	return ""
}
