package nft

import "slices"

// WithCounters returns a copy of the batch in which the rules and elements that
// it adds go on counting from what f says of them; zero is from the start. Of a
// rule, that is its first counter. Objects without a counter, and rules without a
// key, are added as they are: f has to say zero of elements whose set has none.
func (b Batch) WithCounters(f func(Object) (packets, bytes uint64)) Batch {
	b.ops = slices.Clone(b.ops)
	for i := range b.ops {
		o := &b.ops[i]
		if o.verb != verbAdd && o.verb != verbCreate && o.verb != verbInsert {
			continue
		}
		if r, ok := o.object.(*Rule); ok && r.Key != "" {
			o.object = r.resume(f(r))
		}
		cloned := false
		for n, e := range o.elements {
			packets, bytes := f(e)
			if packets|bytes == 0 {
				continue
			}
			if !cloned {
				o.elements, cloned = slices.Clone(o.elements), true
			}
			resumed := *e
			resumed.Packets, resumed.Bytes = packets, bytes
			o.elements[n] = &resumed
		}
	}
	return b
}

// resume returns the rule with its first counter at a count.
func (r *Rule) resume(packets, bytes uint64) *Rule {
	at := slices.IndexFunc(r.Statements, func(s Statement) bool { _, ok := s.(counter); return ok })
	if at < 0 || packets|bytes == 0 {
		return r
	}
	resumed := *r
	resumed.Statements = slices.Clone(r.Statements)
	resumed.Statements[at] = CounterAt(packets, bytes)
	return &resumed
}

// Count returns what the rule's counters have counted: the first one's, where
// there are several. It is false if the rule has none.
func (r *Rule) Count() (packets, bytes uint64, ok bool) {
	for _, s := range r.Statements {
		if packets, bytes, ok = Counted(s); ok {
			return packets, bytes, ok
		}
	}
	return 0, 0, false
}
