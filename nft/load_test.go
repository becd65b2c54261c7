package nft

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

func add(t testing.TB, c *Conn, objects ...Object) {
	t.Helper()
	var b Batch
	b.Add(objects...)
	mustCommit(t, c, b)
}

func load(t testing.TB, c *Conn, tables ...TableRef) *Ruleset {
	t.Helper()
	rs, err := c.Load(context.Background(), tables...)
	if err != nil {
		t.Fatal(err)
	}
	return rs
}

// objectsOf lists objects with what elements lead to behind the chains.
func objectsOf(rs *Ruleset) []Object { return slices.Collect(rs.Objects()) }

var fixtureFamilies = []Family{IPv4, IPv6, INet, Bridge}

func TestLoadReturnsWhatWasCommitted(t *testing.T) {
	for _, family := range fixtureFamilies {
		t.Run(family.String(), func(t *testing.T) {
			c := dial(t, newNetNS(t))
			want := fixture(t, family)
			add(t, c, objectsOf(want)...)
			compareRulesets(t, load(t, c), want)
			got := load(t, c, TableRef{family, "fixture"})
			compareRulesets(t, got, want)
			gen, err := c.Generation(context.Background())
			if err != nil || got.Generation != gen {
				t.Errorf("generation %d, want %d (%v)", got.Generation, gen, err)
			}
			for name, b := range map[string]Batch{"(have, want)": Diff(got, want), "(have, have)": Diff(got, got)} {
				if b.Len() != 0 {
					t.Errorf("Diff%s has %d operations", name, b.Len())
				}
			}
		})
	}
}

func TestLoadReturnsEverything(t *testing.T) {
	c := dial(t, newNetNS(t))
	want := everything(t)
	add(t, c, objectsOf(want)...)
	compareRulesets(t, load(t, c), want)
	if b := Diff(load(t, c), want); b.Len() != 0 {
		t.Errorf("the difference has %d operations", b.Len())
	}
}

func compareRulesets(t *testing.T, got, want *Ruleset) {
	t.Helper()
	g, w := objectsOf(got), objectsOf(want)
	if len(g) != len(w) {
		t.Fatalf("%d objects, want %d", len(g), len(w))
	}
	for i := range w {
		equal := false
		switch w := w[i].(type) {
		case *Rule:
			r, ok := g[i].(*Rule)
			equal = ok && r.same(w) && w.same(r) && r.String() == w.String() && r.Handle != 0
		case *Element:
			e, ok := g[i].(*Element)
			equal = ok && e.same(w)
		case *Table:
			equal = *w == *g[i].(*Table)
		case *Chain:
			equal = *w == *g[i].(*Chain)
		case *Set:
			equal = *w == *g[i].(*Set)
		}
		if !equal {
			t.Errorf("%s:\n got %+v\nwant %+v", w[i].ID(), g[i], w[i])
		}
	}
}

// Rules are the same as themselves only, whether typed or loaded.
func TestSameTellsRulesApart(t *testing.T) {
	for _, family := range fixtureFamilies {
		c := dial(t, newNetNS(t))
		want := fixture(t, family)
		add(t, c, objectsOf(want)...)
		chain := ChainRef{TableRef{family, "fixture"}, "statements"}
		typed, loaded := want.Rules(chain), load(t, c).Rules(chain)
		bare := func(r *Rule) *Rule { return &Rule{Chain: chain, Statements: r.Statements, loaded: r.loaded} }
		for i, a := range typed {
			for j, b := range loaded {
				if got := bare(a).same(bare(b)); got != (i == j) {
					t.Errorf("%s: same(%s, %s) = %t", family, a, b, got)
				}
			}
		}
	}
}

func TestSameLooksAtAllButHandleAndCounts(t *testing.T) {
	base := Rule{Chain: TableRef{IPv4, "t"}.Chain("c"), Key: "k", Rank: 1, Comment: "c", Userdata: "u",
		Statements: []Statement{counter{1, 2}, Accept()}}
	for name, change := range map[string]func(r *Rule){
		"chain":      func(r *Rule) { r.Chain.Name = "d" },
		"table":      func(r *Rule) { r.Chain.Table.Family = IPv6 },
		"key":        func(r *Rule) { r.Key = "l" },
		"rank":       func(r *Rule) { r.Rank = 2 },
		"comment":    func(r *Rule) { r.Comment = "" },
		"userdata":   func(r *Rule) { r.Userdata = "" },
		"statements": func(r *Rule) { r.Statements = r.Statements[:1] },
		"unknown":    func(r *Rule) { r.Statements = []Statement{Unknown{Name: "counter"}, Accept()} },
	} {
		other := base
		change(&other)
		if base.same(&other) || other.same(&base) {
			t.Errorf("rules of different %s are the same", name)
		}
	}
	other := base
	other.Handle, other.Statements = 7, []Statement{counter{3, 4}, Accept()}
	if !base.same(&other) {
		t.Error("the handle or the counts make a difference")
	}
}

// A loaded rule that is copied and given other statements is another rule.
func TestSameNoticesReplacedStatements(t *testing.T) {
	c := dial(t, newNetNS(t))
	table := &Table{Family: IPv4, Name: "t"}
	chain := &Chain{Table: table.Ref(), Name: "c"}
	rule := &Rule{Chain: chain.Ref(), Key: "k", Statements: []Statement{Accept()}}
	add(t, c, table, chain, rule)
	loaded := load(t, c).Rules(chain.Ref())[0]
	changed := *loaded
	changed.Statements = []Statement{Drop()}
	if changed.same(loaded) || changed.same(rule) || !loaded.same(rule) {
		t.Error("a changed copy of a loaded rule counts as what was loaded")
	}
}

func TestLoadNamedTables(t *testing.T) {
	c := dial(t, newNetNS(t))
	a, b, d := &Table{Family: IPv4, Name: "a"}, &Table{Family: IPv4, Name: "b"}, &Table{Family: IPv6, Name: "a"}
	var objects []Object
	for _, table := range []*Table{a, b, d} {
		set := &Set{Table: table.Ref(), Name: "s", Key: TypeInetService}
		chain := &Chain{Table: table.Ref(), Name: "c"}
		objects = append(objects, table, chain, set, &Element{Set: set.Ref(), Key: Key(Port(1))},
			&Rule{Chain: chain.Ref(), Key: "k", Statements: []Statement{Accept()}})
	}
	add(t, c, objects...)
	for _, want := range [][]*Table{{a}, {b}, {d}, {a, d}, {a, b}} {
		refs := []TableRef{{IPv4, "missing"}, {Bridge, "a"}}
		for _, table := range want {
			refs = append(refs, table.Ref())
		}
		rs := load(t, c, refs...)
		if n := len(objectsOf(rs)); n != 5*len(want) || len(rs.Tables()) != len(want) {
			t.Errorf("loading %v: %d objects in %d tables", refs, n, len(rs.Tables()))
		}
	}
	if rs := load(t, c, TableRef{IPv4, "missing"}); len(objectsOf(rs)) != 0 || rs.Generation == 0 {
		t.Errorf("a missing table is not absent: %v", objectsOf(rs))
	}
}

// Rules that somebody copied or put between ours keep their places.
func TestLoadKeepsOrderAndCopies(t *testing.T) {
	c := dial(t, newNetNS(t))
	table := &Table{Family: IPv4, Name: "t"}
	chain := &Chain{Table: table.Ref(), Name: "c"}
	r := func(key string, rank int, s Statement) *Rule {
		return &Rule{Chain: chain.Ref(), Key: key, Rank: rank, Statements: []Statement{s}}
	}
	add(t, c, table, chain)
	for _, rule := range []*Rule{r("b", 2, Accept()), r("", 0, Counter()), r("a", 1, Drop()), r("b", 2, Return())} {
		var b Batch
		b.AddRule(rule, 0)
		if _, err := c.Commit(context.Background(), b); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for _, rule := range load(t, c).Rules(chain.Ref()) {
		got = append(got, fmt.Sprint(rule.Key, rule.Rank, " ", rule))
	}
	want := []string{"b2 accept", "0 counter packets 0 bytes 0", "a1 drop", "0 return"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestLoadHonoursContext(t *testing.T) {
	c := dial(t, newNetNS(t))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := c.Load(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// While another connection commits all the time, what is loaded is always one
// state: both sets have the same elements in each.
func TestLoadIsConsistent(t *testing.T) {
	ns := newNetNS(t)
	var conns [2]*Conn
	for i := range conns {
		conns[i] = dial(t, ns)
	}
	table := &Table{Family: IPv4, Name: "t"}
	a := &Set{Table: table.Ref(), Name: "a", Key: TypeInetService}
	b := &Set{Table: table.Ref(), Name: "b", Key: TypeInetService}
	add(t, conns[0], table, a, b)
	stop, done := make(chan struct{}), make(chan error, 1)
	go func() {
		for i := uint16(0); ; i++ {
			select {
			case <-stop:
				done <- nil
				return
			default:
			}
			var batch Batch
			for n := range uint16(10) {
				key := Key(Port(i%100*10 + n))
				batch.Add(&Element{Set: a.Ref(), Key: key}, &Element{Set: b.Ref(), Key: key})
			}
			if _, err := conns[1].Commit(context.Background(), batch); err != nil {
				done <- err
				return
			}
		}
	}()
	loaded := 0
	for range 20 {
		rs, err := conns[0].Load(context.Background())
		if errors.Is(err, ErrGeneration) {
			continue // it gave up, and said so
		}
		if err != nil {
			t.Error(err)
			break
		}
		loaded++
		x, y := rs.Elements(a.Ref()), rs.Elements(b.Ref())
		if len(x) != len(y) {
			t.Errorf("%d elements in one set, %d in the other", len(x), len(y))
		}
	}
	close(stop)
	if err := <-done; err != nil {
		t.Error(err)
	}
	rs := load(t, conns[0])
	if x, y := rs.Elements(a.Ref()), rs.Elements(b.Ref()); len(x) != len(y) {
		t.Errorf("%d elements in one set, %d in the other at the end", len(x), len(y))
	}
	t.Logf("%d of 20 loaded", loaded)
}

func TestLoadManyElements(t *testing.T) {
	c := dial(t, newNetNS(t))
	table := &Table{Family: IPv4, Name: "t"}
	set := &Set{Table: table.Ref(), Name: "s", Key: TypeOf(TypeIPv4Addr, TypeInetService), Data: TypeOf(TypeIPv4Addr, TypeInetService)}
	const n = 30000
	want := map[Value]*Element{}
	objects := []Object{table, set}
	for i := range n {
		a := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		e := &Element{Set: set.Ref(), Key: Key(Addr(a), Port(uint16(i))), Data: Key(Addr(a), Port(80)), Userdata: "binding"}
		want[e.Key] = e
		objects = append(objects, e)
	}
	add(t, c, objects...)
	got := load(t, c, table.Ref()).Elements(set.Ref())
	if len(got) != n {
		t.Fatalf("%d elements, want %d", len(got), n)
	}
	for _, e := range got {
		if w := want[e.Key]; w == nil || !e.same(w) {
			t.Fatalf("got %+v", e)
		}
	}
}

func BenchmarkLoad120000Elements(b *testing.B) {
	c := dial(b, newNetNS(b))
	table := &Table{Family: IPv4, Name: "t"}
	set := &Set{Table: table.Ref(), Name: "s", Key: TypeOf(TypeIPv4Addr, TypeInetService), Data: TypeOf(TypeIPv4Addr, TypeInetService), Size: 200000}
	add(b, c, table, set)
	for i := range 12 {
		var objects []Object
		for n := range 10000 {
			a := netip.AddrFrom4([4]byte{10, byte(i), byte(n >> 8), byte(n)})
			objects = append(objects, &Element{Set: set.Ref(), Key: Key(Addr(a), Port(80)), Data: Key(Addr(a), Port(80)), Userdata: "binding"})
		}
		add(b, c, objects...)
	}
	b.ReportAllocs()
	for b.Loop() {
		load(b, c)
	}
}

func TestLoadReadsCounters(t *testing.T) {
	s := &Set{Counter: true, Key: TypeInetService}
	el := encodeCountedElement(7, 9)
	d, err := decodeElement(s, s.Ref(), el)
	if err != nil || d.element.Packets != 7 || d.element.Bytes != 9 || d.element.foreign != "" {
		t.Errorf("got %+v, %v", d.element, err)
	}
	s.Counter = false
	if d, _ := decodeElement(s, s.Ref(), el); d.element.foreign == "" {
		t.Error("a counter in a set without counters goes unnoticed")
	}
}

func encodeCountedElement(packets, byteCount uint64) []byte {
	var e encoder
	e.value(unix.NFTA_SET_ELEM_KEY, Key(Port(1)))
	x := e.nest(unix.NFTA_SET_ELEM_EXPR)
	e.str(unix.NFTA_EXPR_NAME, "counter")
	data := e.nest(unix.NFTA_EXPR_DATA)
	e.u64(unix.NFTA_COUNTER_BYTES, byteCount)
	e.u64(unix.NFTA_COUNTER_PACKETS, packets)
	e.unnest(data)
	e.unnest(x)
	return bytes.Clone(e.b)
}
