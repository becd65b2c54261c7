package bridge_test

import (
	"context"
	"errors"
	"io/fs"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/compat"
	"github.com/seawall-net/seawall/internal/netlab"
	"github.com/seawall-net/seawall/nft"
)

// moveTo closes the firewall and opens it with another layout.
func (w *world) moveTo(name string) error {
	w.t.Helper()
	layout, err := compat.LayoutNamed(name)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := w.fw.Close(); err != nil {
		w.t.Fatal(err)
	}
	cfg := w.cfg
	cfg.Former, cfg.Layout = w.cfg.Layout, layout
	fw, err := bridge.Open(context.Background(), cfg)
	if err != nil {
		w.open()
		return err
	}
	w.cfg.Layout, w.fw = layout, fw
	return nil
}

// A host moves from layout to layout under fire: what may pass goes on, and what may not never does.
func TestMoveToAnotherLayout(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bridge.Config{Layout: bridge.Native()})
	w.filterBridges(filterOff)
	w.networkA()
	w.networkB()
	w.container("a", "a1", 2, "8080:80", "8080:80/udp", "127.0.0.1:8081:80")
	w.container("b", "b1", 2)
	before := facts(w.fw)

	const secret = 4321
	seen := w.spaces["a1"].Capture("", func(f netlab.CapturedFrame) bool { return !f.Outgoing && f.To.Port() == secret })
	var fire flood
	for _, attacker := range []string{"ext", "b1"} {
		var frames []netlab.Frame
		for i := range families {
			frames = append(frames, netlab.Frame{
				Dst: w.hostMAC(attacker), Src: w.spaces[attacker].MAC("eth0"), Proto: "udp",
				From: netip.AddrPortFrom(w.addrs[attacker][i], 6666), To: netip.AddrPortFrom(w.addrs["a1"][i], secret),
			})
		}
		fire.start(t, w.spaces[attacker], "eth0", frames...)
	}
	defer fire.end()
	var flows []*netlab.Flow
	for i := range families {
		flows = append(flows, w.Flow(netlab.Probe{From: w.ext, Proto: "tcp", To: netip.AddrPortFrom(w.addrs["host"][i], 8080)}))
	}
	ask := func(when string) {
		for _, r := range netlab.AskAll(flows) {
			if r.Outcome != netlab.Delivered {
				t.Errorf("%s: an established connection: %v", when, r)
			}
		}
	}
	ask("before")
	var client sync.WaitGroup
	done := make(chan struct{})
	stop := sync.OnceFunc(func() { close(done); client.Wait() })
	defer stop()
	client.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				ask("meanwhile")
			}
		}
	})
	for _, name := range []string{"hybrid", "docker-28", "docker-18.05", "docker-28", "native", "docker-28", "hybrid", "native"} {
		if err := w.moveTo(name); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		w.kernelIsDesired(name)
		if after := facts(w.fw); !slices.Equal(after, before) {
			t.Errorf("%s: the view is\n%s\nwas\n%s", name, strings.Join(after, "\n"), strings.Join(before, "\n"))
		}
		for i := range families {
			if r := w.Probe(netlab.Probe{From: w.ext, Proto: "udp", To: netip.AddrPortFrom(w.addrs["host"][i], 8080)}); r.Outcome != netlab.Delivered {
				t.Errorf("%s: a published port: %v", name, r)
			}
		}
	}
	stop()
	ask("after")
	for _, f := range seen.Seen() {
		t.Errorf("has passed: %v", f)
	}
	for _, table := range w.load().Tables() {
		if table.Name != "seawall" {
			t.Errorf("table %s is left", table.Ref())
		}
	}
}

// A move that is not possible changes nothing: the user's rules would be asked no longer, or the layout cannot do what
// there is.
func TestMoveIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bridge.Config{Layout: bridge.Native()})
	w.networkA()
	w.attach("a", "a1", 2, "8080:80/sctp")
	table := nft.TableRef{Family: nft.IPv4, Name: "seawall"}
	rule := &nft.Rule{Chain: table.Chain("DOCKER-USER"), Statements: []nft.Statement{nft.Mark.Eq(uint32(3)), nft.Drop()}}
	w.byHand(func(b *nft.Batch) { b.Add(rule) })
	before, generation := facts(w.fw), w.generation()
	for name, want := range map[string]error{"hybrid": fs.ErrExist, "docker-28": fs.ErrExist, "docker-1.9": fs.ErrExist} {
		if err := w.moveTo(name); !errors.Is(err, want) || !strings.Contains(err.Error(), "DOCKER-USER") {
			t.Errorf("%s: %v", name, err)
		}
	}
	w.byHand(func(b *nft.Batch) { b.Flush(&nft.Chain{Table: table, Name: "DOCKER-USER"}) })
	if err := w.moveTo("docker-1.9"); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("IPv6 to Docker 1.9: %v", err)
	}
	// Another layout is not taken over unless it is named.
	docker := w.cfg
	docker.Layout = compat.Docker28()
	for _, former := range []bridge.Layout{nil, compat.Docker1805()} {
		docker.Former = former
		if _, err := bridge.Open(context.Background(), docker); !errors.Is(err, bridge.ErrForeignTable) || !strings.Contains(err.Error(), `"native"`) {
			t.Errorf("former %v: %v", former, err)
		}
	}
	if g := w.generation(); g != generation+1 {
		t.Errorf("%d transactions, want the flush only", g-generation)
	}
	if after := facts(w.fw); !slices.Equal(after, before) {
		t.Errorf("the view is %q, was %q", after, before)
	}

	// Who has the firewall open with the layout of before does not repair the new one away.
	was := openAgain(t, w.host.File(), w.cfg)
	if err := w.moveTo("docker-28"); err != nil {
		t.Fatal(err)
	}
	generation = w.generation()
	if err := was.Update(context.Background(), func(tx *bridge.Tx) error { tx.RemoveNetwork("a"); return nil }); !errors.Is(err, bridge.ErrForeignTable) {
		t.Errorf("update of a firewall with the layout of before: %v", err)
	}
	if _, err := was.Heal(context.Background()); !errors.Is(err, bridge.ErrForeignTable) {
		t.Errorf("heal of a firewall with the layout of before: %v", err)
	}
	if g := w.generation(); g != generation {
		t.Errorf("the layout of before has written %d transactions", g-generation)
	}
}
