package bridge_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"testing"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/nft"
)

// What another process tears down is not repaired: Watch ends, and its Firewall with it.
func TestWatchEndsWithATeardown(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		do   func(cfg *bridge.Config)
	}{
		{"links as well", func(*bridge.Config) {}},
		{"rules only", func(cfg *bridge.Config) { cfg.RulesOnly = true }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := twoNetworks(t, impatient)
			v := watch(t, w.fw)
			cfg := w.cfg
			c.do(&cfg)
			other, err := bridge.Open(context.Background(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			// Damage right before it must not bring anything back, either.
			w.byHand(func(b *nft.Batch) { b.Flush(&nft.Chain{Table: seawallTables()[0], Name: "raw-prerouting"}) })
			if err := other.Teardown(context.Background()); err != nil {
				t.Fatal(err)
			}
			<-v.done
			var last bridge.Event
			for len(v.events) > 0 {
				if last = <-v.events; last.Kind == bridge.Failed {
					t.Error(last)
				}
			}
			if last.Kind != bridge.TornDown || last.By.PID == 0 || last.Generation == 0 {
				t.Errorf("the last event is %+v", last)
			}
			if err := <-v.errs; !errors.Is(err, bridge.ErrTornDown) || !errors.Is(err, bridge.ErrClosed) {
				t.Error(err)
			}
			for _, table := range w.load().Tables() {
				t.Errorf("%s is there", table.Ref())
			}
			link, err := w.host.Netlink().LinkByName("br-a")
			if there := err == nil; there != cfg.RulesOnly {
				t.Errorf("br-a: %v, %v", link, err)
			}
			if n := len(slices.Collect(w.fw.View().Networks())); n != 0 {
				t.Errorf("%d networks are left in the view", n)
			}
			if err := w.fw.Update(t.Context(), func(*bridge.Tx) error { return nil }); !errors.Is(err, bridge.ErrClosed) {
				t.Error(err)
			}
			if err := w.host.Do(func() error {
				l, err := net.Listen("tcp", "0.0.0.0:8080")
				if err == nil {
					err = l.Close()
				}
				return err
			}); err != nil {
				t.Errorf("a port is held: %v", err)
			}
			w.open()
		})
	}
}

// Who makes a new firewall right after a teardown is followed.
func TestWatchFollowsANewFirewall(t *testing.T) {
	t.Parallel()
	w := twoNetworks(t, impatient)
	v := watch(t, w.fw)
	cfg := w.cfg
	cfg.RulesOnly = true
	release := held(t, w.fw)
	other, err := bridge.Open(context.Background(), cfg)
	if err == nil {
		err = other.Teardown(context.Background())
	}
	if err == nil {
		other, err = bridge.Open(context.Background(), cfg)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := other.Update(t.Context(), func(tx *bridge.Tx) error {
		tx.CreateNetwork(networkSpec("c", "172.30.3.0/24", "fd00:30:3::/64"))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	release()
	v.until(bridge.Repaired) // the chains that belong to the anchor
	v.end()
	for n := range w.fw.View().Networks() {
		if n.Spec.Name != "c" {
			t.Errorf("network %s is there", n.Spec.Name)
		}
	}
}
