package nft

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// fixtureSets are the sets and maps that fixtureStatements refer to.
func fixtureSets(table TableRef) map[string]*Set {
	addr := table.Family.AddrType()
	sets := map[string]*Set{}
	for _, s := range []Set{
		{Name: "addrs", Key: addr},
		{Name: "ports", Key: TypeInetService, Size: 10},
		{Name: "names", Key: TypeIFName, Comment: "by name", Userdata: "\x00\xff"},
		{Name: "pairs", Key: TypeOf(TypeIFName, addr), Counter: true},
		{Name: "endpoints", Key: TypeOf(addr, TypeInetProto, TypeInetService), Comment: "x"},
		{Name: "ranges", Key: TypeOf(addr, TypeInetProto, TypeInetService), Data: addr, Interval: true, Size: 65},
		{Name: "verdicts", Key: TypeIFName, Data: TypeVerdict},
		{Name: "verdicts2", Key: TypeOf(TypeMark, addr), Data: TypeVerdict, Interval: true, Counter: true},
		{Name: "published", Key: TypeInetService, Data: TypeOf(addr, TypeInetService)},
		{Name: "published6", Key: TypeOf(TypeInetProto, TypeInetService), Data: TypeOf(addr, TypeInetService), Userdata: "u"},
	} {
		s.Table = table
		sets[s.Name] = &s
	}
	return sets
}

func fixtureAddr(f Family, n byte) netip.Addr {
	if f == IPv6 {
		return netip.AddrFrom16([16]byte{0xfd, 15: n})
	}
	return netip.AddrFrom4([4]byte{10, 0, 0, n})
}

// fixtureStatements are rules with every form of statement. No two mean the same.
func fixtureStatements(table TableRef, sets map[string]*Set) [][]Statement {
	f := table.Family
	p := func(s string) netip.Prefix { return netip.MustParsePrefix(s) }
	prefixes := []netip.Prefix{p("10.0.0.0/8"), p("10.1.0.0/17"), p("10.0.0.0/31"), p("0.0.0.0/0"), p("128.0.0.0/1")}
	if f == IPv6 {
		prefixes = []netip.Prefix{p("fd00::/8"), p("fe80::/10"), p("fd00::/127"), p("::/0"), p("::/1"), p("fd00::/64")}
	}
	a, b := fixtureAddr(f, 1), fixtureAddr(f, 2)
	rules := [][]Statement{
		{IIFName.Eq("eth0")}, {IIFName.Ne("eth0")}, {OIFName.Eq("eth0")}, {OIFName.Eq("")},
		{IIF.Eq(1)}, {OIF.Ne(1)}, {Mark.Eq(1)}, {Mark.Ne(0x10000)}, {MetaL4Proto.Eq(TCP)}, {MetaL4Proto.Ne(TCP)},
		{MetaL4Proto.Eq(ICMP), THDport.Eq(80)}, {MetaL4Proto.In(1, 17)},
		{CTState.Any(CTEstablished | CTRelated)}, {CTState.None(CTNew)}, {CTState.Any(CTInvalid), Drop()},
		{CTStatus.Any(CTDNAT)}, {CTStatus.None(CTDNAT | CTSNAT)}, {CTMark.Eq(7)}, {CTMark.Ne(7)},
		{CTOriginalDaddr(f).Eq(a)}, {CTOriginalDaddr(f).Ne(a)},
		{Saddr(f).Eq(a)}, {Saddr(f).Ne(a)}, {Daddr(f).Eq(a)}, {Saddr(f).Eq(a), Daddr(f).Eq(b)},
		{THSport.Eq(80)}, {THDport.Eq(80)}, {TCPSport.Eq(80)}, {TCPDport.Eq(80)}, {UDPSport.Ne(80)},
		{UDPDport.In(80, 90)}, {SCTPSport.NotIn(80, 90)}, {SCTPDport.Eq(0)}, {THDport.In(0, 65535)},
		{TCPSport.Eq(1), TCPDport.Eq(2)}, {TCPDport.Eq(2), TCPSport.Eq(1)},
		{Saddr(f).Eq(a), TCPDport.Eq(80), Daddr(f).Eq(b), Counter(), Accept()},
		{TCPDport.Eq(80), Counter(), TCPSport.Eq(80)},
		{Saddr(f).InSet(*sets["addrs"])}, {Daddr(f).NotInSet(*sets["addrs"])},
		{UDPDport.InSet(*sets["ports"])}, {TCPDport.InSet(*sets["ports"])}, {IIFName.InSet(*sets["names"])},
		{Concat(IIFName, Saddr(f)).InSet(*sets["pairs"])}, {Concat(OIFName, Saddr(f)).NotInSet(*sets["pairs"])},
		{Concat(Daddr(f), MetaL4Proto, THDport).InSet(*sets["endpoints"])},
		{Concat(Saddr(f), MetaL4Proto, TCPDport).InSet(*sets["endpoints"])},
		{OIFName.VMap(*sets["verdicts"])}, {Counter(), IIFName.VMap(*sets["verdicts"])},
		{Concat(Mark, Daddr(f)).VMap(*sets["verdicts2"])}, {Concat(CTMark, Daddr(f)).VMap(*sets["verdicts2"])},
		{Counter()}, {}, {Accept()}, {Drop()}, {Continue()}, {Return()}, {Jump("regular")}, {Goto("regular")}, {Jump("other")},
	}
	if f == IPv4 || f == IPv6 {
		rules = append(rules, [][]Statement{{FibDaddrType.Eq(AddrLocal)}, {FibDaddrType.Ne(AddrLocal)}, {FibSaddrType.Eq(AddrLocal)}, {FibDaddrType.Eq(AddrUnicast)}}...)
	}
	if f == Bridge {
		// The connection is not known there without nf_conntrack_bridge.
		rules = slices.DeleteFunc(rules, func(s []Statement) bool { return strings.Contains(Rule{Statements: s}.String(), "ct ") })
	}
	for _, p := range prefixes {
		rules = append(rules, []Statement{Saddr(f).In(p)}, []Statement{Daddr(f).NotIn(p), Accept()})
	}
	return rules
}

// fixtureNAT are rules of NAT chains.
func fixtureNAT(table TableRef, sets map[string]*Set) (dst, src [][]Statement) {
	a, b := fixtureAddr(table.Family, 1), fixtureAddr(table.Family, 2)
	dst = [][]Statement{
		{DNAT(netip.AddrPortFrom(a, 0))}, {DNAT(netip.AddrPortFrom(b, 0))},
		{TCPDport.Eq(80), DNAT(netip.AddrPortFrom(a, 8080))}, {TCPDport.Eq(80), DNAT(netip.AddrPortFrom(a, 8081))},
		{DNATMap(TCPDport, *sets["published"])}, {DNATMap(UDPDport, *sets["published"])},
		{DNATMap(Concat(MetaL4Proto, THDport), *sets["published6"])},
		{DNATMap(Concat(Daddr(table.Family), MetaL4Proto, THDport), *sets["ranges"])},
	}
	src = [][]Statement{
		{Masquerade(0)}, {Masquerade(NATRandom)}, {Masquerade(NATFullyRandom | NATPersistent)},
		{SNAT(a, 0)}, {SNAT(a, NATPersistent)}, {SNAT(b, NATRandom|NATFullyRandom)},
	}
	return dst, src
}

// fixture is a ruleset with every kind of object that can be sent.
func fixture(t testing.TB, family Family) *Ruleset {
	t.Helper()
	table := TableRef{family, "fixture"}
	objects := []Object{&Table{Family: family, Name: table.Name, Comment: "a comment", Userdata: "x\x00y"}}
	add := func(chain Chain, rules [][]Statement) {
		chain.Table = table
		objects = append(objects, &chain)
		for i, s := range rules {
			objects = append(objects, &Rule{Chain: chain.Ref(), Key: fmt.Sprint(i), Rank: i / 2, Statements: s})
		}
	}
	add(Chain{Name: "regular", Comment: "c", Userdata: "\x01"}, nil)
	add(Chain{Name: "other"}, nil)
	add(Chain{Name: "forward", Hook: Forward, Priority: PriorityRaw, Policy: PolicyDrop}, [][]Statement{{Jump("regular")}})
	sets := fixtureSets(table)
	for _, s := range sets {
		objects = append(objects, s)
	}
	chain := Chain{Name: "statements"}
	add(chain, nil)
	for i, s := range fixtureStatements(table, sets) {
		objects = append(objects, &Rule{Chain: table.Chain("statements"), Key: fmt.Sprint(i), Rank: i/2 - 10, Statements: s,
			Comment: []string{"", "why"}[i%2], Userdata: []string{"", "", "\x00u"}[i%3]})
	}
	if family != Bridge {
		dst, src := fixtureNAT(table, sets)
		add(Chain{Name: "pre", Hook: Prerouting, Type: NATChain, Priority: PriorityDNAT}, dst)
		add(Chain{Name: "post", Hook: Postrouting, Type: NATChain, Priority: PrioritySNAT, Comment: "p"}, src)
		add(Chain{Name: "route", Hook: Output, Type: RouteChain, Priority: PriorityMangle}, nil)
	}
	objects = append(objects, fixtureElements(table)...)
	rs, err := NewRuleset(objects...)
	if err != nil {
		t.Fatal(err)
	}
	return rs
}

func fixtureElements(table TableRef) []Object {
	a, b := fixtureAddr(table.Family, 1), fixtureAddr(table.Family, 2)
	var out []Object
	for _, e := range []Element{
		{Set: table.Set("addrs"), Key: Key(Addr(a))},
		{Set: table.Set("addrs"), Key: Key(Addr(b)), Comment: "second", Userdata: "\x00\x01"},
		{Set: table.Set("names"), Key: Key(Name("eth0")), Userdata: "n"},
		{Set: table.Set("pairs"), Key: Key(Name("eth0"), Addr(a))},
		{Set: table.Set("endpoints"), Key: Key(Addr(a), Proto(TCP), Port(80))},
		{Set: table.Set("ranges"), Key: Key(Addr(a), Proto(TCP), Port(80)), End: Key(Addr(a), Proto(TCP), Port(90)), Data: Key(Addr(b))},
		{Set: table.Set("ranges"), Key: Key(Addr(b), Proto(TCP), Port(80)), Data: Key(Addr(a)), Comment: "single"},
		{Set: table.Set("verdicts"), Key: Key(Name("a")), Verdict: Accept()},
		{Set: table.Set("verdicts"), Key: Key(Name("b")), Verdict: Jump("regular")},
		{Set: table.Set("verdicts"), Key: Key(Name("c")), Verdict: Goto("other"), Comment: "c"},
		{Set: table.Set("verdicts"), Key: Key(Name("d")), Verdict: Drop()},
		{Set: table.Set("verdicts"), Key: Key(Name("e")), Verdict: Return()},
		{Set: table.Set("verdicts"), Key: Key(Name("f")), Verdict: Continue()},
		{Set: table.Set("verdicts2"), Key: Key(MarkValue(1), Addr(a)), Verdict: Drop()},
		{Set: table.Set("published"), Key: Key(Port(80)), Data: Key(Addr(a), Port(8080)), Userdata: "binding"},
		{Set: table.Set("published6"), Key: Key(Proto(UDP), Port(53)), Data: Key(Addr(a), Port(53))},
	} {
		out = append(out, &e)
	}
	return out
}

func commit(t testing.TB, c *Conn, objects ...Object) {
	t.Helper()
	var b Batch
	b.Add(objects...)
	if _, err := c.Commit(context.Background(), b); err != nil {
		t.Fatal(err)
	}
}

func load(t testing.TB, c *Conn, tables ...TableRef) *Ruleset {
	t.Helper()
	rs, err := c.Load(context.Background(), tables...)
	if err != nil {
		t.Fatal(err)
	}
	return rs
}

// kernelOrder lists objects with what elements lead to behind the chains.
func kernelOrder(rs *Ruleset) []Object { return slices.Collect(rs.Objects()) }

var fixtureFamilies = []Family{IPv4, IPv6, INet, Bridge}

func TestLoadReturnsWhatWasCommitted(t *testing.T) {
	for _, family := range fixtureFamilies {
		t.Run(family.String(), func(t *testing.T) {
			c := dialNew(t)
			want := fixture(t, family)
			commit(t, c, kernelOrder(want)...)
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

func compareRulesets(t *testing.T, got, want *Ruleset) {
	t.Helper()
	g, w := kernelOrder(got), kernelOrder(want)
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
		c := dialNew(t)
		want := fixture(t, family)
		commit(t, c, kernelOrder(want)...)
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
	c := dialNew(t)
	table := &Table{Family: IPv4, Name: "t"}
	chain := &Chain{Table: table.Ref(), Name: "c"}
	rule := &Rule{Chain: chain.Ref(), Key: "k", Statements: []Statement{Accept()}}
	commit(t, c, table, chain, rule)
	loaded := load(t, c).Rules(chain.Ref())[0]
	changed := *loaded
	changed.Statements = []Statement{Drop()}
	if changed.same(loaded) || changed.same(rule) || !loaded.same(rule) {
		t.Error("a changed copy of a loaded rule counts as what was loaded")
	}
}

func TestLoadNamedTables(t *testing.T) {
	c := dialNew(t)
	a, b, d := &Table{Family: IPv4, Name: "a"}, &Table{Family: IPv4, Name: "b"}, &Table{Family: IPv6, Name: "a"}
	var objects []Object
	for _, table := range []*Table{a, b, d} {
		set := &Set{Table: table.Ref(), Name: "s", Key: TypeInetService}
		chain := &Chain{Table: table.Ref(), Name: "c"}
		objects = append(objects, table, chain, set, &Element{Set: set.Ref(), Key: Key(Port(1))},
			&Rule{Chain: chain.Ref(), Key: "k", Statements: []Statement{Accept()}})
	}
	commit(t, c, objects...)
	for _, want := range [][]*Table{{a}, {b}, {d}, {a, d}, {a, b}} {
		refs := []TableRef{{IPv4, "missing"}, {Bridge, "a"}}
		for _, table := range want {
			refs = append(refs, table.Ref())
		}
		rs := load(t, c, refs...)
		if n := len(kernelOrder(rs)); n != 5*len(want) || len(rs.Tables()) != len(want) {
			t.Errorf("loading %v: %d objects in %d tables", refs, n, len(rs.Tables()))
		}
	}
	if rs := load(t, c, TableRef{IPv4, "missing"}); len(kernelOrder(rs)) != 0 || rs.Generation == 0 {
		t.Errorf("a missing table is not absent: %v", kernelOrder(rs))
	}
}

// Rules that somebody copied or put between ours keep their places.
func TestLoadKeepsOrderAndCopies(t *testing.T) {
	c := dialNew(t)
	table := &Table{Family: IPv4, Name: "t"}
	chain := &Chain{Table: table.Ref(), Name: "c"}
	r := func(key string, rank int, s Statement) *Rule {
		return &Rule{Chain: chain.Ref(), Key: key, Rank: rank, Statements: []Statement{s}}
	}
	commit(t, c, table, chain)
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
	c := dialNew(t)
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
		c, err := Dial(Config{NetNS: ns})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		conns[i] = c
	}
	table := &Table{Family: IPv4, Name: "t"}
	a := &Set{Table: table.Ref(), Name: "a", Key: TypeInetService}
	b := &Set{Table: table.Ref(), Name: "b", Key: TypeInetService}
	commit(t, conns[0], table, a, b)
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
	c := dialNew(t)
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
	commit(t, c, objects...)
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
	c := dialNew(b)
	table := &Table{Family: IPv4, Name: "t"}
	set := &Set{Table: table.Ref(), Name: "s", Key: TypeOf(TypeIPv4Addr, TypeInetService), Data: TypeOf(TypeIPv4Addr, TypeInetService), Size: 200000}
	commit(b, c, table, set)
	for i := range 12 {
		var objects []Object
		for n := range 10000 {
			a := netip.AddrFrom4([4]byte{10, byte(i), byte(n >> 8), byte(n)})
			objects = append(objects, &Element{Set: set.Ref(), Key: Key(Addr(a), Port(80)), Data: Key(Addr(a), Port(80)), Userdata: "binding"})
		}
		commit(b, c, objects...)
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
