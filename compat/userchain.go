package compat

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/compat/iptables"
	"github.com/seawall-net/seawall/nft"
)

// A UserChain is DOCKER-USER, or a chain of the user's own beside it, in one
// family, with the commands that iptables has for it. It works with every layout
// that has DOCKER-USER: in the layout's own tables, and in iptables' table filter.
//
// Each method that changes something is one transaction of the kernel, and so an
// update of the firewall: all of it or nothing, and it fails as
// [bridge.Firewall.Update] does. What others have done to the chain meanwhile is
// seen: a rule that is gone cannot be replaced. A UserChain is a value; it may be
// used by several goroutines.
type UserChain struct {
	// Firewall is the firewall that the chain is part of.
	Firewall *bridge.Firewall
	// Family is nft.IPv4 or nft.IPv6.
	Family nft.Family
	// Name is the chain's name. Empty is DOCKER-USER.
	Name string
}

// errRange says that a chain has no rule of a number.
var errRange = fmt.Errorf("the chain has no rule of that number: %w", fs.ErrNotExist)

// userAttempts is how often a change is tried while others change the chain.
const userAttempts = 10

// ref is the chain's place in the kernel.
func (c UserChain) ref() nft.ChainRef {
	user := c.Firewall.UserChain(c.Family)
	if c.Name != "" {
		user.Name = c.Name
	}
	return user
}

// edit makes a change of the chain as it is now. If what it relies on has
// changed in the meantime, it is made anew.
func (c UserChain) edit(ctx context.Context, what string, plan func(t *userTable, b *nft.Batch) error) error {
	fail := func(err error) error {
		if err != nil {
			err = fmt.Errorf("compat: chain %s: %s: %w", c.ref(), what, err)
		}
		return err
	}
	for attempt := 1; ; attempt++ {
		t, err := c.load(ctx)
		if err != nil {
			return fail(err)
		}
		var b nft.Batch
		if err := plan(t, &b); err != nil || b.Len() == 0 {
			return fail(err)
		}
		err = c.Firewall.Update(ctx, func(tx *bridge.Tx) error {
			tx.EditUserChains(b)
			return nil
		})
		if stale := errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrExist); !stale || attempt == userAttempts {
			return fail(err)
		}
	}
}

// Append adds rules at the end of the chain.
func (c UserChain) Append(ctx context.Context, rules ...Rule) error {
	return c.edit(ctx, "append", func(t *userTable, b *nft.Batch) error {
		made, err := t.compile(rules)
		for _, r := range made {
			b.AddRule(r, 0)
		}
		return err
	})
}

// Insert adds rules, in their order, so that the first becomes the rule of
// number n: 1 is the head of the chain. n is at most one more than there are
// rules.
func (c UserChain) Insert(ctx context.Context, n int, rules ...Rule) error {
	return c.edit(ctx, "insert", func(t *userTable, b *nft.Batch) error {
		made, err := t.compile(rules)
		if err != nil {
			return err
		}
		there := t.rules()
		if n < 1 || n > len(there)+1 {
			return fmt.Errorf("number %d: %w", n, errRange)
		}
		for _, r := range made {
			if n <= len(there) {
				b.InsertRule(r, there[n-1].Handle)
			} else {
				b.AddRule(r, 0)
			}
		}
		return nil
	})
}

// Contains tells whether the rule is in the chain; if it has lists of addresses,
// whether all of its rules are. It is `iptables -C`.
func (c UserChain) Contains(ctx context.Context, rule Rule) (bool, error) {
	t, err := c.load(ctx)
	if err != nil {
		return false, fmt.Errorf("compat: chain %s: %w", c.ref(), err)
	}
	made, err := t.compile([]Rule{rule})
	if err != nil {
		return false, fmt.Errorf("compat: chain %s: %w", c.ref(), err)
	}
	for _, r := range made {
		if t.find(r) == nil {
			return false, nil
		}
	}
	return true, nil
}

// Delete deletes the first rule that is the same; if the rule has lists of
// addresses, one for each combination. It fails with fs.ErrNotExist if there is
// none.
func (c UserChain) Delete(ctx context.Context, rule Rule) error {
	return c.edit(ctx, "delete", func(t *userTable, b *nft.Batch) error {
		made, err := t.compile([]Rule{rule})
		if err != nil {
			return err
		}
		for _, r := range made {
			there := t.find(r)
			if there == nil {
				return fmt.Errorf("%s: the chain has no such rule: %w", Format(rule), fs.ErrNotExist)
			}
			b.Delete(there)
			t.forget(there)
		}
		return nil
	})
}

// DeleteAt deletes the rule of a number, from 1.
func (c UserChain) DeleteAt(ctx context.Context, n int) error {
	return c.edit(ctx, "delete", func(t *userTable, b *nft.Batch) error {
		there, err := t.number(n)
		if err == nil {
			b.Delete(there)
		}
		return err
	})
}

// Replace puts a rule in the place of the one of a number, from 1.
func (c UserChain) Replace(ctx context.Context, n int, rule Rule) error {
	return c.edit(ctx, "replace", func(t *userTable, b *nft.Batch) error {
		made, err := t.compile([]Rule{rule})
		if err != nil {
			return err
		}
		there, err := t.number(n)
		if err != nil {
			return err
		}
		for _, r := range made {
			b.InsertRule(r, there.Handle)
		}
		b.Delete(there)
		return nil
	})
}

// Flush deletes all rules of the chain.
func (c UserChain) Flush(ctx context.Context) error {
	return c.edit(ctx, "flush", func(t *userTable, b *nft.Batch) error {
		if len(t.rules()) > 0 {
			b.Flush(t.chain())
		}
		return nil
	})
}

// Create makes the chain, for rules that DOCKER-USER jumps to. It fails with
// fs.ErrExist if there is one of that name.
func (c UserChain) Create(ctx context.Context) error {
	return c.edit(ctx, "create", func(t *userTable, b *nft.Batch) error {
		if t.exists {
			return fs.ErrExist
		}
		b.Create(t.chain())
		return nil
	})
}

// Remove deletes the chain, which must be empty and not be jumped to.
func (c UserChain) Remove(ctx context.Context) error {
	return c.edit(ctx, "remove", func(t *userTable, b *nft.Batch) error {
		if err := t.there(); err != nil {
			return err
		}
		if n := len(t.rules()); n > 0 {
			return fmt.Errorf("it holds %d rules: flush it before", n)
		}
		b.Delete(t.chain())
		return nil
	})
}

// A ListedRule is a rule as it is in the kernel.
type ListedRule struct {
	// Number is the rule's place in its chain, from 1.
	Number int
	// Rule is the rule, with what it has counted. It is void if Err is not nil.
	Rule iptables.Rule
	// Err says why the rule cannot be said in iptables' syntax: another tool made
	// it.
	Err error
	// Loaded is the rule in nf_tables' terms.
	Loaded *nft.Rule
}

// List returns the rules of the chain.
func (c UserChain) List(ctx context.Context) ([]ListedRule, error) {
	t, err := c.load(ctx)
	if err == nil {
		err = t.there()
	}
	if err != nil {
		return nil, fmt.Errorf("compat: chain %s: list: %w", c.ref(), err)
	}
	return t.list(c.ref()), nil
}

// Chains returns the names of the user's chains: DOCKER-USER, and then those that
// it leads to.
func (c UserChain) Chains(ctx context.Context) ([]string, error) {
	t, err := c.load(ctx)
	if err != nil {
		return nil, fmt.Errorf("compat: chain %s: %w", c.ref(), err)
	}
	names := t.reachable()
	slices.Sort(names[1:])
	return names, nil
}
