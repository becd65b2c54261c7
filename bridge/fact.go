package bridge

import (
	"net/netip"

	"github.com/seawall-net/seawall/nft"
	"github.com/seawall-net/seawall/portmap"
)

// A Fact is something that the firewall has to make true: a [*Host], a
// [*Forwarding], a [*Network], an [*Endpoint] or a [*Binding]. Facts are
// immutable.
type Fact interface {
	// Record is the fact in the form that is kept in the kernel, to be read
	// back by the next process. A layout stores it as the userdata of one of
	// the fact's objects in each family's table.
	Record() string
	apply(s *state, add bool)
}

// A Host is what holds for all networks.
type Host struct {
	// AllowDirectRouting lets packets from outside reach ports that are
	// published on all of the host's addresses by the endpoints' own, if they
	// are routed here.
	AllowDirectRouting bool

	record string
}

// A Network is a network that was created.
type Network struct {
	// Host is the host it is on.
	Host *Host
	// Order counts the facts as they were made: an older one has a lower number.
	Order uint64
	// Spec is the network's specification with all defaults filled in.
	Spec NetworkSpec

	record string
}

// String returns the network's name.
func (n *Network) String() string { return n.Spec.Name }

// Gateway returns the network's gateway in one family.
func (n *Network) Gateway(f nft.Family) Gateway {
	if f == nft.IPv6 {
		return n.Spec.IPv6
	}
	return n.Spec.IPv4
}

// An Endpoint is a container's place in a network.
type Endpoint struct {
	Network *Network
	Order   uint64
	// Spec is the endpoint's specification with all defaults filled in.
	Spec EndpointSpec

	record string
}

// String returns the endpoint as network/name.
func (e *Endpoint) String() string { return e.Network.Spec.Name + "/" + e.Spec.Name }

// Addr returns the endpoint's address in one family; it may be the zero Addr.
func (e *Endpoint) Addr(f nft.Family) netip.Addr {
	if f == nft.IPv6 {
		return e.Spec.IPv6
	}
	return e.Spec.IPv4
}

// A Binding is a published port, or a range of them.
type Binding struct {
	Endpoint *Endpoint
	Order    uint64
	// Port is what was asked for.
	Port portmap.Binding

	// There may be very many bindings: what can be worked out is not kept.

	// slot is the binding's place among its endpoint's while it is in force.
	slot int
}

// Claims returns what the binding takes of the host: one claim in each family
// in which it is published.
func (b *Binding) Claims() []portmap.Claim { return b.appendClaims(nil) }

func (b *Binding) appendClaims(claims []portmap.Claim) []portmap.Claim {
	spec := &b.Endpoint.Spec
	return b.Port.AppendClaims(claims, spec.IPv4.IsValid(), spec.IPv6.IsValid())
}

// String returns the binding as a line of `docker ps` would.
func (b *Binding) String() string { return b.Port.String() }

// Record returns the fact as it is kept in the kernel.
func (h *Host) Record() string { return h.record }

// Record returns the fact as it is kept in the kernel.
func (n *Network) Record() string { return n.record }

// Record returns the fact as it is kept in the kernel.
func (e *Endpoint) Record() string { return e.record }

// Record returns the fact as it is kept in the kernel.
func (b *Binding) Record() string { return b.encode() }
