package compat

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/nft"
	"github.com/seawall-net/seawall/portmap"
)

// A scenario is networks, containers and ports, in the order in which they are made.
type scenario struct {
	name  string
	cfg   bridge.Config
	build func(site)
	// only are the layouts that have what the scenario needs; nil is all.
	only []string
}

func (s scenario) isFor(layout string) bool { return s.only == nil || slices.Contains(s.only, layout) }

// A site is where a scenario is built: on paper, or in a kernel.
type site interface {
	network(bridge.NetworkSpec)
	container(network, name, addr4, addr6 string)
	publish(network, container string, ports ...string)
	link(network, from, to, port string)
}

// paper builds facts as a Firewall would, without one.
type paper struct {
	t         testing.TB
	host      *bridge.Host
	order     uint64
	networks  map[string]*bridge.Network
	endpoints map[string]*bridge.Endpoint
	facts     []bridge.Fact
}

func onPaper(t testing.TB, s scenario) *paper {
	t.Helper()
	p := &paper{
		t: t, networks: map[string]*bridge.Network{}, endpoints: map[string]*bridge.Endpoint{},
		host: &bridge.Host{
			AllowDirectRouting: s.cfg.AllowDirectRouting, UserlandProxy: s.cfg.UserlandProxy,
			DisableIPv4: s.cfg.DisableIPv4, DisableIPv6: s.cfg.DisableIPv6, WSL2Mirrored: s.cfg.WSL2Mirrored,
		},
	}
	p.facts = []bridge.Fact{p.host}
	s.build(p)
	return p
}

func (p *paper) next() uint64 {
	p.order++
	return p.order
}

func (p *paper) network(spec bridge.NetworkSpec) {
	n := &bridge.Network{Host: p.host, Order: p.next(), Spec: spec}
	p.networks[spec.Name] = n
	p.facts = append(p.facts, n)
}

func (p *paper) container(network, name, addr4, addr6 string) {
	e := &bridge.Endpoint{Network: p.networks[network], Order: p.next(), Spec: endpoint(name, addr4, addr6)}
	p.endpoints[network+"/"+name] = e
	p.facts = append(p.facts, e)
}

func (p *paper) publish(network, container string, ports ...string) {
	for _, port := range ports {
		p.facts = append(p.facts, &bridge.Binding{
			Endpoint: p.endpoints[network+"/"+container], Order: p.next(), Port: portmap.MustParse(port),
		})
	}
}

func (p *paper) link(network, from, to, port string) {
	q, err := bridge.ParseLinkPort(port)
	if err != nil {
		p.t.Fatal(err)
	}
	p.facts = append(p.facts, &bridge.ContainerLink{
		From: p.endpoints[network+"/"+from], To: p.endpoints[network+"/"+to], Order: p.next(), Port: q,
	})
}

func endpoint(name, addr4, addr6 string) bridge.EndpointSpec {
	spec := bridge.EndpointSpec{Name: name}
	if addr4 != "" {
		spec.IPv4 = netip.MustParseAddr(addr4)
	}
	if addr6 != "" {
		spec.IPv6 = netip.MustParseAddr(addr6)
	}
	return spec
}

// subnet is a gateway on the first address of a subnet.
func subnet(s string) bridge.Gateway {
	p := netip.MustParsePrefix(s)
	return bridge.Gateway{Subnet: p, Address: p.Addr().Next()}
}

// mode is a subnet's gateway with a mode.
func mode(s string, m bridge.GatewayMode) bridge.Gateway {
	g := subnet(s)
	if g.Mode = m; m == bridge.Isolated {
		g.Address = netip.Addr{}
	}
	return g
}

// lines are the rules of the facts in their places: ranks decide, and among equal
// ones, which a layout must not have, the order of the facts. A rule that several need is there
// once.
func (p *paper) lines(l docker) []line {
	var out []line
	seen := map[string]line{}
	for _, f := range l.version.families() {
		if p.host.Disabled(f) {
			continue
		}
		s := sheet{f, func(r line) {
			id := fmt.Sprint(r.family, r.table, r.chain, r.key)
			other, again := seen[id]
			if !again {
				seen[id] = r
				out = append(out, r)
			} else if other.rank != r.rank || !slices.Equal(other.args, r.args) {
				p.t.Errorf("two rules with the key %s: %v at %d, %v at %d", r.key, other.args, other.rank, r.args, r.rank)
			}
		}}
		var networks []*bridge.Network
		for _, fact := range p.facts {
			l.lines(fact, s)
			if n, ok := fact.(*bridge.Network); ok {
				for _, older := range networks {
					l.rules.pair(older, n, s)
				}
				networks = append(networks, n)
			}
		}
	}
	if l.rules.finalReturn() && !p.host.Disabled(nft.IPv4) && l.rules.userChain(nft.IPv4) {
		out = append(out, line{family: nft.IPv4, table: "filter", chain: userChain, key: "initial", args: to("RETURN")})
	}
	slices.SortStableFunc(out, func(a, b line) int { return cmp.Compare(a.rank, b.rank) })
	return out
}
