package compat

import (
	"context"
	"fmt"
	"io/fs"
	"slices"

	"github.com/seawall-net/seawall/compat/iptables"
	"github.com/seawall-net/seawall/nft"
)

// ParseSave is [iptables.ParseSave].
func ParseSave(f nft.Family, text string) (*iptables.Save, error) {
	save, err := iptables.ParseSave(f, text)
	if err != nil {
		return nil, fmt.Errorf("compat: %w", err)
	}
	return save, nil
}

// Save returns DOCKER-USER and the user's chains that it leads to, with their
// counters, as a file of iptables-save: of table filter, whatever the layout. It
// fails if a rule cannot be said in iptables' syntax: nothing is left out.
func (c UserChain) Save(ctx context.Context) (*iptables.Save, error) {
	t, err := c.load(ctx)
	if err != nil {
		return nil, fmt.Errorf("compat: chain %s: save: %w", c.ref(), err)
	}
	table := iptables.SaveTable{Name: "filter"}
	for _, name := range t.reachable() {
		chain := iptables.SaveChain{Name: name}
		for _, r := range t.list(t.ref.Table.Chain(name)) {
			if r.Err != nil {
				return nil, fmt.Errorf("compat: chain %s: save: rule %d of %s: %w", c.ref(), r.Number, name, r.Err)
			}
			chain.Rules = append(chain.Rules, r.Rule)
		}
		table.Chains = append(table.Chains, chain)
	}
	return &iptables.Save{Family: c.Family, Tables: []iptables.SaveTable{table}}, nil
}

// Restore puts a file of iptables-save into the kernel, in one transaction. Its
// chains become the user's: DOCKER-USER, which is emptied if the file does not
// have it, and those beside it; what DOCKER-USER led to before and the file does
// not have is deleted, unless others' rules lead there. With add nothing is
// deleted, and the file's rules come behind those that are there.
//
// A file with another table than filter, or with a chain that is not the user's,
// such as FORWARD, is refused, and so is everything that Append refuses.
func (c UserChain) Restore(ctx context.Context, save *iptables.Save, add bool) error {
	return c.edit(ctx, "restore", func(t *userTable, b *nft.Batch) error { return t.restore(save, add, b) })
}

// PlanRestore returns what Restore would do as the chains are now, for
// [bridge.Tx.EditUserChains]: so that it is one transaction with other changes. If
// others change the chains meanwhile, the update may fail with fs.ErrNotExist or
// fs.ErrExist; then the plan has to be made anew.
func (c UserChain) PlanRestore(ctx context.Context, save *iptables.Save, add bool) (b nft.Batch, err error) {
	t, err := c.load(ctx)
	if err == nil {
		err = t.restore(save, add, &b)
	}
	if err != nil {
		return nft.Batch{}, fmt.Errorf("compat: chain %s: restore: %w", c.ref(), err)
	}
	return b, nil
}

// restore adds what Restore does to a batch.
func (t *userTable) restore(save *iptables.Save, add bool, b *nft.Batch) error {
	if save.Family != t.c.Family {
		return fmt.Errorf("the file is for family %s: %w", save.Family, fs.ErrInvalid)
	}
	var chains []iptables.SaveChain
	for _, table := range save.Tables {
		if table.Name != "filter" {
			return fmt.Errorf("table %s: the user's chains are in table filter: %w", table.Name, fs.ErrInvalid)
		}
		chains = append(chains, table.Chains...)
	}
	var names []string
	for _, chain := range chains {
		if chain.Base || t.c.Firewall.Owns(t.ref.Table.Chain(chain.Name)) {
			return fmt.Errorf("chain %s is not the user's: %w", chain.Name, fs.ErrInvalid)
		}
		names = append(names, chain.Name)
	}
	old := t.reachable()
	if !add {
		for _, name := range t.replaced(old, names) {
			b.Flush(t.chainOf(name))
		}
	}
	for _, name := range names {
		if !t.has(name) {
			b.Create(t.chainOf(name))
		}
	}
	for _, chain := range chains {
		made, err := t.compileSaved(chain, names)
		if err != nil {
			return err
		}
		for _, r := range made {
			b.AddRule(r, 0)
		}
	}
	if !add {
		for _, name := range t.replaced(old, nil)[1:] {
			if !slices.Contains(names, name) {
				b.Delete(t.chainOf(name))
			}
		}
	}
	return nil
}

// compileSaved makes the rules of a chain of a file, all of whose chains there
// will be.
func (t *userTable) compileSaved(chain iptables.SaveChain, all []string) ([]*nft.Rule, error) {
	rules, err := t.resolve(chain.Rules)
	if err != nil {
		return nil, fmt.Errorf("chain %s: %w", chain.Name, err)
	}
	ref := t.ref.Table.Chain(chain.Name)
	var out []*nft.Rule
	for i, r := range rules {
		statements, comment, err := r.Statements(ref)
		made := &nft.Rule{Chain: ref, Statements: statements, Comment: comment}
		if err == nil {
			err = t.targets(made, all)
		}
		if err != nil {
			return nil, fmt.Errorf("rule %d of chain %s: %w", i+1, chain.Name, err)
		}
		out = append(out, made)
	}
	return out, nil
}

// replaced are the chains whose rules go: DOCKER-USER, those that it leads to and
// nobody else does, and those named that there are.
func (t *userTable) replaced(old, named []string) []string {
	out := old[:1:1]
	for _, name := range old[1:] {
		if slices.Contains(named, name) || !t.usedBeside(old, name) {
			out = append(out, name)
		}
	}
	for _, name := range named {
		if t.has(name) && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

// usedBeside tells whether a rule outside of some chains leads to one of them.
func (t *userTable) usedBeside(chains []string, name string) bool {
	for _, c := range t.loaded.Chains(t.ref.Table) {
		if slices.Contains(chains, c.Name) {
			continue
		}
		for _, r := range t.loaded.Rules(c.Ref()) {
			if slices.Contains(leadsTo(r), name) {
				return true
			}
		}
	}
	return false
}

func (t *userTable) has(name string) bool { return t.loaded.Lookup(t.chainOf(name).ID()) != nil }

func (t *userTable) chainOf(name string) *nft.Chain {
	return &nft.Chain{Table: t.ref.Table, Name: name}
}
