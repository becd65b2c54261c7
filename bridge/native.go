package bridge

import (
	"github.com/seawall-net/seawall/isolation"
	"github.com/seawall-net/seawall/nft"
	"github.com/seawall-net/seawall/portmap"
)

// tableName is the name of the native layout's tables.
const tableName = "seawall"

// Native returns the native layout: one table for each family, in which
// packets are looked up in maps, so that a new flow costs the same with any
// number of networks and ports.
func Native() Layout {
	l := native{}
	for i, f := range []nft.Family{nft.IPv4, nft.IPv6} {
		ref := nft.TableRef{Family: f, Name: tableName}
		l[i] = nativeFamily{
			family: f,
			// Users have chains and sets of their own there, for DOCKER-USER.
			table:  &nft.Table{Family: f, Name: tableName, Open: true},
			filter: isolation.NewFilter(ref),
			nat:    portmap.NewNAT(ref),
		}
	}
	return l
}

type native [2]nativeFamily

// nativeFamily is the layout's part for one family.
type nativeFamily struct {
	family nft.Family
	table  *nft.Table
	filter *isolation.Filter
	nat    *portmap.NAT
}

func (native) Name() string { return "native" }

func (l native) Tables() []nft.TableRef {
	return []nft.TableRef{l[0].table.Ref(), l[1].table.Ref()}
}

func (l native) UserChain(f nft.Family) nft.ChainRef {
	return nft.TableRef{Family: f, Name: tableName}.Chain(isolation.UserChain)
}

func (l native) Compile(f Fact, add func(nft.Object)) {
	for i := range l {
		switch f := f.(type) {
		case *Host:
			l[i].host(f, add)
		case *Forwarding:
			if f.Family == l[i].family {
				l[i].filter.DropOthers(f.record, add)
			}
		case *Network:
			l[i].network(f, add)
		case *Endpoint:
			l[i].endpoint(f, add)
		case *Binding:
			l[i].binding(f, add)
		}
	}
}

func (l *nativeFamily) host(h *Host, add func(nft.Object)) {
	add(l.table)
	l.filter.Base(h.record, add)
	l.nat.Base(add)
}

func (l *nativeFamily) network(n *Network, add func(nft.Object)) {
	g := n.Gateway(l.family)
	if !g.exists() {
		return
	}
	l.filter.Network(filterNetwork(n), n.record, add)
	l.nat.Network(portmap.Network{Bridge: n.Spec.Bridge, Subnet: g.Subnet}, add)
}

func filterNetwork(n *Network) isolation.Network {
	return isolation.Network{Bridge: n.Spec.Bridge, AllowDirectRouting: n.Host.AllowDirectRouting}
}

func (l *nativeFamily) endpoint(e *Endpoint, add func(nft.Object)) {
	if a := e.Addr(l.family); a.IsValid() {
		l.filter.Endpoint(filterNetwork(e.Network), a, e.record, add)
	}
}

func (l *nativeFamily) binding(b *Binding, add func(nft.Object)) {
	to, ports := b.Endpoint.Addr(l.family), b.Port.Container
	c, ok := b.Port.Claim(l.family == nft.IPv6)
	if !ok || !to.IsValid() {
		return
	}
	l.nat.Publish(c, to, ports, b.encode(), add)
	proto := nft.L4Proto(c.Proto.Number())
	if ports.Len() > 1 && c.Ports == ports {
		first, last := c.Span()
		l.filter.OpenRange(to, proto, ports.First, ports.Last, first, last, add)
		return
	}
	for i := range ports.Len() {
		l.filter.Open(to, proto, ports.First+uint16(i), add)
		// Who publishes on one address means that one, and no other way in.
		if b.Endpoint.Network.Host.AllowDirectRouting && c.Addr.IsUnspecified() {
			l.filter.OpenDirect(to, proto, ports.First+uint16(i), add)
		}
	}
}
