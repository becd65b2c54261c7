package main

import (
	"context"

	"github.com/seawall-net/seawall/bridge"
)

func detachCommand() *command {
	c := newCommand("detach", "detach --network N --endpoint E",
		"remove an endpoint with its link and its publications",
		"seawallctl detach --network web --endpoint c1")
	network := c.flags.String("network", "", "the network's `name`")
	endpoint := c.flags.String("endpoint", "", "the endpoint's `name`")
	c.run = func(ctx context.Context, s *session) error {
		if err := s.none(); err != nil {
			return err
		}
		if *network == "" || *endpoint == "" {
			return s.usage("--network and --endpoint are needed")
		}
		return s.with(ctx, func(fw *bridge.Firewall) error {
			return fw.Update(ctx, func(tx *bridge.Tx) error {
				tx.Network(*network).Detach(*endpoint)
				return tx.Err()
			})
		})
	}
	return c
}
