package bridge

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/seawall-net/seawall/nft"
	"github.com/seawall-net/seawall/portmap"
)

// A Fact is something that the firewall has to make true: a [*Host], a
// [*Forwarding], a [*Network], an [*Endpoint], a [*Binding] or a
// [*ContainerLink]. Facts are immutable.
type Fact interface {
	// Records is the fact in the form that is kept in the kernel, to be read
	// back by the next process: nearly always one string, and more where one
	// is longer than the kernel keeps. A layout stores each as the userdata of
	// another of the fact's objects, in each family's table.
	Records() []string
	apply(s *state, add bool)
}

// A Host is what holds for all networks.
type Host struct {
	// AllowDirectRouting lets packets from outside reach ports that are
	// published on all of the host's addresses by the endpoints' own, if they
	// are routed here.
	AllowDirectRouting bool
	// UserlandProxy leaves loopback addresses, and what comes from a port's own
	// network, to a proxy.
	UserlandProxy bool
	// DisableIPv4 and DisableIPv6 leave a family's packets alone.
	DisableIPv4, DisableIPv6 bool
	// DropForward drops what is forwarded and belongs to no network.
	DropForward bool
	// WSL2Mirrored takes what comes by loopback0 for the host's own.
	WSL2Mirrored bool
	// LogDrops says how dropped packets are told; nil is not at all.
	LogDrops *DropLog

	record string
}

// host is the fact that a configuration asks for.
func (c Config) host() *Host {
	h := &Host{
		AllowDirectRouting: c.AllowDirectRouting,
		UserlandProxy:      c.UserlandProxy,
		DisableIPv4:        c.DisableIPv4,
		DisableIPv6:        c.DisableIPv6,
		DropForward:        c.DropForward,
		WSL2Mirrored:       c.WSL2Mirrored,
	}
	if c.LogDrops != nil {
		log := *c.LogDrops
		h.LogDrops = &log
	}
	return h
}

// Disabled tells whether packets of a family, nft.IPv4 or nft.IPv6, are left
// alone.
func (h *Host) Disabled(f nft.Family) bool {
	if f == nft.IPv6 {
		return h.DisableIPv6
	}
	return h.DisableIPv4
}

// carriesLoopback tells whether networks have to carry loopback addresses of a
// family where ports are published on them.
func (h *Host) carriesLoopback(f nft.Family) bool { return !h.UserlandProxy && !h.Disabled(f) }

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
func (n *Network) Gateway(f nft.Family) Gateway { return *n.gateway(f) }

func (n *Network) gateway(f nft.Family) *Gateway {
	if f == nft.IPv6 {
		return &n.Spec.IPv6
	}
	return &n.Spec.IPv4
}

// translates tells whether the host's ports of a family lead into the network.
func (n *Network) translates(f nft.Family) bool {
	return !n.Spec.Internal && n.gateway(f).translates()
}

// opensDirectly tells whether there are interfaces from which published ports
// are reached without a translation, in gateway mode NAT.
func (n *Network) opensDirectly() bool {
	return n.Host.AllowDirectRouting || len(n.Spec.TrustedInterfaces) > 0
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
	slot int32
	// first is the first of the host ports, if Port left them open.
	first uint16
	// scope is who reaches the port; nil is everybody.
	scope *Scope
}

// Host returns the ports of the host, also if Port left them open: as many as
// there are container ports. It is the zero value if Port left them open and the
// binding takes none: see Claim.
func (b *Binding) Host() portmap.Ports {
	if !b.Port.Dynamic() {
		return b.Port.Host
	}
	if b.first == 0 {
		return portmap.Ports{}
	}
	return portmap.Ports{First: b.first, Last: b.first + b.Port.Container.Last - b.Port.Container.First}
}

// settled is Port with the host ports that it got.
func (b *Binding) settled() portmap.Binding {
	p := b.Port
	if b.first != 0 {
		p.Host = b.Host()
	}
	return p
}

// Claim returns what the binding takes of the host in one family. It is false
// if that is nothing: the endpoint has no address of the family, the binding or
// its scope is for the other, or the host does not translate for the network.
func (b *Binding) Claim(f nft.Family) (c portmap.Claim, ok bool) {
	n := b.Endpoint.Network
	if !n.translates(f) || !b.isFor(f) {
		return portmap.Claim{}, false
	}
	g := n.gateway(f)
	c, ok = b.settled().Claim(f == nft.IPv6)
	if !b.Port.HostAddr.IsValid() && g.HostBinding.IsValid() {
		c.Addr = g.HostBinding
	}
	return c, ok
}

// Claims returns what the binding takes of the host: one claim in each family
// in which it is published there.
func (b *Binding) Claims() []portmap.Claim { return b.appendClaims(nil) }

func (b *Binding) appendClaims(claims []portmap.Claim) []portmap.Claim {
	for _, f := range [...]nft.Family{nft.IPv4, nft.IPv6} {
		if c, ok := b.Claim(f); ok {
			claims = append(claims, c)
		}
	}
	return claims
}

// isFor tells whether the binding concerns the endpoint's address of a family.
func (b *Binding) isFor(f nft.Family) bool {
	a := b.Port.HostAddr
	if !b.Endpoint.Addr(f).IsValid() || !b.scope.concerns(f) {
		return false
	}
	if !a.IsValid() {
		return !b.Endpoint.Network.gateway(f).ExplicitOnly
	}
	return a.Is6() == (f == nft.IPv6)
}

// String returns the binding as `docker ps` shows it:
// "0.0.0.0:8080->80/tcp, [::]:8080->80/tcp", or "80/tcp" if it takes nothing of
// the host.
func (b *Binding) String() string {
	var lines []string
	for _, c := range b.Claims() {
		host, _, _ := strings.Cut(c.String(), "/")
		lines = append(lines, fmt.Sprintf("%s->%v/%v", host, b.Port.Container, b.Port.Proto))
	}
	if len(lines) == 0 {
		return fmt.Sprintf("%v/%v", b.Port.Container, b.Port.Proto)
	}
	return strings.Join(lines, ", ")
}

// Records returns the fact as it is kept in the kernel.
func (h *Host) Records() []string { return []string{h.record} }

// Records returns the fact as it is kept in the kernel.
func (n *Network) Records() []string { return splitRecord(recordNetwork, n.Order, n.record) }

// Records returns the fact as it is kept in the kernel.
func (e *Endpoint) Records() []string { return []string{e.record} }

// Records returns the fact as it is kept in the kernel.
func (b *Binding) Records() []string { return splitRecord(recordBinding, b.Order, b.encode()) }
