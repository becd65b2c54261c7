package bridge

import (
	"context"
	"fmt"
	"slices"

	"github.com/seawall-net/seawall/nft"
)

// A RuleSource makes rules for DOCKER-USER: a [UserRule], or a rule in iptables'
// syntax from package compat.
type RuleSource interface {
	// RulesIn returns what it is in a chain: none if it is not for the chain's
	// family.
	RulesIn(chain nft.ChainRef) ([]*nft.Rule, error)
}

// A UserRule is a rule of DOCKER-USER.
type UserRule struct {
	// Family is nft.IPv4 or nft.IPv6: packets of the other are not the rule's
	// concern. The zero value is both.
	Family nft.Family
	// Statements is what the rule does. In DOCKER-USER an accept is final, a
	// drop drops, and a return falls through to the networks' own rules.
	Statements []nft.Statement
	// Comment is shown by nft; at most 128 bytes.
	Comment string
}

// RulesIn returns the rule, if it is for the chain's family.
func (r UserRule) RulesIn(chain nft.ChainRef) ([]*nft.Rule, error) {
	if r.Family != 0 && r.Family != chain.Table.Family {
		return nil, nil
	}
	return []*nft.Rule{{Chain: chain, Statements: r.Statements, Comment: r.Comment}}, nil
}

// userOp is an operation on a user chain. Its contents are not facts: they
// belong to the user, who may change them with other tools at any time.
type userOp func(*nft.Batch)

// A UserChainTx changes the DOCKER-USER chain of one family, or of both, within
// a Tx. Its operations take effect after everything else in the Tx, in their
// order.
type UserChainTx struct {
	tx       *Tx
	families []nft.Family
}

// Owns tells whether a chain is one of the firewall's own: what is in it is not
// the user's to edit. DOCKER-USER is not.
func (fw *Firewall) Owns(chain nft.ChainRef) bool {
	fw.mu.Lock()
	defer fw.mu.Unlock()
	return fw.owns(chain)
}

func (fw *Firewall) owns(chain nft.ChainRef) bool {
	return chain != fw.layout.UserChain(chain.Table.Family) &&
		fw.union.Lookup(nft.ID{Kind: nft.KindChain, Table: chain.Table, Name: chain.Name}) != nil
}

// UserChain returns the DOCKER-USER chain of a family, nft.IPv4 or nft.IPv6, or
// without one that of both that are not disabled. It fails with
// [ErrFamilyDisabled] if none is left.
func (tx *Tx) UserChain(families ...nft.Family) UserChainTx {
	if len(families) > 0 {
		for _, f := range families {
			tx.enabled(f)
		}
		return UserChainTx{tx, families}
	}
	for _, f := range []nft.Family{nft.IPv4, nft.IPv6} {
		if tx.fw.checkEnabled(f) == nil {
			families = append(families, f)
		}
	}
	if len(families) == 0 {
		tx.enabled(nft.IPv4)
	}
	return UserChainTx{tx, families}
}

// enabled fails the Tx where packets of a family are left alone.
func (tx *Tx) enabled(f nft.Family) {
	if err := tx.fw.checkEnabled(f); err != nil {
		tx.fail(fmt.Errorf("bridge: %w", err))
	}
}

// checkEnabled returns an error if packets of a family are left alone.
func (fw *Firewall) checkEnabled(f nft.Family) error {
	if fw.layout.UserChain(f) == (nft.ChainRef{}) {
		return fmt.Errorf("user chain of layout %s, family %s: %w", fw.layout.Name(), f, ErrNoUserChain)
	}
	if !fw.state.host.Disabled(f) {
		return nil
	}
	return fmt.Errorf("chain %s: %w", fw.layout.UserChain(f), ErrFamilyDisabled)
}

func (u UserChainTx) do(op userOp) { u.tx.user = append(u.tx.user, op) }

// Append adds rules at the end of the chain.
func (u UserChainTx) Append(rules ...RuleSource) {
	for _, r := range rules {
		u.each(r, func(b *nft.Batch, made []*nft.Rule) {
			for _, rule := range made {
				b.AddRule(rule, 0)
			}
		})
	}
}

// Insert adds rules, in their order, at the head of the chain.
func (u UserChainTx) Insert(rules ...RuleSource) {
	for _, r := range slices.Backward(rules) {
		u.each(r, func(b *nft.Batch, made []*nft.Rule) {
			for _, rule := range slices.Backward(made) {
				b.InsertRule(rule, 0)
			}
		})
	}
}

// Delete deletes a rule that [Firewall.UserRules] has returned. The update
// fails with fs.ErrNotExist if it is not there any more.
func (u UserChainTx) Delete(r *nft.Rule) {
	u.tx.enabled(r.Chain.Table.Family)
	u.do(func(b *nft.Batch) { b.Delete(r) })
}

// Flush deletes all rules of the chain.
func (u UserChainTx) Flush() {
	for _, f := range u.families {
		chain := u.tx.fw.layout.UserChain(f)
		u.do(func(b *nft.Batch) { b.Flush(&nft.Chain{Table: chain.Table, Name: chain.Name}) })
	}
}

// each makes the rules for each family that they are for. It fails the Tx where
// that is none of the chain's.
func (u UserChainTx) each(r RuleSource, op func(*nft.Batch, []*nft.Rule)) {
	tx, elsewhere := u.tx, nft.Family(0)
	done := false
	for _, f := range []nft.Family{nft.IPv4, nft.IPv6} {
		chain := tx.fw.layout.UserChain(f)
		chain.Table.Family = f
		made, err := r.RulesIn(chain)
		switch {
		case err != nil:
			tx.fail(fmt.Errorf("bridge: user rule: %w", err))
			return
		case len(made) == 0:
		case !slices.Contains(u.families, f):
			elsewhere = f
		default:
			done = true
			u.do(func(b *nft.Batch) { op(b, made) })
		}
	}
	if !done && elsewhere != 0 {
		tx.enabled(elsewhere)
		tx.fail(fmt.Errorf("bridge: user rule: it is for family %s, and the chain is not: %w", elsewhere, errInvalid))
	}
}

// EditUserChains adds operations on chains of the user's own: DOCKER-USER, and
// those that it leads to, in the same tables. They take effect after everything
// else in the Tx. It fails if one of them is on something that is not the
// user's.
func (tx *Tx) EditUserChains(b nft.Batch) {
	for o := range b.Objects() {
		if err := tx.usersOwn(o); err != nil {
			tx.fail(fmt.Errorf("bridge: edit user chains: %w", err))
			return
		}
	}
	tx.user = append(tx.user, func(all *nft.Batch) { all.Append(b) })
}

// usersOwn returns an error if an object is not the user's to edit.
func (tx *Tx) usersOwn(o nft.Object) error {
	id := o.ID()
	if err := tx.fw.checkEnabled(id.Table.Family); err != nil {
		return err
	}
	chain := id.Table.Chain(id.Name)
	_, isChain := o.(*nft.Chain)
	rule, isRule := o.(*nft.Rule)
	switch {
	case id.Table != tx.fw.layout.UserChain(id.Table.Family).Table, !isChain && !isRule, isRule && rule.Key != "":
	case !tx.fw.owns(chain):
		return nil
	}
	return fmt.Errorf("%s: it is not the user's: %w", id, errInvalid)
}

// UserTable reads the table that a family's DOCKER-USER is in, with all of its
// chains, ours as well, but without sets. It fails as [Firewall.UserRules] does.
func (fw *Firewall) UserTable(ctx context.Context, f nft.Family) (*nft.Ruleset, error) {
	fw.mu.Lock()
	err := fw.checkEnabled(f)
	fw.mu.Unlock()
	if err != nil {
		return nil, fmt.Errorf("bridge: %w", err)
	}
	return fw.conn.LoadChains(ctx, fw.layout.UserChain(f).Table)
}

// UserChain returns the DOCKER-USER chain of a family, nft.IPv4 or nft.IPv6; the
// zero ChainRef if the layout has none.
func (fw *Firewall) UserChain(f nft.Family) nft.ChainRef { return fw.layout.UserChain(f) }

// initUserChains adds what a layout's DOCKER-USER has from the start.
func (fw *Firewall) initUserChains(have *nft.Ruleset, b *nft.Batch) {
	layout, ok := fw.layout.(UserInitializer)
	if !ok {
		return
	}
	for _, f := range []nft.Family{nft.IPv4, nft.IPv6} {
		if fw.checkEnabled(f) != nil {
			continue
		}
		for _, r := range layout.InitialUserRules(f) {
			want, _ := r.Signature()
			there := slices.ContainsFunc(have.Rules(r.Chain), func(h *nft.Rule) bool {
				what, ok := h.Signature()
				return ok && what == want
			})
			if !there {
				own := *r
				own.Userdata = recordOwn
				b.AddRule(&own, 0)
			}
		}
	}
}

// UserRules reads the rules of a family's DOCKER-USER chain from the kernel. It
// fails with [ErrFamilyDisabled] where they are without effect.
func (fw *Firewall) UserRules(ctx context.Context, f nft.Family) ([]*nft.Rule, error) {
	fw.mu.Lock()
	err := fw.checkEnabled(f)
	fw.mu.Unlock()
	if err != nil {
		return nil, fmt.Errorf("bridge: %w", err)
	}
	return fw.conn.LoadRules(ctx, fw.layout.UserChain(f))
}
