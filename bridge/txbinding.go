package bridge

import (
	"fmt"

	"github.com/seawall-net/seawall/nft"
	"github.com/seawall-net/seawall/portmap"
)

// binding makes the fact that publishes a port to a normalized scope.
func (e EndpointTx) binding(p portmap.Binding, scope *Scope) (*Binding, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	b := &Binding{Endpoint: e.fact, Order: e.tx.nextOrder(), Port: p}
	if err := b.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", p, err)
	}
	if b.scope = scope; scope != nil {
		if err := scope.problem(b); err != nil {
			err.Spec = p.String()
			return nil, err
		}
	}
	if e.tx.fw.state.ambiguous(b) {
		return nil, fmt.Errorf("%s: the endpoint publishes it already: %w", p, errExist)
	}
	return b, nil
}

// ambiguous tells whether the endpoint publishes the same port already, though in
// another family only: Unpublish could not tell them apart.
func (s *state) ambiguous(b *Binding) bool {
	if b.Port.Dynamic() {
		return false // the latest goes first
	}
	other := s.endpoint(b.Endpoint).unclaimed[b.Port]
	if other == nil && b.scope != nil {
		other = s.binding(b.Endpoint, b.Port)
	}
	if other == nil {
		return false
	}
	for _, f := range [...]nft.Family{nft.IPv4, nft.IPv6} {
		_, mine := b.Claim(f)
		if _, its := other.Claim(f); mine && its {
			return false // that is a conflict
		}
	}
	return true
}

// check refuses what the endpoint's network cannot do.
func (b *Binding) check() error {
	a, network := b.Port.HostAddr, b.Endpoint.Network
	concerned, claimed := false, false
	for _, f := range [...]nft.Family{nft.IPv4, nft.IPv6} {
		if !b.isFor(f) {
			continue
		}
		concerned = true
		if network.translates(f) {
			claimed = true
		} else if a.IsLoopback() && !network.Spec.Internal {
			return fmt.Errorf("gateway mode %s does not translate %s: the port would be open to everybody with a route to the network", network.gateway(f).Mode, a)
		}
	}
	switch {
	case !concerned && !a.IsValid():
		return fmt.Errorf("it names no address of the host, and the network (ExplicitOnly) publishes only such as do")
	case !concerned:
		return fmt.Errorf("the endpoint has no address of the family of %s: that takes a proxy, which there is none of", a)
	case claimed && b.Port.Dynamic():
		return fmt.Errorf("no host port is given: choosing one is up to the caller")
	}
	return nil
}
