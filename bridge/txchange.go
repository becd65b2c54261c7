package bridge

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
)

// What a Tx changes rather than removes and makes anew keeps its links: they
// are not taken out of use, since the new rules take the place of the old ones in
// one step. For all else a change is a removal and an addition, with the orders
// that there were, so that in the union most of it cancels out.

// Change gives the network other options. Its endpoints keep what they are
// connected by, and what they publish, on the ports that they have; where the
// new options allow something else to be published, or nothing, that is so from
// now on. Tracked connections of the network end: they were judged by the old
// options. What does not change costs nothing, and a specification that is the
// same is no change. A new MTU is the bridge's; links of containers keep theirs.
//
// It fails with a [*SpecError] if the specification is wrong, if an endpoint or a
// publication cannot be in the network any more, and if it has another name,
// bridge, subnet or gateway address: such a network has to be removed and created
// anew, since nothing that is connected to it could stay as it is.
//
// From now on the network is the NetworkTx that is returned. Those that were
// returned before, and those of its endpoints, are not valid any more.
func (n NetworkTx) Change(spec NetworkSpec) NetworkTx {
	tx := n.tx
	if n.gone() {
		return NetworkTx{tx: tx}
	}
	old := n.fact
	spec, err := spec.normalize()
	if err == nil {
		err = old.Spec.sameLinks(spec)
	}
	if err != nil {
		tx.fail(err)
		return NetworkTx{tx: tx}
	}
	if reflect.DeepEqual(spec, old.Spec) {
		return n
	}
	endpoints, links := tx.takeApart(old)
	tx.remove(old)
	now := &Network{Host: old.Host, Order: old.Order, Spec: spec}
	now.record = now.encode()
	tx.add(now)
	tx.succeeds(old, now)
	byOld := map[*Endpoint]*Endpoint{}
	for _, e := range endpoints {
		byOld[e.fact] = tx.attachAgain(e, now, e.fact.Spec)
	}
	for _, l := range links {
		tx.linkAgain(l, byOld[l.From], byOld[l.To])
	}
	return NetworkTx{tx, now}
}

// Change gives the endpoint other options: AllowSpoofing. It keeps what it is
// connected by, what it publishes, and its links; tracked connections end. A
// specification that is the same is no change.
//
// It fails with a [*SpecError] if the specification is wrong, or has another
// name, address, MAC or interface: such an endpoint has to be detached and
// attached anew.
//
// From now on the endpoint is the EndpointTx that is returned. Those that were
// returned before are not valid any more.
func (e EndpointTx) Change(spec EndpointSpec) EndpointTx {
	tx := e.tx
	if e.gone() {
		return EndpointTx{tx: tx}
	}
	old := e.fact
	spec, err := spec.normalize(old.Network)
	if err == nil {
		err = old.sameLink(spec)
	}
	if err != nil {
		tx.fail(err)
		return EndpointTx{tx: tx}
	}
	if reflect.DeepEqual(spec, old.Spec) {
		return e
	}
	links := tx.fw.state.linksOf(old)
	for _, l := range slices.Backward(links) {
		tx.remove(l)
	}
	now := tx.attachAgain(tx.detached(old), old.Network, spec)
	heir := func(other *Endpoint) *Endpoint {
		if other == old {
			return now
		}
		return other
	}
	for _, l := range links {
		tx.linkAgain(l, heir(l.From), heir(l.To))
	}
	return EndpointTx{tx, now}
}

// sameLinks refuses a specification with which nothing that is connected to the
// network could stay as it is.
func (s NetworkSpec) sameLinks(now NetworkSpec) error {
	refuse := func(field string, was, is any) error {
		return &SpecError{"network " + s.Name, field, fmt.Sprintf("%v cannot become %v while the network is there", was, is)}
	}
	if now.Name != s.Name {
		return refuse("Name", s.Name, now.Name)
	}
	if now.Bridge != s.Bridge {
		return refuse("Bridge", s.Bridge, now.Bridge)
	}
	for _, f := range []struct {
		field   string
		was, is Gateway
	}{{"IPv4", s.IPv4, now.IPv4}, {"IPv6", s.IPv6, now.IPv6}} {
		switch {
		case f.was.Subnet != f.is.Subnet:
			return refuse(f.field+".Subnet", f.was.Subnet, f.is.Subnet)
		case f.was.Address != f.is.Address:
			return refuse(f.field+".Address", f.was.Address, f.is.Address)
		case f.was.InhibitAddress != f.is.InhibitAddress:
			return refuse(f.field+".InhibitAddress", f.was.InhibitAddress, f.is.InhibitAddress)
		}
	}
	return nil
}

// sameLink refuses a specification with which the endpoint's interface could not
// stay as it is.
func (e *Endpoint) sameLink(now EndpointSpec) error {
	for _, f := range []struct {
		field   string
		was, is string
	}{
		{"Name", e.Spec.Name, now.Name},
		{"IPv4", e.Spec.IPv4.String(), now.IPv4.String()},
		{"IPv6", e.Spec.IPv6.String(), now.IPv6.String()},
		{"MAC", e.Spec.MAC.String(), now.MAC.String()},
		{"HostIfName", e.Spec.HostIfName, now.HostIfName},
	} {
		if f.was != f.is {
			return &SpecError{"endpoint " + e.String(), f.field, fmt.Sprintf("%s cannot become %s while the endpoint is there", f.was, f.is)}
		}
	}
	return nil
}

// A detached endpoint is one that comes back, with what it published.
type detached struct {
	fact     *Endpoint
	bindings []*Binding
}

// takeApart removes what is in a network, and returns it, oldest first.
func (tx *Tx) takeApart(n *Network) (endpoints []detached, links []*ContainerLink) {
	var facts []*Endpoint
	for _, e := range tx.fw.state.networks[n.Spec.Name].endpoints {
		facts = append(facts, e.fact)
		links = append(links, e.links...)
	}
	slices.SortFunc(facts, func(a, b *Endpoint) int { return cmp.Compare(a.Order, b.Order) })
	slices.SortFunc(links, olderLink)
	for _, l := range slices.Backward(links) {
		tx.remove(l)
	}
	for _, e := range facts {
		endpoints = append(endpoints, tx.detached(e))
	}
	return endpoints, links
}

// detached removes an endpoint that has no links any more.
func (tx *Tx) detached(e *Endpoint) detached {
	bindings := slices.Clone(tx.fw.state.endpoint(e).bindings)
	slices.SortFunc(bindings, olderBinding)
	for _, b := range slices.Backward(bindings) {
		tx.removeBinding(b)
	}
	tx.remove(e)
	return detached{e, bindings}
}

// attachAgain adds an endpoint in the place of one that was removed. It returns
// nil if the Tx fails.
func (tx *Tx) attachAgain(d detached, n *Network, spec EndpointSpec) *Endpoint {
	if tx.err != nil {
		return nil
	}
	spec, err := spec.normalize(n)
	if err != nil {
		tx.fail(err)
		return nil
	}
	e := &Endpoint{Network: n, Order: d.fact.Order, Spec: spec}
	if err := tx.fw.state.checkEndpoint(e); err != nil {
		tx.fail(err)
		return nil
	}
	e.record = e.encode()
	tx.add(e)
	tx.succeeds(d.fact, e)
	for _, b := range d.bindings {
		if tx.err == nil {
			tx.publishAgain(b, e)
		}
	}
	return e
}

// publishAgain publishes what a binding did on another endpoint. A host port that
// was chosen stays the same.
func (tx *Tx) publishAgain(old *Binding, e *Endpoint) {
	now, err := EndpointTx{tx, e}.binding(old.Port, old.scope)
	if err == nil {
		now.Order = old.Order
		open := now.Port.Dynamic() && len(now.Claims()) > 0
		if open {
			now.first = old.first
		}
		publish := func() error {
			if open && now.first == 0 {
				return tx.choose([]*Binding{now})
			}
			return tx.addBindings(now)
		}
		if tx.fw.sockets == nil {
			err = publish()
		} else {
			err = tx.fw.sockets.inside(publish)
		}
	}
	if err != nil {
		tx.fail(fmt.Errorf("bridge: publish %s: %w", e, err))
	}
}

// linkAgain makes a link between the heirs of its endpoints.
func (tx *Tx) linkAgain(old *ContainerLink, from, to *Endpoint) {
	if tx.err != nil {
		return
	}
	if err := tx.link(&ContainerLink{From: from, To: to, Order: old.Order, Port: old.Port}); err != nil {
		tx.fail(fmt.Errorf("bridge: link %s to %s: %w", from, to, err))
	}
}

// succeeds notes that a fact has taken another's place, links included.
func (tx *Tx) succeeds(old, now Fact) {
	if tx.heirs == nil {
		tx.heirs = map[Fact]Fact{}
	}
	tx.heirs[old] = now
}

// heir is the fact that has taken a fact's place in the end: itself, if none has.
func (tx *Tx) heir(f Fact) Fact {
	for tx.heirs[f] != nil {
		f = tx.heirs[f]
	}
	return f
}

// linksStay tells whether links of a fact that was removed are those of one that
// has taken its place.
func (tx *Tx) linksStay(f Fact) bool {
	heir := tx.heir(f)
	if heir == f {
		return false
	}
	switch now := heir.(type) {
	case *Network:
		return tx.fw.state.bridges[now.Spec.Bridge] == now
	case *Endpoint:
		return tx.fw.state.interfaces[now.Spec.HostIfName] == now
	}
	return false
}
