package compat

import (
	"context"
	"fmt"
	"io/fs"
	"slices"

	"github.com/seawall-net/seawall/compat/iptables"
	"github.com/seawall-net/seawall/nft"
)

// A userTable is the table that a user's chain is in, as it was loaded.
type userTable struct {
	c      UserChain
	ref    nft.ChainRef
	loaded *nft.Ruleset
	exists bool
	left   []*nft.Rule // rules of the chain that have not been used up
}

func (c UserChain) load(ctx context.Context) (*userTable, error) {
	loaded, err := c.Firewall.UserTable(ctx, c.Family)
	if err != nil {
		return nil, err
	}
	t := &userTable{c: c, ref: c.ref(), loaded: loaded}
	chain, _ := loaded.Lookup(t.chain().ID()).(*nft.Chain)
	if t.exists = chain != nil; t.exists && chain.Hook != nft.NoHook {
		return nil, fmt.Errorf("packets enter it by themselves: it is not for a user's rules: %w", fs.ErrInvalid)
	}
	t.left = loaded.Rules(t.ref)
	return t, nil
}

func (t *userTable) chain() *nft.Chain { return &nft.Chain{Table: t.ref.Table, Name: t.ref.Name} }

func (t *userTable) rules() []*nft.Rule { return t.loaded.Rules(t.ref) }

func (t *userTable) there() error {
	if !t.exists {
		return fs.ErrNotExist
	}
	return nil
}

// compile makes rules for the chain. It refuses what the kernel would refuse.
func (t *userTable) compile(rules []Rule) ([]*nft.Rule, error) {
	if err := t.there(); err != nil {
		return nil, err
	}
	var out []*nft.Rule
	for _, r := range rules {
		resolved, err := t.resolved(r)
		if err != nil {
			return nil, err
		}
		made, err := Compile(resolved, t.ref)
		if err != nil {
			return nil, err
		}
		if len(made) == 0 {
			return nil, fmt.Errorf("rule %q: it is not for family %s: %w", Format(r), t.c.Family, fs.ErrInvalid)
		}
		for _, rule := range made {
			if err := t.targets(rule, nil); err != nil {
				return nil, fmt.Errorf("rule %q: %w", Format(r), err)
			}
		}
		out = append(out, made...)
	}
	return out, nil
}

// targets refuses a rule that leads to a chain that is not there; others may be
// about to be made.
func (t *userTable) targets(r *nft.Rule, others []string) error {
	for _, name := range leadsTo(r) {
		id := nft.ID{Kind: nft.KindChain, Table: t.ref.Table, Name: name}
		chain, _ := t.loaded.Lookup(id).(*nft.Chain)
		switch {
		case slices.Contains(others, name):
		case chain == nil:
			return fmt.Errorf("there is no chain %s: create it before: %w", name, fs.ErrNotExist)
		case chain.Hook != nft.NoHook:
			return fmt.Errorf("nothing can lead to chain %s, which packets enter by themselves: %w", name, fs.ErrInvalid)
		}
	}
	return nil
}

// leadsTo returns the chains that a rule jumps or goes to.
func leadsTo(r *nft.Rule) []string {
	var out []string
	for _, s := range r.Statements {
		if v, ok := s.(nft.Verdict); ok && v.Chain != "" {
			out = append(out, v.Chain)
		}
	}
	return out
}

// find returns the first rule of the chain that does the same as another.
func (t *userTable) find(r *nft.Rule) *nft.Rule {
	want, ok := r.Signature()
	for _, there := range t.left {
		if got, okay := there.Signature(); ok && okay && got == want && there.Comment == r.Comment {
			return there
		}
	}
	return nil
}

func (t *userTable) forget(r *nft.Rule) {
	t.left = slices.DeleteFunc(t.left, func(other *nft.Rule) bool { return other == r })
}

func (t *userTable) number(n int) (*nft.Rule, error) {
	if rules := t.rules(); n >= 1 && n <= len(rules) {
		return rules[n-1], nil
	}
	return nil, fmt.Errorf("number %d: %w", n, errRange)
}

// list returns the rules of a chain.
func (t *userTable) list(chain nft.ChainRef) []ListedRule {
	var out []ListedRule
	for i, loaded := range t.loaded.Rules(chain) {
		rule, err := iptables.FromRule(loaded)
		if err == nil {
			rule, err = t.named(rule)
		}
		out = append(out, ListedRule{Number: i + 1, Rule: rule, Err: err, Loaded: loaded})
	}
	return out
}

// reachable returns the names of DOCKER-USER and of the user's chains that it
// leads to, by whatever way.
func (t *userTable) reachable() []string {
	names := []string{t.c.Firewall.UserChain(t.c.Family).Name}
	for i := 0; i < len(names); i++ {
		for _, r := range t.loaded.Rules(t.ref.Table.Chain(names[i])) {
			for _, next := range leadsTo(r) {
				if !slices.Contains(names, next) && !t.c.Firewall.Owns(t.ref.Table.Chain(next)) {
					names = append(names, next)
				}
			}
		}
	}
	return names
}
