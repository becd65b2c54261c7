package bridge

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/seawall-net/seawall/nft"
	"golang.org/x/sys/unix"
)

// Teardown removes everything of ours from the host, in one transaction, and
// closes the firewall. What users have put into our tables is not ours: a
// DOCKER-USER chain that holds rules, and chains and sets of their own, stay, with
// the table, and nothing of ours jumps to them.
//
// A process that watches the same host takes it for what it is: see [ErrTornDown].
//
// If such a chain leads to one of ours other than DOCKER-USER, or uses one of our
// sets, Teardown changes nothing and fails with an error that matches
// unix.EBUSY and says which.
func (fw *Firewall) Teardown(ctx context.Context) error {
	fw.mu.Lock()
	defer fw.mu.Unlock()
	if fw.closed {
		return ErrClosed
	}
	all := &Tx{fw: fw}
	for _, n := range fw.state.networks {
		all.record(applied{fact: n.fact})
	}
	for _, f := range fw.state.forwarding {
		all.record(applied{fact: f})
	}
	links, err := fw.prepareLinks(all)
	if err != nil {
		return err
	}
	if err := fw.teardownRules(ctx); err != nil {
		return errors.Join(fmt.Errorf("bridge: teardown: %w", err), links.run())
	}
	var errs []error
	if fw.links != nil {
		var names []string
		for _, n := range fw.state.networks {
			// The bridge does not take its ports along.
			for _, e := range n.endpoints {
				names = append(names, e.fact.Spec.HostIfName)
			}
			names = append(names, n.fact.Spec.Bridge)
		}
		errs = append(errs, fw.links.removeAll(names))
	}
	fw.flows.owe(all.log)
	fw.purge(ctx)
	return errors.Join(append(errs, fw.release())...)
}

func (fw *Firewall) teardownRules(ctx context.Context) error {
	own := fw.union.Ruleset()
	have, _, err := fw.converge(ctx, opTeardown, func(have *nft.Ruleset) (nft.Batch, error) {
		recognise(have, own)
		b, err := fw.dismantle(have, own)
		if b.Len() > 0 {
			markTeardown(&b)
		}
		return b, err
	})
	return fw.explainBusy(have, own, err)
}

// explainBusy adds to an error what keeps one of our own objects from going, if
// that is it.
func (fw *Firewall) explainBusy(have, own *nft.Ruleset, err error) error {
	var refused *nft.ObjectError
	if have != nil && errors.As(err, &refused) && errors.Is(err, unix.EBUSY) {
		what := "something in that table that is not ours"
		for o := range leadTo(have, own, refused.ID) {
			what = container(o).String()
			if r, ok := o.(*nft.Rule); ok {
				what += fmt.Sprintf(" (%s)", r)
			}
			break
		}
		return fmt.Errorf("%s is used by %s, which has to go first: %w", refused.ID, what, err)
	}
	return err
}

// dismantle returns the batch that deletes ours, and the tables that are ours and
// in which there is nothing else.
func (fw *Firewall) dismantle(have, own *nft.Ruleset) (nft.Batch, error) {
	var policies nft.Batch
	var ours, rest nft.Ruleset // without contents: those go with the containers
	var errs []error
	for _, loaded := range have.Tables() {
		t := closedTable(loaded)
		errs = append(errs, ours.Add(t))
		stays, stray := foundTable(loaded, own), strays(have, own, t.Ref())
		for _, c := range have.Chains(t.Ref()) {
			if !fw.outlives(have, own, c) || slices.Contains(stray, nft.Object(c)) {
				errs = append(errs, ours.Add(c))
				continue
			}
			stays = true
			if fw.hasSetPolicy(c) {
				policies.SetPolicy(&nft.Chain{Table: c.Table, Name: c.Name})
			}
			if rules := ownRules(have, c); len(rules) > 0 {
				open := *c
				open.Open = true
				errs = append(errs, ours.Add(&open))
				for _, r := range rules {
					errs = append(errs, ours.Add(r))
				}
			}
		}
		for _, s := range have.Sets(t.Ref()) {
			switch {
			case s.Anonymous(): // goes with its rule, or stays with it
			case own.Lookup(s.ID()) == nil && !slices.Contains(stray, nft.Object(s)):
				stays = true
			default:
				errs = append(errs, ours.Add(s))
			}
		}
		if stays {
			errs = append(errs, rest.Add(t))
			for _, c := range ours.Chains(t.Ref()) {
				if c.Open {
					errs = append(errs, rest.Add(c))
				}
			}
		}
	}
	b := nft.Diff(&ours, &rest)
	b.Append(policies)
	return b, errors.Join(errs...)
}

// foundTable tells whether a table was not made for the layout, or is none of
// its tables that only it uses.
func foundTable(t *nft.Table, own *nft.Ruleset) bool {
	if want, _ := own.Lookup(t.ID()).(*nft.Table); want != nil && want.Userdata == "" {
		return false
	}
	return t.Userdata != recordOwn
}

// outlives tells whether a chain stays behind after a teardown: others use it, or
// it was there before.
func (fw *Firewall) outlives(have, own *nft.Ruleset, c *nft.Chain) bool {
	want, _ := own.Lookup(c.ID()).(*nft.Chain)
	made := c.Userdata == recordOwn
	switch {
	case want == nil && !made:
		return true
	case want != nil && want.Shared && c.Hook != nft.NoHook && !made, c.Policy != nft.PolicyAccept && !fw.hasSetPolicy(c):
		return true
	case want != nil && !want.Open && !want.Shared:
		return false
	}
	if slices.ContainsFunc(have.Rules(c.Ref()), func(r *nft.Rule) bool { return r.Key == "" && r.Userdata != recordOwn }) {
		return true
	}
	for range leadTo(have, own, c.ID()) {
		return true
	}
	return false
}

// ownRules returns the rules in a chain that are ours, although it is not, or not
// ours alone.
func ownRules(have *nft.Ruleset, c *nft.Chain) []*nft.Rule {
	var out []*nft.Rule
	for _, r := range have.Rules(c.Ref()) {
		switch {
		case r.Key != "":
			out = append(out, r)
		case r.Userdata == recordOwn:
			named := *r
			named.Key = fmt.Sprint("initial ", r.Handle) // for Diff, which takes rules without a key for others'
			out = append(out, &named)
		}
	}
	return out
}
