package bridge_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/nft"
	"github.com/seawall-net/seawall/portmap"
)

// openAgain opens the firewall of a namespace once more, as another process would.
func openAgain(t testing.TB, ns *os.File, cfg bridge.Config) *bridge.Firewall {
	t.Helper()
	cfg.NetNS = ns
	fw, err := bridge.Open(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = fw.Close() })
	return fw
}

// agree fails unless firewalls show the same facts, after an update that changes nothing, and the kernel holds what
// these need.
func agree(t testing.TB, all ...*bridge.Firewall) {
	t.Helper()
	for _, fw := range all {
		update(t, fw, func(*bridge.Tx) {})
		if a, b := facts(fw), facts(all[0]); !slices.Equal(a, b) {
			t.Errorf("one shows\n%s\nanother\n%s", strings.Join(a, "\n"), strings.Join(b, "\n"))
		}
		have, err := fw.Ruleset(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if d := nft.Diff(have, fw.Desired()); d.Len() != 0 {
			t.Errorf("the kernel differs from the facts by\n%s", d)
		}
	}
}

// c1 is the endpoint of rulesOnly.web.
func c1(tx *bridge.Tx) bridge.EndpointTx { return tx.Network("web").Endpoint("c1") }

// Several processes have the firewall open: each sees and keeps what the others do, and the sockets go along.
func TestUpdatesOfSeveralProcesses(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bridge.Config{})
	w.networkA()
	w.container("a", "a1", 2, "8080:80")
	other := openAgain(t, w.host.File(), w.cfg)
	endpoint := func(tx *bridge.Tx) bridge.EndpointTx { return tx.Network("a").Endpoint("a1") }

	if n := len(other.UnheldPorts()); n == 0 {
		t.Error("the other holds what the first does")
	}
	update(t, other, func(tx *bridge.Tx) { endpoint(tx).Publish(ports("8081:81")...) })
	w.publish("a", "a1", "8082:80")
	for name, err := range map[string]error{
		"first": w.try(func(tx *bridge.Tx) { endpoint(tx).Publish(ports("8081:80")...) }),
		"other": other.Update(context.Background(), func(tx *bridge.Tx) error {
			endpoint(tx).Publish(ports("8082:80")...)
			return nil
		}),
	} {
		var taken *portmap.ConflictError[*bridge.Endpoint]
		if !errors.As(err, &taken) || taken.Owner.String() != "a/a1" {
			t.Errorf("%s: a port that is published by another process: %v", name, err)
		}
	}
	agree(t, w.fw, other)
	if n := len(facts(w.fw)); n != 5 {
		t.Errorf("%d facts, want 5", n)
	}
	seen := map[uint64]bool{}
	for b := range w.fw.View().Bindings(w.fw.View().Endpoint("a", "a1")) {
		if seen[b.Order] {
			t.Errorf("two bindings have number %d", b.Order)
		}
		seen[b.Order] = true
	}
	w.fates(`
		ext   tcp       host:8080  a1 sees ext
		ext   tcp       host:8081  a1 sees ext
		ext   tcp       host:8082  a1 sees ext
		ext   tcp       host:8083  refused
	`)

	// What another process unpublishes is held no longer, and what it leaves is held when it is gone.
	update(t, other, func(tx *bridge.Tx) { endpoint(tx).Unpublish(ports("8080:80")...) })
	held, err := w.fw.Sockets("a", "a1", portmap.MustParse("8080:80"))
	if err != nil {
		t.Errorf("before the first has heard of it: %v", err)
	}
	for _, s := range held {
		_ = s.File.Close()
	}
	if healed, err := w.fw.Heal(context.Background()); healed || err != nil {
		t.Errorf("heal: %v, %v: there is nothing to repair", healed, err)
	}
	if _, err := w.fw.Sockets("a", "a1", portmap.MustParse("8080:80")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after the first has heard of it: %v", err)
	}
	w.host.Listen("tcp", ":8080")
	if n := len(w.fw.UnheldPorts()); n != len(w.families()) {
		t.Errorf("%d unheld ports, want 8081 of each family: %v", n, w.fw.UnheldPorts())
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := w.fw.Heal(context.Background()); err != nil {
		t.Fatal(err)
	}
	if unheld := w.fw.UnheldPorts(); len(unheld) != 0 {
		t.Errorf("unheld although the other is gone: %v", unheld)
	}
	w.kernelIsDesired("in the end")
}

// Who loses to another process runs again, and sees what that has done: nothing clashes.
func TestLostUpdateRunsAgain(t *testing.T) {
	t.Parallel()
	spec := func(name, ip string) bridge.NetworkSpec {
		return bridge.NetworkSpec{Name: name, IPv4: bridge.Gateway{Subnet: netip.MustParsePrefix(ip)}}
	}
	end := func(name, ip string) bridge.EndpointSpec {
		return bridge.EndpointSpec{Name: name, IPv4: netip.MustParseAddr(ip)}
	}
	for name, c := range map[string]struct {
		theirs, ours func(tx *bridge.Tx)
		refused      string // empty if both can be
	}{
		"another port": {
			func(tx *bridge.Tx) { c1(tx).Publish(ports("80:80")...) },
			func(tx *bridge.Tx) { c1(tx).Publish(ports("81:80")...) }, "",
		},
		"the same port": {
			func(tx *bridge.Tx) { c1(tx).Publish(ports("80:80")...) },
			func(tx *bridge.Tx) { c1(tx).Publish(ports("80:81")...) }, "already published by web/c1",
		},
		"a port within a range": {
			func(tx *bridge.Tx) { c1(tx).Publish(ports("70-90:70-90")...) },
			func(tx *bridge.Tx) { c1(tx).Publish(ports("192.0.2.1:80:81")...) }, "already published as 0.0.0.0:70-90/tcp by web/c1",
		},
		"the same network": {
			func(tx *bridge.Tx) { tx.CreateNetwork(spec("x", "10.1.0.0/16")) },
			func(tx *bridge.Tx) { tx.CreateNetwork(spec("x", "10.2.0.0/16")) }, "file already exists",
		},
		"overlapping subnets": {
			func(tx *bridge.Tx) { tx.CreateNetwork(spec("x", "10.1.0.0/16")) },
			func(tx *bridge.Tx) { tx.CreateNetwork(spec("y", "10.1.1.0/24")) }, "overlaps 10.1.0.0/16 of network x",
		},
		"other subnets": {
			func(tx *bridge.Tx) { tx.CreateNetwork(spec("x", "10.1.0.0/16")) },
			func(tx *bridge.Tx) { tx.CreateNetwork(spec("y", "10.2.0.0/16")) }, "",
		},
		"the same address": {
			func(tx *bridge.Tx) { tx.Network("web").Attach(end("x", "172.18.0.9")) },
			func(tx *bridge.Tx) { tx.Network("web").Attach(end("y", "172.18.0.9")) }, "172.18.0.9 is the address of web/x",
		},
		"what is gone": {
			func(tx *bridge.Tx) { tx.RemoveNetwork("web") },
			func(tx *bridge.Tx) { c1(tx).Publish(ports("80:80")...) }, "network web: file does not exist",
		},
		"what comes and goes": {
			func(tx *bridge.Tx) { tx.RemoveNetwork("web"); tx.CreateNetwork(spec("x", "10.1.0.0/16")) },
			func(tx *bridge.Tx) { tx.CreateNetwork(spec("y", "10.2.0.0/16")) }, "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fw := openRulesOnly(t)
			fw.web(t)
			other := openAgain(t, fw.ns, bridge.Config{RulesOnly: true})
			runs := 0
			err := fw.Update(context.Background(), func(tx *bridge.Tx) error {
				if runs++; runs == 1 {
					update(t, other, c.theirs)
				}
				c.ours(tx)
				return nil
			})
			switch {
			case c.refused == "" && err != nil, c.refused != "" && (err == nil || !strings.Contains(err.Error(), c.refused)):
				t.Errorf("%v, want %q", err, c.refused)
			case runs != 2:
				t.Errorf("ran %d times, want 2", runs)
			}
			agree(t, other, fw.Firewall)
		})
	}
}

// Several processes next to strangers who never rest: no update is lost.
func TestSeveralProcessesNextToBusyWriters(t *testing.T) {
	t.Parallel()
	fw := openRulesOnly(t)
	fw.web(t)
	stop := busyWriters(t, fw, 2)
	var wg sync.WaitGroup
	all := []*bridge.Firewall{fw.Firewall}
	for range 2 {
		all = append(all, openAgain(t, fw.ns, bridge.Config{RulesOnly: true}))
	}
	const updates = 12
	for i, fw := range all {
		wg.Go(func() {
			for j := range updates {
				err := fw.Update(context.Background(), func(tx *bridge.Tx) error {
					c1(tx).Publish(portmap.Binding{Host: portmap.Port(uint16(1000*(i+1) + j)), Container: portmap.Port(80)})
					return nil
				})
				if err != nil {
					t.Errorf("process %d, update %d: %v", i, j, err)
				}
			}
		})
	}
	wg.Wait()
	stop()
	agree(t, all...)
	if n := len(facts(fw.Firewall)); n != 2+3*updates {
		t.Errorf("%d facts, want %d", n, 2+3*updates)
	}
}

// Another process may open with other options: the rules are as it says, and the first follows.
func TestOptionsOfAnotherProcess(t *testing.T) {
	t.Parallel()
	fw := openRulesOnly(t)
	fw.web(t)
	other := openAgain(t, fw.ns, bridge.Config{RulesOnly: true, AllowDirectRouting: true})
	update(t, fw.Firewall, func(tx *bridge.Tx) { c1(tx).Publish(ports("80:80")...) })
	agree(t, other, fw.Firewall)
	is, err := bridge.Installed(context.Background(), fw.ns)
	if err != nil || !is.Host.AllowDirectRouting {
		t.Errorf("%+v, %v", is, err)
	}
}

// Damage is not taken for another process's doing, and is repaired together with what that has done.
func TestHealKeepsOthersFacts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bridge.Config{RulesOnly: true})
	ctx := context.Background()
	w.networkA()
	w.attach("a", "a1", 2, "8080:80")
	other := openAgain(t, w.host.File(), w.cfg)
	update(t, other, func(tx *bridge.Tx) {
		spec := here(specB)
		tx.CreateNetwork(spec).Attach(bridge.EndpointSpec{
			Name: "b1", IPv4: nth(spec.IPv4.Subnet, 2), IPv6: nth(spec.IPv6.Subnet, 2),
		}).Publish(ports("8081:80")...)
	})
	w.byHand(func(b *nft.Batch) { b.Flush(&nft.Chain{Table: seawallTables()[1], Name: "raw-prerouting"}) })
	generation := w.generation()
	var drift *bridge.DriftError
	for range 2 {
		if err := w.try(func(*bridge.Tx) { t.Error("runs on a damaged table") }); !errors.As(err, &drift) {
			t.Fatalf("update: %v", err)
		}
	}
	if w.generation() != generation {
		t.Error("a refused update has written")
	}
	if healed, err := w.fw.Heal(ctx); err != nil || !healed {
		t.Fatal(healed, err)
	}
	agree(t, w.fw, other)
	if n := len(facts(w.fw)); n != 3+3 {
		t.Errorf("%d facts, want 6", n)
	}
	if healed, err := other.Heal(ctx); err != nil || healed {
		t.Errorf("the other heals again: %v, %v", healed, err)
	}
}

func ExampleInstalled() {
	is, err := bridge.Installed(context.Background(), nil)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		fmt.Println("no firewall")
	case err != nil:
		fmt.Println(err)
	default:
		fmt.Println(is.Layout)
	}
	// Output: no firewall
}
