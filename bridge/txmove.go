package bridge

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/seawall-net/seawall/nft"
	"github.com/seawall-net/seawall/portmap"
)

// MovePorts moves what the endpoint publishes to another endpoint, of the same
// container in another network: together with [Firewall.UseGateway], when the
// container's way out becomes another one. The ports are not closed for a
// moment, and nobody else can take them meanwhile: it is part of one transaction.
// Without families it moves all. With one, only what is published in that family: a port
// that is published in both is cut in two, each with the address of the host on
// which it is published there, and has to be unpublished as such: [View.Bindings]
// tells how. So a container may have its IPv4 gateway in one network and its IPv6
// gateway in another.
//
// A host port that was chosen stays the same, unless nothing is translated in the
// other network.
//
// What moves is published as [EndpointTx.Publish] would publish it there:
// where the networks' modes or host bindings differ, or the other endpoint
// lacks a family, something else may be published, or it may be refused.
func (e EndpointTx) MovePorts(to EndpointTx, families ...nft.Family) {
	tx := e.tx
	if e.gone() {
		return
	}
	if to.tx != tx {
		tx.fail(fmt.Errorf("bridge: move ports of %s: the other endpoint is of another update: %w", e.fact, errInvalid))
		return
	}
	if to.gone() || to.fact == e.fact {
		return
	}
	var moved []portmap.Binding
	var had []uint16 // what was chosen once stays: clients know it
	for _, b := range slices.Clone(tx.fw.state.endpoint(e.fact).bindings) {
		goes, stays, err := b.divide(to.fact, families)
		if err != nil {
			tx.fail(err)
			break
		}
		if len(goes) == 0 {
			continue
		}
		for _, p := range goes {
			moved, had = append(moved, p), append(had, b.first)
		}
		tx.removeBinding(b)
		e.publishAs(stays, []uint16{b.first})
	}
	if tx.err == nil {
		to.publishAs(moved, had)
	}
	if tx.err != nil {
		tx.err = fmt.Errorf("bridge: move ports of %s to %s: %w", e.fact, to.fact, tx.err)
	}
}

// divide tells what of a binding goes to another endpoint with some families,
// and what stays.
func (b *Binding) divide(to *Endpoint, families []nft.Family) (goes, stays []portmap.Binding, err error) {
	leaves := func(f nft.Family) bool { return len(families) == 0 || slices.Contains(families, f) }
	if leaves(nft.IPv4) && leaves(nft.IPv6) {
		return []portmap.Binding{b.Port}, nil, nil
	}
	for _, f := range [...]nft.Family{nft.IPv4, nft.IPv6} {
		switch {
		case !b.isFor(f):
		case !leaves(f):
			stays = append(stays, b.narrow(f, b.Endpoint.Network))
		case !b.Port.HostAddr.IsValid() && to.Network.gateway(f).ExplicitOnly:
			return nil, nil, fmt.Errorf("%s names no address, and network %s (ExplicitOnly) publishes only such as do", b.Port, to.Network)
		default:
			goes = append(goes, b.narrow(f, to.Network))
		}
	}
	return goes, stays, nil
}

// narrow is the binding in one family only, in a network.
func (b *Binding) narrow(f nft.Family, n *Network) portmap.Binding {
	p := b.Port
	switch g := n.gateway(f); {
	case p.HostAddr.IsValid():
	case g.HostBinding.IsValid():
		p.HostAddr = g.HostBinding
	case f == nft.IPv6:
		p.HostAddr = netip.IPv6Unspecified()
	default:
		p.HostAddr = netip.IPv4Unspecified()
	}
	return p
}
