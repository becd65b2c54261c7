package bridge

import (
	"fmt"
	"slices"
)

// Link lets the endpoint open connections to ports of another endpoint of the
// network, although the network's ICC is disabled. The other answers, and can
// open none. It fails with an error that matches fs.ErrInvalid if a port is wrong,
// there is none, or the endpoints have no address of the same family, with
// fs.ErrNotExist if there is no such endpoint, and with fs.ErrExist if there is
// such a link. It ends with Unlink, or when either endpoint is detached.
//
// Without ICC the host routes what the link lets through, in the families in which
// it has an address on the bridge, and the endpoints meet as neighbours do that a
// router connects: the hop limit is one less. On a bridge of the caller's own the
// update fails with fs.ErrInvalid unless its MAC is the one that Firewall gives to
// its own: 02:42 and the gateway's IPv4 address, or the end of its IPv6
// address. With RulesOnly nobody checks that.
func (e EndpointTx) Link(to string, ports ...LinkPort) {
	tx := e.tx
	other := e.sibling(to)
	if tx.err == nil && len(ports) == 0 {
		tx.fail(fmt.Errorf("bridge: link %s to %s: no ports are given: %w", e.fact, other, errInvalid))
	}
	for _, p := range ports {
		if tx.err != nil {
			return
		}
		if err := tx.link(&ContainerLink{From: e.fact, To: other, Order: tx.nextOrder(), Port: p}); err != nil {
			tx.fail(fmt.Errorf("bridge: link %s to %s: %w", e.fact, other, err))
		}
	}
}

// link makes a link true, unless it is wrong or there already.
func (tx *Tx) link(l *ContainerLink) error {
	if err := l.check(); err != nil {
		return err
	}
	if tx.fw.state.link(l.From, l.To, l.Port) != nil {
		return fmt.Errorf("%s: %w", l.Port, errExist)
	}
	tx.add(l)
	return nil
}

// Unlink ends links to another endpoint: those to the ports, each as it was
// handed to Link, or all if none are given. It fails with fs.ErrNotExist.
func (e EndpointTx) Unlink(to string, ports ...LinkPort) {
	tx := e.tx
	other := e.sibling(to)
	if tx.err != nil {
		return
	}
	if len(ports) == 0 {
		for _, l := range tx.fw.state.linksOf(e.fact) {
			if l.From == e.fact && l.To == other {
				ports = append(ports, l.Port)
			}
		}
		if len(ports) == 0 {
			tx.fail(fmt.Errorf("bridge: unlink %s from %s: %w", e.fact, other, errNotExist))
		}
	}
	for _, p := range ports {
		l := tx.fw.state.link(e.fact, other, p)
		if l == nil {
			tx.fail(fmt.Errorf("bridge: unlink %s from %s %s: %w", e.fact, other, p, errNotExist))
			return
		}
		tx.remove(l)
	}
}

// sibling returns the endpoint of a name in the same network.
func (e EndpointTx) sibling(name string) *Endpoint {
	if e.gone() {
		return nil
	}
	return NetworkTx{e.tx, e.fact.Network}.Endpoint(name).fact
}

// unlinkAll ends the links from and to an endpoint.
func (tx *Tx) unlinkAll(e *Endpoint) {
	for _, l := range slices.Backward(tx.fw.state.linksOf(e)) {
		tx.remove(l)
	}
}
