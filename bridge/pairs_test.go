package bridge

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/seawall-net/seawall/internal/netns"
	"github.com/seawall-net/seawall/nft"
)

// paired is the native layout with a rule, that does nothing, for each two networks.
type paired struct{ Layout }

func (paired) CompilePair(older, newer *Network, add func(nft.Object)) {
	add(&nft.Rule{
		Chain: nft.TableRef{Family: nft.IPv4, Name: tableName}.Chain("forward"),
		Key:   fmt.Sprintf("pair %s %s", older, newer), Rank: int(newer.Order)<<32 + int(older.Order),
		Statements: []nft.Statement{nft.IIFName.Eq(older.Spec.Bridge), nft.OIFName.Eq(newer.Spec.Bridge), nft.Counter()},
	})
}

// pairsOf lists the pairs that there are rules for, the older network first.
func pairsOf(t *testing.T, fw *Firewall) string {
	t.Helper()
	kernel := mustRead(t, fw)
	sameRulesets(t, "the kernel and the union", kernel, fw.Desired())
	sameRulesets(t, "the union and all facts", fw.Desired(), fw.compile().Ruleset())
	var pairs []string
	for _, r := range kernel.Rules(nft.TableRef{Family: nft.IPv4, Name: tableName}.Chain("forward")) {
		if pair, ok := strings.CutPrefix(r.Key, "pair "); ok {
			pairs = append(pairs, strings.ReplaceAll(pair, "net", ""))
		}
	}
	return strings.Join(pairs, ", ")
}

// Layouts have rules for each two networks: they come with the second and go with
// the first.
func TestPairs(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	fw, ns := openLinked(t, paired{Native()})
	create := func(tx *Tx, i int) { tx.CreateNetwork(modelSpec(i, 3, 0)) }
	update := func(fn func(*Tx)) {
		t.Helper()
		if err := fw.Update(ctx, func(tx *Tx) error { fn(tx); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	check := func(when, want string) {
		t.Helper()
		if got := pairsOf(t, fw); got != want {
			t.Errorf("%s: pairs %q, want %q", when, got, want)
		}
	}
	update(func(tx *Tx) { create(tx, 0) })
	check("one network", "")
	update(func(tx *Tx) { create(tx, 1); create(tx, 3) })
	check("three", "0 1, 0 3, 1 3")
	update(func(tx *Tx) { tx.RemoveNetwork("net0"); create(tx, 0) })
	check("the first is made again", "1 3, 1 0, 3 0")
	failed := errors.New("failed")
	if err := fw.Update(ctx, func(tx *Tx) error { tx.RemoveNetwork("net3"); create(tx, 4); return failed }); !errors.Is(err, failed) {
		t.Error(err)
	}
	check("given up", "1 3, 1 0, 3 0")

	// What was committed, and cannot be put to use, is taken back.
	small := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br-2", MTU: 1000}}
	if err := netns.Do(ns, func() error { return netlink.LinkAdd(small) }); err != nil {
		t.Fatal(err)
	}
	committed := 0
	fw.cfg.Trace = func(Transaction) { committed++ }
	if err := fw.Update(ctx, func(tx *Tx) error {
		create(tx, 4)
		tx.RemoveNetwork("net1")
		tx.CreateNetwork(modelSpec(2, 3, 0))
		tx.RemoveNetwork("net4")
		return nil
	}); err == nil || committed != 2 {
		t.Errorf("error %v after %d commits, want one after 2", err, committed)
	}
	check("taken back", "1 3, 1 0, 3 0")
	update(func(tx *Tx) { tx.RemoveNetwork("net3"); tx.RemoveNetwork("net0") })
	check("one again", "")
}
