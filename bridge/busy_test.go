package bridge_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/nft"
	"github.com/seawall-net/seawall/portmap"
)

// A stranger who changes objects of ours in the middle of much other traffic is found out by the updates that follow,
// and nothing that an update reported as done is lost once the firewall has healed.
func TestStrangersAreFoundOutAmongBusyOnes(t *testing.T) {
	nativeChains(t)
	t.Parallel()
	w := newWorld(t, bridge.Config{})
	w.networkA()
	w.attach("a", "a1", 2)
	ctx, cancel := context.WithCancel(context.Background())
	resting := make(chan error)
	stranger := w.hand()
	go func() { resting <- busy(ctx, stranger) }()

	vandal, done, found := w.hand(), 0, 0
	for i := range 200 {
		if i%20 == 10 {
			var b nft.Batch
			b.Flush(&nft.Chain{Table: seawallTables()[i/20%2], Name: "to-br-a"})
			if _, err := vandal.Commit(context.Background(), b); err != nil {
				t.Fatal(err)
			}
		}
		port := portmap.Binding{Host: portmap.Port(uint16(i + 1)), Container: portmap.Port(80)}
		err := w.try(func(tx *bridge.Tx) { tx.Network("a").Endpoint("a1").Publish(port) })
		var drift *bridge.DriftError
		switch {
		case err == nil:
			done++
		case errors.As(err, &drift):
			found++
			if _, err := w.fw.Heal(context.Background()); err != nil {
				t.Fatal(err)
			}
		default:
			t.Fatal(err)
		}
	}
	cancel()
	if err := <-resting; err != nil {
		t.Fatal(err)
	}
	if found != 10 {
		t.Errorf("%d of 10 changes were found out", found)
	}
	if got := len(facts(w.fw)) - 2; got != done {
		t.Errorf("%d ports are in the view, %d updates succeeded", got, done)
	}
	w.kernelIsDesired(fmt.Sprintf("%d updates", done))
}

// busy changes what is not ours until the context is done.
func busy(ctx context.Context, c *nft.Conn) error {
	table := &nft.Table{Family: nft.INet, Name: "busy"}
	var come, leave nft.Batch
	come.Add(table)
	leave.Delete(table)
	for ctx.Err() == nil {
		for _, b := range []nft.Batch{come, leave} {
			if _, err := c.Commit(context.Background(), b); err != nil {
				return err
			}
		}
	}
	return nil
}
