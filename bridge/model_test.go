package bridge

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"

	"github.com/seawall-net/seawall/portmap"
)

// A model is the facts that should hold, kept in the most simple way. Names
// tell everything: network n has the subnets 10.n.0.0/24 and fd00:n::/64, and
// endpoint e the addresses with host part 2+e, in the families of its network.
type model map[int]modelNetwork

type modelNetwork struct {
	families  int // bit 0: IPv4, bit 1: IPv6
	kind      int // of modelKinds
	endpoints map[int][]modelBinding
	links     []modelLink
}

func (m model) clone() model {
	out := model{}
	for n, net := range m {
		endpoints := map[int][]modelBinding{}
		for e, bindings := range net.endpoints {
			endpoints[e] = slices.Clone(bindings)
		}
		out[n] = modelNetwork{net.families, net.kind, endpoints, slices.Clone(net.links)}
	}
	return out
}

func modelName(kind string, n int) string { return fmt.Sprint(kind, n) }

// modelKinds are kinds of networks.
var modelKinds = []struct {
	options  func(*NetworkSpec)
	internal bool
	binding  string
	// families, as in modelNetwork
	routed, unprotected int
}{
	{options: func(*NetworkSpec) {}},
	{options: func(*NetworkSpec) {}},
	{options: func(s *NetworkSpec) { s.Internal = true }, internal: true},
	{options: func(s *NetworkSpec) { s.Internal, s.IPv4.Mode, s.IPv6.Mode = true, Isolated, Isolated }, internal: true},
	{options: func(s *NetworkSpec) { s.IPv4.Mode, s.IPv6.Mode = Routed, Routed }, routed: 3},
	{options: func(s *NetworkSpec) { s.IPv6.Mode, s.DisableHostAccess = Routed, true }, routed: 2},
	{options: func(s *NetworkSpec) { s.IPv4.Mode, s.RandomMasquerade = NATUnprotected, true }, unprotected: 1},
	{options: func(s *NetworkSpec) { s.DisableMasquerade, s.TrustedInterfaces = true, []string{"eth1", "eth2"} }},
	{options: func(s *NetworkSpec) { s.DisableICC, s.AcceptFwmark = true, Fwmark{1, 3} }},
	{options: func(s *NetworkSpec) {
		s.AcceptFwmark = Fwmark{2, 1<<32 - 1}
		for i := range maxTrusted { // a record in parts
			s.TrustedInterfaces = append(s.TrustedInterfaces, fmt.Sprintf("trusted-if-%04d", i))
		}
		if s.IPv4.exists() {
			s.IPv4.HostBinding = netip.MustParseAddr("127.0.0.1")
		}
	}, binding: "127.0.0.1"},
}

func modelSpec(n, families, kind int) NetworkSpec {
	s := NetworkSpec{Name: modelName("net", n)}
	if n%2 == 0 {
		s.Bridge = modelName("br-", n)
	}
	if families&1 != 0 {
		s.IPv4.Subnet = netip.MustParsePrefix(fmt.Sprintf("10.%d.0.0/24", n))
	}
	if families&2 != 0 {
		s.IPv6.Subnet = netip.MustParsePrefix(fmt.Sprintf("fd00:%d::/64", n))
	}
	modelKinds[kind].options(&s)
	return s
}

func modelEndpoint(n, families, e int) EndpointSpec {
	s := EndpointSpec{Name: modelName("end", e)}
	if families&1 != 0 {
		s.IPv4 = netip.AddrFrom4([4]byte{10, byte(n), 0, byte(2 + e)})
	}
	if families&2 != 0 {
		s.IPv6 = netip.MustParseAddr(fmt.Sprintf("fd00:%d::%d", n, 2+e))
	}
	if e%3 == 1 {
		s.AllowSpoofing, s.HostIfName = true, fmt.Sprintf("port-%d-%d", n, e)
	}
	return s
}

// ports lists what a binding takes of the host: address, port and protocol.
func (n modelNetwork) ports(b modelBinding) (out []netip.AddrPort) {
	kind := modelKinds[n.kind]
	for f, any := range []netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()} {
		a := b.HostAddr
		if !a.IsValid() {
			a = any
			if f == 0 && kind.binding != "" {
				a = netip.MustParseAddr(kind.binding)
			}
		}
		if (n.families&modelScopes[b.scope].families&^kind.routed)&(1<<f) == 0 || kind.internal || a.Is4() != any.Is4() {
			continue
		}
		for p := int(b.Host.First); p <= int(b.Host.Last); p++ {
			out = append(out, netip.AddrPortFrom(a, uint16(p)))
		}
	}
	return out
}

// refuses tells whether an endpoint cannot publish a binding.
func (n modelNetwork) refuses(m model, e int, b modelBinding) bool {
	family := 1
	if b.HostAddr.Is6() {
		family = 2
	}
	kind := modelKinds[n.kind]
	switch {
	case b.HostAddr.IsValid() && n.families&family == 0:
		return true
	case b.HostAddr.IsLoopback() && kind.routed&family != 0:
		return true
	case n.refusesScope(e, b):
		return true
	}
	return m.taken(n, b)
}

func (m model) taken(by modelNetwork, b modelBinding) bool {
	want := by.ports(b)
	for _, net := range m {
		for _, bindings := range net.endpoints {
			for _, other := range bindings {
				if other.Proto != b.Proto {
					continue
				}
				for _, p := range net.ports(other) {
					if slices.ContainsFunc(want, func(q netip.AddrPort) bool {
						return p.Port() == q.Port() && p.Addr().Is4() == q.Addr().Is4() &&
							(p.Addr() == q.Addr() || p.Addr().IsUnspecified() || q.Addr().IsUnspecified())
					}) {
						return true
					}
				}
			}
		}
	}
	return false
}

func randomBinding(rnd *rand.Rand) modelBinding {
	hosts := []string{"", "", "0.0.0.0", "::", "127.0.0.1", "::1", "192.0.2.1", "2001:db8::1"}
	b := modelBinding{Binding: portmap.Binding{Proto: portmap.Proto(rnd.IntN(3))}}
	if rnd.IntN(3) == 0 {
		b.scope = rnd.IntN(len(modelScopes))
	}
	if h := hosts[rnd.IntN(len(hosts))]; h != "" {
		b.HostAddr = netip.MustParseAddr(h)
	}
	first := uint16(1 + rnd.IntN(40))
	n := uint16(0)
	if rnd.IntN(2) == 0 {
		n = uint16(rnd.IntN(6))
	}
	b.Host = portmap.Ports{First: first, Last: first + n}
	b.Container = b.Host
	if rnd.IntN(2) == 0 {
		b.Container = portmap.Ports{First: 80, Last: 80 + n}
	}
	return b
}

func pick[V any](rnd *rand.Rand, m map[int]V) (int, bool) {
	keys := slices.Sorted(maps.Keys(m))
	if len(keys) == 0 {
		return 0, false
	}
	return keys[rnd.IntN(len(keys))], true
}

// step does one random thing to the Tx and to the model, and reports whether
// the Tx has to refuse it.
func (m model) step(rnd *rand.Rand, tx *Tx) (bad bool) {
	n := rnd.IntN(5)
	if there, ok := pick(rnd, m); ok && rnd.IntN(10) > 0 {
		n = there
	}
	net, exists := m[n]
	name := modelName("net", n)
	switch k := rnd.IntN(22); {
	case k < 3:
		n = rnd.IntN(5)
		families, kind := 1+rnd.IntN(3), rnd.IntN(len(modelKinds))
		if _, exists := m[n]; exists && rnd.IntN(4) > 0 {
			return false
		} else if exists {
			tx.CreateNetwork(modelSpec(n, families, kind))
			return true
		}
		m[n] = modelNetwork{families, kind, map[int][]modelBinding{}, nil}
		tx.CreateNetwork(modelSpec(n, families, kind))
	case k < 4:
		tx.RemoveNetwork(name)
		delete(m, n)
		return !exists
	case k < 5: // gone and back, perhaps in other families
		families, kind := 1+rnd.IntN(3), rnd.IntN(len(modelKinds))
		tx.RemoveNetwork(name)
		tx.CreateNetwork(modelSpec(n, families, kind))
		m[n] = modelNetwork{families, kind, map[int][]modelBinding{}, nil}
		return !exists
	case k < 9:
		e := rnd.IntN(6)
		tx.Network(name).Attach(modelEndpoint(n, max(1, net.families), e))
		if !exists || net.endpoints[e] != nil {
			return true
		}
		net.endpoints[e] = []modelBinding{}
	case k < 10:
		e, ok := pick(rnd, net.endpoints)
		if !ok && rnd.IntN(4) > 0 {
			return false
		}
		tx.Network(name).Detach(modelName("end", e))
		delete(net.endpoints, e)
		m[n] = net.without(e)
		return !ok
	case k < 11: // all ports to another endpoint
		e, ok := pick(rnd, net.endpoints)
		n2, _ := pick(rnd, m)
		e2, ok2 := pick(rnd, m[n2].endpoints)
		if !ok || !ok2 || n == n2 && e == e2 {
			return false
		}
		if other := m[n2]; other.kind != net.kind || other.families != net.families {
			// Where nothing is translated, a choice is forgotten.
			for b := range tx.Network(name).Endpoint(modelName("end", e)).Bindings() {
				if b.Port.Dynamic() {
					return false
				}
			}
		}
		moved := net.endpoints[e]
		tx.Network(name).Endpoint(modelName("end", e)).MovePorts(tx.Network(modelName("net", n2)).Endpoint(modelName("end", e2)))
		net.endpoints[e] = []modelBinding{}
		for _, b := range moved {
			if m[n2].refuses(m, e2, b) {
				return true
			}
			m[n2].endpoints[e2] = append(m[n2].endpoints[e2], b)
		}
	case k < 13:
		return m.stepLink(rnd, tx, n)
	case k < 19:
		e, ok := pick(rnd, net.endpoints)
		if !ok {
			return false
		}
		b := randomBinding(rnd)
		if rnd.IntN(4) == 0 {
			b.Container = portmap.Port(80)
			if b.Host.Len() == 1 {
				b.Host = portmap.Ports{}
			}
		}
		if b.Dynamic() && len(net.ports(b)) > 0 {
			return m.stepChoice(rnd, tx, n, e, b)
		}
		bad := net.refuses(m, e, b)
		if bad && rnd.IntN(4) > 0 {
			return false
		}
		tx.Network(name).Endpoint(modelName("end", e)).PublishWithin(modelScopes[b.scope].Scope, b.Binding)
		net.endpoints[e] = append(net.endpoints[e], b)
		return bad
	default:
		e, ok := pick(rnd, net.endpoints)
		if !ok || len(net.endpoints[e]) == 0 {
			return false
		}
		i := rnd.IntN(len(net.endpoints[e]))
		b := net.endpoints[e][i]
		tx.Network(name).Endpoint(modelName("end", e)).Unpublish(b.Binding)
		net.endpoints[e] = slices.Delete(net.endpoints[e], i, i+1)
		if rnd.IntN(4) == 0 { // shifted to the next ports: old and new overlap
			b.Host.First, b.Host.Last = b.Host.First+1, b.Host.Last+1
			b.Container.First, b.Container.Last = b.Container.First+1, b.Container.Last+1
			if !net.refuses(m, e, b) {
				tx.Network(name).Endpoint(modelName("end", e)).PublishWithin(modelScopes[b.scope].Scope, b.Binding)
				net.endpoints[e] = append(net.endpoints[e], b)
			}
		}
	}
	return false
}

// stepChoice publishes one container port and leaves the choice of the host port
// to the Tx. It does as step.
func (m model) stepChoice(rnd *rand.Rand, tx *Tx, n, e int, b modelBinding) (bad bool) {
	net, among := m[n], b.Host
	if among.IsZero() {
		among = portmap.Ports{First: 32768, Last: 60999}
	}
	free := func(port uint16) bool {
		try := b
		try.Host = portmap.Port(port)
		return !net.refuses(m, e, try)
	}
	bad = true
	for port := among.First; bad && port <= among.Last; port++ {
		bad = !free(port)
	}
	if bad && rnd.IntN(4) > 0 {
		return false
	}
	end := tx.Network(modelName("net", n)).Endpoint(modelName("end", e))
	end.PublishWithin(modelScopes[b.scope].Scope, b.Binding)
	if bad {
		return true
	}
	var latest *Binding
	for f := range end.Bindings() {
		if latest == nil || f.Order > latest.Order {
			latest = f
		}
	}
	if latest == nil || latest.Port != b.Binding || !among.Contains(latest.Host().First) || !free(latest.Host().First) {
		panic(fmt.Sprintf("%v among %v: got %v, %v", b, among, latest, tx.Err()))
	}
	net.endpoints[e] = append(net.endpoints[e], modelBinding{latest.settled(), b.scope})
	return false
}

// describe lists the model's facts, sorted.
func (m model) describe() []string {
	var out []string
	for n, net := range m {
		spec, err := modelSpec(n, net.families, net.kind).normalize()
		if err != nil {
			panic(err)
		}
		out = append(out, fmt.Sprintf("%+v", spec))
		for _, l := range net.links {
			out = append(out, l.String(spec.Name))
		}
		for e, bindings := range net.endpoints {
			end, err := modelEndpoint(n, net.families, e).normalize(&Network{Spec: spec})
			if err != nil {
				panic(err)
			}
			out = append(out, fmt.Sprintf("%s: %+v", spec.Name, end))
			for _, b := range bindings {
				out = append(out, fmt.Sprintf("%s/%s: %+v %v", spec.Name, end.Name, b.Binding, modelScopes[b.scope].Scope))
			}
		}
	}
	slices.Sort(out)
	return out
}

// describeView lists a view's facts in the same way.
func describeView(v *View) []string {
	var out []string
	for n := range v.Networks() {
		out = append(out, fmt.Sprintf("%+v", n.Spec))
		for e := range v.Endpoints(n) {
			out = append(out, fmt.Sprintf("%s: %+v", n.Spec.Name, e.Spec))
			for b := range v.Bindings(e) {
				out = append(out, fmt.Sprintf("%s/%s: %+v %v", n.Spec.Name, e.Spec.Name, b.settled(), b.Scope()))
			}
			for l := range v.Links(e) {
				out = append(out, l.String())
			}
		}
	}
	slices.Sort(out)
	return out
}
