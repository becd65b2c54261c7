package bridge

import (
	"fmt"

	"github.com/seawall-net/seawall/nft"
	"github.com/seawall-net/seawall/portmap"
)

// binding makes the fact that publishes a port to a normalized scope. Its host
// port may still be open.
func (e EndpointTx) binding(p portmap.Binding, scope *Scope) (*Binding, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	b := &Binding{Endpoint: e.fact, Order: e.tx.nextOrder(), Port: p}
	if err := b.check(); err != nil {
		return nil, err
	}
	if b.scope = scope; scope != nil {
		if err := scope.problem(b); err != nil {
			err.Spec = p.String()
			return nil, err
		}
	}
	return b, nil
}

// checkAmbiguous refuses what is ambiguous.
func (s *state) checkAmbiguous(b *Binding) error {
	if s.ambiguous(b) {
		return fmt.Errorf("%s: the endpoint publishes it already: %w", b.settled(), errExist)
	}
	return nil
}

// ambiguous tells whether the endpoint publishes the same port already, though in
// another family only: Unpublish could not tell them apart.
func (s *state) ambiguous(b *Binding) bool {
	p := b.settled()
	if p.Dynamic() {
		return false // the latest goes first
	}
	other := s.endpoint(b.Endpoint).unclaimed[p]
	if other == nil && b.scope != nil {
		other = s.binding(b.Endpoint, p)
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
	concerned := false
	for _, f := range [...]nft.Family{nft.IPv4, nft.IPv6} {
		if !b.isFor(f) {
			continue
		}
		concerned = true
		if !network.translates(f) && a.IsLoopback() && !network.Spec.Internal {
			return b.refuse(fmt.Sprintf("gateway mode %s does not translate %s: the port would be open to everybody with a route to the network",
				network.gateway(f).Mode, a))
		}
	}
	switch {
	case !concerned && !a.IsValid():
		return b.refuse("it names none, and the network (ExplicitOnly) publishes only on addresses that are named")
	case !concerned && a.Is6():
		return b.refuse(fmt.Sprintf("%s has no IPv6 address: between the families it takes a proxy, and this is none", b.Endpoint))
	case !concerned:
		return b.refuse(fmt.Sprintf("%s has no IPv4 address: between the families it takes a proxy, and this is none", b.Endpoint))
	}
	return nil
}

// refuse says why the binding cannot be for its host address.
func (b *Binding) refuse(reason string) error {
	value := ""
	if a := b.Port.HostAddr; a.IsValid() {
		value = a.String()
	}
	return &portmap.SpecError{Spec: b.Port.String(), Field: "host address", Value: value, Reason: reason}
}

// restore gives a binding that was read back the host ports that it had.
func (b *Binding) restore(order uint64, first uint16) error {
	b.Order, b.first = order, first
	var space [2]portmap.Claim
	chosen := b.Port.Dynamic() && len(b.appendClaims(space[:0])) > 0
	among := b.Port.Host
	if chosen == (first == 0) || chosen && !among.IsZero() && !among.Contains(first) {
		return fmt.Errorf("binding %s: on port %d: %w", b.Port, first, errRecord)
	}
	return b.settled().Validate()
}
