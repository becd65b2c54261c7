package bridge

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/seawall-net/seawall/internal/netns"
	"github.com/seawall-net/seawall/nft"
)

var (
	propertySeed  = flag.Uint64("property.seed", 0, "run the property test with this seed only")
	propertySteps = flag.Int("property.steps", 120, "updates for each seed of the property test")
)

// openNew opens a firewall without links in a namespace of its own.
func openNew(t testing.TB, cfg Config) (*Firewall, *os.File) {
	t.Helper()
	ns, err := netns.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ns.Close() })
	cfg.NetNS, cfg.RulesOnly = ns, true
	return mustOpen(t, cfg), ns
}

func mustOpen(t testing.TB, cfg Config) *Firewall {
	t.Helper()
	fw, err := Open(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := fw.Close(); err != nil {
			t.Error(err)
		}
	})
	return fw
}

func mustRead(t testing.TB, fw *Firewall) *nft.Ruleset {
	t.Helper()
	rs, err := fw.Ruleset(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return rs
}

// compileAll makes the ruleset of all facts from scratch.
func compileAll(t testing.TB, fw *Firewall) *nft.Ruleset {
	t.Helper()
	u := nft.NewUnion()
	c := u.Begin()
	facts := []Fact{fw.state.host}
	v := fw.View()
	for n := range v.Networks() {
		facts = append(facts, n)
		for e := range v.Endpoints(n) {
			facts = append(facts, e)
			for b := range v.Bindings(e) {
				facts = append(facts, b)
			}
			for l := range v.Links(e) {
				facts = append(facts, l)
			}
		}
	}
	for _, f := range facts {
		fw.layout.Compile(f, c.Add)
	}
	if _, err := c.Batch(); err != nil {
		t.Fatal(err)
	}
	c.Commit(nft.Result{})
	return u.Ruleset()
}

// sameRulesets fails unless neither ruleset lacks anything of the other.
func sameRulesets(t testing.TB, what string, a, b *nft.Ruleset) {
	t.Helper()
	for _, batch := range []nft.Batch{nft.Diff(a, b), nft.Diff(b, a)} {
		if batch.Len() > 0 {
			t.Fatalf("%s differ: %s", what, batch.String())
		}
	}
}

// checkFirewall holds the first law: the kernel, the union that was kept up to
// date, and what all facts compile to are the same.
func checkFirewall(t testing.TB, fw *Firewall) {
	t.Helper()
	full := compileAll(t, fw)
	sameRulesets(t, "the union and the full compile", fw.Desired(), full)
	sameRulesets(t, "the kernel and the full compile", mustRead(t, fw), full)
}

// Random updates keep kernel, union and facts in line, and what fails leaves no
// trace. To see more: go test -run Laws ./bridge -property.steps 5000
func TestUpdatesHoldTheLaws(t *testing.T) {
	t.Parallel()
	seeds := []uint64{1, 2, 3}
	if *propertySeed != 0 {
		seeds = []uint64{*propertySeed}
	}
	for _, seed := range seeds {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			t.Parallel()
			p := &property{t: t, rnd: rand.New(rand.NewPCG(seed, 4)), facts: model{}}
			p.run(*propertySteps)
		})
	}
}

type property struct {
	t     *testing.T
	rnd   *rand.Rand
	fw    *Firewall
	facts model
}

var errOnPurpose = errors.New("on purpose")

func (p *property) run(steps int) {
	t, ctx := p.t, context.Background()
	cfg := p.config()
	var ns *os.File
	p.fw, ns = openNew(t, cfg)
	reopen := func(other Config) {
		other.NetNS, other.RulesOnly = ns, true
		if err := p.fw.Close(); err != nil {
			t.Fatal(err)
		}
		p.fw = mustOpen(t, other)
	}
	first, start := cfg, sortedLines(mustRead(t, p.fw))
	done, refused := 0, 0
	for step := range steps {
		if p.update() {
			done++
		} else {
			refused++
		}
		checkFirewall(t, p.fw)
		if got, want := describeView(p.fw.View()), p.facts.describe(); !slices.Equal(got, want) {
			t.Fatalf("step %d: the view has\n%q\nwant\n%q", step, got, want)
		}
		switch p.rnd.IntN(12) {
		case 0:
			p.nothing(func() {
				if healed, err := p.fw.Heal(ctx); healed || err != nil {
					t.Fatalf("step %d: healed %t, %v", step, healed, err)
				}
			})
		case 1:
			p.nothing(func() {
				if err := p.fw.Update(ctx, func(*Tx) error { return nil }); err != nil {
					t.Fatal(err)
				}
			})
		case 2:
			p.nothing(func() { reopen(cfg) })
		case 3:
			cfg = p.config()
			reopen(cfg)
			checkFirewall(t, p.fw)
			if strays := p.strays(); len(strays) > 0 {
				t.Fatalf("step %d: %q are left of other options", step, strays)
			}
		}
	}
	if done < steps/3 || refused < steps/20 {
		t.Errorf("%d updates, %d refused", done, refused)
	}
	if err := p.fw.Update(ctx, func(tx *Tx) error {
		for n := range p.facts {
			tx.RemoveNetwork(modelName("net", n))
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	reopen(first)
	if end := sortedLines(mustRead(t, p.fw)); !slices.Equal(end, start) {
		t.Errorf("all is removed, and the ruleset is\n%s\nat the start it was\n%s", end, start)
	}
}

// config chooses options at random.
func (p *property) config() Config {
	often := func() bool { return p.rnd.IntN(2) == 0 }
	rarely := func() bool { return p.rnd.IntN(4) == 0 }
	return Config{
		AllowDirectRouting: often(), UserlandProxy: often(), DropForward: often(), WSL2Mirrored: often(),
		DisableIPv4: rarely(), DisableIPv6: rarely(),
	}
}

// strays lists chains and sets in the kernel that nothing needs.
func (p *property) strays() (out []nft.ID) {
	have, want := mustRead(p.t, p.fw), p.fw.Desired()
	for o := range have.Objects() {
		if want.Lookup(o.ID()) == nil {
			out = append(out, o.ID())
		}
	}
	return out
}

// sortedLines prints a ruleset in an order that does not depend on which chains
// were there first. Whether rules are in order is checked elsewhere.
func sortedLines(rs *nft.Ruleset) []string {
	return slices.Sorted(strings.Lines(rs.String()))
}

// nothing fails if f commits anything.
func (p *property) nothing(f func()) {
	p.t.Helper()
	before := mustRead(p.t, p.fw)
	f()
	after := mustRead(p.t, p.fw)
	if before.Generation != after.Generation || before.String() != after.String() {
		p.t.Fatalf("generation %d, before %d", after.Generation, before.Generation)
	}
}

// update does a few things at once, and reports whether they were done.
func (p *property) update() bool {
	p.t.Helper()
	before, view := mustRead(p.t, p.fw), p.fw.View()
	facts, bad, giveUp := p.facts.clone(), false, p.rnd.IntN(10) == 0
	err := p.fw.Update(context.Background(), func(tx *Tx) error {
		for range 1 + p.rnd.IntN(5) {
			if bad = facts.step(p.rnd, tx); bad {
				break
			}
		}
		if giveUp {
			return errOnPurpose
		}
		return nil
	})
	switch {
	case giveUp && errors.Is(err, errOnPurpose):
	case bad && err != nil:
	case !giveUp && !bad && err == nil:
		p.facts = facts
		return true
	default:
		p.t.Fatalf("bad %t, given up %t: %v", bad, giveUp, err)
	}
	after := mustRead(p.t, p.fw)
	if after.Generation != before.Generation || !slices.Equal(describeView(view), describeView(p.fw.View())) {
		p.t.Fatalf("after %v: generation %d, before %d", err, after.Generation, before.Generation)
	}
	return false
}
