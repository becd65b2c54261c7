package bridge

import "github.com/seawall-net/seawall/nft"

// In a family that is disabled the host's table has no base chain, so that no
// packet ever comes there. It keeps the facts, for the next process and for the
// day when the family is enabled again, and DOCKER-USER, which is the user's.

// hostOf returns the host that a fact is about.
func hostOf(f Fact) *Host {
	switch f := f.(type) {
	case *Host:
		return f
	case *Forwarding:
		return f.Host
	case *Network:
		return f.Host
	case *Endpoint:
		return f.Network.Host
	case *Binding:
		return f.Endpoint.Network.Host
	case *ContainerLink:
		return f.From.Network.Host
	}
	panic("bridge: a fact of no host")
}

// disabled is what the layout makes of a fact in a disabled family.
func (l *nativeFamily) disabled(f Fact, add func(nft.Object)) {
	var concerned bool
	switch f := f.(type) {
	case *Host:
		add(l.table)
		l.filter.User(add)
		concerned = true
	case *Forwarding:
		concerned = f.Family == l.family
	case *Network:
		concerned = f.gateway(l.family).exists()
	case *Endpoint:
		concerned = f.Addr(l.family).IsValid()
	case *Binding:
		concerned = f.isFor(l.family)
	case *ContainerLink:
		concerned = f.isFor(l.family)
	}
	if concerned {
		l.keep(f, add)
	}
}

// keep adds objects for no other purpose than to keep a fact's records.
func (l *nativeFamily) keep(f Fact, add func(nft.Object)) {
	add(l.facts)
	kind, order := factID(f)
	for i, record := range f.Records() {
		add(&nft.Element{
			Set: l.factsRef,
			// Orders have 48 bits.
			Key:      nft.Key(nft.MarkValue(uint32(kind)<<24|uint32(i)<<16|uint32(order>>32)), nft.MarkValue(uint32(order))),
			Userdata: record,
		})
	}
}

// factID tells facts apart: by their kind, and their order or family.
func factID(f Fact) (kind byte, order uint64) {
	switch f := f.(type) {
	case *Forwarding:
		return recordForward, uint64(f.Family)
	case *Network:
		return recordNetwork, f.Order
	case *Endpoint:
		return recordEndpoint, f.Order
	case *Binding:
		return recordBinding, f.Order
	case *ContainerLink:
		return recordLink, f.Order
	}
	return recordHost, 0
}
