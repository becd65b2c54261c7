package main

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/examples/seawallctl/plan"
	"github.com/seawall-net/seawall/portmap"
)

func publishCommand() *command {
	c := newCommand("publish", "publish ENDPOINT SPEC... [--from SUBNET]... [--interface IF]",
		"publish ports of an endpoint on the host",
		"seawallctl publish web/c1 8080:80",
		"seawallctl publish c1 127.0.0.1:8081:81 5353:53/udp    # NAME alone where it is unambiguous",
		"seawallctl publish c1 80                               # the host port is chosen, and printed",
		"seawallctl publish c1 8443:443 --from 192.0.2.0/24")
	var scope bridge.Scope
	c.flags.Func("from", "only for clients of a `subnet`; may be repeated", func(text string) error {
		p, err := netip.ParsePrefix(text)
		scope.From = append(scope.From, p)
		return err
	})
	c.flags.StringVar(&scope.Interface, "interface", "", "only for packets that come in by an `interface`")
	c.run = func(ctx context.Context, s *session) error {
		name, ports, err := s.bindings()
		if err != nil {
			return err
		}
		return s.with(ctx, func(fw *bridge.Firewall) error { return s.publish(ctx, fw, name, scope, ports) })
	}
	return c
}

// bindings reads ENDPOINT SPEC...
func (s *session) bindings() (endpoint string, ports []portmap.Binding, err error) {
	if len(s.args) < 2 || s.rest != nil {
		return "", nil, s.usage("ENDPOINT and SPEC are needed")
	}
	for _, text := range s.args[1:] {
		p, err := portmap.Parse(text)
		if err != nil {
			return "", nil, s.usage("%v", err)
		}
		ports = append(ports, p)
	}
	return s.args[0], ports, nil
}

// publish publishes ports, and prints where.
func (s *session) publish(ctx context.Context, fw *bridge.Firewall, name string, scope bridge.Scope, ports []portmap.Binding) error {
	var network, endpoint string
	old := map[uint64]bool{}
	err := fw.Update(ctx, func(tx *bridge.Tx) error {
		v := tx.View()
		e, err := findEndpoint(v, name)
		if err != nil {
			return err
		}
		network, endpoint = e.Network.Spec.Name, e.Spec.Name
		clear(old)
		for b := range v.Bindings(e) {
			old[b.Order] = true
		}
		return plan.Publish(tx.Network(network).Endpoint(endpoint), tx, scope, checkPorts(v, v), ports...)
	})
	if err != nil {
		return err
	}
	v := fw.View()
	published := []string{}
	for b := range v.Bindings(v.Endpoint(network, endpoint)) {
		if !old[b.Order] {
			published = append(published, b.String())
		}
	}
	if s.json {
		return s.printJSON(map[string]any{"network": network, "endpoint": endpoint, "published": published})
	}
	for _, line := range published {
		if _, err := fmt.Fprintln(s.stdout, line); err != nil {
			return err
		}
	}
	return nil
}

func unpublishCommand() *command {
	c := newCommand("unpublish", "unpublish ENDPOINT SPEC...",
		"end publications",
		"seawallctl unpublish web/c1 8080:80",
		"seawallctl unpublish c1 80          # as it was published, or with the port that was chosen:",
		"seawallctl unpublish c1 32768:80")
	c.run = func(ctx context.Context, s *session) error {
		name, ports, err := s.bindings()
		if err != nil {
			return err
		}
		return s.with(ctx, func(fw *bridge.Firewall) error {
			return fw.Update(ctx, func(tx *bridge.Tx) error {
				e, err := findEndpoint(tx.View(), name)
				if err != nil {
					return err
				}
				tx.Network(e.Network.Spec.Name).Endpoint(e.Spec.Name).Unpublish(ports...)
				return tx.Err()
			})
		})
	}
	return c
}
