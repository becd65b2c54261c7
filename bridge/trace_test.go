package bridge

import (
	"context"
	"slices"
	"testing"

	"github.com/seawall-net/seawall/internal/netns"
	"github.com/seawall-net/seawall/nft"
	"github.com/vishvananda/netlink"
)

// Each transaction says what it was for.
func TestTraceTellsTheOperation(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	ns, err := netns.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ns.Close() })
	var ops []string
	expect := func(want ...string) {
		t.Helper()
		if !slices.Equal(ops, want) {
			t.Errorf("transactions %q, want %q", ops, want)
		}
		ops = nil
	}
	open := func() *Firewall {
		t.Helper()
		return mustOpen(t, Config{NetNS: ns, Trace: func(tr Transaction) { ops = append(ops, tr.Op) }})
	}
	fw := open()
	expect("open")
	if err := fw.Update(ctx, func(tx *Tx) error { tx.CreateNetwork(modelSpec(0, 1, 0)); return nil }); err != nil {
		t.Fatal(err)
	}
	expect("update")

	// Packets of IPv6 do not fit through the bridge, which is found out after the commit.
	small := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br-2", MTU: 1000}}
	if err := netns.Do(ns, func() error { return netlink.LinkAdd(small) }); err != nil {
		t.Fatal(err)
	}
	if err := fw.Update(ctx, func(tx *Tx) error { tx.CreateNetwork(modelSpec(2, 3, 0)); return nil }); err == nil {
		t.Error("an update that cannot use its bridge succeeded")
	}
	expect("update", "undo")

	if err := fw.Close(); err != nil {
		t.Fatal(err)
	}
	fw = open()
	expect()
	conn, err := nft.Dial(nft.Config{NetNS: ns})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var flush nft.Batch
	flush.Delete(&nft.Table{Family: nft.IPv4, Name: "seawall"})
	if _, err := conn.Commit(ctx, flush); err != nil {
		t.Fatal(err)
	}
	if healed, err := fw.Heal(ctx); err != nil || !healed {
		t.Fatal(healed, err)
	}
	expect("heal")
	if err := fw.Teardown(ctx); err != nil {
		t.Fatal(err)
	}
	expect("teardown")
}
