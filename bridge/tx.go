package bridge

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"slices"

	"github.com/seawall-net/seawall/nft"
	"github.com/seawall-net/seawall/portmap"
)

// A Tx collects the changes of one [Firewall.Update]. It is valid only during
// the call of the function that it is handed to, and only on its goroutine.
// The first error sticks: later calls do nothing, and Update returns it.
type Tx struct {
	fw     *Firewall
	change *nft.Change
	log    []applied
	user   []userOp
	// back says that the Tx takes back what its log says.
	back bool
	err  error
	// ephemeral is the host's ephemeral ports, once somebody asked for them.
	ephemeral *portmap.Ephemeral
	// heirs are the facts that have taken others' places: see NetworkTx.Change.
	heirs map[Fact]Fact
}

// applied is a fact that came or went, to be undone if the commit fails.
type applied struct {
	fact Fact
	add  bool
}

// Err returns the first error, or nil.
func (tx *Tx) Err() error { return tx.err }

// View returns the facts as they are at this point of the Tx: those that
// [Firewall.View] had before it, those that other processes have added since, and
// what the Tx itself has done. It takes time that grows with the number of facts.
func (tx *Tx) View() *View { return tx.fw.state.view() }

func (tx *Tx) fail(err error) {
	if tx.err == nil {
		tx.err = err
	}
}

// add makes a fact true. It has been checked.
func (tx *Tx) add(f Fact) {
	if err := tx.check(f); err != nil {
		tx.fail(err)
		return
	}
	f.apply(tx.fw.state, true)
	tx.record(applied{f, true})
	tx.fw.compileFact(f, tx.fw.state.networkFacts, tx.change.Add)
}

// check asks the layout whether it can do what a fact asks for.
func (tx *Tx) check(f Fact) error {
	if err := tx.fw.layout.Check(f); err != nil {
		return &LayoutError{Layout: tx.fw.layout.Name(), Err: err}
	}
	return nil
}

func (tx *Tx) remove(f Fact) {
	f.apply(tx.fw.state, false)
	tx.record(applied{f, false})
	tx.fw.compileFact(f, tx.fw.state.networkFacts, tx.change.Remove)
}

func (tx *Tx) record(a applied) {
	if n := len(tx.log); n == cap(tx.log) {
		tx.log = slices.Grow(tx.log, max(4, n)) // append alone grows large slices by little
	}
	tx.log = append(tx.log, a)
}

// rollback leaves facts and union as they were before the Tx.
func (tx *Tx) rollback() {
	tx.change.Rollback()
	for i := len(tx.log) - 1; i >= 0; i-- {
		tx.log[i].fact.apply(tx.fw.state, !tx.log[i].add)
	}
	if err := tx.fw.sockets.rollback(); err != nil {
		tx.fw.logger.LogAttrs(context.Background(), slog.LevelWarn, "published ports are not held any more", slog.Any("error", err))
	}
}

// batch returns what the kernel has to do.
func (tx *Tx) batch() (nft.Batch, error) {
	b, err := tx.change.Batch()
	if err != nil {
		return nft.Batch{}, err
	}
	tx.fw.anchor.follow(tx.fw.state, tx.log, tx.back, &b)
	for _, op := range tx.user {
		op(&b)
	}
	return b, nil
}

// nextOrder numbers a new fact. Numbers of a failed Tx are not used again.
func (tx *Tx) nextOrder() uint64 {
	tx.fw.state.order++
	return tx.fw.state.order
}

// A NetworkTx changes one network within a Tx.
type NetworkTx struct {
	tx   *Tx
	fact *Network // nil after an error
}

// CreateNetwork creates a network. It fails with a [*SpecError] if the
// specification is wrong or clashes with another network, and with fs.ErrExist
// if there is a network of that name.
func (tx *Tx) CreateNetwork(spec NetworkSpec) NetworkTx {
	if tx.err != nil {
		return NetworkTx{tx: tx}
	}
	spec, err := spec.normalize()
	if err != nil {
		tx.fail(err)
		return NetworkTx{tx: tx}
	}
	n := &Network{Host: tx.fw.state.host, Order: tx.nextOrder(), Spec: spec}
	if err := tx.fw.state.checkNetwork(n); err != nil {
		tx.fail(err)
		return NetworkTx{tx: tx}
	}
	n.record = n.encode()
	tx.needForwarding(n)
	tx.add(n)
	return NetworkTx{tx, n}
}

// Network returns the network with a name. It fails with fs.ErrNotExist.
func (tx *Tx) Network(name string) NetworkTx {
	if tx.err != nil {
		return NetworkTx{tx: tx}
	}
	n := tx.fw.state.networks[name]
	if n == nil {
		tx.fail(fmt.Errorf("bridge: network %s: %w", name, errNotExist))
		return NetworkTx{tx: tx}
	}
	return NetworkTx{tx, n.fact}
}

// RemoveNetwork removes a network with all its endpoints and their ports. It
// fails with fs.ErrNotExist.
func (tx *Tx) RemoveNetwork(name string) {
	n := tx.Network(name)
	if tx.err != nil {
		return
	}
	for e := range tx.fw.state.networks[name].endpoints {
		n.Detach(e)
	}
	tx.remove(n.fact)
}

// An EndpointTx changes one endpoint within a Tx.
type EndpointTx struct {
	tx   *Tx
	fact *Endpoint // nil after an error
}

// gone fails the Tx, and tells so, if the network was removed since. So does it
// after an earlier error.
func (n NetworkTx) gone() bool {
	tx := n.tx
	if tx.err == nil {
		if now := tx.fw.state.networks[n.fact.Spec.Name]; now == nil || now.fact != n.fact {
			tx.fail(fmt.Errorf("bridge: network %s was removed in this update: %w", n.fact, errNotExist))
		}
	}
	return tx.err != nil
}

// gone does the same for the endpoint.
func (e EndpointTx) gone() bool {
	tx := e.tx
	if tx.err == nil {
		n := tx.fw.state.networks[e.fact.Network.Spec.Name]
		if n == nil || n.endpoints[e.fact.Spec.Name] == nil || n.endpoints[e.fact.Spec.Name].fact != e.fact {
			tx.fail(fmt.Errorf("bridge: endpoint %s was removed in this update: %w", e.fact, errNotExist))
		}
	}
	return tx.err != nil
}

// Attach gives the network an endpoint. It fails with a [*SpecError] if the
// specification is wrong or an address is taken, and with fs.ErrExist if the
// network has an endpoint of that name.
func (n NetworkTx) Attach(spec EndpointSpec) EndpointTx {
	tx := n.tx
	if n.gone() {
		return EndpointTx{tx: tx}
	}
	spec, err := spec.normalize(n.fact)
	if err != nil {
		tx.fail(err)
		return EndpointTx{tx: tx}
	}
	e := &Endpoint{Network: n.fact, Order: tx.nextOrder(), Spec: spec}
	if err := tx.fw.state.checkEndpoint(e); err != nil {
		tx.fail(err)
		return EndpointTx{tx: tx}
	}
	e.record = e.encode()
	tx.add(e)
	return EndpointTx{tx, e}
}

// Endpoint returns the network's endpoint with a name. It fails with
// fs.ErrNotExist.
func (n NetworkTx) Endpoint(name string) EndpointTx {
	tx := n.tx
	if n.gone() {
		return EndpointTx{tx: tx}
	}
	e := tx.fw.state.networks[n.fact.Spec.Name].endpoints[name]
	if e == nil {
		tx.fail(fmt.Errorf("bridge: endpoint %s/%s: %w", n.fact, name, errNotExist))
		return EndpointTx{tx: tx}
	}
	return EndpointTx{tx, e.fact}
}

// Detach removes an endpoint, its published ports, and the links from and to it.
// It fails with fs.ErrNotExist.
func (n NetworkTx) Detach(name string) {
	e := n.Endpoint(name)
	if n.tx.err != nil {
		return
	}
	for _, b := range slices.Clone(n.tx.fw.state.endpoint(e.fact).bindings) {
		n.tx.removeBinding(b)
	}
	n.tx.unlinkAll(e.fact)
	n.tx.remove(e.fact)
}

// Publish publishes ports of the endpoint on the host, and holds them: see
// [Firewall.Sockets]. A binding that leaves the host port open gets one that is
// free: out of its range, or an ephemeral one that is not reserved
// (net.ipv4.ip_local_port_range and ip_local_reserved_ports). [Binding.Host]
// tells which; see [EndpointTx.Bindings]. It is the same in both families, and
// for all bindings of one call that differ in the host's address alone. Whatever
// the order, bindings that leave no choice are served first.
//
// It fails with a [*portmap.SpecError] if a binding is wrong, or is for an
// address of a family that the endpoint does not have, and with fs.ErrExist if a
// port is taken: a [*portmap.ConflictError] names the endpoint that has it, and a
// [*PortError] means another process. A [*NoPortError] says that there was none to
// choose.
func (e EndpointTx) Publish(ports ...portmap.Binding) {
	e.publishAs(ports, nil, nil)
}

// PublishWithin is Publish for some only: nobody outside of the scope reaches
// the ports, by whatever way. It fails with a [*portmap.SpecError], too, if the
// scope is wrong, or cannot hold in the network: in gateway mode NATUnprotected
// all ports are open. Unpublish ends it.
func (e EndpointTx) PublishWithin(scope Scope, ports ...portmap.Binding) {
	within, bad := scope.normalize()
	if bad != nil && e.tx.err == nil {
		bad.Spec = fmt.Sprint(ports)
		e.tx.fail(fmt.Errorf("bridge: publish %s: %w", e.fact, bad))
	}
	e.publishAs(ports, within, nil)
}

// publishAs is Publish to a normalized scope, for ports that may have host ports
// already: see publish.
func (e EndpointTx) publishAs(ports []portmap.Binding, within *Scope, had []uint16) {
	tx := e.tx
	if e.gone() {
		return
	}
	var err error
	if tx.fw.sockets == nil {
		err = e.publish(ports, within, had)
	} else {
		all := slices.Clone(ports) // so that ports costs no memory above
		err = tx.fw.sockets.inside(func() error { return e.publish(all, within, had) })
	}
	if err != nil {
		tx.fail(fmt.Errorf("bridge: publish %s: %w", e.fact, err))
	}
}

// Bindings iterates over what the endpoint publishes at this point of the Tx, in
// no order. There is nothing after an error.
func (e EndpointTx) Bindings() iter.Seq[*Binding] {
	return func(yield func(*Binding) bool) {
		if e.gone() {
			return
		}
		for _, b := range slices.Clone(e.tx.fw.state.endpoint(e.fact).bindings) {
			if !yield(b) {
				return
			}
		}
	}
}

// Unpublish ends the publication of ports, each as it was handed to Publish, or
// with the host ports that it got. Of several equal ones that left the host port
// open, the latest goes. It fails with fs.ErrNotExist.
func (e EndpointTx) Unpublish(ports ...portmap.Binding) {
	tx := e.tx
	if e.gone() {
		return
	}
	for _, p := range ports {
		if tx.err != nil {
			return
		}
		b := tx.fw.state.binding(e.fact, p)
		if b == nil {
			tx.fail(fmt.Errorf("bridge: unpublish %s %s: %w", e.fact, p, errNotExist))
			return
		}
		tx.removeBinding(b)
	}
}
