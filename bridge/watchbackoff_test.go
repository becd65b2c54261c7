package bridge_test

import (
	"testing"
	"time"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/nft"
)

// A program that insists is not fought: repairs wait longer and longer, it is told once, and meanwhile nothing new passes.
func TestWatchBacksOff(t *testing.T) {
	nativeChains(t)
	t.Parallel()
	w := twoNetworks(t, bridge.Config{Watch: bridge.WatchConfig{MinDelay: time.Hour, MaxDelay: 2 * time.Hour}})
	v := watch(t, w.fw)
	flows := w.flows("host", 8080, "ext")
	w.alive("before", flows)
	stranger := w.hand()
	damage := func() {
		var b nft.Batch
		b.Flush(&nft.Chain{Table: seawallTables()[0], Name: "to-br-a"}, &nft.Chain{Table: seawallTables()[1], Name: "to-br-a"})
		if _, err := stranger.Commit(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	for range 5 {
		damage()
		v.repaired("")
	}
	damage()
	if e := v.next(); e.Kind != bridge.BackingOff || e.Delay != time.Hour || e.By.PID == 0 {
		t.Errorf("%+v", e)
	}
	w.alive("while it backs off", flows)
	w.fates(`
		b1   tcp,udp  a1:80      silent
		ext  tcp,udp  host:8080  silent
		a1   tcp,udp  ext:80     silent
	`)
	v.end() // with the anchor, since nobody is there to open it again
	if healed, err := w.fw.Heal(t.Context()); !healed || err != nil {
		t.Error(healed, err)
	}
	w.alive("in the end", flows)
	w.fates(goodFates)
}

// When it stops, all is repaired, and it is told.
func TestWatchCalmsDown(t *testing.T) {
	nativeChains(t)
	t.Parallel()
	w := twoNetworks(t, bridge.Config{Watch: bridge.WatchConfig{MinDelay: 20 * time.Millisecond, MaxDelay: 40 * time.Millisecond}})
	v := watch(t, w.fw)
	stranger := w.hand()
	backing := 0
	for backing == 0 {
		var b nft.Batch
		b.InsertRule(&nft.Rule{Chain: seawallTables()[0].Chain("forward"), Statements: []nft.Statement{drop}}, 0)
		if _, err := stranger.Commit(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		for _, e := range v.until(bridge.Repaired) {
			if e.Kind == bridge.BackingOff {
				backing++
			}
		}
	}
	for _, e := range v.until(bridge.Calm) {
		if e.Kind == bridge.BackingOff {
			t.Error("told twice")
		}
	}
	w.kernelIsDesired("calm")
	w.fates(goodFates)
}

// A Watch whose repairs all fail ends when it is told to.
func TestWatchEndsWhileRepairsFail(t *testing.T) {
	nativeChains(t)
	t.Parallel()
	w := twoNetworks(t, impatient)
	v := watch(t, w.fw)
	stranger := w.hand()
	table := nft.Table{Family: nft.IPv4, Name: "seawall", Flags: nft.TableOwner}
	var take, leave nft.Batch
	take.Delete(&table)
	take.Create(&table) // and nobody else can change it
	leave.Delete(&table)
	if _, err := stranger.Commit(t.Context(), take); err != nil {
		t.Fatal(err)
	}
	for e := v.next(); e.Kind != bridge.Failed; e = v.next() {
		if e.Kind == bridge.Repaired {
			t.Fatal(e)
		}
	}
	v.end()
	if _, err := stranger.Commit(t.Context(), leave); err != nil {
		t.Fatal(err)
	}
	if healed, err := w.fw.Heal(t.Context()); !healed || err != nil {
		t.Error(healed, err)
	}
	w.fates(goodFates)
}
