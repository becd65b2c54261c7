package nft

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
)

// keys returns the keys of rules; those without one have the name they got.
func keys(rules []*Rule) []string {
	var out []string
	for _, r := range rules {
		if r.Key == "" {
			out = append(out, "foreign "+r.Comment)
			continue
		}
		out = append(out, r.Key)
	}
	return out
}

func TestRulesetPlacesRulesByRank(t *testing.T) {
	t.Parallel()
	table := TableRef{IPv4, "t"}
	chain := table.Chain("c")
	for _, c := range []struct {
		ranks []int
		want  string
	}{
		{[]int{0, 0, 0}, "abc"},
		{[]int{2, 1, 0}, "cba"},
		{[]int{0, -1, 1, -2}, "dbac"},
		{[]int{1, 0, 1, 0}, "bdac"},
		{[]int{-1, -1, 0, -1}, "abdc"},
		{[]int{1 << 30, -1 << 31, 0}, "bca"},
	} {
		rs, err := NewRuleset(&Table{Family: IPv4, Name: "t"}, &Chain{Table: table, Name: "c"})
		if err != nil {
			t.Fatal(err)
		}
		for i, rank := range c.ranks {
			if err := rs.Add(&Rule{Chain: chain, Key: string(rune('a' + i)), Rank: rank}); err != nil {
				t.Fatal(err)
			}
		}
		got := ""
		for _, key := range keys(rs.Rules(chain)) {
			got += key
		}
		if got != c.want {
			t.Errorf("ranks %v: %s, want %s", c.ranks, got, c.want)
		}
	}
}

// The order is that of a stable sort by rank, whatever is removed in between.
func TestRulesetOrderIsAStableSort(t *testing.T) {
	t.Parallel()
	table := TableRef{IPv4, "t"}
	chain := table.Chain("c")
	rnd := rand.New(rand.NewPCG(1, 2))
	rs, err := NewRuleset(&Table{Family: IPv4, Name: "t"}, &Chain{Table: table, Name: "c"})
	if err != nil {
		t.Fatal(err)
	}
	var model []*Rule
	for i := range 500 {
		if len(model) > 0 && rnd.IntN(3) == 0 {
			n := rnd.IntN(len(model))
			rs.Remove(model[n].ID())
			model = slices.Delete(model, n, n+1)
			continue
		}
		r := &Rule{Chain: chain, Key: string(rune('A' + i)), Rank: rnd.IntN(7) - 3}
		if err := rs.Add(r); err != nil {
			t.Fatal(err)
		}
		model = append(model, r)
		want := slices.Clone(model)
		slices.SortStableFunc(want, func(a, b *Rule) int { return a.Rank - b.Rank })
		if got := rs.Rules(chain); !slices.Equal(got, want) {
			t.Fatalf("step %d: %q, want %q", i, keys(got), keys(want))
		}
	}
}

func TestRulesetRefusesWhatDoesNotFit(t *testing.T) {
	t.Parallel()
	table := &Table{Family: IPv4, Name: "t"}
	chain := &Chain{Table: table.Ref(), Name: "c"}
	set := &Set{Table: table.Ref(), Name: "s", Key: TypeInetService}
	element := &Element{Set: set.Ref(), Key: Key(Port(1))}
	rule := &Rule{Chain: chain.Ref(), Key: "k"}
	all := []Object{table, chain, set, element, rule}
	var empty Ruleset
	for _, o := range all[1:] {
		if err := empty.Add(o); !errors.Is(err, ErrNotExist) {
			t.Errorf("%s without its table: %v", o.ID(), err)
		}
	}
	rs, err := NewRuleset(table)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []Object{element, rule} {
		if err := rs.Add(o); !errors.Is(err, ErrNotExist) {
			t.Errorf("%s without what it is in: %v", o.ID(), err)
		}
	}
	if rs, err = NewRuleset(all...); err != nil {
		t.Fatal(err)
	}
	for _, o := range all {
		if err := rs.Add(o); !errors.Is(err, ErrExist) {
			t.Errorf("%s twice: %v", o.ID(), err)
		}
		if rs.Lookup(o.ID()) != o {
			t.Errorf("Lookup does not find %s", o.ID())
		}
	}
	// Rules without a key are never the same.
	for range 2 {
		if err := rs.Add(&Rule{Chain: chain.Ref()}); err != nil {
			t.Error(err)
		}
	}
	slices.Reverse(all)
	for _, o := range all {
		rs.Remove(o.ID())
		if rs.Lookup(o.ID()) != nil {
			t.Errorf("%s is there after Remove", o.ID())
		}
		rs.Remove(o.ID())
	}
	if n := len(slices.Collect(rs.Objects())); n != 0 {
		t.Errorf("%d objects left", n)
	}
}

// A part of a ruleset has the same objects in the same order, and a life of its own.
func TestRulesetOnly(t *testing.T) {
	t.Parallel()
	all := everything(t)
	all.Generation = 7
	text := all.String()
	refs := []TableRef{{IPv6, "not there"}}
	for _, table := range all.Tables() {
		var want []Object
		for o := range all.Objects() {
			if o.ID().Table == table.Ref() {
				want = append(want, o)
			}
		}
		part := all.Only(table.Ref())
		if got := slices.Collect(part.Objects()); !slices.Equal(got, want) {
			t.Errorf("%s: %d objects, want %d", table.Ref(), len(got), len(want))
		}
		if part.Generation != 7 {
			t.Errorf("generation %d", part.Generation)
		}
		// To change the part does not change the whole.
		for _, o := range want[1:] {
			part.Remove(o.ID())
		}
		if err := part.Add(&Chain{Table: table.Ref(), Name: "new"}); err != nil {
			t.Error(err)
		}
		refs = append([]TableRef{table.Ref()}, refs...) // the other way round
	}
	if got := all.Only(refs...).String(); got != text {
		t.Errorf("all tables:\n%s\nwant\n%s", got, text)
	}
	if all.String() != text {
		t.Error("changing a part has changed the whole")
	}
	for _, none := range []*Ruleset{all.Only(), all.Only(TableRef{IPv6, "not there"}), new(Ruleset).Only(refs...)} {
		if got := slices.Collect(none.Objects()); len(got) != 0 {
			t.Errorf("nothing was wanted: %v", got)
		}
		if err := none.Add(&Table{Family: IPv4, Name: "t"}); err != nil {
			t.Error(err)
		}
	}
}
