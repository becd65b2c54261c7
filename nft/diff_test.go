package nft

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
)

func mustRuleset(t testing.TB, objects ...Object) *Ruleset {
	t.Helper()
	rs, err := NewRuleset(objects...)
	if err != nil {
		t.Fatal(err)
	}
	return rs
}

// become commits what turns the kernel into want, and checks that it did, and
// that nothing is left to do.
func become(t testing.TB, c *Conn, want *Ruleset) {
	t.Helper()
	b := Diff(load(t, c), want)
	if b.Len() > 0 {
		mustCommit(t, c, b)
	}
	have := load(t, c)
	for name, b := range map[string]Batch{"(have, want)": Diff(have, want), "(have, have)": Diff(have, have)} {
		if b.Len() != 0 {
			t.Fatalf("afterwards Diff%s is %s", name, b.String())
		}
	}
}

func TestDiffOfEqualRulesetsIsEmpty(t *testing.T) {
	t.Parallel()
	chain := &Chain{Table: TableRef{IPv4, "t"}, Name: "c"}
	rs := everything(t)
	for _, o := range []Object{
		&Table{Family: IPv4, Name: "t"}, chain,
		&Rule{Chain: chain.Ref(), Statements: []Statement{Accept()}},
		&Rule{Chain: chain.Ref(), Statements: []Statement{Accept()}},
		&Rule{Chain: chain.Ref(), Statements: []Statement{Drop()}},
	} {
		if err := rs.Add(o); err != nil {
			t.Fatal(err)
		}
	}
	rs.Generation = 7
	if b := Diff(rs, rs); b.Len() != 0 || b.Generation != 7 {
		t.Errorf("generation %d: %s", b.Generation, b.String())
	}
	if b := Diff(rs, rs); b.Len() != 0 {
		t.Error("not even the second time")
	}
}

// Rules without a key in a chain that is not open are known by what they do.
func TestDiffOfRulesWithoutKeys(t *testing.T) {
	t.Parallel()
	c := dial(t, newNetNS(t))
	table := &Table{Family: IPv4, Name: "t"}
	chain := &Chain{Table: table.Ref(), Name: "c"}
	rules := func(words string) *Ruleset {
		rs := mustRuleset(t, table, chain)
		for word := range strings.FieldsSeq(words) {
			r := &Rule{Chain: chain.Ref(), Statements: []Statement{Accept()}}
			switch word {
			case "drop":
				r.Statements = []Statement{Drop()}
			case "count":
				r.Statements = []Statement{Counter()}
			}
			if err := rs.Add(r); err != nil {
				t.Fatal(err)
			}
		}
		return rs
	}
	for _, words := range []string{"accept drop", "accept accept drop", "drop accept", "", "count accept count drop", "count drop count accept", "drop drop drop"} {
		want := rules(words)
		become(t, c, want)
		got := ""
		for _, r := range load(t, c).Rules(chain.Ref()) {
			got += " " + strings.Replace(r.String(), "counter packets 0 bytes 0", "count", 1)
		}
		if strings.TrimSpace(got) != words {
			t.Errorf("got %q, want %q", got, words)
		}
	}
	open := *chain
	open.Open = true
	want := mustRuleset(t, table, &open, &Rule{Chain: chain.Ref(), Statements: []Statement{Accept()}})
	if b := Diff(load(t, c), want); b.Len() != 0 {
		t.Errorf("the rules of an open chain are looked at: %s", b.String())
	}
}

// What others have in open tables and open chains stays.
func TestDiffLeavesOthersAlone(t *testing.T) {
	t.Parallel()
	c := dial(t, newNetNS(t))
	table := &Table{Family: IPv4, Name: "t", Open: true}
	chain := &Chain{Table: table.Ref(), Name: "c", Open: true}
	set := &Set{Table: table.Ref(), Name: "s", Key: TypeInetService}
	alien := &Chain{Table: table.Ref(), Name: "alien", Hook: Forward}
	aliens := &Set{Table: table.Ref(), Name: "aliens", Key: TypeInetService}
	ours := []Object{table, chain, set, &Element{Set: set.Ref(), Key: Key(Port(1))},
		&Rule{Chain: chain.Ref(), Key: "k", Statements: []Statement{Accept()}}}
	theirs := []Object{
		alien, aliens, &Element{Set: aliens.Ref(), Key: Key(Port(7))},
		&Rule{Chain: alien.Ref(), Statements: []Statement{Jump("c")}},
		&Rule{Chain: alien.Ref(), Key: "theirs", Statements: []Statement{TCPDport.InSet(*aliens), Accept()}},
		&Rule{Chain: chain.Ref(), Comment: "theirs", Statements: []Statement{Goto("later")}},
	}
	add(t, c, append(append(ours, &Chain{Table: table.Ref(), Name: "later"}), theirs...)...)
	want := mustRuleset(t, ours...)
	if b := Diff(load(t, c), want); b.Len() != 0 {
		t.Errorf("ours is as wanted, and still: %s", b.String())
	}
	// Ours goes, as far as it can.
	become(t, c, mustRuleset(t, table, chain))
	have := load(t, c)
	for _, o := range theirs {
		if r, ok := o.(*Rule); ok && r.Key == "" {
			if rules := have.Rules(r.Chain); !slices.ContainsFunc(rules, r.same) {
				t.Errorf("rules of %s: %q", r.Chain, keys(rules))
			}
		} else if have.Lookup(o.ID()) == nil {
			t.Errorf("%s is gone", o.ID())
		}
	}
	// In a table that is not open it does not.
	shut := *table
	shut.Open = false
	become(t, c, mustRuleset(t, &shut))
	if n := len(objectsOf(load(t, c))); n != 1 {
		t.Errorf("%d objects, want the table alone", n)
	}
}

// An open table is never made anew, nor is an open chain for its comment; what
// that leaves undone the next Diff does.
func TestDiffKeepsOpenTables(t *testing.T) {
	t.Parallel()
	c := dial(t, newNetNS(t))
	there := &Table{Family: IPv4, Name: "t", Flags: TableDormant, Comment: "theirs"}
	open := &Chain{Table: there.Ref(), Name: "open", Comment: "theirs"}
	alien := &Chain{Table: there.Ref(), Name: "alien", Hook: Forward}
	rule := &Rule{Chain: open.Ref(), Statements: []Statement{Counter(), Accept()}}
	add(t, c, there, open, alien, rule)
	want := mustRuleset(t, &Table{Family: IPv4, Name: "t", Open: true},
		&Chain{Table: there.Ref(), Name: "open", Open: true},
		&Chain{Table: there.Ref(), Name: "base", Hook: Forward})
	for _, n := range []int{1, 1, 0} { // the flags, then the base chain
		b := Diff(load(t, c), want)
		if b.Len() != n {
			t.Fatalf("%d operations, want %d: %s", b.Len(), n, b.String())
		}
		mustCommit(t, c, b)
	}
	have := load(t, c)
	if got := have.Tables()[0]; got.Flags != 0 || got.Comment != "theirs" {
		t.Errorf("the table is %+v", got)
	}
	if have.Lookup(alien.ID()) == nil || len(have.Rules(open.Ref())) != 1 {
		t.Error("what others have is gone")
	}
	// With the base chains right, the flags change alone.
	mustCommit(t, c, Diff(have, mustRuleset(t, &Table{Family: IPv4, Name: "t", Open: true, Flags: TableDormant}, open)))
	if b := Diff(load(t, c), want); b.Len() != 1 {
		t.Errorf("waking a table: %s", b.String())
	}
}

// Each property of a table, chain, set and element can be changed in place of
// the other, with everything else in use.
func TestDiffChangesEveryProperty(t *testing.T) {
	t.Parallel()
	type objects struct {
		table   Table
		base, c Chain
		s, m    Set
		es, em  Element
	}
	ref := TableRef{IPv4, "t"}
	plain := func() objects {
		o := objects{
			table: Table{Family: IPv4, Name: "t"},
			base:  Chain{Table: ref, Name: "base", Hook: Forward, Priority: 1},
			c:     Chain{Table: ref, Name: "c"},
			s:     Set{Table: ref, Name: "s", Key: TypeInetService},
			m:     Set{Table: ref, Name: "m", Key: TypeIFName, Data: TypeVerdict},
		}
		o.es = Element{Set: o.s.Ref(), Key: Key(Port(1))}
		o.em = Element{Set: o.m.Ref(), Key: Key(Name("a")), Verdict: Jump("c")}
		return o
	}
	ruleset := func(o objects) *Ruleset {
		match := TCPDport.InSet(o.s)
		if o.s.Key == TypeMark {
			match = Mark.InSet(o.s)
		}
		return mustRuleset(t,
			&o.table, &o.base, &o.c, &o.s, &o.m, &o.es, &o.em,
			&Rule{Chain: o.base.Ref(), Key: "jump", Statements: []Statement{Jump("c")}},
			&Rule{Chain: o.base.Ref(), Key: "map", Statements: []Statement{IIFName.VMap(o.m)}},
			&Rule{Chain: o.base.Ref(), Key: "match", Statements: []Statement{match, Counter()}},
			&Rule{Chain: o.c.Ref(), Key: "inside", Statements: []Statement{match, Accept()}},
		)
	}
	for name, change := range map[string]func(*objects){
		"table comment":     func(o *objects) { o.table.Comment = "x" },
		"table userdata":    func(o *objects) { o.table.Userdata = "x" },
		"table dormant":     func(o *objects) { o.table.Flags = TableDormant },
		"base policy":       func(o *objects) { o.base.Policy = PolicyDrop },
		"base priority":     func(o *objects) { o.base.Priority = 2 },
		"base hook":         func(o *objects) { o.base.Hook = Input },
		"base type":         func(o *objects) { o.base.Hook, o.base.Type = Output, RouteChain },
		"base comment":      func(o *objects) { o.base.Comment = "x" },
		"base all":          func(o *objects) { o.base.Hook, o.base.Policy, o.base.Userdata = Input, PolicyDrop, "x" },
		"chain userdata":    func(o *objects) { o.c.Userdata = "x" },
		"set type":          func(o *objects) { o.s.Key = TypeMark; o.es.Key = Key(MarkValue(1)) },
		"set counter":       func(o *objects) { o.s.Counter = true },
		"set size":          func(o *objects) { o.s.Size = 7 },
		"set comment":       func(o *objects) { o.s.Comment = "x" },
		"map comment":       func(o *objects) { o.m.Comment = "x" },
		"element userdata":  func(o *objects) { o.es.Userdata = "x" },
		"element comment":   func(o *objects) { o.es.Comment = "x" },
		"element verdict":   func(o *objects) { o.em.Verdict = Goto("c") },
		"element drop":      func(o *objects) { o.em.Verdict = Drop() },
		"chain and element": func(o *objects) { o.c.Comment = "x"; o.em.Verdict = Goto("c") },
		"table and chain":   func(o *objects) { o.table.Comment, o.c.Comment = "x", "x" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := dial(t, newNetNS(t))
			o := plain()
			change(&o)
			for _, want := range []*Ruleset{ruleset(plain()), ruleset(o), ruleset(plain()), {}} {
				become(t, c, want)
			}
		})
	}
}

// The data of a map's elements changes without the map, the chain that a
// verdict leads to is renamed, and intervals move over each other.
func TestDiffChangesElements(t *testing.T) {
	t.Parallel()
	c := dial(t, newNetNS(t))
	ref := TableRef{IPv4, "t"}
	table := &Table{Family: IPv4, Name: "t"}
	data := &Set{Table: ref, Name: "d", Key: TypeInetService, Data: TypeOf(TypeIPv4Addr, TypeInetService)}
	verdicts := &Set{Table: ref, Name: "v", Key: TypeIFName, Data: TypeVerdict}
	ranges := &Set{Table: ref, Name: "r", Key: TypeOf(TypeInetProto, TypeInetService), Data: TypeIPv4Addr, Interval: true}
	addr := func(n byte) Datum { return Addr(netip.AddrFrom4([4]byte{10, 0, 0, n})) }
	state := func(to byte, chain string, first, last uint16) *Ruleset {
		return mustRuleset(t, table, &Chain{Table: ref, Name: chain}, data, verdicts, ranges,
			&Element{Set: data.Ref(), Key: Key(Port(1)), Data: Key(addr(to), Port(80))},
			&Element{Set: verdicts.Ref(), Key: Key(Name("a")), Verdict: Jump(chain)},
			&Element{Set: ranges.Ref(), Key: Key(Proto(TCP), Port(first)), End: Key(Proto(TCP), Port(last)), Data: Key(addr(to))})
	}
	for _, want := range []*Ruleset{
		state(1, "a", 100, 200), state(2, "a", 100, 200), state(2, "b", 100, 200), state(2, "b", 150, 250),
		state(2, "b", 150, 240), state(2, "b", 100, 300), state(1, "a", 120, 121), state(1, "a", 100, 200),
	} {
		become(t, c, want)
	}
}

// Counters of what stays keep their counts.
func TestDiffKeepsCounts(t *testing.T) {
	t.Parallel()
	c := dial(t, newNetNS(t))
	table := &Table{Family: IPv4, Name: "t"}
	chain := &Chain{Table: table.Ref(), Name: "c"}
	rule := func(key string, rank int, count uint64) *Rule {
		return &Rule{Chain: chain.Ref(), Key: key, Rank: rank, Statements: []Statement{counter{count, 10 * count}, Accept()}}
	}
	add(t, c, table, chain, rule("a", 1, 7), rule("b", 2, 8), rule("c", 3, 9))
	become(t, c, mustRuleset(t, table, chain, rule("new", 0, 0), rule("a", 1, 0), rule("b", 4, 0), rule("c", 3, 0)))
	want := map[string]uint64{"new": 0, "a": 7, "b": 0, "c": 9}
	for _, r := range load(t, c).Rules(chain.Ref()) {
		if got := r.Statements[0].(counter); got.packets != want[r.Key] || got.bytes != 10*want[r.Key] {
			t.Errorf("rule %s has counted %d packets, %d bytes", r.Key, got.packets, got.bytes)
		}
	}
}
