package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/seawall-net/seawall/bridge"
)

func watchCommand() *command {
	c := newCommand("watch", "watch [--json] [--no-anchor] [--forget-user-rules] [--keep-links]",
		"repair what others damage, and tell about it, until interrupted, or the firewall is taken down",
		"seawallctl watch           # the first line is \"watching\": from now on all is guarded",
		"seawallctl watch --json    # an event a line",
		"# while it runs, tables seawall-anchor keep connections alive when others flush the ruleset,",
		"# and a file that lists them cannot be loaded by nft -f: --no-anchor does without them")
	var cfg bridge.WatchConfig
	c.flags.BoolVar(&cfg.NoAnchor, "no-anchor", false, "do without tables that others' flushes leave alone")
	c.flags.BoolVar(&cfg.ForgetUserRules, "forget-user-rules", false, "do not put back the user's rules after a flush of everything")
	c.flags.BoolVar(&cfg.KeepLinks, "keep-links", false, "leave bridges, addresses and sysctls as others change them")
	c.run = func(ctx context.Context, s *session) error {
		if err := s.none(); err != nil {
			return err
		}
		_, open, err := s.installed(ctx)
		if err != nil {
			return err
		}
		open.Watch = cfg
		fw, _, err := s.openRepaired(ctx, open)
		if err != nil {
			return err
		}
		return errors.Join(s.watch(ctx, fw), fw.Close())
	}
	return c
}

// watch prints events until the context ends, which is no error.
func (s *session) watch(ctx context.Context, fw *bridge.Firewall) error {
	encoder := json.NewEncoder(s.stdout)
	encoder.SetEscapeHTML(false)
	for event, err := range fw.Watch(ctx) {
		if errors.Is(err, bridge.ErrTornDown) {
			return nil // the last event has said so
		}
		if err == nil && s.json {
			err = encoder.Encode(event)
		} else if err == nil {
			_, err = fmt.Fprintln(s.stdout, coloured(s.stdout, eventColour(event.Kind), event.String()))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func eventColour(k bridge.EventKind) string {
	switch k {
	case bridge.Damaged, bridge.Failed, bridge.BackingOff, bridge.Missed:
		return "-"
	case bridge.Repaired, bridge.Watching, bridge.Calm:
		return "+"
	}
	return ""
}
