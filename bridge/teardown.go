package bridge

import (
	"context"
	"errors"
	"fmt"
	"time"

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
	for losses := 0; ; losses++ {
		have, err := fw.conn.Load(ctx, fw.layout.Tables()...)
		if err != nil {
			return fmt.Errorf("bridge: teardown: %w", err)
		}
		var rest nft.Ruleset
		for _, t := range have.Tables() {
			user := fw.layout.UserChain(t.Family)
			if user.Table == t.Ref() && len(have.Rules(user)) > 0 {
				if err := errors.Join(rest.Add(t), rest.Add(&nft.Chain{Table: user.Table, Name: user.Name, Open: true})); err != nil {
					return fmt.Errorf("bridge: teardown: %w", err)
				}
			}
		}
		batch := nft.Diff(have, &rest)
		start := time.Now()
		result, err := fw.conn.Commit(ctx, batch)
		if err == nil {
			fw.trace(batch, result, time.Since(start))
			return nil
		}
		if !errors.Is(err, nft.ErrGeneration) || losses == maxLosses {
			return fmt.Errorf("bridge: teardown: %w", err)
		}
	}
}
