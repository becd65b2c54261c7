package bridge

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/seawall-net/seawall/nft"
)

// The anchor is what stays when somebody flushes the ruleset: tables that belong
// to our socket, which others can neither change nor delete, and which go with
// the process. It keeps connections alive, since the kernel forgets translations
// with the last nat chain, and it keeps closed what the rules, which are gone, kept closed:
//
//	ours, at the end of a hook           the anchor's, right behind
//	judged: sets a bit of the mark ──►   the bit: clear it, and go on
//	by way of map kinds                  else, if it is a new flow of our networks: drop
//
// What flushes our tables takes the rules in judged along. Until they are back,
// nothing new passes. They belong to no fact: to other processes they are a user's,
// and a Teardown removes them like all that is marked as ours.
//
// When a table is deleted, the kernel (nf_tables_commit) takes the elements of all
// its maps away in one moment, and its base chains one by one, later. In between,
// rules that lead nowhere let everything pass. So what vouches has to find an
// element of a map, too: a packet that met the rules without their maps meets it
// without its own.

// anchorTable is the name of the anchor's tables, and judgedChain and
// judgedInput are chains in ours.
const (
	anchorTable = "seawall-anchor"
	judgedChain = "judged"
	judgedInput = "judged-input"
	// vouchChain is where the map leads to.
	vouchChain = "vouch"
)

// priorityJudged is behind all that judges, and the anchor is right behind that.
const (
	priorityJudged       = nft.PriorityFilter + 12
	priorityJudgedFrames = nft.PriorityBridgeFilter + 1
)

// An anchor is what the firewall knows of its own one.
type anchor struct {
	mark uint32
	host *Host
	// tables are ours: one a family.
	tables []nft.TableRef
	// shut says that nothing new passes whatever has judged it.
	shut bool
	// stale says that the sets may not be those of the facts.
	stale bool
}

// newAnchor returns an anchor that is not in the kernel.
func (fw *Firewall) newAnchor() *anchor {
	a := &anchor{mark: fw.cfg.Watch.withDefaults().JudgedMark, host: fw.state.host}
	for _, t := range fw.union.Ruleset().Tables() {
		if t.Name == tableName && !a.host.Disabled(t.Family) && (t.Family != nft.Bridge || !a.host.disabledBoth()) {
			a.tables = append(a.tables, t.Ref())
		}
	}
	return a
}

func (h *Host) disabledBoth() bool { return h.DisableIPv4 && h.DisableIPv6 }

// judgedChains are the chains of a table in which its rules vouch for what they
// have judged, while somebody watches. They are empty otherwise.
func judgedChains(t nft.TableRef) []*nft.Chain {
	chain := func(name string) *nft.Chain {
		return &nft.Chain{Table: t, Name: name, Open: true, Userdata: recordOwn, Comment: "while somebody watches: see " + anchorTable}
	}
	base := func(name string, hook nft.Hook, priority int32) *nft.Chain {
		c := chain(name)
		c.Hook, c.Priority = hook, priority
		return c
	}
	if t.Family == nft.Bridge {
		return []*nft.Chain{base(judgedChain, nft.Forward, priorityJudgedFrames), chain(vouchChain)}
	}
	return []*nft.Chain{base(judgedChain, nft.Forward, priorityJudged), base(judgedInput, nft.Input, priorityJudged), chain(vouchChain)}
}

// kinds is the map by which what is judged is vouched for: it has every packet.
func kinds(t nft.TableRef) *nft.Set {
	return &nft.Set{Table: t, Name: "kinds", Key: nft.TypePktType, Data: nft.TypeVerdict, Userdata: recordOwn}
}

// addJudged adds to a table what the anchor needs there.
func addJudged(t nft.TableRef, add func(nft.Object)) {
	for _, c := range judgedChains(t) {
		add(c)
	}
	add(kinds(t))
	for kind := nft.PacketHost; kind <= nft.PacketOther; kind++ {
		add(&nft.Element{Set: kinds(t).Ref(), Key: nft.Key(nft.Byte(uint8(kind))), Verdict: nft.Jump(vouchChain)})
	}
}

// isJudged tells whether an object is one of the chains judged, or in one.
func (a *anchor) isJudged(id nft.ID) bool {
	return a != nil && slices.Contains([]string{judgedChain, judgedInput, vouchChain}, id.Name) && slices.Contains(a.tables, id.Table)
}

// vouch adds to a batch what is missing of the rules that vouch, with a ruleset as
// it was before a repair.
func (a *anchor) vouch(have *nft.Ruleset, b *nft.Batch) {
	for _, t := range a.tables {
		for _, c := range judgedChains(t) {
			does := nft.Mark.SetBits(a.mark)
			if c.Name != vouchChain {
				does = nft.MetaPktType.VMap(*kinds(t))
			}
			rule := &nft.Rule{Chain: c.Ref(), Statements: []nft.Statement{does}, Userdata: recordOwn}
			if there, _ := have.Lookup(c.ID()).(*nft.Chain); there != nil && sameBase(there, c) {
				rules := have.Rules(c.Ref())
				if len(rules) == 1 && sameButName(rules[0], rule) {
					continue
				}
				if len(rules) > 0 {
					b.Flush(c)
				}
			}
			b.AddRule(rule, 0)
		}
	}
}

// repairJudged repairs the ruleset under the anchor. What vouches comes in a
// commit of its own: in one, the kernel puts it in force before what judges.
func (fw *Firewall) repairJudged(ctx context.Context, also func(have *nft.Ruleset, b *nft.Batch) error) (objects int, err error) {
	var late nft.Batch
	objects, err = fw.repair(ctx, func(have *nft.Ruleset, b *nft.Batch) error {
		late = nft.Batch{}
		if fw.anchor != nil {
			fw.anchor.vouch(have, &late)
		}
		return also(have, b)
	})
	if err == nil {
		err = fw.commitAside(ctx, late)
	}
	if errors.Is(err, unix.ENOENT) {
		err = nil // the next damage is there already, and will be heard of
	}
	return objects + late.Len(), err
}

// sameBase tells whether a chain runs where another does.
func sameBase(a, b *nft.Chain) bool {
	return a.Hook == b.Hook && a.Priority == b.Priority && a.Type == b.Type && a.Policy == b.Policy
}

// raise adds the anchor's tables to a repair.
func (a *anchor) raise(s *state, b *nft.Batch) {
	for _, t := range a.tables {
		own := nft.TableRef{Family: t.Family, Name: anchorTable}
		b.Create(&nft.Table{Family: t.Family, Name: anchorTable, Flags: nft.TableOwner, Comment: "goes with the process that watches"})
		for _, set := range anchorSets(own) {
			b.Create(set)
		}
		chains, rules := a.content(own)
		for _, c := range chains {
			b.Create(c)
		}
		for _, r := range rules {
			b.AddRule(r, 0)
		}
	}
	a.fill(s, b)
}

// fill adds what the facts put into the anchor's sets.
func (a *anchor) fill(s *state, b *nft.Batch) {
	for _, n := range s.networks {
		b.Create(a.elements(n.fact)...)
		for _, e := range n.endpoints {
			b.Create(a.elements(e.fact)...)
		}
	}
}

// follow adds to an update's batch what its facts change about the anchor, or
// what taking it back does.
func (a *anchor) follow(s *state, log []applied, back bool, b *nft.Batch) {
	if a == nil {
		return
	}
	if a.stale {
		for _, t := range a.tables {
			for _, set := range anchorSets(nft.TableRef{Family: t.Family, Name: anchorTable}) {
				b.Flush(set)
			}
		}
		a.fill(s, b)
		return
	}
	each := func(f applied) {
		if f.add != back {
			b.Create(a.elements(f.fact)...)
		} else {
			b.Delete(a.elements(f.fact)...)
		}
	}
	if back {
		for _, f := range slices.Backward(log) {
			each(f)
		}
		return
	}
	for _, f := range log {
		each(f)
	}
}

// committed says that a batch of follow was.
func (a *anchor) committed() {
	if a != nil {
		a.stale = false
	}
}

// outdated says that facts have come or gone without an update.
func (a *anchor) outdated() {
	if a != nil {
		a.stale = true
	}
}

// setShut makes the anchor let nothing new pass, whatever has judged it, or not.
func (fw *Firewall) setShut(ctx context.Context, shut bool) error {
	a := fw.anchor
	if a == nil || a.shut == shut {
		return nil
	}
	a.shut = shut
	var b nft.Batch
	for _, t := range a.tables {
		chains, rules := a.content(nft.TableRef{Family: t.Family, Name: anchorTable})
		for _, c := range chains {
			if c.Type != nft.NATChain {
				b.Flush(c)
			}
		}
		for _, r := range rules {
			b.AddRule(r, 0)
		}
	}
	if err := fw.commitAside(ctx, b); err != nil {
		a.shut = !shut
		return fmt.Errorf("bridge: anchor: %w", err)
	}
	return nil
}

// commitAside commits what is no part of the ruleset that is compared.
func (fw *Firewall) commitAside(ctx context.Context, b nft.Batch) error {
	if b.Generation = fw.generation; b.Len() == 0 {
		return nil
	}
	r, err := fw.conn.Commit(ctx, b)
	if errors.Is(err, nft.ErrGeneration) {
		b.Generation = 0 // the next update will find out what the others have done
		_, err = fw.conn.Commit(ctx, b)
		return err
	}
	if err == nil {
		fw.generation = r.Generation
	}
	return err
}

// refillAnchor brings the anchor into line with facts that came without an
// update.
func (fw *Firewall) refillAnchor(ctx context.Context) error {
	if fw.anchor == nil {
		return nil
	}
	var b nft.Batch
	fw.anchor.stale = true
	fw.anchor.follow(fw.state, nil, false, &b)
	err := fw.commitAside(ctx, b)
	fw.anchor.stale = err != nil
	return err
}

// dropAnchor removes the anchor, and what belongs to it in our tables.
func (fw *Firewall) dropAnchor(ctx context.Context) error {
	a := fw.anchor
	if a == nil || fw.closed {
		return nil
	}
	fw.anchor = nil
	// What vouches goes last: nobody must miss it.
	var tables, rules nft.Batch
	for _, t := range a.tables {
		tables.Delete(&nft.Table{Family: t.Family, Name: anchorTable})
	}
	err := fw.commitAside(ctx, tables)
	if err == nil {
		var have *nft.Ruleset
		if have, err = fw.conn.LoadChains(ctx, a.tables...); err == nil {
			for _, t := range a.tables {
				for _, c := range judgedChains(t) {
					if len(have.Rules(c.Ref())) > 0 {
						rules.Flush(c)
					}
				}
			}
			err = fw.commitAside(ctx, rules)
		}
	}
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("bridge: remove the anchor: %w", err)
	}
	return nil
}

// noAnchor tells whether an error means that there can be no anchor, and why.
func noAnchor(err error) (reason string, ok bool) {
	var refused *nft.ObjectError
	if !errors.As(err, &refused) || refused.ID.Table.Name != anchorTable {
		return "", false
	}
	switch {
	case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EINVAL):
		return "the kernel has no tables that belong to a socket (Linux 5.12)", true
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EEXIST):
		return "table " + refused.ID.Table.String() + " is another process's, which watches, too", true
	}
	return err.Error(), true
}
