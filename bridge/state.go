package bridge

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/seawall-net/seawall/nft"
	"github.com/seawall-net/seawall/portmap"
)

// state is the facts that hold, with the indexes to check new ones against.
// Facts come and go by apply, which undoes itself: nothing else changes it.
type state struct {
	host *Host
	// order is the highest order of any fact that ever was.
	order    uint64
	networks map[string]*networkState
	bridges  map[string]*Network
	// interfaces holds the endpoints by their interfaces on the host.
	interfaces map[string]*Endpoint
	ports      portmap.Index[*Binding]
	// forwarding holds the families in which we have switched it on.
	forwarding map[nft.Family]*Forwarding
}

type networkState struct {
	fact      *Network
	endpoints map[string]*endpointState
	addrs     map[netip.Addr]*Endpoint
	// loopback counts the bindings that are published on loopback addresses,
	// in each family.
	loopback [2]int
}

type endpointState struct {
	fact     *Endpoint
	bindings []*Binding // in no order
	// links are those from the endpoint, linked those to it; in no order.
	links, linked []*ContainerLink
	// unclaimed are those of bindings that take nothing of the host, by what
	// was asked for.
	unclaimed map[portmap.Binding]*Binding
	// open are those whose host port was chosen, by what was asked for, the
	// oldest first.
	open map[portmap.Binding][]*Binding
}

func newState() *state {
	return &state{
		networks:   map[string]*networkState{},
		bridges:    map[string]*Network{},
		interfaces: map[string]*Endpoint{},
		forwarding: map[nft.Family]*Forwarding{},
	}
}

// facts returns all facts, each behind those that it needs.
func (s *state) facts() []Fact {
	out := []Fact{s.host}
	for _, f := range []nft.Family{nft.IPv4, nft.IPv6} {
		if s.forwarding[f] != nil {
			out = append(out, s.forwarding[f])
		}
	}
	for _, n := range s.view().networks {
		out = append(out, n.fact)
		for _, e := range n.endpoints {
			out = append(out, e.fact)
			for _, b := range e.bindings {
				out = append(out, b)
			}
		}
		for _, e := range n.endpoints {
			for _, l := range e.links {
				out = append(out, l)
			}
		}
	}
	return out
}

func (s *state) endpoint(e *Endpoint) *endpointState {
	return s.networks[e.Network.Spec.Name].endpoints[e.Spec.Name]
}

func (h *Host) apply(s *state, add bool) {
	if add {
		s.host = h
	} else {
		s.host = nil
	}
}

func (n *Network) apply(s *state, add bool) {
	if add {
		s.order = max(s.order, n.Order)
		s.networks[n.Spec.Name] = &networkState{fact: n, endpoints: map[string]*endpointState{}, addrs: map[netip.Addr]*Endpoint{}}
		s.bridges[n.Spec.Bridge] = n
		return
	}
	delete(s.networks, n.Spec.Name)
	delete(s.bridges, n.Spec.Bridge)
}

func (e *Endpoint) apply(s *state, add bool) {
	n := s.networks[e.Network.Spec.Name]
	if add {
		s.order = max(s.order, e.Order)
		n.endpoints[e.Spec.Name] = &endpointState{fact: e}
		s.interfaces[e.Spec.HostIfName] = e
	} else {
		delete(n.endpoints, e.Spec.Name)
		delete(s.interfaces, e.Spec.HostIfName)
	}
	for _, a := range []netip.Addr{e.Spec.IPv4, e.Spec.IPv6} {
		switch {
		case !a.IsValid():
		case add:
			n.addrs[a] = e
		default:
			delete(n.addrs, a)
		}
	}
}

func (b *Binding) apply(s *state, add bool) {
	if add {
		if err := s.claim(b); err != nil {
			panic(err) // it comes back, or was added and is restored
		}
		s.enlist(b)
		return
	}
	e := s.endpoint(b.Endpoint)
	last := len(e.bindings) - 1
	e.bindings[b.slot] = e.bindings[last]
	e.bindings[b.slot].slot = b.slot
	e.bindings[last] = nil
	e.bindings = e.bindings[:last]
	if b.first != 0 {
		same := e.open[b.Port]
		if i, ok := slices.BinarySearchFunc(same, b, olderBinding); ok {
			same = slices.Delete(same, i, i+1)
		}
		if e.open[b.Port] = same; len(same) == 0 {
			delete(e.open, b.Port)
		}
	}
	s.unclaim(b)
}

func olderBinding(a, b *Binding) int { return cmp.Compare(a.Order, b.Order) }

// unclaim gives up the host's ports of a binding.
func (s *state) unclaim(b *Binding) {
	var space [2]portmap.Claim
	claims := b.appendClaims(space[:0])
	for _, c := range claims {
		s.ports.Remove(c)
	}
	s.countLoopback(b, claims, -1)
	if len(claims) == 0 {
		delete(s.endpoint(b.Endpoint).unclaimed, b.Port)
	}
}

func (s *state) countLoopback(b *Binding, claims []portmap.Claim, n int) {
	for _, c := range claims {
		if reachedByLoopback(c.Addr) {
			family := 0
			if c.Addr.Is6() {
				family = 1
			}
			s.networks[b.Endpoint.Network.Spec.Name].loopback[family] += n
		}
	}
}

// claim takes the host's ports for a binding, or refuses one that clashes with
// another.
func (s *state) claim(b *Binding) error {
	var space [2]portmap.Claim
	claims := b.appendClaims(space[:0])
	if len(claims) == 0 {
		return s.endpoint(b.Endpoint).enlistUnclaimed(b)
	}
	for i, c := range claims {
		err := s.ports.Add(c, b)
		if err == nil {
			continue
		}
		for _, c := range claims[:i] {
			s.ports.Remove(c)
		}
		if clash := (*portmap.ConflictError[*Binding])(nil); errors.As(err, &clash) {
			err = &portmap.ConflictError[*Endpoint]{Claim: c, Other: clash.Other, Owner: clash.Owner.Endpoint}
		}
		return err
	}
	s.countLoopback(b, claims, 1)
	return nil
}

// enlistUnclaimed notes a binding that takes nothing of the host.
func (e *endpointState) enlistUnclaimed(b *Binding) error {
	if e.unclaimed[b.Port] != nil {
		return fmt.Errorf("%s: %w", b.Port, errExist)
	}
	if e.unclaimed == nil {
		e.unclaimed = map[portmap.Binding]*Binding{}
	}
	e.unclaimed[b.Port] = b
	return nil
}

// enlist puts a binding, whose ports are claimed, among its endpoint's.
func (s *state) enlist(b *Binding) {
	e := s.endpoint(b.Endpoint)
	s.order = max(s.order, b.Order)
	b.slot = int32(len(e.bindings))
	e.bindings = append(e.bindings, b)
	if b.first == 0 {
		return
	}
	if e.open == nil {
		e.open = map[portmap.Binding][]*Binding{}
	}
	same := e.open[b.Port]
	i, _ := slices.BinarySearchFunc(same, b, olderBinding)
	e.open[b.Port] = slices.Insert(same, i, b)
}

// checkNetwork refuses a network that clashes with another.
func (s *state) checkNetwork(n *Network) error {
	object := "network " + n.Spec.Name
	if s.networks[n.Spec.Name] != nil {
		return fmt.Errorf("bridge: create %s: %w", object, errExist)
	}
	if other := s.bridges[n.Spec.Bridge]; other != nil {
		return &SpecError{object, "Bridge", fmt.Sprintf("%s is the bridge of network %s", n.Spec.Bridge, other)}
	}
	if other := s.interfaces[n.Spec.Bridge]; other != nil {
		return &SpecError{object, "Bridge", fmt.Sprintf("%s is the interface of endpoint %s", n.Spec.Bridge, other)}
	}
	for _, other := range s.networks {
		for _, f := range []nft.Family{nft.IPv4, nft.IPv6} {
			a, b := n.Gateway(f).Subnet, other.fact.Gateway(f).Subnet
			if a.IsValid() && b.IsValid() && a.Overlaps(b) {
				field := "IPv4.Subnet"
				if f == nft.IPv6 {
					field = "IPv6.Subnet"
				}
				return &SpecError{object, field, fmt.Sprintf("%s overlaps %s of network %s", a, b, other.fact)}
			}
		}
	}
	return nil
}

// checkEndpoint refuses an endpoint that clashes with another of its network.
func (s *state) checkEndpoint(e *Endpoint) error {
	n := s.networks[e.Network.Spec.Name]
	if n.endpoints[e.Spec.Name] != nil {
		return fmt.Errorf("bridge: attach %s: %w", e, errExist)
	}
	if err := s.checkInterface(e); err != nil {
		return err
	}
	for _, f := range []nft.Family{nft.IPv4, nft.IPv6} {
		a := e.Addr(f)
		if other := n.addrs[a]; a.IsValid() && other != nil {
			field := "IPv4"
			if f == nft.IPv6 {
				field = "IPv6"
			}
			return &SpecError{"endpoint " + e.String(), field, fmt.Sprintf("%s is the address of %s", a, other)}
		}
	}
	return nil
}

// checkInterface refuses an endpoint whose interface on the host is another's.
func (s *state) checkInterface(e *Endpoint) error {
	name := e.Spec.HostIfName
	if other := s.interfaces[name]; other != nil {
		return &SpecError{"endpoint " + e.String(), "HostIfName", fmt.Sprintf("%s is the interface of endpoint %s", name, other)}
	}
	if other := s.bridges[name]; other != nil {
		return &SpecError{"endpoint " + e.String(), "HostIfName", fmt.Sprintf("%s is the bridge of network %s", name, other)}
	}
	return nil
}

// binding returns the endpoint's binding of a port, as it was asked for or with
// the host ports that it got, or nil.
func (s *state) binding(e *Endpoint, p portmap.Binding) *Binding {
	if b := s.endpoint(e).unclaimed[p]; b != nil {
		return b
	}
	if p.Dynamic() {
		if same := s.endpoint(e).open[p]; len(same) > 0 {
			return same[len(same)-1]
		}
		return nil
	}
	var space [2]portmap.Claim
	asked := Binding{Endpoint: e, Port: p}
	for _, c := range asked.appendClaims(space[:0]) {
		if _, b, taken := s.ports.Conflict(c); taken && b.Endpoint == e && b.settled() == p {
			return b
		}
	}
	return nil
}

// isGateway tells whether an address is the host's in one of its networks.
func (s *state) isGateway(a netip.Addr) bool {
	for _, n := range s.networks {
		if a == n.fact.Spec.IPv4.Address || a == n.fact.Spec.IPv6.Address {
			return true
		}
	}
	return false
}
