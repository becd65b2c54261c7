package bridge

import (
	"context"
	"fmt"
	"slices"

	"github.com/seawall-net/seawall/nft"
)

// What users have in DOCKER-USER is theirs: an edit of it is no damage. But when
// somebody flushes everything, it goes along, and nobody meant to open what it
// closed. So its content is remembered, with the chains and sets that it leads
// to, and put back after that.

// A keeper puts back what users have had in our tables: Firewall.users.
type keeper struct {
	// dirty says that this is not what is there any more.
	dirty bool
	// wiped are tables whose content went together with ours.
	wiped map[nft.TableRef]bool
	// restored are chains that were put back, and not edited since.
	restored map[nft.ChainRef]bool
	// lost is why something could not be put back.
	lost error
	// count is how many rules were put back last.
	count int
}

// A keptTable is what is reached from one DOCKER-USER: chains and sets in no
// order, rules in theirs.
type keptTable struct {
	chains   []*nft.Chain
	rules    map[nft.ChainRef][]*nft.Rule
	sets     []*nft.Set
	elements map[nft.SetRef][]*nft.Element
}

// userTables are the tables that users' chains are looked at in. fw.mu is held.
func (fw *Firewall) userTables() []nft.TableRef {
	var out []nft.TableRef
	for _, f := range []nft.Family{nft.IPv4, nft.IPv6} {
		if fw.checkEnabled(f) == nil {
			out = append(out, fw.layout.UserChain(f).Table)
		}
	}
	return out
}

// loadUsers reads what users have now. fw.mu is held.
func (fw *Firewall) loadUsers(ctx context.Context) (kept map[nft.TableRef]*keptTable, generation uint32, err error) {
	tables := fw.userTables()
	kept = map[nft.TableRef]*keptTable{}
	if len(tables) == 0 {
		return kept, 0, nil
	}
	have, err := fw.conn.LoadChains(ctx, tables...)
	wanted := map[nft.SetRef]bool{}
	for err == nil {
		more := false
		for _, t := range tables {
			var sets []nft.SetRef
			kept[t], sets = fw.reached(have, t)
			for _, s := range sets {
				more = more || !wanted[s]
				wanted[s] = true
			}
		}
		if !more {
			return kept, have.Generation, nil
		}
		have, err = fw.conn.LoadSome(ctx, func(s nft.SetRef) bool { return wanted[s] }, tables...)
	}
	return nil, 0, err
}

// rememberUsers notes what users have since an update of ours, if somebody watches
// and nobody has been faster. fw.mu is held.
func (fw *Firewall) rememberUsers(ctx context.Context) {
	if !fw.watched {
		return
	}
	if users, generation, err := fw.loadUsers(ctx); err == nil && generation == fw.generation {
		fw.users, fw.usersSeen = users, generation
	}
}

// reached collects what DOCKER-USER leads to in its table, and names the sets
// that are asked, whether they were loaded or not.
func (fw *Firewall) reached(have *nft.Ruleset, t nft.TableRef) (k *keptTable, asked []nft.SetRef) {
	k = &keptTable{rules: map[nft.ChainRef][]*nft.Rule{}, elements: map[nft.SetRef][]*nft.Element{}}
	todo := []string{fw.layout.UserChain(t.Family).Name}
	seen := map[string]bool{}
	for len(todo) > 0 {
		ref := t.Chain(todo[0])
		todo = todo[1:]
		c, _ := have.Lookup(nft.ID{Kind: nft.KindChain, Table: t, Name: ref.Name}).(*nft.Chain)
		if c == nil || seen[ref.Name] || fw.owns(ref) {
			continue
		}
		seen[ref.Name] = true
		k.chains = append(k.chains, c)
		k.rules[ref] = have.Rules(ref)
		for _, r := range k.rules[ref] {
			todo = append(todo, r.Chains()...)
			for _, name := range r.Sets() {
				s, _ := have.Lookup(nft.ID{Kind: nft.KindSet, Table: t, Name: name}).(*nft.Set)
				switch {
				case fw.union.Lookup(nft.ID{Kind: nft.KindSet, Table: t, Name: name}) != nil:
				case s == nil:
					asked = append(asked, t.Set(name))
				case k.elements[s.Ref()] == nil:
					k.sets = append(k.sets, s)
					k.elements[s.Ref()] = append([]*nft.Element{}, have.Elements(s.Ref())...)
					for _, e := range k.elements[s.Ref()] {
						if e.Verdict.Chain != "" {
							todo = append(todo, e.Verdict.Chain)
						}
					}
					asked = append(asked, s.Ref())
				}
			}
		}
	}
	return k, asked
}

// restore adds to a repair what users have lost together with us, and returns
// how many rules that is. fw.mu is held.
func (k *keeper) restore(fw *Firewall, have *nft.Ruleset, b *nft.Batch) (rules int) {
	k.lost = nil
	for t := range k.wiped {
		kept := fw.users[t]
		if kept == nil {
			continue
		}
		names := kept.addSets(k, have, b)
		for _, c := range kept.chains {
			if have.Lookup(c.ID()) == nil && fw.union.Lookup(c.ID()) == nil {
				b.Add(&nft.Chain{Table: c.Table, Name: c.Name, Comment: c.Comment, Userdata: c.Userdata})
			}
		}
		kept.addElements(k, have, names, b)
		for _, c := range kept.chains {
			if len(have.Rules(c.Ref())) > 0 {
				continue // somebody has been faster, and wants it so
			}
			for _, r := range kept.rules[c.Ref()] {
				again := *r
				again.Handle = 0
				for from, to := range names {
					again = *again.WithSet(from, to)
				}
				err := again.Sendable()
				if err == nil {
					err = kept.sendableSets(r)
				}
				if err != nil {
					k.lost = err
					continue
				}
				b.AddRule(&again, 0)
				k.restored[c.Ref()] = true
				rules++
			}
		}
	}
	return rules + k.halve(fw, have, b)
}

// addSets adds sets that are missing, and returns the names of those that get
// another one: sets that were written into a rule.
func (t *keptTable) addSets(k *keeper, have *nft.Ruleset, b *nft.Batch) (names map[string]string) {
	names = map[string]string{}
	for _, s := range t.sets {
		name := s.Name
		if s.Anonymous() {
			name = keptPrefix + s.Name
			names[s.Name] = name
		}
		if have.Lookup(nft.ID{Kind: nft.KindSet, Table: s.Table, Name: name}) != nil {
			continue
		}
		again := s.Named(name)
		if err := again.Sendable(); err != nil {
			k.lost = err
			continue
		}
		b.Add(again)
	}
	return names
}

// sendableSets returns an error if a set that a rule asks cannot be made again.
func (t *keptTable) sendableSets(r *nft.Rule) error {
	for _, s := range t.sets {
		if slices.Contains(r.Sets(), s.Name) {
			if err := s.Named(s.Name).Sendable(); err != nil {
				return fmt.Errorf("%s: %w", s.ID(), err)
			}
		}
	}
	return nil
}

func (t *keptTable) addElements(k *keeper, have *nft.Ruleset, names map[string]string, b *nft.Batch) {
	for _, s := range t.sets {
		name := s.Name
		if names[name] != "" {
			name = names[name]
		}
		if s.Named(name).Sendable() != nil || have.Lookup(nft.ID{Kind: nft.KindSet, Table: s.Table, Name: name}) != nil {
			continue
		}
		for _, e := range t.elements[s.Ref()] {
			again := *e
			again.Set = s.Table.Set(name)
			if err := again.Sendable(); err != nil {
				k.lost = err
				continue
			}
			b.Add(&again)
		}
	}
}
