package bridge_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/nft"
)

func (w *world) counters() *bridge.Counters {
	w.t.Helper()
	c, err := w.fw.Counters(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// count is what one binding of an endpoint and what a network has counted.
func (w *world) countBinding(network, name, spec string) bridge.BindingCounters {
	w.t.Helper()
	c := w.counters()
	for b := range c.View().Bindings(c.View().Endpoint(network, name)) {
		if b.Port.String() == ports(spec)[0].String() {
			return c.Binding(b)
		}
	}
	w.t.Fatalf("%s/%s publishes no %s", network, name, spec)
	return bridge.BindingCounters{}
}

func (w *world) countNetwork(name string) bridge.NetworkCounters {
	w.t.Helper()
	c := w.counters()
	return c.Network(c.View().Network(name))
}

// A published port counts the flows that are led to it, once each, whatever happens to the rules meanwhile.
func TestCountFlows(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bridge.Config{})
	w.networkA()
	w.container("a", "a1", 2, "8080:80", "192.0.2.1:8081:81/udp", "9000-9009:9000-9009", "192.0.2.3:7000-7001:80-81")
	w.container("a", "a2", 3, "9090:80")
	w.serve("a1", 9005)
	want := map[string]uint64{"8080:80": 0, "192.0.2.1:8081:81/udp": 0, "9000-9009:9000-9009": 0, "192.0.2.3:7000-7001:80-81": 0}
	check := func(when string) {
		t.Helper()
		for spec, flows := range want {
			if got := w.countBinding("a", "a1", spec); got.Flows != flows || !got.Counted || got.Open != nil {
				t.Errorf("%s: %s has counted %+v, want %d", when, spec, got, flows)
			}
		}
		if got := w.countBinding("a", "a2", "9090:80"); got.Flows != 0 || !got.Counted {
			t.Errorf("%s: nobody came, and there are %+v", when, got)
		}
	}
	check("at first")
	table := `
		ext   tcp        host:8080    a1 sees ext
		a2    tcp        host:8080    a1 sees gw-a
		ext   udp4       host:8081    a1 sees ext
		ext   tcp        host:9005    a1 sees ext
		ext   tcp4       host2:7000   a1 sees ext
		ext   tcp4       host2:7001   a1 sees ext
	`
	connect := func() {
		t.Helper()
		w.fates(table)
		families := uint64(len(w.families()))
		want["8080:80"] += 2 * families
		want["192.0.2.1:8081:81/udp"]++
		want["9000-9009:9000-9009"] += families
		want["192.0.2.3:7000-7001:80-81"] += 2
	}
	connect()
	check("after connections")
	w.publish("a", "a2", "9191:80")
	w.unpublish("a", "a2", "9191:80")
	check("after an update")
	w.reopen()
	check("after another process has taken over")
	w.byHand(func(b *nft.Batch) {
		for _, table := range w.load(w.tables()...).Tables() {
			b.Delete(table)
		}
	})
	w.heal()
	check("after everything was destroyed and healed")
	connect()
	check("after more connections")
	w.unpublish("a", "a1", "8080:80")
	w.publish("a", "a1", "8080:80")
	want["8080:80"] = 0
	w.heal()
	check("after it was published anew")
}

func (w *world) heal() {
	w.t.Helper()
	if _, err := w.fw.Heal(context.Background()); err != nil {
		w.t.Fatal(err)
	}
}

// A network counts what is forwarded, known connections included, and what was dropped, by reason.
func TestCountTraffic(t *testing.T) {
	t.Parallel()
	w := twoNetworks(t, bridge.Config{})
	before := w.countNetwork("a")
	if !before.Counted || before.Dropped.Packets != 0 {
		t.Errorf("at first: %+v", before)
	}
	w.fates(`ext  tcp  host:8080  a1 sees ext`)
	// Connection, data and end: far more packets than new connections, both ways.
	after := w.countNetwork("a")
	n := uint64(len(w.families()))
	for name, c := range map[string][2]bridge.Count{"sent": {before.Sent, after.Sent}, "received": {before.Received, after.Received}} {
		if packets := c[1].Packets - c[0].Packets; packets < 2*n || c[1].Bytes-c[0].Bytes < 40*packets {
			t.Errorf("%s: %+v, and then %+v", name, c[0], c[1])
		}
	}
	w.fates(`
		ext    udp   a1:80        silent
		b1     udp   a1:80        silent
	`)
	reasons := w.countNetwork("a").Drops
	want := []bridge.Reason{bridge.DirectAccess}
	switch *layoutName {
	case "native", "hybrid":
		want = append(want, bridge.NotPublished)
	case "docker-18.05":
		want = append(want, bridge.BetweenNetworks)
	}
	for _, r := range want {
		if reasons[r].Packets < n || reasons[r].Bytes < n*28 {
			t.Errorf("dropped for %q: %+v of %+v", r, reasons[r], reasons)
		}
	}
	total := bridge.Count{}
	for _, c := range reasons {
		total.Packets += c.Packets
		total.Bytes += c.Bytes
	}
	if got := w.countNetwork("a").Dropped; got != total {
		t.Errorf("dropped %+v, by reason %+v", got, total)
	}
	had := w.countNetwork("a")
	w.byHand(func(b *nft.Batch) {
		for _, table := range w.load(w.tables()...).Tables() {
			b.Delete(table)
		}
	})
	w.heal()
	if got := w.countNetwork("a"); got.Sent.Packets < had.Sent.Packets || got.Dropped.Packets < had.Dropped.Packets {
		t.Errorf("after everything was destroyed and healed: %+v, before %+v", got, had)
	}
}

// Other options make other rules, which go on counting where the former ended.
func TestCountersSurviveOptions(t *testing.T) {
	t.Parallel()
	w := twoNetworks(t, bridge.Config{})
	w.fates(`
		ext  tcp   host:8080  a1 sees ext
		ext  udp   a1:80      silent
	`)
	network, binding := w.countNetwork("a"), w.countBinding("a", "a1", "8080:80")
	w.cfg.LogDrops = &bridge.DropLog{Group: 7}
	w.reopen()
	if got := w.countNetwork("a"); got.Drops[bridge.DirectAccess].Packets < network.Drops[bridge.DirectAccess].Packets || got.Sent.Packets < network.Sent.Packets {
		t.Errorf("%+v, before %+v", got, network)
	}
	if got := w.countBinding("a", "a1", "8080:80"); got.Flows != binding.Flows {
		t.Errorf("%+v, before %+v", got, binding)
	}
}

// The connections that there are, where the kernel accounts for them.
func TestCountOpenFlows(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bridge.Config{Accounting: true})
	if v := w.host.Sysctl("net.netfilter.nf_conntrack_acct"); v != "1" {
		t.Fatalf("accounting is %s", v)
	}
	w.networkA()
	w.create(with(specB, func(s *bridge.NetworkSpec) { s.IPv6.Mode = bridge.Routed }))
	w.container("a", "a1", 2, "8080:80", "8090:80")
	w.container("b", "b1", 2, "8081:81")
	w.fates(`
		ext   tcp        host:8080    a1 sees ext
		ext   tcp        host:8080    a1 sees ext
		ext   tcp4       host:8081    b1 sees ext
		ext   tcp6       b1:81        b1 sees ext
	`)
	for _, c := range []struct {
		network, endpoint, spec string
		flows                   uint64
	}{{"a", "a1", "8080:80", 2}, {"a", "a1", "8090:80", 0}, {"b", "b1", "8081:81", 1}} {
		got := w.countBinding(c.network, c.endpoint, c.spec)
		if c.network == "a" {
			c.flows *= uint64(len(w.families()))
		} else if !lacksIPv6() {
			c.flows++ // to its own address
		}
		if got.Open == nil || got.Open.Flows != c.flows {
			t.Errorf("%s: %+v, want %d", c.spec, got.Open, c.flows)
			continue
		}
		for _, n := range []bridge.Count{got.Open.Received, got.Open.Sent} {
			if n.Packets < 2*c.flows || n.Bytes < 40*n.Packets {
				t.Errorf("%s: %+v", c.spec, *got.Open)
			}
		}
	}
	text, err := json.Marshal(w.countBinding("a", "a1", "8080:80"))
	if err != nil || !strings.HasPrefix(string(text), `{"counted":true,"flows":`) || !strings.Contains(string(text), `"open":{"flows":`) {
		t.Errorf("%s, %v", text, err)
	}
}

// Counting writes nothing, and says nothing of what is not there.
func TestCountersWriteNothing(t *testing.T) {
	t.Parallel()
	w := twoNetworks(t, bridge.Config{})
	before := w.load(w.tables()...).Generation
	c := w.counters()
	if after := w.load(w.tables()...).Generation; after != before {
		t.Errorf("generation %d, then %d", before, after)
	}
	if time.Since(c.Taken()) < 0 || c.Accounted() {
		t.Errorf("taken at %s, accounted %t", c.Taken(), c.Accounted())
	}
	stranger := *c.View().Network("a")
	stranger.Spec.Bridge, stranger.Order = "br-none", 1000
	if got := c.Network(&stranger); got.Counted || got.Drops != nil {
		t.Errorf("a network that is not there: %+v", got)
	}
	if got := c.Host(); got.Dropped.Packets != 0 {
		t.Errorf("the host: %+v", got)
	}
	w.frames(`ext  udp4  loopback:8080  a1 gets nothing`)
	if got := w.counters().Host().Drops[bridge.LoopbackAddress]; got.Packets == 0 {
		t.Errorf("the host has dropped %+v", w.counters().Host())
	}
	if err := w.fw.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := w.fw.Counters(context.Background()); err == nil {
		t.Error("a closed firewall counts")
	}
}
