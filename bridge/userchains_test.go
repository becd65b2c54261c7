package bridge_test

import (
	"context"
	"errors"
	"io/fs"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/nft"
	"golang.org/x/sys/unix"
)

// userObjects puts what users have beside DOCKER-USER into both tables: a chain that it jumps to and that drops what
// goes to port 81 of a1, and a set of addresses that it drops, which holds a2's.
func (w *world) userObjects() {
	w.t.Helper()
	w.byHand(func(b *nft.Batch) {
		for i, f := range w.userFamilies() {
			table := userChain(f).Table
			mine := &nft.Chain{Table: table, Name: "mine", Comment: "the user's own"}
			inner := &nft.Chain{Table: table, Name: "mine-too"}
			blocked := &nft.Set{Table: table, Name: "blocked", Key: f.AddrType()}
			b.Add(mine, inner, blocked,
				&nft.Element{Set: blocked.Ref(), Key: nft.Key(nft.Addr(w.addrs["a2"][i])), Comment: "noisy"},
				&nft.Rule{Chain: userChain(f), Statements: []nft.Statement{nft.Jump("mine")}},
				&nft.Rule{Chain: userChain(f), Statements: []nft.Statement{nft.Daddr(f).InSet(*blocked), drop}},
				&nft.Rule{Chain: mine.Ref(), Statements: []nft.Statement{nft.THDport.Eq(uint16(81)), nft.Goto("mine-too")}},
				&nft.Rule{Chain: inner.Ref(), Statements: []nft.Statement{nft.Daddr(f).Eq(w.addrs["a1"][i]), nft.Counter(), drop}},
			)
		}
	})
}

var counts = regexp.MustCompile(` packets \d+ bytes \d+`)

// usersOwn is what users have in our tables, as lines without handles and counts.
func (w *world) usersOwn() []string {
	w.t.Helper()
	names := []string{"DOCKER-USER", "mine", "mine-too", "blocked"}
	w.userFamilies()
	var lines []string
	for o := range w.load(w.tables()...).Objects() {
		if slices.Contains(names, o.ID().Name) {
			line := o.ID().String()
			if r, ok := o.(*nft.Rule); ok {
				line += " " + counts.ReplaceAllString(r.String(), "")
			}
			lines = append(lines, line)
		}
	}
	return lines
}

// jumpToUserChain is the rule that leads to DOCKER-USER.
func (w *world) jumpToUserChain(f nft.Family) *nft.Rule {
	w.t.Helper()
	for o := range w.load(userChain(f).Table).Objects() {
		if r, ok := o.(*nft.Rule); ok && slices.ContainsFunc(r.Statements, func(s nft.Statement) bool {
			return s == nft.Statement(nft.Jump(userChain(f).Name))
		}) {
			return r
		}
	}
	w.t.Fatalf("nothing leads to %s", userChain(f))
	return nil
}

const userFates = `
	ext  tcp,udp  host:8080  a1 sees ext
	ext  tcp,udp  host:8081  silent
	b1   tcp,udp  host:8081  silent
	ext  tcp,udp  host:8082  silent
	ext  tcp,udp  host:8083  a3 sees ext
`

// Chains that DOCKER-USER jumps to, and sets that it asks, are in force, are no drift, and stay whatever we do.
func TestUsersOwnChainsAndSets(t *testing.T) {
	t.Parallel()
	w := twoNetworks(t, bridge.Config{})
	ctx := context.Background()
	w.container("a", "a3", 4, "8083:81", "8083:81/udp")
	w.publish("a", "a1", "8081:81", "8081:81/udp")
	w.publish("a", "a2", "8082:80", "8082:80/udp")
	w.fates(`
		ext  tcp,udp  host:8081  a1 sees ext
		ext  tcp,udp  host:8082  a2 sees ext
	`)
	w.userObjects()
	want := w.usersOwn()
	if len(want) != len(w.userFamilies())*(3+1+1+4) {
		t.Fatalf("the user has %q", want)
	}
	stays := func(when string) {
		t.Helper()
		w.sameAs(when, w.usersOwn(), want)
		w.kernelIsDesired(when)
	}
	w.fates(userFates)
	if healed, err := w.fw.Heal(ctx); healed || err != nil {
		t.Fatalf("heal of what is right: %t, %v", healed, err)
	}
	w.network("c", "172.30.3.0/24", "fd00:30:3::/64")
	stays("update")
	w.update(func(tx *bridge.Tx) { tx.RemoveNetwork("c") })
	stays("removal")
	w.reopen()
	stays("open")
	w.cfg.AllowDirectRouting = true
	w.reopen()
	w.cfg.AllowDirectRouting = false
	w.reopen()
	stays("open with other options")
	for name, change := range map[string]func(*nft.Batch){
		"chain flushed":                 func(b *nft.Batch) { b.Flush(&nft.Chain{Table: seawallTables()[0], Name: "raw-prerouting"}) },
		"table made dormant":            func(b *nft.Batch) { b.Add(&nft.Table{Family: nft.IPv4, Name: "seawall", Flags: nft.TableDormant}) },
		"chain of theirs, rule of ours": func(b *nft.Batch) { b.Delete(w.jumpToUserChain(nft.IPv4)) },
	} {
		w.byHand(change)
		if healed, err := w.fw.Heal(ctx); !healed || err != nil {
			t.Fatalf("%s: heal: %t, %v", name, healed, err)
		}
		stays(name)
	}
	// The kernel does not wake a table and give it base chains in one transaction.
	w.byHand(func(b *nft.Batch) {
		raw := &nft.Chain{Table: seawallTables()[0], Name: "raw-prerouting"}
		b.Flush(raw)
		b.Delete(raw)
	})
	w.byHand(func(b *nft.Batch) { b.Add(&nft.Table{Family: nft.IPv4, Name: "seawall", Flags: nft.TableDormant}) })
	if healed, err := w.fw.Heal(ctx); !healed || err != nil {
		t.Fatalf("heal of a dormant table: %t, %v", healed, err)
	}
	stays("dormant, without a base chain")
	w.fates(userFates)
}

// Teardown leaves what is the user's, and a new start finds it in force again.
func TestTeardownLeavesUsersOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bridge.Config{})
	ctx := context.Background()
	w.networkA()
	w.attach("a", "a1", 2, "8080:80", "8081:81", "8081:81/udp")
	w.attach("a", "a2", 3, "9000-9009:9000-9009")
	w.userObjects()
	want := w.usersOwn()
	if err := w.fw.Teardown(ctx); err != nil {
		t.Fatal(err)
	}
	w.sameAs("teardown", w.usersOwn(), want)
	for o := range w.load().Objects() {
		if o.ID().Kind != nft.KindTable && !slices.Contains([]string{"DOCKER-USER", "mine", "mine-too", "blocked"}, o.ID().Name) {
			t.Errorf("teardown left %s", o.ID())
		}
	}
	w.open()
	w.networkA()
	w.container("a", "a1", 2, "8080:80", "8081:81", "8081:81/udp")
	w.sameAs("a new start", w.usersOwn(), want)
	w.kernelIsDesired("a new start")
	w.fates(`
		ext  tcp      host:8080  a1 sees ext
		ext  tcp,udp  host:8081  silent
	`)

	// Without rules DOCKER-USER stays only if something leads to it.
	w.byHand(func(b *nft.Batch) {
		for _, f := range w.userFamilies() {
			b.Flush(&nft.Chain{Table: userChain(f).Table, Name: "DOCKER-USER"})
		}
		b.Add(&nft.Rule{Chain: userChain(nft.IPv4).Table.Chain("mine-too"), Statements: []nft.Statement{nft.Jump("DOCKER-USER")}})
	})
	if err := w.fw.Teardown(ctx); err != nil {
		t.Fatal(err)
	}
	left := w.load()
	for _, f := range w.userFamilies() {
		table := userChain(f).Table
		if got, wanted := left.Lookup((&nft.Chain{Table: table, Name: "DOCKER-USER"}).ID()) != nil, f == nft.IPv4; got != wanted {
			t.Errorf("%s: DOCKER-USER is there: %t", table, got)
		}
		if left.Lookup((&nft.Chain{Table: table, Name: "mine"}).ID()) == nil {
			t.Errorf("%s: the user's chain is gone", table)
		}
	}

	// With nothing of the user's the tables go, rules of strangers in our chains included.
	w.byHand(func(b *nft.Batch) {
		for _, t := range left.Tables() {
			b.Delete(t)
		}
	})
	w.open()
	w.byHand(func(b *nft.Batch) {
		b.Add(&nft.Rule{Chain: seawallTables()[0].Chain("raw-prerouting"), Statements: []nft.Statement{nft.Counter()}})
	})
	if err := w.fw.Teardown(ctx); err != nil {
		t.Fatal(err)
	}
	if tables := w.load().Tables(); len(tables) != 0 {
		t.Errorf("left: %v", tables)
	}
}

// Teardown does not take a chain away from under a user's rule: it changes nothing and says whose it is.
func TestTeardownIsRefusedByAUsersJump(t *testing.T) {
	nativeChains(t)
	t.Parallel()
	w := twoNetworks(t, bridge.Config{})
	ctx := context.Background()
	table := seawallTables()[0]
	verdicts := &nft.Set{Table: table, Name: "verdicts", Key: nft.TypeIFName, Data: nft.TypeVerdict}
	for name, c := range map[string]struct{ come, leave func(*nft.Batch) }{
		"mine": {
			func(b *nft.Batch) {
				b.Add(&nft.Chain{Table: table, Name: "mine"}, &nft.Rule{
					Chain: table.Chain("mine"), Statements: []nft.Statement{nft.TCPDport.Eq(9), nft.Goto("to-br-a")},
				})
			},
			func(b *nft.Batch) { b.Flush(&nft.Chain{Table: table, Name: "mine"}) },
		},
		"verdicts": {
			func(b *nft.Batch) {
				b.Add(verdicts, &nft.Element{Set: verdicts.Ref(), Key: nft.Key(nft.Name("eth0")), Verdict: nft.Jump("to-br-a")})
			},
			func(b *nft.Batch) { b.Flush(verdicts) },
		},
		"DOCKER-USER": {
			func(b *nft.Batch) {
				b.Add(&nft.Rule{Chain: userChain(nft.IPv4), Statements: []nft.Statement{nft.TCPDport.Eq(9), nft.Jump("to-br-a")}})
			},
			func(b *nft.Batch) { b.Flush(&nft.Chain{Table: table, Name: "DOCKER-USER"}) },
		},
		"not ours": {
			func(b *nft.Batch) {
				b.Add(&nft.Rule{Chain: userChain(nft.IPv4), Statements: []nft.Statement{
					nft.IIFName.InSet(nft.Set{Table: table, Name: "bridges", Key: nft.TypeIFName}), drop,
				}})
			},
			func(b *nft.Batch) { b.Flush(&nft.Chain{Table: table, Name: "DOCKER-USER"}) },
		},
	} {
		if strings.Contains("DOCKER-USER, not ours", name) && userChain(nft.IPv4).Table != table {
			continue // chains and sets of ours are out of its reach
		}
		w.byHand(c.come)
		before := w.rules()
		err := w.fw.Teardown(ctx)
		what := "chain ip seawall to-br-a"
		if name == "not ours" {
			what = "set ip seawall bridges"
		}
		if !errors.Is(err, unix.EBUSY) || !strings.Contains(err.Error(), what+" is used by ") || !strings.Contains(err.Error(), name) {
			t.Fatalf("%s: teardown: %v", name, err)
		}
		w.sameAs(name, w.rules(), before)
		w.byHand(c.leave)
	}
	// Everything goes on.
	w.awaitCarriers("a1", "a2", "b1")
	w.fates(`ext  tcp,udp  host:8080  a1 sees ext`)
	if err := w.fw.Teardown(ctx); err != nil {
		t.Fatal(err)
	}
}

// A network does not move into a chain that a user has made.
func TestUsersChainIsInTheWay(t *testing.T) {
	nativeChains(t)
	t.Parallel()
	w := newWorld(t, bridge.Config{})
	w.byHand(func(b *nft.Batch) {
		chain := &nft.Chain{Table: seawallTables()[0], Name: "to-br-a"}
		b.Add(chain, &nft.Rule{Chain: chain.Ref(), Statements: []nft.Statement{accept}})
	})
	before := w.snapshot()
	spec := networkSpec("a", "172.30.1.0/24")
	err := w.try(func(tx *bridge.Tx) { tx.CreateNetwork(spec) })
	if !errors.Is(err, fs.ErrExist) || !strings.Contains(err.Error(), "chain ip seawall to-br-a") {
		t.Errorf("update: %v", err)
	}
	w.sameAs("refused", w.snapshot(), before)
	if len(facts(w.fw)) != 0 {
		t.Errorf("the view holds %q", facts(w.fw))
	}
	w.byHand(func(b *nft.Batch) {
		chain := &nft.Chain{Table: seawallTables()[0], Name: "to-br-a"}
		b.Flush(chain)
		b.Delete(chain)
	})
	w.update(func(tx *bridge.Tx) { tx.CreateNetwork(spec) })
	w.kernelIsDesired("in the end")
}

// Chains of networks that another Firewall has made, and of which no record is left, are not taken for a user's.
func TestHealDeletesChainsOfOtherNetworks(t *testing.T) {
	nativeChains(t)
	t.Parallel()
	w := newWorld(t, bridge.Config{RulesOnly: true})
	ctx := context.Background()
	other, err := bridge.Open(ctx, w.cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close() }()
	before := w.rules()
	create := func(tx *bridge.Tx) error {
		tx.CreateNetwork(here(specA))
		return nil
	}
	for range 2 {
		if err := other.Update(ctx, create); err != nil {
			t.Fatal(err)
		}
		w.byHand(func(b *nft.Batch) {
			for _, f := range families {
				table := nft.TableRef{Family: f, Name: "seawall"}
				record := &nft.Chain{Table: table, Name: "from-br-a"}
				b.Delete(&nft.Element{Set: table.Set("from-bridge"), Key: nft.Key(nft.Name("br-a"))})
				b.Flush(record)
				b.Delete(record)
			}
		})
		if healed, err := w.fw.Heal(ctx); !healed || err != nil {
			t.Fatal(healed, err)
		}
		w.sameAs("heal", w.rules(), before)
		if err := other.Close(); err != nil {
			t.Fatal(err)
		}
		if other, err = bridge.Open(ctx, w.cfg); err != nil {
			t.Fatal(err)
		}
		if err := w.fw.Update(ctx, create); err != nil {
			t.Fatal(err)
		}
		w.update(func(tx *bridge.Tx) { tx.RemoveNetwork("a") })
	}
}

// A DOCKER-USER chain that was deleted comes back empty, beside what else the user has; after a flush of everything
// ours comes back.
func TestDeletedUserChainIsHealed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bridge.Config{})
	ctx := context.Background()
	w.networkA()
	for _, name := range []string{"a1", "a2"} {
		w.name(name, "172.30.1.2", "fd00:30:1::2")
	}
	w.userObjects()
	heal := func(when string) {
		t.Helper()
		var drift *bridge.DriftError
		err := w.try(func(tx *bridge.Tx) {
			tx.Network("a").Attach(bridge.EndpointSpec{Name: "x", IPv4: netip.MustParseAddr("172.30.1.9")})
		})
		if !errors.As(err, &drift) {
			t.Fatalf("%s: update: %v", when, err)
		}
		if healed, err := w.fw.Heal(ctx); !healed || err != nil {
			t.Fatalf("%s: heal: %t, %v", when, healed, err)
		}
		w.kernelIsDesired(when)
		if rules := w.userRules(); len(rules) != 0 {
			t.Errorf("%s: DOCKER-USER is %q", when, rules)
		}
	}
	w.byHand(func(b *nft.Batch) {
		for _, f := range w.userFamilies() {
			user := &nft.Chain{Table: userChain(f).Table, Name: userChain(f).Name}
			b.Delete(w.jumpToUserChain(f))
			b.Flush(user)
			b.Delete(user)
		}
	})
	heal("chain deleted")
	if own := w.usersOwn(); len(own) != len(w.userFamilies())*(3+1+1+2) {
		t.Errorf("the user has %q", own)
	}
	w.byHand(func(b *nft.Batch) {
		for _, t := range w.load(w.tables()...).Tables() {
			b.Delete(t)
		}
	})
	heal("everything flushed")
}
