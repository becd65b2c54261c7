package bridge

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/seawall-net/seawall/internal/conntrack"
	"github.com/seawall-net/seawall/nft"
	"github.com/seawall-net/seawall/portmap"
	"golang.org/x/sys/unix"
)

// staleByDefinition tells what staleFlows.has tells, the slow way.
func staleByDefinition(fw *Firewall, log []applied, all bool, own prefixSet, f *conntrack.Flow) bool {
	within := func(p []netip.Prefix, a netip.Addr) bool {
		return slices.ContainsFunc(p, func(p netip.Prefix) bool { return p.Contains(a) })
	}
	target := func(b *Binding) (netip.AddrPort, bool) {
		for _, c := range b.Claims() {
			to := b.Endpoint.Spec.IPv4
			if c.Addr.Is6() {
				to = b.Endpoint.Spec.IPv6
			}
			dst := f.Orig.Dst
			if c.Proto.Number() == f.Orig.Proto && c.Ports.Contains(dst.Port()) && c.Addr.Is4() == dst.Addr().Is4() &&
				(c.Addr == dst.Addr() || c.Addr.IsUnspecified()) {
				return netip.AddrPortFrom(to, b.Port.Container.First+dst.Port()-c.Ports.First), true
			}
		}
		return netip.AddrPort{}, false
	}
	admits := func(b *Binding) bool {
		from := b.Scope().From
		return len(from) == 0 || within(from, f.Orig.Src.Addr())
	}
	// What is for one interface, and new, cannot be told.
	surely := func(b *Binding) bool {
		return admits(b) && (b.Scope().Interface == "" || !slices.ContainsFunc(log, func(a applied) bool { return a.fact == Fact(b) }))
	}
	var now netip.AddrPort
	var by *Binding
	var subnets []netip.Prefix
	var bindings []*Binding
	for _, fact := range fw.state.facts() {
		switch fact := fact.(type) {
		case *Network:
			subnets = append(subnets, fact.Spec.IPv4.Subnet, fact.Spec.IPv6.Subnet)
		case *Binding:
			bindings = append(bindings, fact)
			if to, leads := target(fact); leads {
				now, by = to, fact
			}
		}
	}
	changed, translatedOnce := all, false
	for _, a := range log {
		switch fact := a.fact.(type) {
		case *Network:
			for _, addr := range []netip.AddrPort{f.Orig.Src, f.Orig.Dst, f.Reply.Src, f.Reply.Dst} {
				if !a.add && within([]netip.Prefix{fact.Spec.IPv4.Subnet, fact.Spec.IPv6.Subnet}, addr.Addr()) {
					return true
				}
			}
		case *Endpoint:
			for _, addr := range []netip.AddrPort{f.Orig.Src, f.Orig.Dst, f.Reply.Src, f.Reply.Dst} {
				if addr.Addr() == fact.Spec.IPv4 || addr.Addr() == fact.Spec.IPv6 {
					return true
				}
			}
		case *Binding:
			family := nft.IPv4
			if f.Orig.Dst.Addr().Is6() {
				family = nft.IPv6
			}
			opens := func(b *Binding) bool {
				return b.Endpoint == fact.Endpoint && b.opensDirectly(family) && b.Endpoint.Addr(family) == f.Orig.Dst.Addr() &&
					b.Port.Proto.Number() == f.Orig.Proto && b.Port.Container.Contains(f.Orig.Dst.Port())
			}
			if opens(fact) && f.Orig.Dst == f.Reply.Src && !slices.ContainsFunc(bindings, func(b *Binding) bool { return opens(b) && surely(b) }) &&
				!fact.Endpoint.Network.Gateway(family).Subnet.Contains(f.Orig.Src.Addr()) {
				return true
			}
			if to, leads := target(fact); leads {
				changed = true
				translatedOnce = translatedOnce || to == f.Reply.Src
			}
		}
	}
	switch {
	case !changed:
		return false
	case translatedOnce:
		return now != f.Reply.Src || !surely(by)
	case !now.IsValid() || now == f.Reply.Src || !admits(by):
		return false
	case f.Reply.Src != f.Orig.Dst:
		return within(subnets, f.Reply.Src.Addr())
	}
	return within(own, f.Orig.Dst.Addr()) && (f.Orig.Proto == unix.IPPROTO_UDP || f.Status&conntrack.SeenReply == 0)
}

func oneOf[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

// Random changes, and flows that have to do with them: what is found by look-ups is what the definition says.
func TestStaleFlows(t *testing.T) {
	t.Parallel()
	const seed = 1
	r := rand.New(rand.NewPCG(seed, seed))
	fw, _ := openNew(t, Config{})
	own := prefixSet{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("2001:db8::1/128")}
	own.sort()
	addr := func(is6 bool) netip.Addr {
		text := oneOf(r, "127.0.0.1", "192.0.2.1", "203.0.113.1", "10.0.0.2", "10.0.0.3", "10.1.0.2", "10.2.0.2")
		if is6 {
			text = oneOf(r, "2001:db8::1", "2001:db8:2::1", "fd00:0::2", "fd00:0::3", "fd00:1::2", "fd00:2::3")
		}
		return netip.MustParseAddr(text)
	}
	change := func(tx *Tx) {
		n, e := r.IntN(3), r.IntN(2)
		network := tx.fw.state.networks[modelName("net", n)]
		switch {
		case network == nil:
			tx.CreateNetwork(modelSpec(n, 3, r.IntN(len(modelKinds))))
		case r.IntN(30) == 0:
			tx.RemoveNetwork(modelName("net", n))
		case network.endpoints[modelName("end", e)] == nil:
			tx.Network(modelName("net", n)).Attach(modelEndpoint(n, 3, e))
		case r.IntN(30) == 0:
			tx.Network(modelName("net", n)).Detach(modelName("end", e))
		default:
			end := network.endpoints[modelName("end", e)]
			b := portmap.Binding{Proto: portmap.Proto(r.IntN(3)), Host: portmap.Port(uint16(80 + r.IntN(6))), Container: portmap.Port(uint16(80 + r.IntN(4)))}
			if r.IntN(3) == 0 {
				b.Host.Last += 2
				b.Container.Last += 2
			}
			if r.IntN(2) == 0 {
				b.HostAddr = addr(r.IntN(2) == 0)
			}
			if len(end.bindings) > 4 {
				tx.Network(modelName("net", n)).Endpoint(modelName("end", e)).Unpublish(oneOf(r, end.bindings...).Port)
				return
			}
			fact := &Binding{Endpoint: end.fact, Port: b}
			if fact.check() != nil || tx.fw.state.binding(end.fact, b) != nil {
				return
			}
			scope := modelScopes[r.IntN(2)*r.IntN(len(modelScopes))].Scope
			if fact.scope, _ = scope.normalize(); fact.scope != nil && fact.scope.problem(fact) != nil || tx.fw.state.ambiguous(fact) {
				return
			}
			for _, c := range fact.Claims() {
				if _, _, taken := tx.fw.state.ports.Conflict(c); taken {
					return
				}
			}
			tx.Network(modelName("net", n)).Endpoint(modelName("end", e)).PublishWithin(scope, b)
		}
	}
	found := map[bool]int{}
	for range 60 {
		var log []applied
		err := fw.Update(context.Background(), func(tx *Tx) error {
			for range 1 + r.IntN(12) {
				change(tx)
			}
			log = tx.log
			return tx.Err()
		})
		if err != nil {
			t.Fatal(err)
		}
		fw.flows.due, fw.flows.all = [][]applied{log}, r.IntN(5) == 0
		s := fw.staleFlows()
		s.host = func() (prefixSet, error) { return own, nil }
		for range 300 {
			is6 := r.IntN(2) == 0
			tuple := conntrack.Tuple{
				Proto: oneOf[uint8](r, unix.IPPROTO_TCP, unix.IPPROTO_UDP, unix.IPPROTO_SCTP, unix.IPPROTO_ICMP),
				Src:   netip.AddrPortFrom(addr(is6), 40000), Dst: netip.AddrPortFrom(addr(is6), uint16(80+r.IntN(6))),
			}
			if tuple.Proto == unix.IPPROTO_ICMP {
				tuple.Src, tuple.Dst = netip.AddrPortFrom(tuple.Src.Addr(), 0), netip.AddrPortFrom(tuple.Dst.Addr(), 0)
			}
			f := &conntrack.Flow{Orig: tuple, Status: oneOf(r, 0, conntrack.SeenReply), Reply: conntrack.Tuple{
				Proto: tuple.Proto, Src: tuple.Dst, Dst: tuple.Src,
			}}
			if r.IntN(2) == 0 {
				f.Reply.Src = netip.AddrPortFrom(addr(is6), uint16(80+r.IntN(6)))
			}
			got, want := s.has(f), staleByDefinition(fw, log, fw.flows.all, own, f)
			if got != want {
				t.Fatalf("%+v after %v: stale %v, want %v", f, log, got, want)
			}
			found[got]++
		}
		fw.flows.due, fw.flows.all = nil, false
	}
	if found[true] < 1000 || found[false] < 1000 {
		t.Errorf("too few of a kind: %v", found)
	}
}

// What many bindings have in common is what the kernel is asked for.
func TestStaleFlowsFilter(t *testing.T) {
	t.Parallel()
	on := func(kind int) *Endpoint {
		return &Endpoint{Network: &Network{Host: &Host{}, Spec: modelSpec(0, 3, kind)}, Spec: modelEndpoint(0, 3, 0)}
	}
	e := on(0)
	routed := &Binding{Endpoint: on(4), Port: portmap.MustParse("53:5353/udp")}
	udp := func(spec string) *Binding { return &Binding{Endpoint: e, Port: portmap.MustParse(spec)} }
	for name, c := range map[string]struct {
		facts []Fact
		want  conntrack.Filter
	}{
		"one":       {[]Fact{udp("53:5353/udp")}, conntrack.Filter{Proto: unix.IPPROTO_UDP, Port: 53}},
		"addresses": {[]Fact{udp("127.0.0.1:53:5353/udp"), udp("127.0.0.2:53:53/udp")}, conntrack.Filter{Proto: unix.IPPROTO_UDP, Port: 53}},
		"ports":     {[]Fact{udp("53:5353/udp"), udp("54:5353/udp"), udp("53:5353/udp")}, conntrack.Filter{Proto: unix.IPPROTO_UDP}},
		"range":     {[]Fact{udp("53-54:53-54/udp")}, conntrack.Filter{Proto: unix.IPPROTO_UDP}},
		"protocols": {[]Fact{udp("53:53/udp"), udp("53:53"), udp("53:53/udp")}, conntrack.Filter{}},
		"endpoint":  {[]Fact{udp("53:53/udp"), e}, conntrack.Filter{}},
		"routed":    {[]Fact{routed}, conntrack.Filter{Proto: unix.IPPROTO_UDP, Port: 5353}},
		"mixed":     {[]Fact{routed, udp("53:5353/udp")}, conntrack.Filter{Proto: unix.IPPROTO_UDP}},
	} {
		fw := &Firewall{state: newState()}
		for _, f := range c.facts {
			fw.flows.due = append(fw.flows.due, []applied{{f, true}})
		}
		if s := fw.staleFlows(); s.filter != c.want || s.empty() {
			t.Errorf("%s: %+v, want %+v", name, s.filter, c.want)
		}
	}
}
