package main

import (
	"context"
	"fmt"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/examples/seawallctl/document"
)

// counted reads what the firewall has counted.
func counted(ctx context.Context, fw *bridge.Firewall) (*bridge.Counters, document.Counted, error) {
	c, err := fw.Counters(ctx)
	if err != nil {
		return nil, document.Counted{}, err
	}
	return c, document.Counted{
		Network: func(n *bridge.Network) any { return c.Network(n) },
		Binding: func(b *bridge.Binding) any { return c.Binding(b) },
	}, nil
}

// counts is what has been counted, for people; empty where nothing is.
func counts(counters any) string {
	switch c := counters.(type) {
	case bridge.NetworkCounters:
		if c.Counted {
			return fmt.Sprintf("sent %s, received %s, dropped %s", count(c.Sent), count(c.Received), count(c.Dropped))
		}
	case bridge.BindingCounters:
		if c.Counted && c.Open != nil {
			return fmt.Sprintf("%d flows, %d open: received %s, sent %s", c.Flows, c.Open.Flows, count(c.Open.Received), count(c.Open.Sent))
		}
		if c.Counted {
			return fmt.Sprintf("%d flows", c.Flows)
		}
	}
	return ""
}

// count is packets and bytes.
func count(c bridge.Count) string {
	const unit = 1024
	size, suffix := float64(c.Bytes), 0
	for size >= unit && suffix < 5 {
		size, suffix = size/unit, suffix+1
	}
	if suffix == 0 {
		return fmt.Sprintf("%d/%dB", c.Packets, c.Bytes)
	}
	return fmt.Sprintf("%d/%.1f%ciB", c.Packets, size, " KMGTP"[suffix])
}
