package bridge

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"net/netip"
	"os"
	"slices"

	"github.com/seawall-net/seawall/portmap"
)

// A Socket holds one published port of the host.
type Socket struct {
	// Claim is the port, and the address that the socket is bound to.
	Claim portmap.Claim
	// File is the socket: listening for TCP and SCTP, bound for UDP.
	File *os.File
}

// Sockets hands out the sockets that hold a publication's ports of the host, for
// the runtime's userland proxy: one for each port of each address. The binding is
// as it was handed to Publish, or with the host ports that it got.
//
// Until they are handed out, a filter keeps all packets from the sockets, so that
// nothing waits in a socket that nobody serves. Now the filter goes, and the
// kernel accepts what the rules do not lead to the container. It comes back when
// an update publishes the port anew.
//
// The files are duplicates, which the caller closes when nobody serves them any
// more. The firewall keeps its own until the port is unpublished, or Close; but
// the port is free only once the duplicates are closed, too. With nobody serving
// them, clients would wait for an answer in vain.
//
// It fails with fs.ErrNotExist if the endpoint does not publish that, with a
// [*PortError] for a port that is not held, and with errors.ErrUnsupported
// where the firewall holds no ports (Config.UnheldPorts, Config.RulesOnly) or
// the kernel has no SCTP. Then nothing is handed out.
func (fw *Firewall) Sockets(network, endpoint string, p portmap.Binding) ([]Socket, error) {
	fw.mu.Lock()
	defer fw.mu.Unlock()
	out, err := fw.handOut(network, endpoint, p)
	if err != nil {
		for _, s := range out {
			_ = s.File.Close()
		}
		return nil, fmt.Errorf("bridge: sockets of %s/%s %s: %w", network, endpoint, p, err)
	}
	return out, nil
}

func (fw *Firewall) handOut(network, endpoint string, p portmap.Binding) (out []Socket, err error) {
	n := fw.state.networks[network]
	if fw.closed {
		return nil, ErrClosed
	}
	if n == nil || n.endpoints[endpoint] == nil {
		return nil, errNotExist
	}
	b := fw.state.binding(n.endpoints[endpoint].fact, p)
	if b == nil {
		return nil, errNotExist
	}
	if fw.sockets == nil {
		return nil, fmt.Errorf("the firewall is configured to hold no ports: %w", errors.ErrUnsupported)
	}
	var all []hostPort
	for _, c := range b.Claims() {
		for port := range hostPorts(c) {
			f, err := fw.sockets.duplicate(port)
			if err != nil {
				return out, err
			}
			all, out = append(all, port), append(out, Socket{port.claim(), f})
		}
	}
	for _, port := range all {
		if err := fw.sockets.lend(port); err != nil {
			return out, err
		}
	}
	return out, nil
}

// An UnheldPort is a published port that no socket of the firewall holds.
type UnheldPort struct {
	// Binding publishes it.
	Binding *Binding
	// Claim is the one port.
	Claim portmap.Claim
	// Err says why: a [*PortError].
	Err error
}

// UnheldPorts returns the published ports that should be held and are not,
// because another process had taken them when the firewall was opened, or there
// were too many. They work as long as the rules are there; but a
// process of the host has the port, too. [Firewall.Heal] tries again.
//
// There are none with Config.UnheldPorts. SCTP ports are not listed where the
// kernel has no SCTP: nothing there could take them.
func (fw *Firewall) UnheldPorts() []UnheldPort {
	fw.mu.Lock()
	defer fw.mu.Unlock()
	if fw.sockets == nil {
		return nil
	}
	var out []UnheldPort
	for p, err := range fw.sockets.unheld {
		if _, b, found := fw.state.ports.Conflict(p.claim()); found {
			out = append(out, UnheldPort{b, p.claim(), err})
		}
	}
	slices.SortFunc(out, func(a, b UnheldPort) int {
		return cmp.Or(cmp.Compare(a.Binding.Order, b.Binding.Order), a.Claim.Addr.Compare(b.Claim.Addr),
			cmp.Compare(a.Claim.Ports.First, b.Claim.Ports.First))
	})
	return out
}

// holdAll holds the ports of what was taken over.
func (fw *Firewall) holdAll(ctx context.Context) {
	fw.sockets = newSockets(fw.ns, func(a netip.Addr) bool { return fw.state.isGateway(a) })
	fw.sockets.hold(slices.Collect(fw.state.hostPorts()))
	fw.logUnheld(ctx)
}

// holdUnheld tries once more to hold what is not held, and reports whether
// anything came of it.
func (fw *Firewall) holdUnheld(ctx context.Context) bool {
	if fw.sockets == nil || len(fw.sockets.unheld) == 0 {
		return false
	}
	before := len(fw.sockets.unheld)
	fw.sockets.hold(slices.Collect(maps.Keys(fw.sockets.unheld)))
	fw.logUnheld(ctx)
	return len(fw.sockets.unheld) < before
}

func (fw *Firewall) logUnheld(ctx context.Context) {
	for _, err := range fw.sockets.unheld {
		fw.logger.LogAttrs(ctx, slog.LevelWarn, "published ports are not held: UnheldPorts lists them",
			slog.Int("count", len(fw.sockets.unheld)), slog.Any("one", err))
		return
	}
}

// hostPorts iterates over all ports of the host that are published.
func (s *state) hostPorts() iter.Seq[hostPort] {
	return func(yield func(hostPort) bool) {
		for _, f := range s.facts() {
			b, ok := f.(*Binding)
			if !ok {
				continue
			}
			for _, c := range b.Claims() {
				for p := range hostPorts(c) {
					if !yield(p) {
						return
					}
				}
			}
		}
	}
}
