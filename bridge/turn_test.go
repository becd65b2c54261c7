package bridge_test

import (
	"context"
	"errors"
	"io/fs"
	"testing"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/nft"
	"github.com/seawall-net/seawall/portmap"
)

// Who loses again and again gets its turn: the others wait, and lose nothing.
func TestTurn(t *testing.T) {
	t.Parallel()
	fw := openRulesOnly(t)
	fw.web(t)
	other := openAgain(t, fw.ns, bridge.Config{RulesOnly: true})
	hand, err := nft.Dial(nft.Config{NetNS: fw.ns})
	if err != nil {
		t.Fatal(err)
	}
	defer hand.Close()
	turn := nft.TableRef{Family: nft.IPv4, Name: "seawall-turn"}
	taken := func() bool {
		t.Helper()
		has, err := hand.HasTable(context.Background(), turn)
		if err != nil {
			t.Fatal(err)
		}
		return has
	}
	publish := func(fw *bridge.Firewall, port int) error {
		return fw.Update(context.Background(), func(tx *bridge.Tx) error {
			c1(tx).Publish(portmap.Binding{Host: portmap.Port(uint16(port)), Container: portmap.Port(80)})
			return nil
		})
	}
	runs, last := 0, make(chan error)
	err = fw.Update(context.Background(), func(tx *bridge.Tx) error {
		runs++
		if had := taken(); had != (runs == 4) {
			t.Errorf("run %d: the turn is taken: %v", runs, had)
		}
		if runs < 4 {
			if err := publish(other, 1000+runs); err != nil {
				t.Fatal(err)
			}
		} else {
			go func() { last <- publish(other, 1004) }()
		}
		c1(tx).Publish(ports("80:80")...)
		return nil
	})
	if err != nil || runs != 4 {
		t.Errorf("%d runs, %v", runs, err)
	}
	if err := <-last; err != nil {
		t.Error(err)
	}
	if taken() {
		t.Error("the turn was not given back")
	}
	agree(t, fw.Firewall, other)
	if n := len(facts(other)); n != 2+5 {
		t.Errorf("%d facts, want 7", n)
	}

	// It is given back by who fails, too.
	runs = 0
	err = fw.Update(context.Background(), func(tx *bridge.Tx) error {
		if runs++; runs < 4 {
			c1(tx).Publish(ports("81:80")...)
			return publish(other, 2000+runs)
		}
		return fs.ErrInvalid
	})
	if !errors.Is(err, fs.ErrInvalid) || runs != 4 || taken() {
		t.Errorf("%v after %d runs; the turn is taken: %v", err, runs, taken())
	}
	agree(t, fw.Firewall, other)
}

// The turn of a process that has died is nobody's; until then others wait, as long as their context lets them.
func TestTurnOfTheDead(t *testing.T) {
	t.Parallel()
	fw := openRulesOnly(t)
	fw.web(t)
	holder, err := nft.Dial(nft.Config{NetNS: fw.ns})
	if err != nil {
		t.Fatal(err)
	}
	var b nft.Batch
	b.Create(&nft.Table{Family: nft.IPv4, Name: "seawall-turn", Flags: nft.TableOwner})
	if _, err := holder.Commit(context.Background(), b); err != nil {
		t.Fatal(err)
	}
	before := len(facts(fw.Firewall))
	ctx, cancel := context.WithCancel(context.Background())
	waiting := make(chan error)
	go func() {
		waiting <- fw.Update(ctx, func(tx *bridge.Tx) error { c1(tx).Publish(ports("80:80")...); return nil })
	}()
	select {
	case err := <-waiting:
		t.Fatalf("nobody waits for the turn of another: %v", err)
	default:
	}
	cancel()
	if err := <-waiting; !errors.Is(err, context.Canceled) || len(facts(fw.Firewall)) != before {
		t.Fatalf("update: %v", err)
	}
	go func() {
		waiting <- fw.Update(context.Background(), func(tx *bridge.Tx) error { c1(tx).Publish(ports("80:80")...); return nil })
	}()
	if err := holder.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-waiting; err != nil {
		t.Fatal(err)
	}
	agree(t, fw.Firewall)
}
