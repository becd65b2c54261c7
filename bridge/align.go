package bridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/vishvananda/netlink"

	"github.com/seawall-net/seawall/nft"
)

// hairpin tells whether bridges give packets back through the port that they
// came by. With br_netfilter, that is the way of a container that reaches its own
// published port. With a proxy, the host answers it.
func (h *Host) hairpin() bool { return !h.UserlandProxy }

// alignLinks brings links into line with the facts: what they carry depends on
// options that may have changed since they were made, and a process that was
// killed has left its last update half done. What no fact tells of goes first; the
// rules are in force already. before is the host as it was, or nil. What cannot be
// done is an error only if options have changed.
func (fw *Firewall) alignLinks(ctx context.Context, before *Host) error {
	if fw.links == nil || before == nil {
		return nil // of what is there on a host without a firewall we know nothing
	}
	err := fw.tryAlignLinks(ctx)
	if err != nil && before.record == fw.state.host.record && ctx.Err() == nil {
		fw.logger.LogAttrs(ctx, slog.LevelWarn, "links are not as they should be", slog.Any("error", err))
		return nil
	}
	return err
}

func (fw *Firewall) tryAlignLinks(ctx context.Context) error {
	unlock, err := fw.links.lock(ctx, true)
	if err != nil {
		return err
	}
	defer unlock()
	// Nobody is in the middle of an update now. These are the facts of before,
	// unless somebody was until now.
	if err := fw.follow(ctx); err != nil {
		return err
	}
	return errors.Join(fw.removeLeftovers(), fw.alignForwarding(), fw.alignBridges(), fw.alignPorts(), fw.alignLoopback())
}

// removeLeftovers deletes bridges and interfaces of ours that no fact tells of, and
// those that are not finished.
func (fw *Firewall) removeLeftovers() error {
	all, err := fw.links.list()
	if err != nil {
		return err
	}
	var leftovers []netlink.Link
	for name, l := range all {
		known := fw.state.bridges[name] != nil || fw.state.interfaces[name] != nil
		if !known && l.own && (l.kind == "bridge" || l.kind == "veth") || l.half {
			leftovers = append(leftovers, &netlink.Device{LinkAttrs: netlink.LinkAttrs{Index: l.index, Name: name}})
		}
	}
	if err := fw.links.deleteAll(leftovers); err != nil {
		return fmt.Errorf("what was left behind: %w", err)
	}
	return nil
}

// alignForwarding switches forwarding on where that is a fact.
func (fw *Firewall) alignForwarding() error {
	var errs []error
	for family := range fw.state.forwarding {
		on, err := fw.links.forwarding(family)
		if err == nil && !on {
			err = fw.links.forward(family, true)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// alignBridges makes bridges that are missing, and puts to use those that are not.
func (fw *Firewall) alignBridges() error {
	if len(fw.state.networks) == 0 {
		return nil
	}
	all, err := fw.links.list()
	if err != nil {
		return err
	}
	addrs, err := fw.links.addrs()
	if err != nil {
		return err
	}
	var errs []error
	for _, n := range fw.state.networks {
		bridge := all[n.fact.Spec.Bridge]
		ready := bridge.up
		for _, f := range []nft.Family{nft.IPv4, nft.IPv6} {
			if a := n.fact.Gateway(f).onBridge(); a.IsValid() && !addrs[linkAddr{bridge.index, a}] {
				ready = false
			}
		}
		if !ready {
			errs = append(errs, fw.links.start(n.fact))
		}
	}
	return errors.Join(errs...)
}

// alignPorts sees to the interfaces of endpoints that are connected: that they
// are ports of their bridges, up, and in the right mode.
func (fw *Firewall) alignPorts() error {
	all, err := fw.links.list()
	if err != nil {
		return err
	}
	var errs []error
	want := fw.state.host.hairpin()
	for _, n := range fw.state.networks {
		bridge := all[n.fact.Spec.Bridge]
		for _, e := range n.endpoints {
			port := all[e.fact.Spec.HostIfName]
			if !port.own || bridge.index == 0 {
				continue
			}
			link := &netlink.Device{LinkAttrs: netlink.LinkAttrs{Index: port.index}}
			fail := func(what string, err error) {
				if err != nil {
					errs = append(errs, fmt.Errorf("endpoint %s: %s: %w", e.fact, what, err))
				}
			}
			if port.master == 0 { // its bridge was deleted
				fail("join the bridge", fw.links.h.LinkSetMasterByIndex(link, bridge.index))
				port.hairpin = false
			}
			if port.hairpin != want {
				fail("set hairpin mode", fw.links.h.LinkSetHairpin(link, want))
			}
			if !port.up {
				fail("set up", fw.links.h.LinkSetUp(link))
			}
		}
	}
	return errors.Join(errs...)
}

// alignLoopback lets bridges carry loopback addresses where that is needed.
func (fw *Firewall) alignLoopback() error {
	var errs []error
	for _, n := range fw.state.networks {
		for i, f := range [...]nft.Family{nft.IPv4, nft.IPv6} {
			if n.loopback[i] == 0 {
				continue
			}
			err := fw.links.loopback(loopbackUse{n.fact, f}, n.fact.Host.carriesLoopback(f))
			if !errors.Is(err, errNotExist) { // of a bridge that is gone
				errs = append(errs, err)
			}
		}
	}
	return errors.Join(errs...)
}
