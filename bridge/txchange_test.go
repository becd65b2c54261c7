package bridge_test

import (
	"errors"
	"io/fs"
	"net/netip"
	"slices"
	"testing"

	"github.com/seawall-net/seawall/bridge"
)

// A changed network keeps its links, its endpoints and their ports, with the new options; the way back ends where it
// began.
func TestChangeNetwork(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bridge.Config{})
	w.networkA()
	w.networkB()
	w.container("a", "a1", 2, "8080:80", "81")
	w.container("a", "a2", 3)
	w.container("b", "b1", 2, "8090:80")
	chosen := w.hostPort("a", "a1", "81")
	stays := w.stay(`
		ext  tcp  host:8090  b1 sees ext
	`)
	links, rules := w.links(), sorted(w.rules())
	index := w.host.Index("br-a")
	w.fates(`
		a2   tcp  a1:80      a1 sees a2
		ext  tcp  a1:81      silent
	`)
	changed := with(here(specA), func(s *bridge.NetworkSpec) {
		s.DisableICC, s.IPv4.Mode, s.IPv6.Mode = true, bridge.NATUnprotected, bridge.NATUnprotected
	})
	w.update(func(tx *bridge.Tx) { tx.Network("a").Change(changed).Endpoint("a1").Publish(ports("8082:80")...) })
	w.kernelIsDesired("changed")
	if got := w.host.Index("br-a"); got != index {
		t.Errorf("the bridge is a new one: index %d, was %d", got, index)
	}
	if got := w.hostPort("a", "a1", "81"); got != chosen {
		t.Errorf("the chosen port is %d, was %d", got, chosen)
	}
	w.fates(`
		a2   tcp  a1:80      closed
		ext  tcp  a1:81      a1 sees ext
		ext  tcp  host:8080  a1 sees ext
		ext  tcp  host:8082  a1 sees ext
		ext  tcp  host:8090  b1 sees ext
	`)
	stays()
	w.reopen()
	w.update(func(tx *bridge.Tx) {
		tx.Network("a").Endpoint("a1").Unpublish(ports("8082:80")...)
		tx.Network("a").Change(specA)
	})
	w.fates(`
		a2   tcp  a1:80      a1 sees a2
		ext  tcp  a1:81      silent
		ext  tcp  host:8080  a1 sees ext
	`)
	w.sameAs("changed back: links", w.links(), links)
	w.sameAs("changed back: rules", sorted(w.rules()), rules)
	generation := w.generation()
	w.update(func(tx *bridge.Tx) {
		n := tx.Network("a").Change(specA)
		n.Endpoint("a1").Change(w.specOf("a1"))
	})
	if got := w.generation(); got != generation {
		t.Errorf("the same options again: generation %d, was %d", got, generation)
	}
}

// sorted is for sets whose elements stand in the order in which they came.
func sorted(lines []string) []string { slices.Sort(lines); return lines }

// specOf is the least that describes an endpoint of network a as it is.
func (w *world) specOf(name string) bridge.EndpointSpec {
	return bridge.EndpointSpec{Name: name, IPv4: w.addrs[name][0], IPv6: w.addrs[name][1]}
}

// hostPort is the first host port of what an endpoint publishes.
func (w *world) hostPort(network, name, spec string) uint16 {
	w.t.Helper()
	v := w.fw.View()
	for b := range v.Bindings(v.Endpoint(network, name)) {
		if b.Port == ports(spec)[0] {
			return b.Host().First
		}
	}
	w.t.Fatalf("%s/%s does not publish %s", network, name, spec)
	return 0
}

// A change that is refused leaves everything as it was.
func TestChangeRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bridge.Config{})
	w.networkA()
	w.container("a", "a1", 2, "127.0.0.1:8080:80")
	rules, links := sorted(w.rules()), w.links()
	for name, c := range map[string]struct {
		change func(*bridge.Tx)
		want   error
	}{
		"bridge": {func(tx *bridge.Tx) {
			tx.Network("a").Change(with(here(specA), func(s *bridge.NetworkSpec) { s.Bridge = "br-x" }))
		}, fs.ErrInvalid},
		"subnet": {func(tx *bridge.Tx) {
			tx.Network("a").Change(with(here(specA), func(s *bridge.NetworkSpec) { s.IPv4.Subnet = netip.MustParsePrefix("172.30.0.0/16") }))
		}, fs.ErrInvalid},
		"a loopback port that would be open": {func(tx *bridge.Tx) {
			tx.Network("a").Change(with(here(specA), func(s *bridge.NetworkSpec) { s.IPv4.Mode = bridge.Routed }))
		}, fs.ErrInvalid},
		"the old handle": {func(tx *bridge.Tx) {
			n := tx.Network("a")
			n.Change(with(here(specA), func(s *bridge.NetworkSpec) { s.DisableICC = true }))
			n.Endpoint("a1")
		}, fs.ErrNotExist},
		"address": {func(tx *bridge.Tx) {
			spec := w.specOf("a1")
			spec.IPv4 = spec.IPv4.Next()
			tx.Network("a").Endpoint("a1").Change(spec)
		}, fs.ErrInvalid},
	} {
		if err := w.try(c.change); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		w.sameAs(name+": rules", sorted(w.rules()), rules)
		w.sameAs(name+": links", w.links(), links)
	}
	w.fates(`
		host  tcp4  loopback:8080  a1 sees gw-a
	`)
}

// An endpoint that may send in others' names is what it was in all else.
func TestChangeEndpoint(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bridge.Config{})
	w.create(with(here(specA), func(s *bridge.NetworkSpec) { s.DisableICC = true }))
	w.container("a", "a1", 2, "8080:80")
	w.container("a", "a2", 3)
	w.link("a", "a2", "a1", "81")
	w.fates(`
		a2   tcp4 a1:81      a1 sees a2
	`)
	links, rules := w.links(), sorted(w.rules())
	spec := w.specOf("a1")
	spec.AllowSpoofing = true
	w.update(func(tx *bridge.Tx) { tx.Network("a").Endpoint("a1").Change(spec) })
	w.kernelIsDesired("changed")
	w.sameAs("changed: links", w.links(), links)
	w.fates(`
		ext  tcp  host:8080  a1 sees ext
		a2   tcp4 a1:81      a1 sees a2
		a2   tcp  a1:80      closed
	`)
	w.reopen()
	w.update(func(tx *bridge.Tx) { tx.Network("a").Endpoint("a1").Change(w.specOf("a1")) })
	w.sameAs("changed back: rules", sorted(w.rules()), rules)
}

// A network that is made anew on the same bridge has its own addresses there, and no others.
func TestBridgeTakenOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bridge.Config{})
	w.network("a", "172.30.9.0/24", "fd00:30:9::/64")
	w.update(func(tx *bridge.Tx) {
		tx.RemoveNetwork("a")
		tx.CreateNetwork(here(specA))
	})
	got := w.links()
	w.update(func(tx *bridge.Tx) { tx.RemoveNetwork("a") })
	w.networkA()
	w.sameAs("taken over", got, w.links())
}
