package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/compat"
)

func rebuildCommand() *command {
	c := newCommand("rebuild", "rebuild",
		"find out networks, endpoints and ports from rules that were saved and loaded as text",
		"seawallctl rebuild    # after a start with a file of nft list ruleset",
		"seawallctl --netns blue rebuild --json")
	c.run = func(ctx context.Context, s *session) error {
		if err := s.none(); err != nil {
			return err
		}
		r, err := rebuildAny(ctx)
		if errors.Is(err, fs.ErrNotExist) {
			return errNoFirewall
		}
		if errors.Is(err, fs.ErrExist) {
			return errors.New("nothing is lost: the firewall has its records")
		}
		if err != nil {
			return err
		}
		if s.json {
			return s.printJSON(map[string]any{
				"layout": r.Layout, "networks": r.Networks, "endpoints": r.Endpoints, "bindings": r.Bindings,
				"lost": r.Lost, "generation": r.Generation,
			})
		}
		fmt.Fprintf(s.stdout, "rebuilt, layout %s: %d networks, %d endpoints, %d published\n", r.Layout, r.Networks, r.Endpoints, r.Bindings)
		if r.Lost > 0 {
			fmt.Fprintf(s.stdout, "lost: %d publications or links that open nothing\n", r.Lost)
		}
		return nil
	}
	return c
}

// rebuildAny tries the layouts whose rules tell their facts: which one it was is in
// the records, too. A hybrid firewall has chains that a native one has not.
func rebuildAny(ctx context.Context) (r *bridge.Rebuilt, err error) {
	for _, name := range []string{"hybrid", "native"} {
		layout, lerr := compat.LayoutNamed(name)
		if lerr != nil {
			return nil, lerr
		}
		var damaged *bridge.RebuildError
		var now error
		if r, now = bridge.Rebuild(ctx, bridge.Config{Layout: layout}); !errors.As(now, &damaged) {
			return r, now
		}
		err = closer(err, now)
	}
	return nil, err
}

// closer is the error of the layout that comes closer to the rules.
func closer(a, b error) error {
	size := func(err error) int {
		var damaged *bridge.RebuildError
		if errors.As(err, &damaged) && damaged.Err == nil {
			return len(damaged.Missing) + len(damaged.Extra)
		}
		return 1 << 20
	}
	if a == nil || size(b) <= size(a) {
		return b
	}
	return a
}
