package bridge

import (
	"context"
	"fmt"

	"github.com/seawall-net/seawall/nft"
)

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
		if !tx.fw.state.host.Disabled(f) {
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
	if !fw.state.host.Disabled(f) {
		return nil
	}
	return fmt.Errorf("chain %s: %w", fw.layout.UserChain(f), ErrFamilyDisabled)
}

func (u UserChainTx) do(op userOp) { u.tx.user = append(u.tx.user, op) }

// Append adds a rule at the end of the chain.
func (u UserChainTx) Append(r UserRule) {
	u.each(r, func(b *nft.Batch, rule *nft.Rule) { b.AddRule(rule, 0) })
}

// Insert adds a rule at the head of the chain.
func (u UserChainTx) Insert(r UserRule) {
	u.each(r, func(b *nft.Batch, rule *nft.Rule) { b.InsertRule(rule, 0) })
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

// each makes the rule for each family that it is for.
func (u UserChainTx) each(r UserRule, op func(*nft.Batch, *nft.Rule)) {
	if r.Family != 0 {
		u.tx.enabled(r.Family)
	}
	for _, f := range u.families {
		if r.Family != 0 && r.Family != f {
			continue
		}
		chain := u.tx.fw.layout.UserChain(f)
		u.do(func(b *nft.Batch) {
			op(b, &nft.Rule{Chain: chain, Statements: r.Statements, Comment: r.Comment})
		})
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
