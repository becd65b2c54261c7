package bridge

import (
	"cmp"
	"iter"
	"slices"
)

// A View is the facts that held at one moment. It is immutable, and may be
// used by any number of goroutines.
type View struct {
	networks []networkView
}

type networkView struct {
	fact      *Network
	endpoints []endpointView
}

type endpointView struct {
	fact     *Endpoint
	bindings []*Binding
}

// view takes a snapshot.
func (s *state) view() *View {
	v := &View{networks: make([]networkView, 0, len(s.networks))}
	for _, n := range s.networks {
		nv := networkView{n.fact, make([]endpointView, 0, len(n.endpoints))}
		for _, e := range n.endpoints {
			ev := endpointView{e.fact, slices.Clone(e.bindings)}
			slices.SortFunc(ev.bindings, func(a, b *Binding) int { return cmp.Compare(a.Order, b.Order) })
			nv.endpoints = append(nv.endpoints, ev)
		}
		slices.SortFunc(nv.endpoints, func(a, b endpointView) int { return cmp.Compare(a.fact.Order, b.fact.Order) })
		v.networks = append(v.networks, nv)
	}
	slices.SortFunc(v.networks, func(a, b networkView) int { return cmp.Compare(a.fact.Order, b.fact.Order) })
	return v
}

// Networks iterates over the networks, oldest first.
func (v *View) Networks() iter.Seq[*Network] {
	return func(yield func(*Network) bool) {
		for i := range v.networks {
			if !yield(v.networks[i].fact) {
				return
			}
		}
	}
}

// Network returns the network with a name, or nil.
func (v *View) Network(name string) *Network {
	for i := range v.networks {
		if v.networks[i].fact.Spec.Name == name {
			return v.networks[i].fact
		}
	}
	return nil
}

// Endpoints iterates over a network's endpoints, oldest first.
func (v *View) Endpoints(network string) iter.Seq[*Endpoint] {
	return func(yield func(*Endpoint) bool) {
		for i := range v.networks {
			if v.networks[i].fact.Spec.Name != network {
				continue
			}
			for j := range v.networks[i].endpoints {
				if !yield(v.networks[i].endpoints[j].fact) {
					return
				}
			}
		}
	}
}

// Bindings iterates over what an endpoint publishes, oldest first.
func (v *View) Bindings(network, endpoint string) iter.Seq[*Binding] {
	return func(yield func(*Binding) bool) {
		for i := range v.networks {
			if v.networks[i].fact.Spec.Name != network {
				continue
			}
			for _, e := range v.networks[i].endpoints {
				if e.fact.Spec.Name != endpoint {
					continue
				}
				for _, b := range e.bindings {
					if !yield(b) {
						return
					}
				}
			}
		}
	}
}
