package nft

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// A chainLab is an Open chain in the kernel, that a change is made to while
// others keep rules of their own in it.
type chainLab struct {
	t     *testing.T
	rnd   *rand.Rand
	c     *Conn
	table *Table
	chain *Chain
	// foreign counts the rules that others have put there, and keyed ours.
	foreign, keyed int
	// polite tells that others put their rules behind ours of negative rank and
	// before the rest.
	polite bool
}

func newChainLab(t *testing.T, seed uint64, polite bool) *chainLab {
	table := &Table{Family: IPv4, Name: "t"}
	return &chainLab{
		t: t, rnd: rand.New(rand.NewPCG(seed, 1)), c: dial(t, newNetNS(t)), polite: polite,
		table: table, chain: &Chain{Table: table.Ref(), Name: "c", Open: true},
	}
}

func (l *chainLab) rules() []*Rule { return load(l.t, l.c, l.table.Ref()).Rules(l.chain.Ref()) }

// rule makes a rule of ours: few ranks, so that many are equal.
func (l *chainLab) rule() *Rule {
	l.keyed++
	return &Rule{Chain: l.chain.Ref(), Key: fmt.Sprint("k", l.keyed), Rank: l.rnd.IntN(9) - 4, Statements: []Statement{Counter()}}
}

// meddle puts a foreign rule somewhere, or takes one away.
func (l *chainLab) meddle() {
	l.t.Helper()
	rules := l.rules()
	var b Batch
	if i := slices.IndexFunc(rules, func(r *Rule) bool { return r.Key == "" }); i >= 0 && l.rnd.IntN(3) == 0 {
		b.Delete(rules[i])
		mustCommit(l.t, l.c, b)
		return
	}
	l.foreign++
	r := &Rule{Chain: l.chain.Ref(), Comment: fmt.Sprint(l.foreign), Statements: []Statement{Counter()}}
	low, high := 0, len(rules)
	if l.polite {
		for low < len(rules) && rules[low].Key != "" && rules[low].Rank < 0 {
			low++
		}
		for high > low && rules[high-1].Key != "" {
			high--
		}
	}
	if at := low + l.rnd.IntN(high-low+1); at < len(rules) {
		b.InsertRule(r, rules[at].Handle)
	} else {
		b.AddRule(r, 0)
	}
	mustCommit(l.t, l.c, b)
}

// check compares the kernel's chain with the keyed rules that should be there,
// and with the chain as it was before the change.
func (l *chainLab) check(before []*Rule, want []string) []*Rule {
	l.t.Helper()
	after := l.rules()
	var keyed []string
	for _, r := range after {
		if r.Key != "" {
			keyed = append(keyed, r.Key)
		}
	}
	if !slices.Equal(keyed, want) {
		l.t.Fatalf("keyed rules %q, want %q", keyed, want)
	}
	// What was there before and still is has its handle, and its place among
	// the others; nothing foreign is gone.
	var kept []uint64
	for _, r := range before {
		if r.Key == "" || slices.Contains(want, r.Key) {
			kept = append(kept, r.Handle)
		}
	}
	var still []uint64
	for _, r := range after {
		if slices.ContainsFunc(before, func(b *Rule) bool { return b.Handle == r.Handle }) {
			still = append(still, r.Handle)
		}
	}
	if !slices.Equal(still, kept) {
		l.t.Fatalf("of the handles before, %v are there: want %v\nbefore %q\nafter %q", still, kept, keys(before), keys(after))
	}
	if l.polite {
		l.checkSides(after)
	}
	return after
}

// checkSides: ours of negative rank, then the others' rules, then ours.
func (l *chainLab) checkSides(rules []*Rule) {
	l.t.Helper()
	side := func(r *Rule) int {
		switch {
		case r.Key == "":
			return 0
		case r.Rank < 0:
			return -1
		}
		return 1
	}
	if !slices.IsSortedFunc(rules, func(a, b *Rule) int { return side(a) - side(b) }) {
		var ranks []string
		for _, r := range rules {
			ranks = append(ranks, fmt.Sprintf("%s:%d", r.Key, r.Rank))
		}
		l.t.Fatalf("rules are not on their side of the others': %s", strings.Join(ranks, " "))
	}
}

func sides(t *testing.T, f func(t *testing.T, l *chainLab)) {
	for _, polite := range []bool{true, false} {
		for seed := range uint64(3) {
			t.Run(fmt.Sprintf("polite=%t/seed=%d", polite, seed), func(t *testing.T) {
				t.Parallel()
				f(t, newChainLab(t, seed, polite))
			})
		}
	}
}

func TestUnionKeepsRulesInPlace(t *testing.T) {
	t.Parallel()
	sides(t, func(t *testing.T, l *chainLab) {
		u := NewUnion()
		change := func(f func(*Change)) {
			t.Helper()
			c := u.Begin()
			f(c)
			b, err := c.Batch()
			if err != nil {
				t.Fatal(err)
			}
			c.Commit(mustCommit(t, l.c, b))
		}
		change(func(c *Change) { c.Add(l.table); c.Add(l.chain) })
		var mine []*Rule // in order of arrival
		for range 60 {
			for range l.rnd.IntN(3) {
				l.meddle()
			}
			before := l.rules()
			change(func(c *Change) {
				for range 1 + l.rnd.IntN(4) {
					if len(mine) > 0 && l.rnd.IntN(3) == 0 {
						n := l.rnd.IntN(len(mine))
						c.Remove(mine[n])
						mine = slices.Delete(mine, n, n+1)
						continue
					}
					r := l.rule()
					c.Add(r)
					mine = append(mine, r)
				}
			})
			want := slices.Clone(mine)
			slices.SortStableFunc(want, func(a, b *Rule) int { return a.Rank - b.Rank })
			after := l.check(before, keys(want))
			for _, r := range u.Ruleset().Rules(l.chain.Ref()) {
				if i := slices.IndexFunc(after, func(a *Rule) bool { return a.Key == r.Key }); after[i].Handle != r.Handle {
					t.Fatalf("the union has handle %d for %s, the kernel %d", r.Handle, r.Key, after[i].Handle)
				}
			}
		}
	})
}

func TestDiffKeepsRulesInPlace(t *testing.T) {
	t.Parallel()
	sides(t, func(t *testing.T, l *chainLab) {
		add(t, l.c, l.table, l.chain)
		want, err := NewRuleset(l.table, l.chain)
		if err != nil {
			t.Fatal(err)
		}
		for range 60 {
			for range l.rnd.IntN(3) {
				l.meddle()
			}
			before := l.rules()
			for range 1 + l.rnd.IntN(4) {
				mine := want.Rules(l.chain.Ref())
				if len(mine) > 0 && l.rnd.IntN(3) == 0 {
					want.Remove(mine[l.rnd.IntN(len(mine))].ID())
				} else if err := want.Add(l.rule()); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := l.c.Commit(context.Background(), Diff(load(t, l.c), want)); err != nil {
				t.Fatal(err)
			}
			l.check(before, keys(want.Rules(l.chain.Ref())))
		}
	})
}

// A rule that changes its rank, or its statements, is the only one that is made
// anew; one that a stranger has moved goes back.
func TestDiffMovesOnlyWhatIsOutOfPlace(t *testing.T) {
	t.Parallel()
	l := newChainLab(t, 1, true)
	rules := make([]*Rule, 5)
	objects := []Object{l.table, l.chain}
	for i := range rules {
		rules[i] = &Rule{Chain: l.chain.Ref(), Key: fmt.Sprint(i), Rank: i * 10, Statements: []Statement{Counter()}}
		objects = append(objects, rules[i])
	}
	add(t, l.c, objects...)
	base := l.rules()
	apply := func(name string, ours []*Rule, order string, renewed ...string) {
		t.Helper()
		before := l.rules()
		want, err := NewRuleset(l.table, l.chain)
		for _, r := range ours {
			if err == nil {
				err = want.Add(r)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		mustCommit(t, l.c, Diff(load(t, l.c), want))
		got := ""
		for _, r := range l.rules() {
			got += r.Key
			was := slices.ContainsFunc(before, func(b *Rule) bool { return b.Handle == r.Handle })
			if was == slices.Contains(renewed, r.Key) {
				t.Errorf("%s: rule %s has its old handle: %t", name, r.Key, was)
			}
		}
		if got != order {
			t.Errorf("%s: order %s, want %s", name, got, order)
		}
	}
	first := *rules[0]
	first.Rank = 35
	apply("a rank changes", []*Rule{&first, rules[1], rules[2], rules[3], rules[4]}, "12304", "0")
	second := *rules[1]
	second.Statements = []Statement{Accept()}
	apply("statements change", []*Rule{&first, &second, rules[2], rules[3], rules[4]}, "12304", "1")
	apply("all go back", rules, "01234", "0", "1")

	var b Batch // a stranger moves the last to the front
	moved := *l.rules()[4]
	b.Delete(&moved)
	b.InsertRule(rules[4], 0)
	mustCommit(t, l.c, b)
	apply("one was moved", rules, "01234", "4")
	if h := l.rules()[2].Handle; h != base[2].Handle {
		t.Errorf("the middle rule has handle %d, at first %d", h, base[2].Handle)
	}
}
