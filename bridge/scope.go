package bridge

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"github.com/seawall-net/seawall/nft"
	"github.com/seawall-net/seawall/portmap"
)

// A Scope says who reaches a published port. Nobody else is led to the endpoint:
// at the host's port he meets the socket that holds it, and hears nothing, or
// without one what the host has there. The zero value is everybody.
type Scope struct {
	// From are the source addresses: any of them, at most 64 prefixes without
	// bits behind the prefix. They are those of the packet as it arrives: the
	// host's own too, if it is the host that asks. If From has prefixes of
	// one family only, nothing is published in the other. Empty is every
	// address of both.
	From []netip.Prefix
	// Interface is the interface of the host that packets come in by, at most
	// 15 bytes: that of the IP layer, such as a bridge rather than its port.
	// It need not exist yet. "lo" stands for the host itself, which is left
	// out by all others. Empty is every interface, and the host.
	Interface string
}

// scopeHost is the interface that stands for the host itself.
const scopeHost = "lo"

// maxFrom is how many prefixes a scope can have: a new connection is compared
// with one after the other.
const maxFrom = 64

// isZero tells whether the scope is everybody.
func (s Scope) isZero() bool { return len(s.From) == 0 && s.Interface == "" }

func (s Scope) equal(o Scope) bool { return s.Interface == o.Interface && slices.Equal(s.From, o.From) }

// normalize sorts the prefixes, leaves out what others contain, and refuses what
// is wrong in itself. It returns nil for everybody.
func (s Scope) normalize() (*Scope, *portmap.SpecError) {
	if s.isZero() {
		return nil, nil
	}
	out := &Scope{Interface: s.Interface}
	if s.Interface != "" && s.Interface != scopeHost {
		if err := checkIfName(s.Interface); err != nil {
			return nil, refuseScope("interface", s.Interface, err.Error())
		}
	}
	for _, p := range s.From {
		if reason := sourceProblem(p); reason != "" {
			return nil, refuseScope("from", p.String(), reason)
		}
	}
	all := slices.Clone(s.From)
	slices.SortFunc(all, func(a, b netip.Prefix) int {
		return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
	})
	for _, p := range all { // what contains others comes before them
		if n := len(out.From); n == 0 || !out.From[n-1].Overlaps(p) {
			out.From = append(out.From, p)
		}
	}
	if n := len(out.From); n > maxFrom {
		return nil, refuseScope("from", fmt.Sprint(n, " prefixes"), fmt.Sprintf("at most %d", maxFrom))
	}
	return out, nil
}

func refuseScope(field, value, reason string) *portmap.SpecError {
	return &portmap.SpecError{Field: field, Value: value, Reason: reason}
}

// sourceProblem says why no packet comes from a prefix, or "".
func sourceProblem(p netip.Prefix) string {
	switch a := p.Addr(); {
	case !p.IsValid():
		return "is not a prefix"
	case a.Is4In6():
		return "is an IPv4 prefix written as IPv6"
	case p != p.Masked():
		return fmt.Sprintf("has bits behind the prefix: did you mean %s?", p.Masked())
	case a.IsMulticast():
		return "is multicast, which nothing comes from"
	case a.Is6() && a.IsLinkLocalUnicast():
		return "is link-local, which means nothing behind the bridge"
	}
	return ""
}

// concerns tells whether the scope has anything of a family. A nil scope is
// everybody.
func (s *Scope) concerns(f nft.Family) bool {
	if s == nil || len(s.From) == 0 {
		return true
	}
	return slices.ContainsFunc(s.From, func(p netip.Prefix) bool { return p.Addr().Is6() == (f == nft.IPv6) })
}

// from are the scope's prefixes of a family.
func (s *Scope) from(f nft.Family) []netip.Prefix {
	var out []netip.Prefix
	for _, p := range s.From {
		if p.Addr().Is6() == (f == nft.IPv6) {
			out = append(out, p)
		}
	}
	return out
}

// Scope returns who reaches the binding.
func (b *Binding) Scope() Scope {
	if b.scope == nil {
		return Scope{}
	}
	s := *b.scope
	s.From = slices.Clone(s.From)
	return s
}

// problem says why the scope cannot hold in the endpoint's network, or why
// nothing can be in it.
func (s *Scope) problem(b *Binding) *portmap.SpecError {
	concerned := false
	for _, f := range [...]nft.Family{nft.IPv4, nft.IPv6} {
		if !b.isFor(f) {
			continue
		}
		concerned = true
		if n := b.Endpoint.Network; n.gateway(f).Mode == NATUnprotected && !n.Spec.Internal {
			return refuseScope(s.field(), s.value(), "with gateway mode nat-unprotected every port of the endpoint is open to everybody with a route to the network")
		}
	}
	switch a := b.Port.HostAddr; {
	case !concerned:
		return refuseScope("from", s.value(), "the port is not published in that family")
	case a.IsValid() && a.IsLoopback() && s.Interface != "" && s.Interface != scopeHost:
		return refuseScope("interface", s.Interface, fmt.Sprintf("nothing for %s comes in by it", a))
	}
	return nil
}

// field is the one that says more.
func (s *Scope) field() string {
	if len(s.From) > 0 {
		return "from"
	}
	return "interface"
}

func (s *Scope) value() string {
	if len(s.From) > 0 {
		return fmt.Sprint(s.From)
	}
	return s.Interface
}
