package bridge

import (
	"errors"
	"fmt"
	"slices"

	"github.com/seawall-net/seawall/nft"
)

// moveOver makes facts and union of what another layout, Config.Former, has left in
// the kernel, and returns the batch that turns its objects into those of this one.
func (fw *Firewall) moveOver(have *nft.Ruleset, records []record) (was former, b nft.Batch, err error) {
	to, from := fw.layout, fw.cfg.Former
	defer func() { fw.layout = to }()
	fw.layout = from
	before := &records[0].host
	before.record = before.encode(from.Name())
	if err := fw.restore(before, records[1:]); err != nil {
		return was, b, err
	}
	recognise(have, fw.union.Ruleset())
	fw.union.SetHandles(have, nft.Result{})
	was = former{before, fw.union.Ruleset()}
	if drift := nft.Diff(have.Only(from.Tables()...), was.own); drift.Len() > 0 {
		return was, b, &DriftError{Repair: drift}
	}
	if err := checkUserRules(have, from, to); err != nil {
		return was, b, err
	}
	staying := fw.stayBehind(have, was.own)
	old, policies := fw.movePolicies(have, records, to)

	fw.layout = to
	host := fw.cfg.host()
	host.record = host.encode(to.Name())
	if err := fw.restore(host, records[1:]); err != nil {
		return was, b, err
	}
	if b, err = fw.replace(have, was.own, staying); err != nil {
		return was, b, err
	}
	for _, c := range old {
		if id := chainID(c); staying[id] || fw.union.Lookup(id) != nil {
			b.SetPolicy(&nft.Chain{Table: c.Table, Name: c.Name, Policy: nft.PolicyAccept})
		}
	}
	b.Append(policies)
	leaveInitialRules(have, from, to, &b)
	fw.initUserChains(have, &b)
	return was, b, nil
}

// checkUserRules refuses to leave the user's rules where nothing asks them any
// more.
func checkUserRules(have *nft.Ruleset, from, to Layout) error {
	for _, f := range []nft.Family{nft.IPv4, nft.IPv6} {
		chain := from.UserChain(f)
		if chain == (nft.ChainRef{}) || chain == to.UserChain(f) {
			continue
		}
		for _, r := range have.Rules(chain) {
			if r.Key == "" && r.Userdata != recordOwn {
				return fmt.Errorf("chain %s has rules of the user's (the first is %s), which layout %s would not ask: "+
					"save them, flush the chain, and append them after the move: %w", chain, r, to.Name(), errExist)
			}
		}
	}
	return nil
}

// stayBehind returns the tables and chains of the layout that stay although it
// goes, since others use them or had them before.
func (fw *Firewall) stayBehind(have, own *nft.Ruleset) map[nft.ID]bool {
	stays := map[nft.ID]bool{}
	for _, t := range have.Only(fw.layout.Tables()...).Tables() {
		stays[t.ID()] = foundTable(t, own) || slices.ContainsFunc(have.Sets(t.Ref()), func(s *nft.Set) bool {
			return !s.Anonymous() && own.Lookup(s.ID()) == nil
		})
		for _, c := range have.Chains(t.Ref()) {
			if fw.outlives(have, own, c) {
				stays[c.ID()], stays[t.ID()] = true, true
			}
		}
	}
	return stays
}

// movePolicies returns the chains whose policy the layout has set for forwarding,
// and sets those that the other one has for it; the facts in records tell of the
// latter.
func (fw *Firewall) movePolicies(have *nft.Ruleset, records []record, to Layout) (set []nft.ChainRef, b nft.Batch) {
	other := &Firewall{layout: to, state: fw.state}
	for i, r := range records {
		if r.kind != recordForward {
			continue
		}
		old, wanted := fw.policyChain(r.family), other.policyChain(r.family)
		if old == wanted {
			continue
		}
		if c, _ := have.Lookup(chainID(old)).(*nft.Chain); c != nil && fw.hasSetPolicy(c) {
			set = append(set, old)
		}
		c, _ := have.Lookup(chainID(wanted)).(*nft.Chain)
		records[i].policy = wanted != (nft.ChainRef{}) && (c == nil || c.Policy != nft.PolicyDrop)
		if records[i].policy {
			b.SetPolicy(&nft.Chain{Table: wanted.Table, Name: wanted.Name, Policy: nft.PolicyDrop})
		}
	}
	return set, b
}

func chainID(c nft.ChainRef) nft.ID {
	return nft.ID{Kind: nft.KindChain, Table: c.Table, Name: c.Name}
}

// replace returns the batch that turns the objects of ours, own, into what the
// facts need in another layout. Others' objects are not looked at.
func (fw *Firewall) replace(have, own *nft.Ruleset, staying map[nft.ID]bool) (nft.Batch, error) {
	want := fw.union.Ruleset()
	from, err := closed(own)
	if err != nil {
		return nft.Batch{}, err
	}
	to, err := closed(want)
	if err != nil {
		return nft.Batch{}, err
	}
	var errs []error
	for o := range want.Objects() {
		switch {
		case own.Lookup(o.ID()) != nil || have.Lookup(o.ID()) == nil:
		case !shared(o):
			errs = append(errs, fmt.Errorf("%s is needed, but is there and somebody else's: %w", o.ID(), errExist))
		default: // it is as it is
			if t, ok := o.(*nft.Table); ok {
				o = closedTable(t)
			}
			errs = append(errs, from.Add(o))
		}
	}
	for o := range own.Objects() {
		if staying[o.ID()] && to.Lookup(o.ID()) == nil {
			if t, ok := o.(*nft.Table); ok {
				o = closedTable(t)
			}
			errs = append(errs, to.Add(o))
		}
	}
	b := nft.Diff(from, to)
	b.Generation = have.Generation
	return b, errors.Join(errs...)
}

// leaveInitialRules deletes the rules that a layout has put into DOCKER-USER, where
// the other one has that chain, too, but not the rules.
func leaveInitialRules(have *nft.Ruleset, from, to Layout, b *nft.Batch) {
	if _, ok := to.(UserInitializer); ok {
		return // it appends those that are missing
	}
	for _, f := range []nft.Family{nft.IPv4, nft.IPv6} {
		if chain := from.UserChain(f); chain != (nft.ChainRef{}) && chain == to.UserChain(f) {
			for _, r := range have.Rules(chain) {
				if r.Key == "" && r.Userdata == recordOwn {
					b.Delete(r)
				}
			}
		}
	}
}
