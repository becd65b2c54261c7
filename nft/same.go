package nft

// same reports whether two rules stand for the same: all but their handles and
// what their counters have counted. A rule that cannot be compiled, such as one
// with [Unknown] statements that was not loaded, is the same as no other.
func (r *Rule) same(o *Rule) bool {
	if r.Chain != o.Chain || r.Key != o.Key || r.Comment != o.Comment || r.Userdata != o.Userdata {
		return false
	}
	// The rank of a rule without a key is not stored.
	if r.Key != "" && r.Rank != o.Rank {
		return false
	}
	a, ok := r.canonical()
	if !ok {
		return false
	}
	b, ok := o.canonical()
	return ok && a == b
}

// Signature returns what the rule does, whatever it is called and has counted, in
// a form to compare: two rules of a family do the same if they have the same
// signature. It is false for a rule that cannot be compiled, which is like no
// other.
func (r *Rule) Signature() (string, bool) { return r.canonical() }

// canonical is what the rule's statements are compared by: see [canonical].
func (r *Rule) canonical() (string, bool) {
	if r.loaded.of(r.Statements) {
		return r.loaded.canonical, true
	}
	compiled, err := r.compile()
	if err != nil {
		return "", false
	}
	exprs := make([]expression, len(compiled))
	for i, b := range compiled {
		exprs[i] = decodeExpression(b)
	}
	return canonical(exprs), true
}

// of reports whether the statements are still those that were loaded, and not
// what somebody put into a copy of the rule.
func (l *loadedRule) of(s []Statement) bool {
	if l == nil || len(l.statements) != len(s) {
		return false
	}
	return len(s) == 0 || &l.statements[0] == &s[0]
}
