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
// Connections that are there end, and UDP clients are led to the new place.
// Without families it moves all. With one, only what is published in that family: a port
// that is published in both is cut in two, each with the address of the host on
// which it is published there, and has to be unpublished as such: [View.Bindings]
// tells how. So a container may have its IPv4 gateway in one network and its IPv6
// gateway in another.
//
// A host port that was chosen stays the same, unless nothing is translated in the
// other network.
//
// What moves is published as [EndpointTx.PublishWithin] would publish it there:
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
	var moved scopedPorts
	for _, b := range slices.Clone(tx.fw.state.endpoint(e.fact).bindings) {
		goes, stays, err := b.divide(to.fact, families)
		if err != nil {
			tx.fail(err)
			break
		}
		if len(goes) == 0 {
			continue
		}
		moved = moved.add(b, goes)
		tx.removeBinding(b)
		had := make([]uint16, len(stays))
		for i := range had {
			had[i] = b.first
		}
		e.publishAs(stays, b.scope, had)
	}
	for _, m := range moved {
		if tx.err == nil {
			to.publishAs(m.ports, m.scope, m.had)
		}
	}
	if tx.err != nil {
		tx.err = fmt.Errorf("bridge: move ports of %s to %s: %w", e.fact, to.fact, tx.err)
	}
}

// scopedPorts are ports by who reaches them, so that those of one scope are
// published together.
type scopedPorts []scopedGroup

type scopedGroup struct {
	scope *Scope
	ports []portmap.Binding
	// had are the first of the host ports that were chosen: clients know them.
	had []uint16
}

func (all scopedPorts) add(b *Binding, ports []portmap.Binding) scopedPorts {
	i := slices.IndexFunc(all, func(g scopedGroup) bool {
		return g.scope == b.scope || g.scope != nil && b.scope != nil && g.scope.equal(*b.scope)
	})
	if i < 0 {
		i, all = len(all), append(all, scopedGroup{scope: b.scope})
	}
	for _, p := range ports {
		all[i].ports, all[i].had = append(all[i].ports, p), append(all[i].had, b.first)
	}
	return all
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
