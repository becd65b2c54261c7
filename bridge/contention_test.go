package bridge_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/nft"
	"github.com/seawall-net/seawall/portmap"
)

// busyWriters commit to tables of their own, as fast as they can, until the
// test calls the returned function.
func busyWriters(t *testing.T, fw *rulesOnly, n int) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for i := range n {
		c, err := nft.Dial(nft.Config{NetNS: fw.ns})
		if err != nil {
			t.Fatal(err)
		}
		table := &nft.Table{Family: nft.IPv4, Name: fmt.Sprintf("busy%d", i)}
		chain := &nft.Chain{Table: table.Ref(), Name: "c"}
		wg.Add(1)
		go func() {
			defer wg.Done()
			defer c.Close()
			for ctx.Err() == nil {
				var add, del nft.Batch
				add.Add(table, chain, &nft.Rule{Chain: chain.Ref(), Statements: []nft.Statement{nft.Drop()}})
				del.Delete(table)
				for _, b := range []nft.Batch{add, del} {
					if _, err := c.Commit(context.Background(), b); err != nil {
						t.Error(err)
					}
				}
			}
		}()
	}
	return func() { cancel(); wg.Wait() }
}

// Next to writers who never rest, updates make progress and are seen to hold,
// a new process takes over, and Heal and Teardown work.
func TestUpdateNextToBusyWriters(t *testing.T) {
	t.Parallel()
	fw := openRulesOnly(t)
	fw.web(t)
	stop := busyWriters(t, fw, 4)
	defer stop()
	for i := range 100 {
		update(t, fw.Firewall, func(tx *bridge.Tx) {
			tx.Network("web").Endpoint("c1").Publish(portmap.Binding{Host: portmap.Port(uint16(1000 + i)), Container: portmap.Port(80)})
		})
	}
	ctx := context.Background()
	if healed, err := fw.Heal(ctx); err != nil || healed {
		t.Errorf("after the updates: healed %v, %v; want nothing to heal", healed, err)
	}
	again, err := bridge.Open(ctx, bridge.Config{NetNS: fw.ns, RulesOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	n, view := 0, again.View()
	for range view.Bindings(view.Endpoint("web", "c1")) {
		n++
	}
	if n != 100 {
		t.Errorf("the next process sees %d bindings, want 100", n)
	}
	if err := again.Teardown(ctx); err != nil {
		t.Error(err)
	}
}

// What others do to our tables is found out next to busy writers, too, and
// never overwritten.
func TestForeignChangeNextToBusyWriters(t *testing.T) {
	t.Parallel()
	fw := openRulesOnly(t)
	fw.web(t)
	stop := busyWriters(t, fw, 2)
	defer stop()
	ctx := context.Background()
	c, err := nft.Dial(nft.Config{NetNS: fw.ns})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	table := nft.TableRef{Family: nft.IPv4, Name: "seawall"}
	for i := range 20 {
		var b nft.Batch
		b.Add(&nft.Rule{Chain: table.Chain("forward"), Statements: []nft.Statement{nft.Mark.Eq(uint32(i)), nft.Accept()}})
		if _, err := c.Commit(ctx, b); err != nil {
			t.Fatal(err)
		}
		port := portmap.Binding{Host: portmap.Port(uint16(1000 + i)), Container: portmap.Port(80)}
		for range 2 {
			err := fw.Update(ctx, func(tx *bridge.Tx) error {
				tx.Network("web").Endpoint("c1").Publish(port)
				return nil
			})
			var drift *bridge.DriftError
			if !errors.As(err, &drift) {
				t.Fatalf("update %d on a foreign rule: %v, want a DriftError", i, err)
			}
		}
		if healed, err := fw.Heal(ctx); err != nil || !healed {
			t.Fatalf("heal %d: %v, %v", i, healed, err)
		}
		update(t, fw.Firewall, func(tx *bridge.Tx) { tx.Network("web").Endpoint("c1").Publish(port) })
	}
}
