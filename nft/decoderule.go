package nft

import (
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

// A loadedRule is what Load found a rule to be. It is how the rule is compared
// with others, for as long as the rule's statements are the ones it was read
// into.
type loadedRule struct {
	canonical  string
	statements []Statement
}

// decodeRule reads the attributes of a rule.
func decodeRule(fields fieldIndex, family Family, b []byte) (*Rule, error) {
	rule := &Rule{Chain: ChainRef{Table: TableRef{Family: family}}}
	var exprs []expression
	var other string
	var extra []Statement
	r := attrReader{rest: b}
	for r.next() {
		switch r.typ {
		case unix.NFTA_RULE_TABLE:
			rule.Chain.Table.Name = r.str()
		case unix.NFTA_RULE_CHAIN:
			rule.Chain.Name = r.str()
		case unix.NFTA_RULE_HANDLE:
			rule.Handle = r.u64()
		case unix.NFTA_RULE_EXPRESSIONS:
			var err error
			exprs, err = decodeExpressions(r.val)
			r.fail(err)
			exprs = slices.DeleteFunc(exprs, func(e expression) bool { return e.doesNothing() })
		case unix.NFTA_RULE_COMPAT:
			extra = append(extra, Unknown{Name: "compat", Data: string(r.val)})
		case unix.NFTA_RULE_USERDATA:
			u := decodeUserdata(r.val, false)
			rule.Comment, rule.Userdata, rule.Key, rule.Rank = u.Comment, u.Userdata, u.Key, u.Rank
			other = u.Other
		}
	}
	if r.err != nil {
		return nil, fmt.Errorf("rule of chain %s, handle %d: %w", rule.Chain, rule.Handle, r.err)
	}
	rule.Statements = append(decompile(fields, family, exprs), extra...)
	form := canonical(exprs)
	for _, s := range extra {
		form += s.(Unknown).Data
	}
	rule.loaded = &loadedRule{form + other, rule.Statements}
	return rule, nil
}
