package bridge

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"

	"github.com/seawall-net/seawall/nft"
	"github.com/seawall-net/seawall/portmap"
)

// stranger returns a connection of somebody else.
func stranger(t testing.TB, ns *os.File) *nft.Conn {
	t.Helper()
	c, err := nft.Dial(nft.Config{NetNS: ns})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func mustCommit(t testing.TB, c *nft.Conn, b nft.Batch) {
	t.Helper()
	if _, err := c.Commit(context.Background(), b); err != nil {
		t.Fatal(err)
	}
}

// Whatever a stranger does to our objects is found out by the next update,
// which changes nothing, and put right by Heal.
func TestForeignChangesAreDetected(t *testing.T) {
	t.Parallel()
	table := Native().Tables()[0]
	for name, change := range map[string]func(b *nft.Batch, have *nft.Ruleset){
		"table deleted": func(b *nft.Batch, _ *nft.Ruleset) { b.Delete(&nft.Table{Family: table.Family, Name: table.Name}) },
		"everything deleted": func(b *nft.Batch, have *nft.Ruleset) {
			for _, t := range have.Tables() {
				b.Delete(t)
			}
		},
		"rule deleted":    func(b *nft.Batch, have *nft.Ruleset) { b.Delete(have.Rules(table.Chain("forward"))[0]) },
		"chain flushed":   func(b *nft.Batch, _ *nft.Ruleset) { b.Flush(&nft.Chain{Table: table, Name: "forward"}) },
		"set flushed":     func(b *nft.Batch, _ *nft.Ruleset) { b.Flush(&nft.Set{Table: table, Name: "published-any"}) },
		"element deleted": func(b *nft.Batch, have *nft.Ruleset) { b.Delete(have.Elements(table.Set("open"))[0]) },
		"element added": func(b *nft.Batch, _ *nft.Ruleset) {
			b.Add(&nft.Element{Set: table.Set("bridges"), Key: nft.Key(nft.Name("alien"))})
		},
		"rule added": func(b *nft.Batch, _ *nft.Ruleset) {
			b.InsertRule(&nft.Rule{Chain: table.Chain("forward"), Statements: []nft.Statement{nft.Accept()}}, 0)
		},
		"rule moved": func(b *nft.Batch, have *nft.Ruleset) {
			r := have.Rules(table.Chain("forward"))[0]
			b.Delete(r)
			b.AddRule(r, 0)
		},
		"user chain deleted": func(b *nft.Batch, _ *nft.Ruleset) {
			b.Flush(&nft.Chain{Table: table, Name: "forward"})
			b.Delete(&nft.Chain{Table: table, Name: "DOCKER-USER"})
		},
		"base chain deleted": func(b *nft.Batch, _ *nft.Ruleset) {
			b.Flush(&nft.Chain{Table: table, Name: "raw-prerouting"})
			b.Delete(&nft.Chain{Table: table, Name: "raw-prerouting"})
		},
		"policy changed": func(b *nft.Batch, _ *nft.Ruleset) {
			b.Add(&nft.Chain{Table: table, Name: "forward", Hook: nft.Forward, Policy: nft.PolicyDrop})
		},
		"table dormant": func(b *nft.Batch, _ *nft.Ruleset) {
			b.Add(&nft.Table{Family: table.Family, Name: table.Name, Flags: nft.TableDormant})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx := context.Background()
			fw, ns := openNew(t, Config{})
			if err := fw.Update(ctx, beginnings); err != nil {
				t.Fatal(err)
			}
			var b nft.Batch
			change(&b, mustRead(t, fw))
			mustCommit(t, stranger(t, ns), b)
			before := remember(t, fw)
			for range 2 {
				var drift *DriftError
				if err := fw.Update(ctx, changes); !errors.As(err, &drift) || drift.Repair.Len() == 0 {
					t.Fatalf("error %v", err)
				}
				before.check(t, fw)
			}
			if healed, err := fw.Heal(ctx); !healed || err != nil {
				t.Fatalf("healed %t, %v", healed, err)
			}
			checkFirewall(t, fw)
			if err := fw.Update(ctx, changes); err != nil {
				t.Fatal(err)
			}
			checkFirewall(t, fw)
		})
	}
}

// A stranger who puts our objects back as they were has changed nothing but
// the handles of rules: updates that delete them go on to work.
func TestRulesThatWereMadeAnewByAStranger(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	// A layout in which networks share a chain, as the native one's do not.
	layout := &faulty{Layout: Native(), armed: true, place: "last",
		bad: &nft.Rule{Chain: Native().Tables()[0].Chain("forward"), Key: "extra", Rank: 5, Statements: []nft.Statement{nft.Counter()}},
		of:  func(f Fact) bool { n, ok := f.(*Network); return ok && n.Spec.Name == "net0" }}
	fw, ns := openNew(t, Config{Layout: layout})
	if err := fw.Update(ctx, beginnings); err != nil {
		t.Fatal(err)
	}
	have := mustRead(t, fw)
	var b nft.Batch
	for o := range have.Objects() {
		if c, ok := o.(*nft.Chain); ok {
			for _, r := range have.Rules(c.Ref()) {
				b.Delete(r)
				b.AddRule(r, 0)
			}
		}
	}
	mustCommit(t, stranger(t, ns), b)
	if err := fw.Update(ctx, changes); err != nil {
		t.Fatal(err)
	}
	checkFirewall(t, fw)
}

// What the user does in DOCKER-USER between updates is no drift, and stays.
func TestUserRulesAreNoDrift(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	fw, ns := openNew(t, Config{})
	if err := fw.Update(ctx, beginnings); err != nil {
		t.Fatal(err)
	}
	user := Native().UserChain(nft.IPv4)
	c := stranger(t, ns)
	for i, do := range []func(tx *Tx) error{changes, func(tx *Tx) error { tx.RemoveNetwork("net2"); return nil }} {
		var b nft.Batch
		b.InsertRule(&nft.Rule{Chain: user, Comment: fmt.Sprint(i), Statements: []nft.Statement{nft.Return()}}, 0)
		mustCommit(t, c, b)
		if err := fw.Update(ctx, do); err != nil {
			t.Fatal(err)
		}
		if healed, err := fw.Heal(ctx); healed || err != nil {
			t.Fatalf("healed %t, %v", healed, err)
		}
		if rules, err := fw.UserRules(ctx, nft.IPv4); err != nil || len(rules) != i+1 || rules[0].Comment != fmt.Sprint(i) {
			t.Fatalf("user rules: %v, %v", rules, err)
		}
	}
}

// Updates of many goroutines take turns, and nothing is lost.
func TestParallelUpdatesTakeTurns(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	fw, _ := openNew(t, Config{})
	const goroutines, each = 8, 15
	if err := fw.Update(ctx, func(tx *Tx) error {
		n := tx.CreateNetwork(modelSpec(0, 3, 0))
		for g := range goroutines {
			n.Attach(modelEndpoint(0, 3, g))
		}
		n.Attach(modelEndpoint(0, 3, goroutines)).Publish(portmap.MustParse("999:80"))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			for i := range each {
				err := fw.Update(ctx, func(tx *Tx) error {
					e := tx.Network("net0").Endpoint(modelName("end", g))
					e.Publish(portmap.Binding{Host: portmap.Port(uint16(1000*g + 1000 + i)), Container: portmap.Port(80)})
					if i%5 == 4 {
						e.Publish(portmap.Binding{Host: portmap.Port(999), Container: portmap.Port(80)}) // taken
					}
					return nil
				})
				if (err != nil) != (i%5 == 4) {
					t.Errorf("goroutine %d, update %d: %v", g, i, err)
				}
				_ = fw.View()
				_ = fw.Desired()
			}
		})
	}
	wg.Wait()
	checkFirewall(t, fw)
	view := fw.View()
	for g := range goroutines {
		bindings := slices.Collect(view.Bindings(view.Endpoint("net0", modelName("end", g))))
		if want := each - each/5; len(bindings) != want {
			t.Errorf("goroutine %d has published %d ports, want %d", g, len(bindings), want)
		}
	}
}
