package bridge

import (
	"net/netip"
	"slices"

	"github.com/seawall-net/seawall/internal/conntrack"
)

// admits tells whether packets from an address may be in the scope: by which
// interface they came is another question.
func (s *Scope) admits(a netip.Addr) bool {
	return s == nil || len(s.From) == 0 || slices.ContainsFunc(s.From, func(p netip.Prefix) bool { return p.Contains(a) })
}

// outOfScope tells whether a flow may be out of a binding's scope.
func (s *staleFlows) outOfScope(t *conntrack.Tuple, b *Binding) bool {
	return !b.scope.admits(t.Src.Addr()) || s.narrowed[b]
}

// A linkedPair is two endpoints' addresses, of who asks and of who answers.
type linkedPair struct{ from, to netip.Addr }

// addLink notes a link that went.
func (s *staleFlows) addLink(l *ContainerLink) {
	if s.unlinked == nil {
		s.unlinked = map[linkedPair][]*ContainerLink{}
	}
	for _, p := range []linkedPair{{l.From.Spec.IPv4, l.To.Spec.IPv4}, {l.From.Spec.IPv6, l.To.Spec.IPv6}} {
		if p.from.IsValid() && p.to.IsValid() {
			s.unlinked[p] = append(s.unlinked[p], l)
		}
	}
}

// wasLinked tells whether a flow passed by a link that went, and by none that is
// still there.
func (s *staleFlows) wasLinked(f *conntrack.Flow) bool {
	went := s.unlinked[linkedPair{f.Orig.Src.Addr(), f.Orig.Dst.Addr()}]
	leads := func(l *ContainerLink) bool {
		return l.Port.Proto.Number() == f.Orig.Proto && l.Port.Ports.Contains(f.Orig.Dst.Port())
	}
	if len(went) == 0 || !went[0].From.Network.Spec.DisableICC || !slices.ContainsFunc(went, leads) {
		return false
	}
	from, to := went[0].From, went[0].To
	n := s.state.networks[from.Network.Spec.Name]
	if n == nil || n.endpoints[from.Spec.Name] == nil || n.endpoints[from.Spec.Name].fact != from {
		return true // the flows of endpoints that went are ended anyway
	}
	return !slices.ContainsFunc(n.endpoints[from.Spec.Name].links, func(l *ContainerLink) bool { return l.To == to && leads(l) })
}
