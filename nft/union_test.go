package nft

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
)

// small is a table with a chain, a map of verdicts and what is in them.
type small struct {
	table   *Table
	chain   *Chain
	set     *Set
	rule    *Rule
	element *Element
}

func newSmall() small {
	table := &Table{Family: IPv4, Name: "t"}
	chain := &Chain{Table: table.Ref(), Name: "c"}
	set := &Set{Table: table.Ref(), Name: "s", Key: TypeInetService, Data: TypeVerdict}
	return small{
		table, chain, set,
		&Rule{Chain: chain.Ref(), Key: "k", Statements: []Statement{Accept()}},
		&Element{Set: set.Ref(), Key: Key(Port(1)), Verdict: Jump("c")},
	}
}

func (s small) objects() []Object { return []Object{s.table, s.chain, s.set, s.rule, s.element} }

// batchText returns what a change would send, in nft syntax.
func batchText(t testing.TB, c *Change) string {
	t.Helper()
	b, err := c.Batch()
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestUnionCountsUsers(t *testing.T) {
	t.Parallel()
	u, s := NewUnion(), newSmall()
	c := u.Begin()
	for range 2 {
		for _, o := range s.objects() {
			c.Add(o)
		}
	}
	if b, err := c.Batch(); err != nil || b.Len() != 5 {
		t.Fatalf("two users of five objects: %d operations, %v", b.Len(), err)
	}
	c.Commit(Result{})
	c = u.Begin()
	for _, o := range s.objects() {
		c.Remove(o)
	}
	if text := batchText(t, c); text != "" {
		t.Errorf("one of two users leaves: %s", text)
	}
	c.Commit(Result{Handles: map[ID]uint64{s.rule.ID(): 7}})
	c = u.Begin()
	for _, o := range s.objects() {
		c.Remove(o)
	}
	if text := strings.TrimSpace(batchText(t, c)); text != "delete table ip t" {
		t.Errorf("the last user leaves: %s", text)
	}
	c.Commit(Result{})
	if n := len(slices.Collect(u.Ruleset().Objects())); n != 0 || len(u.rules)+len(u.elements)+len(u.objects) != 0 {
		t.Errorf("%d objects left, %d chains, %d sets", n, len(u.rules), len(u.elements))
	}
}

func TestUnionRefusesContradictions(t *testing.T) {
	t.Parallel()
	s := newSmall()
	table, chain, set, rule, element := *s.table, *s.chain, *s.set, *s.rule, *s.element
	table.Comment, chain.Userdata, set.Size = "other", "other", 9
	rule.Statements, element.Verdict = []Statement{Drop()}, Drop()
	ranked, named, noted := *s.rule, *s.rule, *s.element
	ranked.Rank, named.Comment, noted.Userdata = 1, "other", "other"
	for _, o := range []Object{&table, &chain, &set, &rule, &ranked, &named, &element, &noted} {
		u := NewUnion()
		c := u.Begin()
		for _, o := range s.objects() {
			c.Add(o)
		}
		c.Commit(Result{})
		before := u.Ruleset().String()
		c = u.Begin()
		c.Add(o)
		c.Remove(s.element) // the first error sticks
		_, err := c.Batch()
		if !errors.Is(err, ErrContradiction) || !strings.Contains(err.Error(), o.ID().String()) {
			t.Errorf("%s: %v", o.ID(), err)
		}
		c.Rollback()
		if after := u.Ruleset().String(); after != before {
			t.Errorf("%s: after the rollback: %s", o.ID(), after)
		}
	}
}

func TestUnionRefusesToRemoveWhatIsNotThere(t *testing.T) {
	t.Parallel()
	for _, o := range newSmall().objects() {
		u := NewUnion()
		c := u.Begin()
		c.Remove(o)
		if _, err := c.Batch(); !errors.Is(err, ErrNotExist) {
			t.Errorf("%s: %v", o.ID(), err)
		}
		c.Rollback()
		u.Begin().Rollback()
	}
}

func TestUnionRefusesRulesWithoutAKey(t *testing.T) {
	t.Parallel()
	u, s := NewUnion(), newSmall()
	c := u.Begin()
	s.rule.Key = ""
	for _, o := range s.objects() {
		c.Add(o)
	}
	if _, err := c.Batch(); err == nil || !strings.Contains(err.Error(), "without a key") {
		t.Error(err)
	}
	c.Rollback()
	if n := len(slices.Collect(u.Ruleset().Objects())); n != 0 {
		t.Errorf("%d objects left", n)
	}
}

func TestUnionHasOneChangeAtATime(t *testing.T) {
	t.Parallel()
	u := NewUnion()
	u.Begin()
	defer func() {
		if recover() == nil {
			t.Error("a second change began")
		}
	}()
	u.Begin()
}

// What comes and goes within one change costs nothing; what goes and comes
// back is left as it is, unless something it refers to is made anew.
func TestChangeSendsTheNetDifference(t *testing.T) {
	t.Parallel()
	s := newSmall()
	start := func() (*Union, *Change) {
		u := NewUnion()
		c := u.Begin()
		for _, o := range s.objects() {
			c.Add(o)
		}
		c.Commit(Result{Handles: map[ID]uint64{s.rule.ID(): 7}})
		return u, u.Begin()
	}
	other := *s.element
	other.Key, other.Verdict = Key(Port(2)), Drop()
	changed := *s.element
	changed.Verdict = Drop()
	chain := *s.chain
	chain.Comment = "anew"
	for _, c := range []struct {
		name string
		do   func(c *Change)
		want []string
	}{
		{"add, remove", func(c *Change) { c.Add(&other); c.Remove(&other) }, nil},
		{"add, remove, add", func(c *Change) { c.Add(&other); c.Remove(&other); c.Add(&other) },
			[]string{"add element ip t s { 2 : drop }"}},
		{"remove, add", func(c *Change) { c.Remove(s.element); c.Add(s.element) }, nil},
		{"remove, add, remove", func(c *Change) { c.Remove(s.element); c.Add(s.element); c.Remove(s.element) },
			[]string{"delete element ip t s { 1 }"}},
		{"remove, add another", func(c *Change) { c.Remove(s.element); c.Add(&changed) },
			[]string{"delete element ip t s { 1 }", "add element ip t s { 1 : drop }"}},
		{"everything goes and comes back", func(c *Change) {
			for _, o := range s.objects() {
				c.Remove(o)
			}
			for _, o := range s.objects() {
				c.Add(o)
			}
		}, []string{"delete rule ip t c handle 7", `add rule ip t c accept`}},
		{"everything comes back, with another chain", func(c *Change) {
			for _, o := range s.objects() {
				c.Remove(o)
			}
			for _, o := range []Object{s.table, &chain, s.set, s.rule, s.element} {
				c.Add(o)
			}
		}, []string{"delete element ip t s { 1 }", "flush chain ip t c", "delete chain ip t c",
			`add chain ip t c { comment "anew"; }`, "add element ip t s { 1 : jump c }", "add rule ip t c accept"}},
	} {
		_, change := start()
		c.do(change)
		var got []string
		for line := range strings.Lines(batchText(t, change)) {
			got = append(got, strings.TrimSpace(line))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s:\n got %q\nwant %q", c.name, got, c.want)
		}
	}
}

// Base shows the union without the change, and the change goes on.
func TestChangeBase(t *testing.T) {
	t.Parallel()
	u, s := NewUnion(), newSmall()
	c := u.Begin()
	for _, o := range s.objects() {
		c.Add(o)
	}
	c.Commit(Result{Handles: map[ID]uint64{s.rule.ID(): 7}})
	before := u.Ruleset()
	c = u.Begin()
	second := &Rule{Chain: s.chain.Ref(), Key: "l", Rank: -1, Statements: []Statement{Drop()}}
	c.Add(second)
	c.Remove(s.rule)
	c.Remove(s.element)
	text := batchText(t, c)
	if b := Diff(before, c.Base()); b.Len() != 0 {
		t.Errorf("the base differs: %s", b.String())
	}
	if again := batchText(t, c); again != text {
		t.Errorf("after Base the change is %s, before %s", again, text)
	}
	c.Rollback()
	after := u.Ruleset()
	if b := Diff(before, after); b.Len() != 0 || after.Rules(s.chain.Ref())[0].Handle != 7 {
		t.Errorf("after the rollback: %s", after)
	}
}

// A chain that is made anew in one change is accepted by the kernel, with all
// that refers to it.
func TestKernelAcceptsAChainMadeAnew(t *testing.T) {
	t.Parallel()
	c := dial(t, newNetNS(t))
	u, s := NewUnion(), newSmall()
	jump := &Chain{Table: s.table.Ref(), Name: "d"}
	first := []Object{s.table, s.chain, s.set, s.rule, s.element, jump,
		&Rule{Chain: jump.Ref(), Key: "j", Statements: []Statement{Jump("c")}}}
	change := u.Begin()
	for _, o := range first {
		change.Add(o)
	}
	commitChange(t, c, change)
	chain := *s.chain
	chain.Comment = "anew"
	change = u.Begin()
	for _, o := range first {
		change.Remove(o)
	}
	for _, o := range append([]Object{s.table, &chain}, first[2:]...) {
		change.Add(o)
	}
	commitChange(t, c, change)
	checkUnion(t, c, u)
}

func commitChange(t testing.TB, c *Conn, change *Change) {
	t.Helper()
	b, err := change.Batch()
	if err != nil {
		t.Fatal(err)
	}
	r, err := c.Commit(context.Background(), b)
	if err != nil {
		t.Fatalf("%v\n%s", err, b.String())
	}
	change.Commit(r)
}

// checkUnion compares the union with the kernel, both ways.
func checkUnion(t testing.TB, c *Conn, u *Union) {
	t.Helper()
	have, want := load(t, c), u.Ruleset()
	for _, b := range []Batch{Diff(have, want), Diff(want, have)} {
		if b.Len() != 0 {
			t.Fatalf("kernel and union differ: %s", b.String())
		}
	}
}
