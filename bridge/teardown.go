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
		for _, n := range fw.state.networks {
			// The bridge does not take its ports along.
			for _, e := range n.endpoints {
				errs = append(errs, fw.links.disconnect(e.fact))
			}
			errs = append(errs, fw.links.remove(n.fact))
		}
	}
	fw.flows.owe(all.log)
	fw.purge(ctx)
	return errors.Join(append(errs, fw.release())...)
}

func (fw *Firewall) teardownRules(ctx context.Context) error {
	own := fw.union.Ruleset()
	have, _, err := fw.converge(ctx, opTeardown, func(have *nft.Ruleset) (nft.Batch, error) { return fw.dismantle(have, own) })
	return fw.explainBusy(have, own, err)
}

// explainBusy adds to an error what keeps one of our own objects from going, if
// that is it.
func (fw *Firewall) explainBusy(have, own *nft.Ruleset, err error) error {
	var refused *nft.ObjectError
	if have != nil && errors.As(err, &refused) && errors.Is(err, unix.EBUSY) {
		what := "something in that table that is not ours"
		for o := range fw.leadTo(have, own, refused.ID) {
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

// dismantle returns the batch that deletes ours, and the tables in which there
// is nothing else.
func (fw *Firewall) dismantle(have, own *nft.Ruleset) (nft.Batch, error) {
	var ours, rest nft.Ruleset // without contents: those go with the containers
	var errs []error
	for _, t := range have.Tables() {
		user, stays := fw.layout.UserChain(t.Family), false
		errs = append(errs, ours.Add(t))
		stray := strays(have, own, t.Ref())
		for _, c := range have.Chains(t.Ref()) {
			if own.Lookup(c.ID()) == nil && !slices.Contains(stray, nft.Object(c)) || c.Ref() == user && fw.inUse(have, own, c) {
				stays = true
			} else {
				errs = append(errs, ours.Add(c))
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
		}
	}
	return nft.Diff(&ours, &rest), errors.Join(errs...)
}

// inUse tells whether a user's chain has rules, or others lead to it.
func (fw *Firewall) inUse(have, own *nft.Ruleset, user *nft.Chain) bool {
	for range fw.leadTo(have, own, user.ID()) {
		return true
	}
	return len(have.Rules(user.Ref())) > 0
}
