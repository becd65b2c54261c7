package main

import (
	"context"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/examples/seawallctl/document"
)

// counted reads what the firewall has counted.
func (s *session) counted(context.Context, *bridge.Firewall) (document.Counted, error) {
	return document.Counted{}, nil
}
