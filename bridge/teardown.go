package bridge

import (
	"context"
	"errors"
	"fmt"

	"github.com/seawall-net/seawall/nft"
)

// Teardown removes everything of ours from the host, in one transaction, and
// closes the firewall. Rules that the user has put into DOCKER-USER are not
// ours: a chain that holds any stays, with its table, and nothing jumps to it.
func (fw *Firewall) Teardown(ctx context.Context) error {
	fw.mu.Lock()
	defer fw.mu.Unlock()
	if fw.closed {
		return ErrClosed
	}
	if fw.links != nil {
		for _, n := range fw.state.networks {
			if err := fw.links.stop(n.fact); err != nil {
				return err
			}
		}
		for f := range fw.state.forwarding {
			if err := fw.links.forward(f, false); err != nil {
				return err
			}
		}
	}
	if err := fw.teardownRules(ctx); err != nil {
		return err
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
	return errors.Join(append(errs, fw.release())...)
}

func (fw *Firewall) teardownRules(ctx context.Context) error {
	_, _, err := fw.converge(ctx, func(have *nft.Ruleset) (nft.Batch, error) {
		var rest nft.Ruleset
		for _, t := range have.Tables() {
			user := fw.layout.UserChain(t.Family)
			if user.Table == t.Ref() && len(have.Rules(user)) > 0 {
				if err := errors.Join(rest.Add(t), rest.Add(&nft.Chain{Table: user.Table, Name: user.Name, Open: true})); err != nil {
					return nft.Batch{}, err
				}
			}
		}
		return nft.Diff(have, &rest), nil
	})
	if err != nil {
		return fmt.Errorf("bridge: teardown: %w", err)
	}
	return nil
}
