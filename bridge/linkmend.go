package bridge

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/seawall-net/seawall/nft"
)

// lookPause is how long links are left to change before they are looked at: one
// command changes several things.
const lookPause = 20 * time.Millisecond

// maxLooks is how often links are looked at in a row: they may go while they are
// repaired.
const maxLooks = 3

// linksChanged says that links have to be looked at.
func (w *watcher) linksChanged() {
	if w.links == nil || w.linksDue {
		return
	}
	now := time.Now()
	w.linksDue, w.linksAt = true, now.Add(max(lookPause, w.linksPause.next(now)))
}

// mendLinks looks at links, and repairs what is wrong.
func (w *watcher) mendLinks(ctx context.Context) error {
	since := time.Now()
	w.fw.mu.Lock()
	if w.fw.closed {
		w.fw.mu.Unlock()
		return ErrClosed
	}
	var changes []string
	var err error
	for range maxLooks {
		var more []string
		if more, err = w.fw.mendLinks(func() error { return w.lookForMark(ctx) }); len(more) > 0 {
			changes = append(changes, slices.DeleteFunc(more, func(s string) bool { return slices.Contains(changes, s) })...)
		}
		if err == nil || errors.Is(err, ErrTornDown) {
			break
		}
	}
	w.fw.mu.Unlock()
	if errors.Is(err, ErrTornDown) {
		return nil // which is looked at first
	}
	now := time.Now()
	w.linksDue = false
	if len(changes) > 0 {
		e := Event{Kind: Damaged, Changes: changes}
		if n := len(changes) - maxChanges; n > 0 {
			e.Changes, e.More = changes[:maxChanges], n
		}
		w.tell(e)
		w.linksPause.repaired(now)
	}
	switch {
	case err != nil:
		delay := max(w.cfg.MinDelay, w.linksPause.next(now))
		w.linksDue, w.linksAt = true, now.Add(delay)
		w.tell(Event{Kind: Failed, Reason: err.Error(), Delay: delay})
	case len(changes) > 0:
		w.tell(Event{Kind: Repaired, Objects: len(changes), Took: now.Sub(since)})
	}
	return nil
}

// mendLinks brings bridges, their ports, addresses and sysctls back to what the
// facts say, and returns what was wrong, in words. Links of the containers' own
// that are gone stay so. may is asked when they were looked at, and nothing is done
// if it fails. fw.mu is held.
func (fw *Firewall) mendLinks(may func() error) (changes []string, err error) {
	if fw.links == nil || len(fw.state.networks) == 0 {
		return nil, nil
	}
	seen, err := fw.links.look()
	if err != nil {
		return nil, fmt.Errorf("bridge: watch links: %w", err)
	}
	if err := may(); err != nil {
		return nil, err
	}
	m := linkMender{fw.links, seen, nil, nil}
	for f, fact := range fw.state.forwarding {
		on, err := fw.links.forwarding(f)
		if m.failed(err); err == nil && !on {
			m.wrong("switched off forwarding of %s", f)
			m.failed(fw.links.forward(fact.Family, true))
		}
	}
	for _, n := range fw.state.networks {
		made := m.bridge(n.fact)
		for _, e := range n.endpoints {
			m.port(e.fact)
		}
		for i, f := range [...]nft.Family{nft.IPv4, nft.IPv6} {
			if n.loopback[i] > 0 && n.fact.Host.carriesLoopback(f) {
				m.loopback(loopbackUse{n.fact, f}, made)
			}
		}
	}
	return m.changes, errors.Join(m.errs...)
}

// seenLinks is how the host's links are.
type seenLinks struct {
	links map[string]netlink.Link
	addrs map[int]map[netip.Prefix]bool
	// loopback are the interfaces with a local route for ::1.
	loopback map[int]bool
}

// look reads how links are. What goes along with a link that is deleted or set
// down is read before it: otherwise what was done meanwhile would be taken for
// something else, and put right as such.
func (l *links) look() (seenLinks, error) {
	s := seenLinks{map[string]netlink.Link{}, map[int]map[netip.Prefix]bool{}, map[int]bool{}}
	routes, err := l.h.RouteListFiltered(unix.AF_INET6, &netlink.Route{
		Table: unix.RT_TABLE_LOCAL, Dst: ipNet(netip.IPv6Loopback(), 128),
	}, netlink.RT_FILTER_TABLE|netlink.RT_FILTER_DST)
	if err != nil {
		return s, fmt.Errorf("list routes to ::1: %w", err)
	}
	for _, r := range routes {
		s.loopback[r.LinkIndex] = true
	}
	addrs, err := l.h.AddrList(nil, unix.AF_UNSPEC)
	if err != nil {
		return s, fmt.Errorf("list addresses: %w", err)
	}
	for _, a := range addrs {
		addr, ok := netip.AddrFromSlice(a.IP)
		if !ok {
			continue
		}
		bits, _ := a.Mask.Size()
		if s.addrs[a.LinkIndex] == nil {
			s.addrs[a.LinkIndex] = map[netip.Prefix]bool{}
		}
		s.addrs[a.LinkIndex][netip.PrefixFrom(addr.Unmap(), bits)] = true
	}
	all, err := l.h.LinkList()
	if err != nil {
		return s, fmt.Errorf("list links: %w", err)
	}
	for _, link := range all {
		s.links[link.Attrs().Name] = link
	}
	return s, nil
}

// A linkMender repairs links.
type linkMender struct {
	links   *links
	seen    seenLinks
	changes []string
	errs    []error
}

func (m *linkMender) wrong(format string, args ...any) {
	m.changes = append(m.changes, fmt.Sprintf(format, args...))
}

func (m *linkMender) failed(err error) {
	if err != nil {
		m.errs = append(m.errs, err)
	}
}

// bridge repairs a network's bridge, and tells whether it was gone, or down:
// then what is on it went along.
func (m *linkMender) bridge(n *Network) (again bool) {
	name := n.Spec.Bridge
	before := len(m.changes)
	link := m.seen.links[name]
	lost := link == nil || link.Attrs().Flags&unix.IFF_UP == 0
	if link == nil {
		m.wrong("deleted bridge %s", name)
	} else {
		if lost {
			m.wrong("set %s down", name)
		}
		if mtu := n.Spec.MTU; mtu != 0 && link.Attrs().MTU != mtu {
			m.wrong("set the MTU of %s to %d", name, link.Attrs().MTU)
		}
		for _, g := range []Gateway{n.Spec.IPv4, n.Spec.IPv6} {
			if a := g.onBridge(); a.IsValid() {
				if p := netip.PrefixFrom(g.Address, g.Subnet.Bits()); !m.seen.addrs[link.Attrs().Index][p] {
					m.wrong("deleted address %s of %s", p, name)
				}
			}
		}
	}
	if len(m.changes) == before {
		return false
	}
	if err := m.links.start(n); err != nil {
		m.failed(err)
		return false
	}
	if link == nil {
		made, err := m.links.find(name)
		if m.failed(err); made != nil {
			m.seen.links[name] = made
		}
	}
	return lost
}

// port puts an endpoint's interface back into its network's bridge.
func (m *linkMender) port(e *Endpoint) {
	link, bridge := m.seen.links[e.Spec.HostIfName], m.seen.links[e.Network.Spec.Bridge]
	if link == nil || bridge == nil || link.Attrs().Alias != ownAlias {
		return
	}
	if link.Attrs().MasterIndex != bridge.Attrs().Index {
		m.wrong("took %s out of %s", e.Spec.HostIfName, e.Network.Spec.Bridge)
		m.failed(m.links.h.LinkSetMasterByIndex(link, bridge.Attrs().Index))
		m.failed(m.links.h.LinkSetHairpin(link, e.Network.Host.hairpin()))
	}
	if link.Attrs().Flags&unix.IFF_UP == 0 {
		m.wrong("set %s down", e.Spec.HostIfName)
		m.failed(m.links.h.LinkSetUp(link))
	}
}

// loopback lets a bridge carry loopback addresses again.
func (m *linkMender) loopback(use loopbackUse, again bool) {
	name := use.network.Spec.Bridge
	link := m.seen.links[name]
	if link == nil {
		return
	}
	lost := again || !m.seen.loopback[link.Attrs().Index]
	if use.family == nft.IPv4 {
		lost = false
		m.failed(inNamespace(m.links.ns, func() error {
			v, err := sysctl("net/ipv4/conf/" + name + "/route_localnet")
			lost = v == "0"
			return err
		}))
	}
	if !lost {
		return
	}
	if !again { // it goes with the bridge
		what := "switched off route_localnet of " + name
		if use.family == nft.IPv6 {
			what = "deleted the route for ::1 on " + name
		}
		m.wrong("%s", what)
	}
	m.failed(m.links.loopback(use, true))
}
