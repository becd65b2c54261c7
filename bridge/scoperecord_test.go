package bridge_test

import (
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/nft"
)

func TestBadScopes(t *testing.T) {
	t.Parallel()
	tooMany := bridge.Scope{}
	for i := range 65 {
		tooMany.From = append(tooMany.From, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, byte(i), 2}), 32))
	}
	w := refusing(t)
	w.create(with(networkSpec("open", "172.30.3.0/24", "fd00:30:3::/64"), func(s *bridge.NetworkSpec) { s.IPv4.Mode = bridge.NATUnprotected }))
	w.attach("open", "o", 2)
	w.update(func(tx *bridge.Tx) {
		tx.Network("n1").Endpoint("a").PublishWithin(scope("", "10.0.0.0/8"), ports("8090:80")...)
	})
	var all []refusal
	for _, c := range []struct {
		name, field, network, endpoint string
		scope                          bridge.Scope
		port                           string
	}{
		{"host bits", "from", "n1", "b", scope("", "192.0.2.1/24"), "90:80"},
		{"no prefix", "from", "n1", "b", bridge.Scope{From: make([]netip.Prefix, 1)}, "90:80"},
		{"in IPv6 clothes", "from", "n1", "b", scope("", "::ffff:192.0.2.0/120"), "90:80"},
		{"multicast", "from", "n1", "b", scope("", "192.0.2.0/24", "224.0.0.0/4"), "90:80"},
		{"multicast", "from", "n1", "b", scope("", "ff02::/16"), "90:80"},
		{"link-local", "from", "n1", "b", scope("", "fe80::/64"), "90:80"},
		{"too many", "from", "n1", "b", tooMany, "90:80"},
		{"long name", "interface", "n1", "b", scope("sixteen-letters-"), "90:80"},
		{"pattern", "interface", "n1", "b", scope("eth*"), "90:80"},
		{"quote", "interface", "n1", "b", scope(`e"`), "90:80"},
		{"all", "interface", "n1", "b", scope("all"), "90:80"},
		{"a family that the port is not published in", "from", "n1", "b", scope("", "192.0.2.0/24"), "[::1]:90:80"},
		{"a family that the endpoint does not have", "from", "n2", "c", scope("", "2001:db8::/32"), "90:80"},
		{"loopback from outside", "interface", "n1", "b", scope("eth0"), "127.0.0.1:90:80"},
		{"unprotected", "interface", "open", "o", scope("eth0"), "90:80"},
		{"unprotected", "from", "open", "o", scope("", "192.0.2.0/24"), "90:80"},
		{"the port itself", "container port", "n1", "b", scope("eth0"), ""},
	} {
		all = append(all, refusal{name: c.name, field: c.field, change: func(tx *bridge.Tx) {
			p := ports("90:80")[0]
			if c.port == "" {
				p.Container.First = 0
			} else {
				p = ports(c.port)[0]
			}
			tx.Network(c.network).Endpoint(c.endpoint).PublishWithin(c.scope, p)
		}})
	}
	within := func(s bridge.Scope, specs ...string) func(*bridge.Tx) {
		return func(tx *bridge.Tx) { tx.Network("n1").Endpoint("a").PublishWithin(s, ports(specs...)...) }
	}
	all = append(all,
		refusal{name: "taken by everybody", change: within(scope("eth0"), "8080:80"), is: fs.ErrExist, text: "8080/tcp: already published by n1/a"},
		refusal{name: "the same", change: within(scope("", "10.0.0.0/8"), "8090:80"), is: fs.ErrExist, text: "0.0.0.0:8090/tcp: already published by n1/a"},
		refusal{name: "another scope", change: within(scope("eth1"), "8090:81"), is: fs.ErrExist, text: "already published by n1/a"},
		// Unpublish could not tell them apart.
		refusal{name: "the other family", change: within(scope("", "2001:db8::/32"), "8090:80"), is: fs.ErrExist, text: "the endpoint publishes it already"},
		refusal{name: "everybody", change: within(bridge.Scope{}, "8090:80"), is: fs.ErrExist, text: "already published"},
		refusal{name: "nothing to publish", field: "from", change: within(scope("", "10.0.0.1/8")), text: "did you mean 10.0.0.0/8?"},
	)
	w.refusals(all)
	// What is unprotected in the other family alone is none of its business.
	w.publishWithin("open", "o", scope("", "2001:db8:1::/64"), "90:80")
}

// A scope is kept however long it is, in both families' tables.
func TestLongScopesAreAdopted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bridge.Config{UnheldPorts: true})
	w.networkA()
	w.create(with(specB, func(s *bridge.NetworkSpec) { s.IPv4.Mode, s.IPv6.Mode = bridge.Routed, bridge.Routed }))
	w.container("a", "a1", 2)
	w.container("b", "b1", 2)
	before := w.rules()
	s := scope("eth0", "192.0.2.0/24")
	for i := range 31 {
		s.From = append(s.From, netip.MustParsePrefix(fmt.Sprintf("10.%d.2.0/24", i)))
	}
	for i := range 31 {
		s.From = append(s.From, netip.MustParsePrefix(fmt.Sprintf("2001:db8:aaaa:%d:1:2:3:4/128", 100+i)))
	}
	s.From = append(s.From, netip.MustParsePrefix("2001:db8:1::/64"))
	w.publishWithin("a", "a1", s, "8080:80", "8080:80/udp", "9000-9001:80-81")
	w.publishWithin("b", "b1", s, "80:80", "80:80/udp")
	table := `
		ext   tcp,udp  host:8080  a1 sees ext
		host  tcp,udp  host:8080  ` + outside + `
		ext   tcp      host:9001  a1 sees ext
		ext   tcp,udp  b1:80      b1 sees ext
		a1    tcp,udp  b1:80      silent
	`
	w.fates(table)
	w.adopts()
	w.fates(table)
	var got bridge.Scope
	for b := range w.fw.View().Bindings(w.fw.View().Endpoint("b", "b1")) {
		got = b.Scope()
	}
	if len(got.From) != len(s.From) || got.Interface != "eth0" || !slices.Contains(got.From, s.From[40]) {
		t.Errorf("the scope is %v", got)
	}
	// What is handed out is a copy.
	got.From[0] = netip.Prefix{}
	w.kernelIsDesired("the caller writes")
	w.unpublish("a", "a1", "8080:80", "8080:80/udp", "9000-9001:80-81")
	w.unpublish("b", "b1", "80:80", "80:80/udp")
	w.sameAs("unpublished", w.rules(), before)
}

// Prefixes that others contain, and order, are of no meaning.
func TestScopesAreNormalized(t *testing.T) {
	t.Parallel()
	fw := openRulesOnly(t)
	fw.web(t)
	update(t, fw.Firewall, func(tx *bridge.Tx) {
		c1 := tx.Network("web").Endpoint("c1")
		c1.PublishWithin(scope("", "10.1.0.0/16", "2001:db8::/32", "10.0.0.0/8", "10.0.0.0/8", "9.0.0.0/8", "10.0.0.0/32"), ports("80:80")...)
		c1.PublishWithin(bridge.Scope{}, ports("81:80")...)
	})
	var got []string
	for b := range fw.View().Bindings(fw.View().Endpoint("web", "c1")) {
		got = append(got, fmt.Sprint(b.Scope()))
	}
	if want := "{[9.0.0.0/8 10.0.0.0/8 2001:db8::/32] } {[] }"; strings.Join(got, " ") != want {
		t.Errorf("the scopes are %s, want %s", got, want)
	}
}

// Ports without a scope are not asked for one unless there is one; equal scopes are one chain; one more port of a scope
// costs the same at any number, and no chain.
func TestScopesCostWhatTheyAre(t *testing.T) {
	nativeChains(t)
	t.Parallel()
	var last bridge.Transaction
	fw := openRulesOnlyTraced(t, func(tr bridge.Transaction) { last = tr })
	fw.web(t)
	rules := func() (n int) {
		for range gateRules(t, fw) {
			n++
		}
		return n
	}
	within := func(s bridge.Scope, port string) int {
		update(t, fw.Firewall, func(tx *bridge.Tx) { tx.Network("web").Endpoint("c1").PublishWithin(s, ports(port)...) })
		return last.Objects
	}
	if n := rules(); n != 6 {
		t.Errorf("publish has %d rules without scopes, want 3 in each family", n)
	}
	within(scope("eth0"), "80:80")
	if n := rules(); n != 8 {
		t.Errorf("publish has %d rules with a scope, want 4 in each family", n)
	}
	if n := within(scope("eth0"), "81:81"); n != 6 { // translation, opening and gate, in each family
		t.Errorf("one more port takes %d objects, want 6", n)
	}
	update(t, fw.Firewall, func(tx *bridge.Tx) {
		for i := range 1000 {
			tx.Network("web").Endpoint("c1").PublishWithin(scope("eth0"), ports(fmt.Sprintf("%d:%d", 1000+i, 1000+i))...)
		}
	})
	if n := within(scope("eth0"), "82:82"); n != 6 {
		t.Errorf("one more port beside 1000 takes %d objects, want 6", n)
	}
	if n := rules(); n != 8 {
		t.Errorf("publish has %d rules with 1000 scopes, want 4 in each family", n)
	}
	update(t, fw.Firewall, func(tx *bridge.Tx) {
		tx.RemoveNetwork("web")
	})
	if n := rules(); n != 6 {
		t.Errorf("publish has %d rules after all, want 3 in each family", n)
	}
}

func gateRules(t *testing.T, fw *rulesOnly) (all []*nft.Rule) {
	t.Helper()
	rs, err := fw.Ruleset(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range seawallTables() {
		all = append(all, rs.Rules(table.Chain("publish"))...)
	}
	return all
}

// Ports that move to another network take their scopes along, also if they are cut in two.
func TestScopesMoveWithTheirPorts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bridge.Config{UnheldPorts: true})
	w.networkA()
	w.networkB()
	w.attach("a", "c", 2, "79:80")
	w.update(func(tx *bridge.Tx) {
		spec := w.endpointSpec("b", "c", 2)
		tx.Network("b").Attach(spec)
	})
	both, one := scope("eth0", lanPrefixes...), scope("", "192.0.2.0/24")
	w.publishWithin("a", "c", both, "80:80", "81:80")
	w.publishWithin("a", "c", one, "82:80")
	move := func(from, to string, families ...nft.Family) {
		t.Helper()
		w.update(func(tx *bridge.Tx) {
			tx.Network(from).Endpoint("c").MovePorts(tx.Network(to).Endpoint("c"), families...)
		})
		w.adopts()
	}
	expect := func(network string, want ...string) {
		t.Helper()
		var got []string
		for b := range w.fw.View().Bindings(w.fw.View().Endpoint(network, "c")) {
			got = append(got, fmt.Sprintf("%s %v", b.Port, b.Scope()))
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s has %q, want %q", network, got, want)
		}
	}
	line := func(port string, s bridge.Scope) string { return fmt.Sprintf("%s %v", port, s) }
	move("a", "b")
	expect("a")
	expect("b", line("79:80", bridge.Scope{}), line("80:80", both), line("81:80", both), line("82:80", one))
	move("b", "a", nft.IPv4)
	expect("a", line("0.0.0.0:79:80", bridge.Scope{}), line("0.0.0.0:80:80", both), line("0.0.0.0:81:80", both), line("0.0.0.0:82:80", one))
	expect("b", line("[::]:79:80", bridge.Scope{}), line("[::]:80:80", both), line("[::]:81:80", both))
}
