package bridge_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/internal/netlab"
	"github.com/seawall-net/seawall/nft"
	"github.com/vishvananda/netlink"
)

// Nothing is left open when a firewall is closed.
func TestCloseLeaksNothing(t *testing.T) {
	netlab.CheckLeaks(t) // counts open files: not in parallel with others
	w := twoNetworks(t, bridge.Config{})
	w.publish("a", "a1", "8081:81")
	w.reopen()
	if err := w.fw.Teardown(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := w.fw.Close(); err != nil {
		t.Errorf("a second close: %v", err)
	}
	if err := w.try(func(*bridge.Tx) {}); !errors.Is(err, bridge.ErrClosed) {
		t.Errorf("update after teardown: %v", err)
	}
}

// A step adds something, and takes it back.
type step struct {
	name        string
	add, remove func(*bridge.Tx)
}

func (w *world) steps() []step {
	var all []step
	for _, specs := range [][]string{{"172.30.7.0/24"}, {"fd00:30:7::/64"}, {"172.30.7.0/24", "fd00:30:7::/64"}} {
		spec := here(networkSpec("n", specs...))
		if w.ipv4Only && spec.IPv6.Subnet.IsValid() {
			continue
		}
		all = append(all, step{
			"network " + specs[0],
			func(tx *bridge.Tx) { tx.CreateNetwork(spec) },
			func(tx *bridge.Tx) { tx.RemoveNetwork("n") },
		})
	}
	all = append(all,
		step{
			"endpoint",
			func(tx *bridge.Tx) { tx.Network("a").Attach(w.endpointSpec("a", "e", 9)) },
			func(tx *bridge.Tx) { tx.Network("a").Detach("e") },
		},
		step{
			"endpoint with ports",
			func(tx *bridge.Tx) {
				tx.Network("a").Attach(w.endpointSpec("a", "f", 10)).Publish(ports("70:70", "7000-7009:7000-7009/udp")...)
			},
			func(tx *bridge.Tx) { tx.Network("a").Detach("f") },
		},
		step{
			"network with endpoint and ports",
			func(tx *bridge.Tx) {
				spec := here(networkSpec("m", "172.30.8.0/24", "fd00:30:8::/64"))
				tx.CreateNetwork(spec).Attach(bridge.EndpointSpec{
					Name: "g", IPv4: nth(spec.IPv4.Subnet, 2), IPv6: nth(spec.IPv6.Subnet, 2),
				}).Publish(ports("71:71", "127.0.0.1:72:72", "7100-7109:7000-7009")...)
			},
			func(tx *bridge.Tx) { tx.RemoveNetwork("m") },
		},
	)
	for _, p := range []string{
		"1000:1000", "1001:80/udp", "1002:80/sctp", "192.0.2.1:1003:80", "[2001:db8:1::1]:1003:80", "127.0.0.1:1004:80",
		"[::1]:1004:80", "0.0.0.0:1005:80", "[::]:1005:80", "1100-1109:1100-1109", "1200-1209:80-89",
		"192.0.2.1:1300-1309:1300-1309/udp", "8090:80", "8091:80",
	} {
		if len(ports(p)) == 0 {
			continue
		}
		all = append(all, step{
			"publish " + p,
			func(tx *bridge.Tx) { tx.Network("a").Endpoint("a1").Publish(ports(p)...) },
			func(tx *bridge.Tx) { tx.Network("a").Endpoint("a1").Unpublish(ports(p)...) },
		})
	}
	return all
}

func (w *world) endpointSpec(network, name string, hostPart int) bridge.EndpointSpec {
	return bridge.EndpointSpec{
		Name: name, IPv4: nth(w.subnets[network][0], hostPart), IPv6: nth(w.subnets[network][1], hostPart),
	}
}

// Whatever is added and removed again, the ruleset, the links and the sysctls are what they were before.
func TestAddThenRemove(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bridge.Config{})
	w.networkA()
	w.attach("a", "a1", 2, "8080:80")
	before := w.snapshot()
	all := w.steps()
	for _, s := range all {
		w.update(s.add)
		if slices.Equal(w.snapshot(), before) {
			t.Errorf("%s: adding it changed nothing", s.name)
		}
		w.update(s.remove)
		w.sameAs(s.name, w.snapshot(), before)
	}
	// In one Update, nothing happens at all.
	generation := w.generation()
	for _, s := range all {
		w.update(func(tx *bridge.Tx) { s.add(tx); s.remove(tx) })
	}
	if g := w.generation(); g != generation {
		t.Errorf("adding and removing in one Update made %d transactions", g-generation)
	}
	// All together, taken back in any order. The networks called n exclude each other.
	all = all[2:]
	for range 3 {
		w.update(func(tx *bridge.Tx) {
			for _, s := range all {
				s.add(tx)
			}
		})
		for _, i := range rand.Perm(len(all)) {
			w.update(all[i].remove)
		}
		w.sameAs("all in random order", w.snapshot(), before)
	}
}

// The first network switches forwarding on; with the last one it goes off again.
func TestAddThenRemoveTheOnlyNetwork(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bridge.Config{})
	before := w.snapshot()
	for _, subnets := range [][]string{{"172.30.7.0/24", "fd00:30:7::/64"}, {"172.30.7.0/24"}, {"fd00:30:7::/64"}} {
		spec := here(networkSpec("n", subnets...))
		if w.ipv4Only && spec.IPv6.Subnet.IsValid() {
			continue
		}
		w.update(func(tx *bridge.Tx) { tx.CreateNetwork(spec) })
		w.update(func(tx *bridge.Tx) { tx.RemoveNetwork("n") })
		w.sameAs(subnets[0], w.snapshot(), before)
		w.update(func(tx *bridge.Tx) {
			tx.CreateNetwork(spec)
			tx.RemoveNetwork("n")
		})
		w.sameAs(subnets[0]+" in one Update", w.snapshot(), before)
	}
	w.update(func(tx *bridge.Tx) { tx.CreateNetwork(networkSpec("n", "172.30.7.0/24")) })
	w.update(func(tx *bridge.Tx) { tx.RemoveNetwork("n"); tx.CreateNetwork(networkSpec("m", "172.30.7.0/24")) })
	if got := w.host.Sysctl("net.ipv4.ip_forward"); got != "1" {
		t.Errorf("ip_forward is %s with a network", got)
	}
	w.update(func(tx *bridge.Tx) { tx.CreateNetwork(networkSpec("n", "172.30.8.0/24")) })
	w.update(func(tx *bridge.Tx) { tx.RemoveNetwork("m") })
	if got := w.host.Sysctl("net.ipv4.ip_forward"); got != "1" {
		t.Errorf("ip_forward is %s with a network left", got)
	}
	w.reopen()
	w.update(func(tx *bridge.Tx) { tx.RemoveNetwork("n") })
	w.sameAs("the last of two", w.snapshot(), before)
}

// Teardown removes all of ours and nothing of others.
func TestTeardown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bridge.Config{})
	if err := w.fw.Teardown(context.Background()); err != nil {
		t.Fatal(err)
	}
	// A stranger's tables, and a stranger's bridge.
	w.byHand(func(b *nft.Batch) {
		for _, f := range families {
			table := &nft.Table{Family: f, Name: "foreign"}
			chain := &nft.Chain{Table: table.Ref(), Name: "DOCKER-USER", Hook: nft.Forward, Priority: -10}
			b.Add(table, chain, &nft.Rule{Chain: chain.Ref(), Statements: []nft.Statement{nft.Counter()}})
		}
	})
	foreign := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "foreign0"}}
	if err := w.host.Netlink().LinkAdd(foreign); err != nil {
		t.Fatal(err)
	}
	before := slices.Concat(w.rules(), w.links())

	w.open()
	w.networkA()
	w.networkB()
	w.attach("a", "a1", 2, "8080:80", "127.0.0.1:8081:80", "9000-9009:9000-9009")
	w.connect("a", "a1")
	if err := w.fw.Teardown(context.Background()); err != nil {
		t.Fatal(err)
	}
	w.sameAs("teardown", slices.Concat(w.rules(), w.links()), before)

	if !hasUserChain() {
		return
	}
	// The user's rules are his: their chains stay, and so do their tables.
	w.open()
	w.networkA()
	w.handAppend("a1", 80, drop)
	chains := w.userRules()
	if err := w.fw.Teardown(context.Background()); err != nil {
		t.Fatal(err)
	}
	rs := w.load(w.tables()...)
	left := 0
	for o := range rs.Objects() {
		switch o := o.(type) {
		case *nft.Chain:
			if o.Name != "DOCKER-USER" {
				t.Errorf("left: %s", o.ID())
			}
		case *nft.Rule:
			if o.Chain.Name != "DOCKER-USER" {
				t.Errorf("left: %s", o.ID())
			}
			left++
		case *nft.Table:
		default:
			t.Errorf("left: %s", o.ID())
		}
	}
	if left != len(chains) || left != len(w.userFamilies()) {
		t.Errorf("%d user rules left, want %q", left, chains)
	}
	w.open()
	if got := w.userRules(); !slices.Equal(got, chains) {
		t.Errorf("DOCKER-USER is %q, want %q", got, chains)
	}
}

// Rules are in force before there is a link that they protect, and as long as there is one.
func TestEndpointIsProtectedBeforeItsLinkIsUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bridge.Config{})
	w.networkA()
	w.name("nobody", "172.30.1.9", "fd00:30:1::9")
	w.attach("a", "a1", 2)
	w.witness("a1", "nobody")
	w.fates(`
		ext  udp  a1:80      silent
		ext  udp  nobody:80  silent
	`)
	if n := w.witnessed("nobody"); n == 0 {
		t.Error("the witness is blind")
	}
	if n := w.witnessed("a1"); n != 0 {
		t.Errorf("%d packets for an endpoint without a link got past the guard", n)
	}
	w.connect("a", "a1")
	w.serve("a1", 80)
	if err := w.fw.Disconnect(context.Background(), "a", "a1"); err != nil {
		t.Fatal(err)
	}
	w.fates(`
		ext  udp  a1:80      silent
	`)
	if n := w.witnessed("a1"); n != 0 {
		t.Errorf("%d packets for an endpoint whose link is gone got past the guard", n)
	}
}
