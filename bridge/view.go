package bridge

import (
	"cmp"
	"iter"
	"slices"
)

// A View is the facts that held at one moment. It is immutable, and may be
// used by any number of goroutines. Looking something up takes the same time
// however much there is.
//
// A fact of another View, older or newer, means itself: it yields what it has
// in this View if it is there, and nothing otherwise, even if something else has
// its name now.
type View struct {
	networks []*networkView // oldest first
	names    map[string]*networkView
}

type networkView struct {
	fact      *Network
	endpoints []*endpointView // oldest first
	names     map[string]*endpointView
}

type endpointView struct {
	fact     *Endpoint
	bindings []*Binding       // oldest first
	links    []*ContainerLink // from it, oldest first
}

// view takes a snapshot.
func (s *state) view() *View {
	v := &View{make([]*networkView, 0, len(s.networks)), make(map[string]*networkView, len(s.networks))}
	for name, n := range s.networks {
		nv := n.view()
		v.networks, v.names[name] = append(v.networks, nv), nv
	}
	slices.SortFunc(v.networks, func(a, b *networkView) int { return cmp.Compare(a.fact.Order, b.fact.Order) })
	return v
}

func (n *networkState) view() *networkView {
	v := &networkView{n.fact, make([]*endpointView, 0, len(n.endpoints)), make(map[string]*endpointView, len(n.endpoints))}
	for name, e := range n.endpoints {
		ev := &endpointView{e.fact, slices.Clone(e.bindings), slices.Clone(e.links)}
		slices.SortFunc(ev.bindings, func(a, b *Binding) int { return cmp.Compare(a.Order, b.Order) })
		slices.SortFunc(ev.links, olderLink)
		v.endpoints, v.names[name] = append(v.endpoints, ev), ev
	}
	slices.SortFunc(v.endpoints, func(a, b *endpointView) int { return cmp.Compare(a.fact.Order, b.fact.Order) })
	return v
}

// find returns what the View has of a network, if it is the same: a name
// can be used again, an order cannot.
func (v *View) find(n *Network) *networkView {
	if n == nil {
		return nil
	}
	if nv := v.names[n.Spec.Name]; nv != nil && nv.fact.Order == n.Order {
		return nv
	}
	return nil
}

// Networks iterates over the networks, oldest first.
func (v *View) Networks() iter.Seq[*Network] {
	return func(yield func(*Network) bool) {
		for _, n := range v.networks {
			if !yield(n.fact) {
				return
			}
		}
	}
}

// Network returns the network with a name, or nil.
func (v *View) Network(name string) *Network {
	if n := v.names[name]; n != nil {
		return n.fact
	}
	return nil
}

// Endpoint returns the endpoint with a name in the network with a name, or nil.
func (v *View) Endpoint(network, name string) *Endpoint {
	if n := v.names[network]; n != nil && n.names[name] != nil {
		return n.names[name].fact
	}
	return nil
}

// Endpoints iterates over a network's endpoints, oldest first. A nil network
// has none.
func (v *View) Endpoints(n *Network) iter.Seq[*Endpoint] {
	return func(yield func(*Endpoint) bool) {
		nv := v.find(n)
		if nv == nil {
			return
		}
		for _, e := range nv.endpoints {
			if !yield(e.fact) {
				return
			}
		}
	}
}

// findEndpoint does the same for an endpoint.
func (v *View) findEndpoint(e *Endpoint) *endpointView {
	if e == nil {
		return nil
	}
	if nv := v.find(e.Network); nv != nil {
		if ev := nv.names[e.Spec.Name]; ev != nil && ev.fact.Order == e.Order {
			return ev
		}
	}
	return nil
}

// Bindings iterates over what an endpoint publishes, oldest first. A nil
// endpoint publishes nothing.
func (v *View) Bindings(e *Endpoint) iter.Seq[*Binding] {
	return func(yield func(*Binding) bool) {
		if ev := v.findEndpoint(e); ev != nil {
			for _, b := range ev.bindings {
				if !yield(b) {
					return
				}
			}
		}
	}
}

// Links iterates over the links from an endpoint, oldest first. A nil endpoint
// has none.
func (v *View) Links(e *Endpoint) iter.Seq[*ContainerLink] {
	return func(yield func(*ContainerLink) bool) {
		if ev := v.findEndpoint(e); ev != nil {
			for _, l := range ev.links {
				if !yield(l) {
					return
				}
			}
		}
	}
}
