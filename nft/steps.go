package nft

import "iter"

// A step is what Rollback undoes.
type step struct {
	object  Object
	member  *member // of an object other than an element that disappeared
	at      int32   // where a rule was that disappeared
	added   bool
	changed bool // whether the object appeared or disappeared
}

// steps is a list that does not move while it grows.
type steps struct {
	full [][]step
	last []step
	n    int
}

const stepsPerPart = 512

func (s *steps) push(x step) {
	if len(s.last) == cap(s.last) {
		if s.last != nil {
			s.full = append(s.full, s.last)
		}
		size := stepsPerPart
		if s.n == 0 {
			size = 8
		}
		s.last = make([]step, 0, size)
	}
	s.last = append(s.last, x)
	s.n++
}

// all iterates from the first to the last.
func (s *steps) all() iter.Seq2[int, *step] {
	return func(yield func(int, *step) bool) {
		n := 0
		for p := 0; p <= len(s.full); p++ {
			part := s.last
			if p < len(s.full) {
				part = s.full[p]
			}
			for i := range part {
				if !yield(n, &part[i]) {
					return
				}
				n++
			}
		}
	}
}

// backward iterates from the last to the first.
func (s *steps) backward() iter.Seq[*step] {
	return func(yield func(*step) bool) {
		for p := len(s.full); p >= 0; p-- {
			part := s.last
			if p < len(s.full) {
				part = s.full[p]
			}
			for i := len(part) - 1; i >= 0; i-- {
				if !yield(&part[i]) {
					return
				}
			}
		}
	}
}
