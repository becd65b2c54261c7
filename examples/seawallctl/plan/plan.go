package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/portmap"
)

// A Line says one thing that a plan does, for people and programs.
type Line struct {
	// Op is "+", "-" or "~".
	Op string `json:"op"`
	// Kind is "firewall", "network", "endpoint", "publish", "link" or "user_rule".
	Kind string `json:"kind"`
	// Name is the network's name, NETWORK/ENDPOINT, or the family.
	Name string `json:"name,omitempty"`
	// Detail is the rest.
	Detail string `json:"detail,omitempty"`
}

// String returns the line of a diff.
func (l Line) String() string {
	words := []string{l.Op, l.Kind, l.Name, l.Detail}
	return strings.Join(slices.DeleteFunc(words, func(s string) bool { return s == "" }), " ")
}

// A Plan is a list of steps within one [bridge.Tx].
type Plan struct {
	// Lines is what the plan does. There are none if nothing has to be done.
	Lines []Line
	// NewBindings are the publications that are not in force yet, as they should
	// be.
	NewBindings []*bridge.Binding
	steps       []step
}

// A step does something. Its fact is whom to blame if that fails.
type step struct {
	do func(*bridge.Tx)
	// ports are published where do is nil: they leave a choice.
	ports             []portmap.Binding
	network, endpoint string
	binding           *bridge.Binding
}

// Blame says what is wrong about a network, its endpoint or its publication; the
// last two may be missing.
type Blame func(err error, network, endpoint string, b *bridge.Binding) error

// Apply does what has to be done. An error is that of the first step that failed.
// Where a host port is left open, check has a say.
func (p *Plan) Apply(tx *bridge.Tx, check Check, blame Blame) error {
	for _, s := range p.steps {
		if err := s.apply(tx, check); err != nil {
			return blame(err, s.network, s.endpoint, s.binding)
		}
	}
	return nil
}

func (s *step) apply(tx *bridge.Tx, check Check) error {
	if s.do != nil {
		s.do(tx)
		return tx.Err()
	}
	return Publish(tx.Network(s.network).Endpoint(s.endpoint), tx, s.binding.Scope(), check, s.ports...)
}

// Between returns the plan that leads from one view to another.
func Between(have, want *bridge.View) *Plan {
	d := &difference{Plan: &Plan{}, have: have, want: want, keptNetworks: map[string]bool{}, kept: map[string]bool{}}
	for n := range want.Networks() {
		if old := have.Network(n.Spec.Name); old != nil && sameLinks(old, n) {
			d.keptNetworks[n.Spec.Name] = true
			for e := range want.Endpoints(n) {
				if old := have.Endpoint(n.Spec.Name, e.Spec.Name); old != nil && sameLink(old, e) {
					d.kept[e.String()] = true
				}
			}
		}
	}
	d.endPublications()
	d.endEndpoints()
	d.networks()
	d.endpoints()
	d.publish()
	d.link()
	return d.Plan
}

// sameLinks tells whether a network can change in place: what is connected to
// it can stay.
func sameLinks(a, b *bridge.Network) bool {
	same := func(a, b bridge.Gateway) bool {
		return a.Subnet == b.Subnet && a.Address == b.Address && a.InhibitAddress == b.InhibitAddress
	}
	return a.Spec.Bridge == b.Spec.Bridge && same(a.Spec.IPv4, b.Spec.IPv4) && same(a.Spec.IPv6, b.Spec.IPv6)
}

// sameLink tells whether an endpoint can change in place.
func sameLink(a, b *bridge.Endpoint) bool {
	return a.Spec.IPv4 == b.Spec.IPv4 && a.Spec.IPv6 == b.Spec.IPv6 &&
		slices.Equal(a.Spec.MAC, b.Spec.MAC) && a.Spec.HostIfName == b.Spec.HostIfName
}

func (p *Plan) add(l Line, s step) {
	p.Lines = append(p.Lines, l)
	p.steps = append(p.steps, s)
}

// Scoped is a publication and who reaches it, as in "8080:80 from 192.0.2.0/24".
func Scoped(b *bridge.Binding) string {
	text, scope := b.Port.String(), b.Scope()
	if len(scope.From) > 0 {
		text += " from " + strings.Trim(fmt.Sprint(scope.From), "[]")
	}
	if scope.Interface != "" {
		text += " by " + scope.Interface
	}
	return text
}
