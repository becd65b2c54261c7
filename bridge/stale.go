package bridge

import (
	"net/netip"
	"slices"

	"github.com/seawall-net/seawall/internal/conntrack"
	"github.com/seawall-net/seawall/nft"
	"github.com/seawall-net/seawall/portmap"
	"golang.org/x/sys/unix"
)

// staleFlows tells which tracked flows do not go where they should, among those
// that some changes have to do with. It does not matter which way a change went:
// what counts is what holds now. Looking at a flow costs a few look-ups,
// whatever the number of changes.
type staleFlows struct {
	state *state
	// all says that every published port has changed.
	all bool
	// changed are the bindings that came or went, by what they claim of the host,
	// and direct those of them that open an endpoint's own address, by that.
	changed, direct layers
	// addrs are those of endpoints that came or went, and gone the subnets of
	// networks that went.
	addrs map[netip.Addr]struct{}
	gone  prefixSet
	// unlinked are the links that went.
	unlinked map[linkedPair][]*ContainerLink
	// narrowed are those of the bindings that are for one interface. No flow tells
	// by which it came: those of before may be out of scope.
	narrowed map[*Binding]bool
	// filter is what all changes have in common.
	filter conntrack.Filter

	// open remembers what opening found.
	open map[conntrack.Tuple][]*Binding
	// host are the host's own addresses, and subnets those of all networks. They
	// are read when they are first needed.
	host    func() (prefixSet, error)
	subnets func() prefixSet
	// err is why not all could be told.
	err error
}

func (s *staleFlows) empty() bool {
	return !s.all && len(s.changed) == 0 && len(s.direct) == 0 && len(s.addrs) == 0 && len(s.gone) == 0 && len(s.unlinked) == 0
}

func (s *staleFlows) addBinding(b *Binding) {
	if b.scope != nil && b.scope.Interface != "" {
		if s.narrowed == nil {
			s.narrowed = map[*Binding]bool{}
		}
		s.narrowed[b] = true
	}
	var space [2]portmap.Claim
	for _, c := range b.appendClaims(space[:0]) {
		s.narrow(c)
		s.changed.add(c, b)
	}
	for _, f := range [...]nft.Family{nft.IPv4, nft.IPv6} {
		if b.opensDirectly(f) {
			c := portmap.Claim{Addr: b.Endpoint.Addr(f), Ports: b.Port.Container, Proto: b.Port.Proto}
			s.narrow(c)
			s.direct.add(c, b)
		}
	}
}

// opensDirectly tells whether the binding lets packets in that are sent to the
// endpoint's own address of a family.
func (b *Binding) opensDirectly(f nft.Family) bool {
	if b.scope != nil && b.scope.Interface == scopeHost {
		return false // what the host sends is not forwarded
	}
	n := b.Endpoint.Network
	c, published := b.Claim(f)
	if published {
		return c.Addr.IsUnspecified() && n.opensDirectly()
	}
	return b.isFor(f) && n.gateway(f).Mode == Routed && !n.Spec.Internal
}

// narrow makes the filter let a claim's flows through, too.
func (s *staleFlows) narrow(c portmap.Claim) {
	proto, port := c.Proto.Number(), uint16(0)
	if c.Ports.Len() == 1 {
		port = c.Ports.First
	}
	switch {
	case len(s.changed) == 0 && len(s.direct) == 0:
		s.filter = conntrack.Filter{Proto: proto, Port: port}
	case s.filter.Proto != proto:
		s.filter = conntrack.Filter{}
	case s.filter.Port != port:
		s.filter.Port = 0
	}
}

// layers are claims that may clash. Those of one layer do not.
type layers []*portmap.Index[*Binding]

func (l *layers) add(c portmap.Claim, b *Binding) {
	for _, layer := range *l {
		if layer.Add(c, b) == nil {
			return
		}
	}
	layer := new(portmap.Index[*Binding])
	_ = layer.Add(c, b) // it was valid, and there is no other
	*l = append(*l, layer)
}

func (s *staleFlows) addEndpoint(e *Endpoint) {
	if s.addrs == nil {
		s.addrs = map[netip.Addr]struct{}{}
	}
	for _, a := range []netip.Addr{e.Spec.IPv4, e.Spec.IPv6} {
		if a.IsValid() {
			s.addrs[a] = struct{}{}
		}
	}
}

func (s *staleFlows) addNetwork(n *Network) { s.gone = appendSubnets(s.gone, n) }

func appendSubnets(to prefixSet, n *Network) prefixSet {
	for _, f := range []nft.Family{nft.IPv4, nft.IPv6} {
		if g := n.Gateway(f); g.exists() {
			to = append(to, g.Subnet)
		}
	}
	return to
}

// finish is called when all changes are there.
func (s *staleFlows) finish() {
	s.gone.sort()
	if s.all || len(s.addrs) > 0 || len(s.gone) > 0 || len(s.unlinked) > 0 {
		s.filter = conntrack.Filter{}
	}
}

// has tells whether a flow is stale.
func (s *staleFlows) has(f *conntrack.Flow) bool {
	if len(s.addrs) > 0 || len(s.gone) > 0 {
		for _, a := range [...]netip.Addr{
			f.Orig.Src.Addr(), f.Orig.Dst.Addr(), f.Reply.Src.Addr(), f.Reply.Dst.Addr(),
		} {
			if _, there := s.addrs[a]; there || s.gone.contains(a) {
				return true
			}
		}
	}
	if s.state.host.Disabled(familyOf(f.Orig.Dst.Addr())) {
		return false // nothing is led anywhere, or kept out
	}
	if len(s.unlinked) > 0 && s.wasLinked(f) {
		return true
	}
	changed := s.all
	for _, layer := range s.changed {
		if to, b := leadsTo(layer, &f.Orig); b != nil {
			changed = true
			if to == f.Reply.Src && !s.right(f) {
				return true // translated as was published once
			}
		}
	}
	return changed && s.missesPublication(f) || s.wasOpen(f)
}

// wasOpen tells whether a flow leads to an endpoint's own address by a port that
// is not published any more. Its siblings and the host need no publication.
func (s *staleFlows) wasOpen(f *conntrack.Flow) bool {
	if f.Translated() {
		return false
	}
	for _, layer := range s.direct {
		b, found := bindingOf(layer, &f.Orig)
		if !found {
			continue
		}
		family := familyOf(f.Orig.Dst.Addr())
		if !b.Endpoint.Network.gateway(family).Subnet.Contains(f.Orig.Src.Addr()) && !s.stillOpen(b, family, &f.Orig) {
			return true
		}
	}
	return false
}

// stillOpen tells whether another binding of the same endpoint opens the same port.
func (s *staleFlows) stillOpen(b *Binding, family nft.Family, t *conntrack.Tuple) bool {
	return slices.ContainsFunc(s.opening(b, family, t), func(other *Binding) bool { return !s.outOfScope(t, other) })
}

// opening are the bindings of the same endpoint that open the same port.
func (s *staleFlows) opening(b *Binding, family nft.Family, t *conntrack.Tuple) []*Binding {
	key := conntrack.Tuple{Dst: t.Dst, Proto: t.Proto}
	open, known := s.open[key]
	if known {
		return open
	}
	if n := s.state.networks[b.Endpoint.Network.Spec.Name]; n != nil && n.addrs[t.Dst.Addr()] == b.Endpoint {
		for _, other := range n.endpoints[b.Endpoint.Spec.Name].bindings {
			if other.Port.Proto == b.Port.Proto && other.Port.Container.Contains(t.Dst.Port()) && other.opensDirectly(family) {
				open = append(open, other)
			}
		}
	}
	if s.open == nil {
		s.open = map[conntrack.Tuple][]*Binding{}
	}
	s.open[key] = open
	return open
}

// right tells whether a flow is translated as is published now.
func (s *staleFlows) right(f *conntrack.Flow) bool {
	to, b := leadsTo(&s.state.ports, &f.Orig)
	return b != nil && to == f.Reply.Src && !s.outOfScope(&f.Orig, b)
}

// missesPublication tells whether a flow should be led to an endpoint and is not.
func (s *staleFlows) missesPublication(f *conntrack.Flow) bool {
	to, b := leadsTo(&s.state.ports, &f.Orig)
	switch {
	case b == nil || to == f.Reply.Src:
		return false
	case s.state.host.UserlandProxy && !f.Translated() && s.outOfScope(&f.Orig, b):
		return s.own(f.Orig.Dst.Addr()) // the proxy would lead it there
	case !b.scope.admits(f.Orig.Src.Addr()):
		return false
	case f.Translated():
		// Somebody else may lead it elsewhere, and has that right.
		return s.subnets().contains(f.Reply.Src.Addr())
	case f.Orig.Proto != unix.IPPROTO_UDP && f.Status&conntrack.SeenReply != 0:
		// A connection to the host itself: it cannot move, only break. A new one
		// takes its place in the table.
		return false
	}
	// What the host forwards to the same port of others is no concern of ours.
	return s.own(f.Orig.Dst.Addr())
}

// leadsTo is where a packet is led by those of the bindings that are published
// on where it is sent to, if it is in scope, and by which; nil is none.
func leadsTo(ports *portmap.Index[*Binding], t *conntrack.Tuple) (to netip.AddrPort, b *Binding) {
	b, published := bindingOf(ports, t)
	if !published {
		return to, nil
	}
	addr := b.Endpoint.Addr(familyOf(t.Dst.Addr()))
	return netip.AddrPortFrom(addr, b.Port.Container.First+t.Dst.Port()-b.Host().First), b
}

func familyOf(a netip.Addr) nft.Family {
	if a.Is6() {
		return nft.IPv6
	}
	return nft.IPv4
}

// bindingOf returns the binding that has a claim to where a packet is sent to.
func bindingOf(ports *portmap.Index[*Binding], t *conntrack.Tuple) (b *Binding, found bool) {
	c := portmap.Claim{Addr: t.Dst.Addr(), Ports: portmap.Port(t.Dst.Port())}
	switch t.Proto {
	case unix.IPPROTO_TCP:
	case unix.IPPROTO_UDP:
		c.Proto = portmap.UDP
	case unix.IPPROTO_SCTP:
		c.Proto = portmap.SCTP
	default:
		return nil, false
	}
	_, b, found = ports.Conflict(c)
	return b, found
}

// own tells whether an address is the host's.
func (s *staleFlows) own(a netip.Addr) bool {
	host, err := s.host()
	s.err = err
	return host.contains(a)
}
