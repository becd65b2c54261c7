package nft

// Sets returns the names of the sets and maps that the rule looks things up in,
// those that were written into it included, in their order.
func (r *Rule) Sets() []string {
	var out []string
	for _, s := range r.Statements {
		switch s := s.(type) {
		case lookup:
			out = append(out, s.set)
		case vmap:
			out = append(out, s.set)
		case dnatMap:
			out = append(out, s.set)
		}
	}
	return out
}

// Chains returns the names of the chains that the rule itself jumps or goes to.
func (r *Rule) Chains() []string {
	var out []string
	for _, s := range r.Statements {
		if v, ok := s.(Verdict); ok && v.Chain != "" {
			out = append(out, v.Chain)
		}
	}
	return out
}

// Sendable returns an error if the rule holds what was loaded and cannot be sent
// again, such as an [Unknown] expression.
func (r *Rule) Sendable() error {
	_, err := r.compile()
	return err
}

// Sendable returns an error if the set was loaded with properties that cannot be
// sent again.
func (s *Set) Sendable() error {
	var e encoder
	return s.encode(&e, false, 1)
}

// Sendable returns an error if the element was loaded with properties that cannot
// be sent again, such as a timeout.
func (el *Element) Sendable() error {
	var e encoder
	return el.encode(&e, false)
}

// writtenFlags is what Load finds strange about a set that was written into a
// rule: that it is anonymous and constant.
const writtenFlags = "flags 0x3"

// Named returns a copy of the set with a name of its own, as one that was
// written into a rule does not have.
func (s *Set) Named(name string) *Set {
	out := *s
	out.Name, out.anonymous = name, false
	if s.anonymous && s.foreign == writtenFlags {
		out.foreign = ""
	}
	return &out
}

// WithSet returns a copy of the rule that asks the set with the name to where it
// asks from.
func (r *Rule) WithSet(from, to string) *Rule {
	out := *r
	out.Statements = make([]Statement, len(r.Statements))
	for i, s := range r.Statements {
		switch x := s.(type) {
		case lookup:
			if x.set == from {
				x.set = to
			}
			s = x
		case vmap:
			if x.set == from {
				x.set = to
			}
			s = x
		case dnatMap:
			if x.set == from {
				x.set = to
			}
			s = x
		}
		out.Statements[i] = s
	}
	return &out
}
