package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/compat"
	"github.com/seawall-net/seawall/examples/seawallctl/plan"
	"github.com/seawall-net/seawall/nft"
	"github.com/seawall-net/seawall/portmap"
)

// rehearseMove tells why the firewall cannot have the document's layout, if it
// cannot: what is there has to fit, before it becomes what the document says.
func (a *application) rehearseMove(ctx context.Context, fw *bridge.Firewall, is *bridge.Installation) error {
	if is.Layout == a.doc.Layout {
		return nil
	}
	a.is = is
	cfg, err := a.doc.Config()
	if err != nil {
		return err
	}
	empty, err := bridge.Rehearse(cfg, func(*bridge.Tx) error { return nil })
	if err != nil {
		return err
	}
	_, err = bridge.Rehearse(cfg, func(tx *bridge.Tx) error {
		return plan.Between(empty, fw.View()).Apply(tx, anyPort, blameNobody)
	})
	if bad := (*bridge.LayoutError)(nil); errors.As(err, &bad) {
		return a.blameMove(err)
	}
	return a.checkUserRules(ctx, fw, cfg.Layout)
}

// anyPort and blameNobody are for facts that are there already.
func anyPort(portmap.Claim) error                                 { return nil }
func blameNobody(err error, _, _ string, _ *bridge.Binding) error { return err }

// checkUserRules refuses to leave the user's rules behind, as the library does.
func (a *application) checkUserRules(ctx context.Context, fw *bridge.Firewall, to bridge.Layout) error {
	have, err := fw.Ruleset(ctx)
	if err != nil {
		return err
	}
	from, err := compat.LayoutNamed(a.is.Layout)
	if err != nil {
		return err
	}
	for _, f := range []nft.Family{nft.IPv4, nft.IPv6} {
		chain := from.UserChain(f)
		if chain == (nft.ChainRef{}) || chain == to.UserChain(f) {
			continue
		}
		for _, r := range have.Rules(chain) {
			if r.Key == "" && !initial(from, f, r) {
				return a.blameMove(fmt.Errorf("chain %s has rules of the user's (the first is %s), which layout %s would not ask: "+
					"save them, flush the chain, and append them after the move: %w", chain, r, to.Name(), fs.ErrExist))
			}
		}
	}
	return nil
}

// initial tells whether a rule of DOCKER-USER is there from the start.
func initial(layout bridge.Layout, f nft.Family, r *nft.Rule) bool {
	starts, ok := layout.(bridge.UserInitializer)
	if !ok {
		return false
	}
	have, known := r.Signature()
	return known && slices.ContainsFunc(starts.InitialUserRules(f), func(r *nft.Rule) bool {
		want, _ := r.Signature()
		return want == have
	})
}

// blameMove says which line of the document asks for another layout, if that is
// why the firewall cannot be opened, and what to do.
func (a *application) blameMove(err error) error {
	if a.is == nil || a.is.Layout == a.doc.Layout {
		return err
	}
	var bad *bridge.LayoutError
	switch {
	case errors.As(err, &bad):
		err = fmt.Errorf("%w: apply the document with layout %s first, so that this goes", err, a.is.Layout)
	case errors.Is(err, fs.ErrExist): // the library says what to do
	default:
		return err
	}
	return a.doc.BlameFirewall("layout", fmt.Errorf("firewall: layout: %s cannot become %s on this host: %w", a.is.Layout, a.doc.Layout, err))
}
