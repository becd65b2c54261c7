package bridge

import (
	"context"

	"github.com/seawall-net/seawall/nft"
)

// A UserRule is a rule of DOCKER-USER.
type UserRule struct {
	// Statements is what the rule does. In DOCKER-USER an accept is final, a
	// drop drops, and a return falls through to the networks' own rules.
	Statements []nft.Statement
	// Comment is shown by nft; at most 128 bytes.
	Comment string
}

// userOp is an operation on a user chain. Its contents are not facts: they
// belong to the user, who may change them with other tools at any time.
type userOp func(*nft.Batch)

// A UserChainTx changes the DOCKER-USER chain of one family within a Tx. Its
// operations take effect after everything else in the Tx, in their order.
type UserChainTx struct {
	tx    *Tx
	chain nft.ChainRef
}

// UserChain returns the DOCKER-USER chain of a family, nft.IPv4 or nft.IPv6.
func (tx *Tx) UserChain(f nft.Family) UserChainTx {
	return UserChainTx{tx, tx.fw.layout.UserChain(f)}
}

func (u UserChainTx) do(op userOp) { u.tx.user = append(u.tx.user, op) }

// Append adds a rule at the end of the chain.
func (u UserChainTx) Append(r UserRule) {
	u.do(func(b *nft.Batch) { b.AddRule(u.rule(r), 0) })
}

// Insert adds a rule at the head of the chain.
func (u UserChainTx) Insert(r UserRule) {
	u.do(func(b *nft.Batch) { b.InsertRule(u.rule(r), 0) })
}

// Delete deletes a rule that [Firewall.UserRules] has returned. The update
// fails with fs.ErrNotExist if it is not there any more.
func (u UserChainTx) Delete(r *nft.Rule) {
	u.do(func(b *nft.Batch) { b.Delete(r) })
}

// Flush deletes all rules of the chain.
func (u UserChainTx) Flush() {
	u.do(func(b *nft.Batch) { b.Flush(&nft.Chain{Table: u.chain.Table, Name: u.chain.Name}) })
}

func (u UserChainTx) rule(r UserRule) *nft.Rule {
	return &nft.Rule{Chain: u.chain, Statements: r.Statements, Comment: r.Comment}
}

// UserRules reads the rules of a family's DOCKER-USER chain from the kernel.
func (fw *Firewall) UserRules(ctx context.Context, f nft.Family) ([]*nft.Rule, error) {
	return fw.conn.LoadRules(ctx, fw.layout.UserChain(f))
}
