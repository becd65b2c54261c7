package compat

import (
	"strconv"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/nft"
	"github.com/seawall-net/seawall/portmap"
)

var families = [...]nft.Family{nft.IPv4, nft.IPv6}

// exists tells whether a network has a family.
func exists(n *bridge.Network, f nft.Family) bool { return n.Gateway(f).Subnet.IsValid() }

// hairpin tells whether the kernel does what a userland proxy would.
func hairpin(n *bridge.Network) bool { return !n.Host.UserlandProxy }

// A mapping is one port of the host that leads to one of an endpoint.
type mapping struct {
	binding         *bridge.Binding
	claim           portmap.Claim
	host, container uint16
	// i counts the ports of the binding.
	i int
}

// mappings calls fn for each port that a binding takes of the host in a family.
func mappings(b *bridge.Binding, f nft.Family, fn func(mapping)) {
	c, ok := b.Claim(f)
	if !ok {
		return
	}
	for i := range b.Port.Container.Len() {
		fn(mapping{b, c, c.Ports.First + uint16(i), b.Port.Container.First + uint16(i), i})
	}
}

// key is the key of the mapping's own rules.
func (m mapping) key(word string) string {
	k := key("b", m.binding.Order, strconv.Itoa(m.i))
	if word != "" {
		k += "." + word
	}
	return k
}

// sharedKey is the key of rules that all bindings of the container's port share.
func sharedKey(b *bridge.Binding, port uint16) string {
	return key("e", b.Endpoint.Order, b.Port.Proto.String()+strconv.Itoa(int(port)))
}

// hostAddr matches the address that the port is published on.
func (m mapping) hostAddr() []string {
	if m.claim.Addr.IsUnspecified() {
		return nil
	}
	return []string{"-d", host(m.claim.Addr)}
}

// accept lets packets in to a container's port from other interfaces than its bridge.
func accept(b *bridge.Binding, f nft.Family, port uint16) []string {
	br := b.Endpoint.Network.Spec.Bridge
	return words([]string{"-d", host(b.Endpoint.Addr(f)), "!", "-i", br, "-o", br},
		portMatch(b.Port.Proto.String(), "--dport", port), to("ACCEPT"))
}

// ownPort masquerades what a container sends to its own published port.
func ownPort(b *bridge.Binding, f nft.Family, port uint16) []string {
	a := host(b.Endpoint.Addr(f))
	return words([]string{"-s", a, "-d", a}, portMatch(b.Port.Proto.String(), "--dport", port), to("MASQUERADE"))
}

// link writes the two rules of each port of a link: of IPv4 only, and only where
// there is no ICC. (iptables.ChainInfo.Link and the bridge driver's Join, from
// v1.9 to v29.) Docker sorts the ports: the larger first.
func link(l *bridge.ContainerLink, s sheet) {
	from, child := l.From.Addr(s.family), l.To.Addr(s.family)
	if s.family != nft.IPv4 || !l.From.Network.Spec.DisableICC || !from.IsValid() || !child.IsValid() {
		return
	}
	br, proto := l.From.Network.Spec.Bridge, l.Port.Proto.String()
	chain := s.in("filter", "DOCKER")
	for i := range l.Port.Ports.Len() {
		port := l.Port.Ports.Last - uint16(i)
		k := strconv.Itoa(int(port))
		chain.append(at(l.Order, int64(i)*2), key("l", l.Order, k), words(
			[]string{"-s", host(from), "-d", host(child), "-i", br, "-o", br}, portMatch(proto, "--dport", port), to("ACCEPT"))...)
		chain.append(at(l.Order, int64(i)*2+1), key("l", l.Order, k+".back"), words(
			[]string{"-s", host(child), "-d", host(from), "-i", br, "-o", br}, portMatch(proto, "--sport", port), to("ACCEPT"))...)
	}
}
