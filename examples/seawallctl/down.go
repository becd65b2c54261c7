package main

import (
	"context"
	"errors"

	"github.com/seawall-net/seawall/bridge"
)

func downCommand() *command {
	c := newCommand("down", "down [--links]",
		"remove the firewall's rules, and with --links its bridges and containers' links",
		"seawallctl down            # bridges and containers' links stay, without any protection",
		"seawallctl down --links    # as if nothing had ever been there",
		"seawallctl --netns blue down --links")
	links := c.flags.Bool("links", false, "delete bridges and containers' links, too")
	c.run = func(ctx context.Context, s *session) error {
		if err := s.none(); err != nil {
			return err
		}
		_, cfg, err := s.installed(ctx)
		if errors.Is(err, errNoFirewall) {
			return nil // that is what was wanted
		}
		if err != nil {
			return err
		}
		cfg.RulesOnly = !*links
		fw, err := bridge.Open(ctx, cfg)
		if err != nil {
			return err
		}
		if err := fw.Teardown(ctx); err != nil {
			return errors.Join(err, fw.Close())
		}
		return nil
	}
	return c
}
