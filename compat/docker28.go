package compat

import (
	"fmt"
	"math"
	"strconv"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/nft"
)

// late is the rules of Docker 28, and of Docker 29 with iptables:
// the goldens in testdata name the source of each.
type late struct{}

func (late) chains(nft.Family) map[string][]string {
	return map[string][]string{
		"filter": {"DOCKER", "DOCKER-FORWARD", "DOCKER-BRIDGE", "DOCKER-CT", "DOCKER-INTERNAL"},
		"nat":    {"DOCKER"},
	}
}

func (late) userChain(nft.Family) bool { return true }

func (late) finalReturn() bool { return false }

func (late) host(h *bridge.Host, s sheet) {
	s.in("filter", "FORWARD").rule("user", rankFirst, to(userChain)...)
	s.in("filter", "FORWARD").rule("docker", rankSecond, to("DOCKER-FORWARD")...)
	forward := s.in("filter", "DOCKER-FORWARD")
	for i, chain := range []string{"DOCKER-BRIDGE", "DOCKER-INTERNAL", "DOCKER-CT"} {
		forward.insert(at(0, int64(i)), chain, to(chain)...)
	}
	jumpToNAT(h, s)
	if h.WSL2Mirrored && h.UserlandProxy && s.family == nft.IPv4 {
		s.in("nat", "DOCKER").insert(at(0, 0), "wsl2", wsl2Return()...)
	}
}

// wsl2Return leaves to the proxy what Windows sends to 127.0.0.1.
func wsl2Return() []string { return []string{"-d", "127.0.0.0/8", "-i", "loopback0", "-j", "RETURN"} }

func (d late) network(n *bridge.Network, s sheet) {
	if !exists(n, s.family) {
		return
	}
	if n.Spec.Internal {
		d.internal(n, s)
		return
	}
	if m := n.Spec.AcceptFwmark; m != (bridge.Fwmark{}) {
		acceptMark(m, s)
	}
	d.translation(n, s)
	br, g := n.Spec.Bridge, n.Gateway(s.family)
	k := func(word string) string { return key("n", n.Order, word) }
	forward, docker := s.in("filter", "DOCKER-FORWARD"), s.in("filter", "DOCKER")
	if n.Spec.DisableICC {
		forward.append(at(n.Order, 0), k("icc"), "-i", br, "-o", br, "-j", "DROP")
		forward.append(at(n.Order, 1), k("out"), "-i", br, "!", "-o", br, "-j", "ACCEPT")
	} else {
		forward.append(at(n.Order, 1), k("out"), "-i", br, "-j", "ACCEPT")
	}
	if g.Mode == bridge.Routed {
		docker.append(at(n.Order, 0), k("icmp"), "-o", br, "-p", icmp(s.family), "-j", "ACCEPT")
	}
	verdict := "DROP"
	if g.Mode == bridge.NATUnprotected {
		verdict = "ACCEPT"
	}
	docker.append(at(n.Order, 1), k("default"), "!", "-i", br, "-o", br, "-j", verdict)
	s.in("filter", "DOCKER-CT").append(at(n.Order, 0), k(""), answersTo(br)...)
	s.in("filter", "DOCKER-BRIDGE").append(at(n.Order, 0), k(""), "-o", br, "-j", "DOCKER")
}

func icmp(f nft.Family) string {
	if f == nft.IPv6 {
		return "ipv6-icmp"
	}
	return "icmp"
}

// acceptMark is one rule for all networks that accept the mark, for any bridge,
// before what other networks keep out.
func acceptMark(m bridge.Fwmark, s sheet) {
	mark := fmt.Sprintf("%#x", m.Value)
	if m.Mask != math.MaxUint32 {
		mark += fmt.Sprintf("/%#x", m.Mask)
	}
	// Above the jumps, which are the host's; among marks, as good as by order.
	rank := math.MinInt/2 + int(int64(m.Value)<<28) + int(m.Mask&(1<<28-1))
	s.in("filter", "DOCKER-FORWARD").rule(fmt.Sprintf("mark%x.%x", m.Value, m.Mask), rank, "-m", "mark", "--mark", mark, "-j", "ACCEPT")
}

func (late) internal(n *bridge.Network, s sheet) {
	br, subnet := n.Spec.Bridge, n.Gateway(s.family).Subnet.String()
	internal := s.in("filter", "DOCKER-INTERNAL")
	in, out := []string{"!", "-d", subnet, "-i", br}, []string{"!", "-s", subnet}
	if s.family == nft.IPv6 {
		// Neighbour discovery between containers is let be.
		in, out = append(in, "!", "-o", br), append(out, "!", "-i", br)
	}
	internal.insert(at(n.Order, 0), key("n", n.Order, "in"), words(in, to("DROP"))...)
	internal.insert(at(n.Order, 1), key("n", n.Order, "out"), words(out, []string{"-o", br, "-j", "DROP"})...)
	verdict := "ACCEPT"
	if n.Spec.DisableICC {
		verdict = "DROP"
	}
	s.in("filter", "DOCKER-FORWARD").append(at(n.Order, 0), key("n", n.Order, "icc"), "-i", br, "-o", br, "-j", verdict)
}

func (late) translation(n *bridge.Network, s sheet) {
	br, g := n.Spec.Bridge, n.Gateway(s.family)
	postrouting := s.in("nat", "POSTROUTING")
	if !n.Spec.DisableMasquerade && g.Mode != bridge.Routed {
		postrouting.insert(at(n.Order, 0), key("n", n.Order, "out"),
			words([]string{"-s", g.Subnet.String(), "!", "-o", br}, sourceTarget(g))...)
	}
	if hairpin(n) {
		postrouting.insert(at(n.Order, 1), key("n", n.Order, "host"), fromHost(br, g)...)
	}
}

func (late) pair(_, _ *bridge.Network, _ sheet) {}

func (late) endpoint(e *bridge.Endpoint, s sheet) {
	n, a := e.Network, e.Addr(s.family)
	if !a.IsValid() || n.Spec.Internal || n.Host.AllowDirectRouting || n.Gateway(s.family).Mode != bridge.NAT {
		return
	}
	raw := s.in("raw", "PREROUTING")
	for i, trusted := range n.Spec.TrustedInterfaces {
		raw.append(at(e.Order, int64(i)), key("e", e.Order, strconv.Itoa(i)), "-d", host(a), "-i", trusted, "-j", "ACCEPT")
	}
	raw.append(at(e.Order, int64(len(n.Spec.TrustedInterfaces))), key("e", e.Order, "drop"),
		"-d", host(a), "!", "-i", n.Spec.Bridge, "-j", "DROP")
}

func (d late) binding(b *bridge.Binding, s sheet) {
	n := b.Endpoint.Network
	if n.Spec.Internal || !b.Endpoint.Addr(s.family).IsValid() {
		return
	}
	mode := n.Gateway(s.family).Mode
	if mode == bridge.Routed {
		for i := range b.Port.Container.Len() {
			if publishes(b, s.family) {
				d.open(b, b.Port.Container.First+uint16(i), s)
			}
		}
		return
	}
	mappings(b, s.family, func(m mapping) {
		d.guardLoopback(m, s)
		proto, where := b.Port.Proto.String(), inPortOrder(b, m.container)
		var notLocal []string
		if s.family == nft.IPv6 {
			notLocal = []string{"!", "-s", "fe80::/10"}
		}
		s.in("nat", "DOCKER").append(where, m.key(""), words(notLocal, m.hostAddr(), m.notOwn(),
			portMatch(proto, "--dport", m.host), dnatTarget(b.Endpoint.Addr(s.family), m.container))...)
		if hairpin(n) {
			s.in("nat", "POSTROUTING").append(ofPort(b.Endpoint, b.Port.Proto, m.container), sharedKey(b, m.container),
				ownPort(b, s.family, m.container)...)
		}
		if mode != bridge.NATUnprotected {
			d.open(b, m.container, s)
		}
	})
}

// publishes tells whether a binding that takes no port of the host is for the
// endpoint's address of a family.
func publishes(b *bridge.Binding, f nft.Family) bool {
	a := b.Port.HostAddr
	if !a.IsValid() {
		return !b.Endpoint.Network.Gateway(f).ExplicitOnly
	}
	return a.Is6() == (f == nft.IPv6)
}

// open lets packets in to a container's port, before what keeps others out.
func (late) open(b *bridge.Binding, port uint16, s sheet) {
	s.in("filter", "DOCKER").insert(ofPort(b.Endpoint, b.Port.Proto, port), sharedKey(b, port), accept(b, s.family, port)...)
}

// guardLoopback drops what others than the host send to a port that is published
// on a loopback address of IPv4.
func (late) guardLoopback(m mapping, s sheet) {
	if s.family != nft.IPv4 || !m.claim.Addr.IsLoopback() {
		return
	}
	raw, match := s.in("raw", "PREROUTING"), portMatch(m.binding.Port.Proto.String(), "--dport", m.host)
	// Two rules, and all of an endpoint's ports stand behind its own.
	where := inPortOrder(m.binding, m.container)
	where.within = where.within>>tieBits<<tieBits | where.within<<1&(1<<tieBits-1)
	if m.binding.Endpoint.Network.Host.WSL2Mirrored {
		raw.append(where, m.key("wsl2"), words(m.hostAddr(), []string{"-i", "loopback0"}, match, to("ACCEPT"))...)
	}
	where.within++
	raw.append(where, m.key(""), words(m.hostAddr(), []string{"!", "-i", "lo"}, match, to("DROP"))...)
}

func (late) link(l *bridge.ContainerLink, s sheet) { link(l, s) }
