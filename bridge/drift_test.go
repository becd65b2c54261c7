package bridge_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/nft"
	"github.com/seawall-net/seawall/portmap"
	"github.com/vishvananda/netlink"
)

// What a stranger has changed is noticed by the next update, which changes nothing, and mended by Heal.
func TestDriftAndHeal(t *testing.T) {
	nativeChains(t)
	t.Parallel()
	w := twoNetworks(t, bridge.Config{})
	w.handAppend("a1", 81, accept)
	ip := seawallTables()[0]
	good := `
		ext  tcp,udp  host:8080  a1 sees ext
		b1   tcp,udp  a1:80      silent
		b1   tcp,udp  a1:81      a1 sees gw-a
		ext  tcp,udp  a1:80      silent
		a1   tcp,udp  ext:80     ext sees host
	`
	w.fates(good)
	for _, c := range []struct {
		name   string
		change func(*nft.Batch)
		fates  string // until it is mended
	}{
		{
			"a published port is gone",
			func(b *nft.Batch) {
				key := nft.Key(nft.Proto(nft.TCP), nft.Port(8080))
				b.Delete(&nft.Element{Set: ip.Set("published-any"), Key: key})
			},
			// It reaches the socket that holds the port.
			`ext tcp4 host:8080 silent
			 ext udp4 host:8080 a1 sees ext`,
		},
		{
			"a port leads elsewhere",
			func(b *nft.Batch) {
				key := nft.Key(nft.Proto(nft.TCP), nft.Port(8080))
				b.Delete(&nft.Element{Set: ip.Set("published-any"), Key: key})
				b.Add(&nft.Element{Set: ip.Set("published-any"), Key: key, Data: nft.Key(nft.Addr(w.addrs["a2"][0]), nft.Port(80))})
			},
			`ext tcp4 host:8080 silent`,
		},
		{
			"an endpoint is not guarded",
			func(b *nft.Batch) {
				b.Delete(&nft.Element{Set: ip.Set("guard"), Key: nft.Key(nft.Addr(w.addrs["a1"][0]))})
			},
			`ext tcp4 a1:81 a1 sees ext`, // the user's accept is no longer too late
		},
		{
			"a chain is empty",
			func(b *nft.Batch) { b.Flush(&nft.Chain{Table: ip, Name: "to-br-a"}) },
			`b1 tcp4 a1:80 a1 sees gw-a`,
		},
		{
			"a foreign rule in a chain of ours",
			func(b *nft.Batch) {
				b.InsertRule(&nft.Rule{Chain: ip.Chain("forward"), Statements: []nft.Statement{drop}}, 0)
			},
			`ext tcp4 host:8080 silent`,
		},
	} {
		w.byHand(c.change)
		w.fates(c.fates)
		view, generation := facts(w.fw), w.generation()
		err := w.try(func(tx *bridge.Tx) { tx.Network("a").Endpoint("a2").Publish(ports("8099:80")...) })
		var drift *bridge.DriftError
		if !errors.As(err, &drift) || drift.Repair.Len() == 0 {
			t.Fatalf("%s: update: %v", c.name, err)
		}
		if !strings.Contains(err.Error(), "call Heal") {
			t.Errorf("%s: %v: does not say what to do", c.name, err)
		}
		if got := facts(w.fw); !slices.Equal(got, view) {
			t.Errorf("%s: the view is %q, was %q", c.name, got, view)
		}
		if g := w.generation(); g != generation {
			t.Errorf("%s: the failed update made %d transactions", c.name, g-generation)
		}
		if healed, err := w.fw.Heal(context.Background()); err != nil || !healed {
			t.Fatalf("%s: heal: %v %v", c.name, healed, err)
		}
		w.kernelIsDesired(c.name)
		if healed, err := w.fw.Heal(context.Background()); err != nil || healed {
			t.Fatalf("%s: heal again: %v %v", c.name, healed, err)
		}
		w.publish("a", "a2", "8099:80")
		w.unpublish("a", "a2", "8099:80")
	}
	w.fates(good)
}

// kernelIsDesired compares the kernel with what the layout makes of the facts.
func (w *world) kernelIsDesired(when string) {
	w.t.Helper()
	have, want := w.load(w.tables()...), w.fw.Desired()
	for _, t := range have.Tables() {
		if t.Open = want.Lookup(t.ID()) == nil && t.Name != "seawall"; !t.Open {
			continue
		}
		// It stays for what others have there: nothing of ours may.
		for o := range have.Objects() {
			if r, ok := o.(*nft.Rule); ok && r.Key != "" && r.Chain.Table == t.Ref() {
				w.t.Errorf("%s: there is still %s", when, r.ID())
			}
		}
	}
	if d := nft.Diff(have, want); d.Len() != 0 {
		w.t.Errorf("%s: the kernel differs from the facts by\n%s", when, d)
	}
}

// A table that is flushed away whole comes back.
func TestHealAfterFlush(t *testing.T) {
	t.Parallel()
	w := twoNetworks(t, bridge.Config{})
	w.byHand(func(b *nft.Batch) {
		for _, ref := range w.load(w.tables()...).Tables() {
			b.Delete(ref)
		}
	})
	err := w.try(func(tx *bridge.Tx) { tx.Network("a").Endpoint("a2").Publish(ports("8099:80")...) })
	var drift *bridge.DriftError
	if !errors.As(err, &drift) {
		t.Fatalf("update: %v", err)
	}
	if healed, err := w.fw.Heal(context.Background()); err != nil || !healed {
		t.Fatal(healed, err)
	}
	w.kernelIsDesired("healed")
	w.publish("a", "a2", "8099:80")
	w.fates(`
		ext  tcp,udp,sctp  host:8080  a1 sees ext
		ext  tcp           host:8099  a2 sees ext
		ext  tcp,udp       a1:80      silent
		b1   tcp,udp       a1:80      silent
		a1   tcp,udp       ext:80     ext sees host
	`)
}

// Changes of others that do not touch ours are no drift.
func TestStrangersAreNoDrift(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bridge.Config{})
	w.networkA()
	w.attach("a", "a1", 2)
	for i := range 10 {
		w.byHand(func(b *nft.Batch) { b.Add(&nft.Table{Family: nft.IPv4, Name: "foreign"}) })
		if hasUserChain() {
			w.handAppend("a1", uint16(i+1), drop)
		}
		w.publish("a", "a1", []string{"80:80", "81:80", "82:80", "83:80", "84:80", "85:80", "86:80", "87:80", "88:80", "89:80"}[i])
		w.byHand(func(b *nft.Batch) { b.Delete(&nft.Table{Family: nft.IPv4, Name: "foreign"}) })
	}
	w.kernelIsDesired("ten updates")
}

// Updates take turns, with each other and with strangers who never rest.
func TestParallelUpdates(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bridge.Config{})
	w.networkA()
	w.attach("a", "a1", 2)
	done, resting := make(chan struct{}), make(chan error)
	stranger := w.hand()
	go func() {
		table := &nft.Table{Family: nft.IPv4, Name: "foreign"}
		var come, leave nft.Batch
		come.Add(table)
		if user := userChain(nft.IPv4); hasUserChain() {
			come.Add(&nft.Rule{Chain: user, Statements: []nft.Statement{nft.Counter(), drop}})
			leave.Flush(&nft.Chain{Table: user.Table, Name: user.Name})
		}
		leave.Delete(table)
		for {
			for _, b := range []nft.Batch{come, leave} {
				if _, err := stranger.Commit(context.Background(), b); err != nil {
					resting <- err
					return
				}
			}
			select {
			case <-done:
				resting <- nil
				return
			default:
			}
		}
	}()
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for j := range 8 {
				port := portmap.Binding{Host: portmap.Port(uint16(100*i + j + 1)), Container: portmap.Port(80)}
				if err := w.try(func(tx *bridge.Tx) { tx.Network("a").Endpoint("a1").Publish(port) }); err != nil {
					t.Errorf("publish %s: %v", port, err)
				}
			}
		})
	}
	group.Wait()
	close(done)
	if err := <-resting; err != nil {
		t.Fatal(err)
	}
	if got := len(facts(w.fw)); got != 1+1+64 {
		t.Errorf("%d facts, want 66", got)
	}
	w.kernelIsDesired("64 updates")
}

// An update that fails leaves the links of what it would have removed.
func TestFailedRemovalKeepsLinks(t *testing.T) {
	t.Parallel()
	w := twoNetworks(t, bridge.Config{})
	w.filterBridges(filterOff)
	w.byHand(func(b *nft.Batch) { b.Flush(&nft.Chain{Table: seawallTables()[0], Name: "guard-br-b"}) })
	before := w.links()
	for _, change := range []func(tx *bridge.Tx){
		func(tx *bridge.Tx) { tx.Network("a").Detach("a1") },
		func(tx *bridge.Tx) { tx.RemoveNetwork("a") },
		func(tx *bridge.Tx) { tx.RemoveNetwork("a"); tx.RemoveNetwork("b") },
	} {
		var drift *bridge.DriftError
		if err := w.try(change); !errors.As(err, &drift) {
			t.Fatal(err)
		}
	}
	w.awaitCarriers("a1", "a2", "b1")
	w.sameAs("failed removals", withoutLinkLocal(w.links()), withoutLinkLocal(before))
	w.fates(`
		ext  tcp,udp  host:8080  a1 sees ext
		a2   tcp,udp  a1:80      a1 sees a2
		b1   tcp,udp  host:8080  a1 sees gw-a  [other-networks: silent]
		a1   tcp,udp  ext:80     ext sees host
		host tcp,udp  loopback:8080  a1 sees gw-a
	`)
}

// awaitCarriers waits until containers and the host have noticed that links which were set down are up again.
func (w *world) awaitCarriers(names ...string) {
	w.t.Helper()
	for _, name := range append(names, "host") {
		for tries := 0; !w.carriers(name); tries++ {
			if tries == 5000 {
				w.t.Fatalf("%s has no carrier", name)
			}
			time.Sleep(time.Millisecond)
		}
	}
}

// carriers tells whether all links of a namespace but its loopback are up.
func (w *world) carriers(name string) bool {
	w.t.Helper()
	links, err := w.spaces[name].Netlink().LinkList()
	if err != nil {
		w.t.Fatal(err)
	}
	return !slices.ContainsFunc(links, func(l netlink.Link) bool {
		return l.Attrs().Name != "lo" && l.Attrs().OperState != netlink.OperUp
	})
}
