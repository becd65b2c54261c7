package bridge

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/seawall-net/seawall/internal/netns"
	"github.com/seawall-net/seawall/nft"
)

// What is sent to a port that is published on a loopback address, or on all
// addresses, leaves by the network's bridge with a loopback source until it is
// masqueraded. The kernel has to be told that this is meant: for IPv4 by
// route_localnet, for IPv6 by a local route for ::1, so that replies are
// addressed to an interface that has it. Both are there only while such a port
// is published, and not with a userland proxy. The ruleset drops everything addressed to a loopback address
// that did not come from the host itself.

// A loopbackUse is a network's need of loopback addresses in one family.
type loopbackUse struct {
	network *Network
	family  nft.Family
}

// reachedByLoopback tells whether the binding is published on loopback
// addresses, among others.
func reachedByLoopback(a netip.Addr) bool { return a.IsUnspecified() || a.IsLoopback() }

// loopbackUses returns how many bindings need loopback addresses in each network
// that the Tx has changed, and how many did before.
func (tx *Tx) loopbackUses() (before, after map[loopbackUse]int) {
	before, after = map[loopbackUse]int{}, map[loopbackUse]int{}
	for _, a := range tx.log {
		b, ok := a.fact.(*Binding)
		if !ok {
			continue
		}
		n := b.Endpoint.Network
		for i, f := range [...]nft.Family{nft.IPv4, nft.IPv6} {
			if !n.Host.carriesLoopback(f) {
				continue
			}
			use := loopbackUse{tx.heir(n).(*Network), f}
			if _, known := after[use]; !known {
				if s := tx.fw.state.networks[n.Spec.Name]; s != nil && s.fact == use.network {
					after[use] = s.loopback[i]
				} else {
					after[use] = 0
				}
				before[use] = after[use]
			}
			if c, ok := b.Claim(f); !ok || !reachedByLoopback(c.Addr) {
				continue
			}
			if a.add {
				before[use]--
			} else {
				before[use]++
			}
		}
	}
	return before, after
}

// loopback lets a network's bridge carry loopback addresses, or not.
func (l *links) loopback(use loopbackUse, on bool) error {
	name := use.network.Spec.Bridge
	if use.family == nft.IPv6 {
		return l.loopbackRoute(name, on)
	}
	value := "0"
	if on {
		value = "1"
	}
	return netns.Do(l.ns, func() error {
		err := setSysctl("net/ipv4/conf/"+name+"/route_localnet", value)
		if !on && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.EROFS)) {
			return nil // the bridge is gone; or it was on before us, and the ruleset guards it
		}
		return err
	})
}

// loopbackRoute adds or deletes the local route for ::1 on a bridge. It goes by
// itself when the bridge goes down.
func (l *links) loopbackRoute(bridge string, on bool) error {
	link, err := l.find(bridge)
	if err != nil || link == nil && !on {
		return err
	}
	if link == nil {
		return fmt.Errorf("route ::1 to %s: %w", bridge, errNotExist)
	}
	route := &netlink.Route{
		LinkIndex: link.Attrs().Index,
		Dst:       ipNet(netip.IPv6Loopback(), 128),
		Table:     unix.RT_TABLE_LOCAL,
		Type:      unix.RTN_LOCAL,
		Scope:     netlink.SCOPE_HOST,
		Protocol:  unix.RTPROT_STATIC,
	}
	if on {
		err = l.h.RouteAppend(route)
	} else {
		err = l.h.RouteDel(route)
	}
	if err != nil && !errors.Is(err, unix.EEXIST) && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("route ::1 to %s: %w", bridge, err)
	}
	return nil
}
