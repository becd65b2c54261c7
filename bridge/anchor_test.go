package bridge_test

import (
	"context"
	"net/netip"
	"testing"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/internal/netlab"
	"github.com/seawall-net/seawall/nft"
)

// held keeps everybody from the Firewall until release is called: a Watch cannot repair.
func held(t *testing.T, fw *bridge.Firewall) (release func()) {
	t.Helper()
	inside, leave, left := make(chan struct{}), make(chan struct{}), make(chan error)
	go func() {
		left <- fw.Update(context.Background(), func(*bridge.Tx) error { close(inside); <-leave; return nil })
	}()
	<-inside
	return func() {
		t.Helper()
		close(leave)
		if err := <-left; err != nil {
			t.Error(err)
		}
	}
}

// flows are TCP connections from the LAN and from another network to a published port, in both families.
func (w *world) flows(to string, port uint16, from ...string) []*netlab.Flow {
	var out []*netlab.Flow
	for _, name := range from {
		for i := range w.families() {
			out = append(out, w.Flow(netlab.Probe{From: w.spaces[name], Proto: "tcp", To: netip.AddrPortFrom(w.addrs[to][i], port)}))
		}
	}
	return out
}

// alive asks over each flow.
func (w *world) alive(when string, flows []*netlab.Flow) {
	w.t.Helper()
	for _, r := range netlab.AskAll(flows) {
		if r.Outcome != netlab.Delivered {
			w.t.Errorf("%s: a connection: %v", when, r)
		}
	}
}

// While the rules are gone, connections go on, and nothing new passes: not what was forbidden, and not what was allowed.
func TestAnchorHoldsThroughFlush(t *testing.T) {
	t.Parallel()
	w := twoNetworks(t, impatient)
	w.create(with(networkSpec("in", "172.30.7.0/24", "fd00:30:7::/64"), func(s *bridge.NetworkSpec) { s.Internal = true }))
	w.container("in", "in1", 2)
	w.create(with(networkSpec("apart", "172.30.8.0/24", "fd00:30:8::/64"), func(s *bridge.NetworkSpec) { s.DisableICC = true }))
	w.container("apart", "p1", 2)
	w.container("apart", "p2", 3)
	w.serve("host", 9)
	v := watch(t, w.fw)
	w.networkC() // a network that came later is in the anchor, too
	w.container("c", "c1", 2)
	for i := range w.families() {
		w.spaces["in1"].Route("default", w.addrs["gw-in"][i].String())
	}
	flows := w.flows("host", 8080, "ext")
	if !w.differs("other-networks", 0) {
		flows = append(flows, w.flows("host", 8080, "b1")...)
	}
	flows = append(flows, w.flows("ext", 80, "a1")...)
	w.alive("before", flows)
	w.fates(goodFates + `
		in1  tcp,udp  host:9     silent
		ext  tcp,udp  c1:80      silent
		p1   tcp      p2:80      closed
	`)

	release := held(t, w.fw)
	w.byHand(func(b *nft.Batch) {
		for _, table := range w.load(w.tables()...).Tables() {
			b.Delete(table)
		}
	})
	w.alive("without rules", flows)
	w.fates(`
		ext  tcp,udp  host:8080  silent
		ext  tcp,udp  a1:80      silent
		ext  tcp,udp  c1:80      silent
		b1   tcp,udp  a1:80      silent
		c1   tcp,udp  a1:80      silent
		a1   tcp,udp  ext:80     silent
		in1  tcp,udp  ext:80     silent
		in1  tcp,udp  host:9     silent
		p1   tcp      p2:80      closed
		# What is no network's, and the host's own, goes on.
		ext  tcp,udp  host:9     host sees ext
		host tcp      ext:80     ext sees host
		host tcp      a1:80      a1 sees gw-a
		b1   tcp      host:9     host sees b1
	`)
	w.frames(`
		ext  udp  loopback:9     host stays quiet
		ext  udp  host:9         host answers
	`)
	w.alive("still without rules", flows)
	release()
	v.repaired("")
	w.alive("repaired", flows)
	w.fates(goodFates + `
		in1  tcp,udp  host:9     silent
		ext  tcp,udp  c1:80      silent
		p1   tcp      p2:80      closed
		c1   tcp      ext:80     ext sees host
	`)
	w.kernelIsDesired("repaired")
}

// Without an anchor, connections end: the test above is about something.
func TestWithoutAnchor(t *testing.T) {
	t.Parallel()
	cfg := impatient
	cfg.Watch.NoAnchor = true
	w := twoNetworks(t, cfg)
	v := watch(t, w.fw)
	flows := w.flows("host", 8080, "ext")
	w.alive("before", flows)
	release := held(t, w.fw)
	w.byHand(func(b *nft.Batch) {
		for _, table := range w.load().Tables() {
			b.Delete(table)
		}
	})
	for _, r := range netlab.AskAll(flows) {
		if r.Outcome == netlab.Delivered {
			t.Errorf("a connection goes on: %v", r)
		}
	}
	release()
	v.repaired("")
	w.fates(goodFates)
}

// An anchor is one process's. The other goes without, and takes its turn.
func TestAnchorOfAnother(t *testing.T) {
	t.Parallel()
	cfg := impatient
	cfg.Watch.CheckInterval = 1e7
	w := twoNetworks(t, cfg)
	first := watch(t, w.fw)
	second, err := bridge.Open(context.Background(), w.cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	other := watch(t, second)
	if e := other.next(); e.Kind != bridge.Unanchored {
		t.Fatal(e)
	}
	w.fates(`ext  tcp  host:8080  a1 sees ext`)
	first.end()
	for !w.anchored() {
	}
	w.fates(`ext  tcp  host:8080  a1 sees ext`)
	other.end()
	if w.anchored() {
		t.Error("the anchor is left")
	}
}

// anchored tells whether there is an anchor, and the chains that belong to it.
func (w *world) anchored() bool {
	w.t.Helper()
	table := nft.TableRef{Family: nft.IPv4, Name: "seawall-anchor"}
	judged := nft.ID{Kind: nft.KindChain, Table: seawallTables()[0], Name: "judged"}
	have := w.load()
	return have.Lookup(nft.ID{Kind: nft.KindTable, Table: table}) != nil && have.Lookup(judged) != nil
}
