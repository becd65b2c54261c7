package nft

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
)

// randomRuleset is of few names and many properties, so that two of them have
// much in common and differ in everything.
func randomRuleset(t testing.TB, rnd *rand.Rand) *Ruleset {
	t.Helper()
	rs := &Ruleset{}
	for _, ref := range []TableRef{{IPv4, "a"}, {IPv4, "b"}, {IPv6, "a"}, {INet, "a"}, {Bridge, "a"}} {
		if rnd.IntN(4) > 0 {
			r := randomTable{t: t, rnd: rnd, rs: rs, ref: ref}
			r.build()
		}
	}
	return rs
}

type randomTable struct {
	t   testing.TB
	rnd *rand.Rand
	rs  *Ruleset
	ref TableRef
	// sets by name; leaves and inner are the regular chains: leaves refer to
	// nothing, inner ones to leaves.
	sets          map[string]*Set
	leaves, inner []string
}

func (r *randomTable) add(o Object) {
	r.t.Helper()
	if err := r.rs.Add(o); err != nil {
		r.t.Fatal(err)
	}
}

// rarely is true one time in n.
func (r *randomTable) rarely(n int) bool { return r.rnd.IntN(n) == 0 }

// text is mostly empty.
func (r *randomTable) text() string {
	if r.rarely(8) {
		return fmt.Sprint("x", r.rnd.IntN(3))
	}
	return ""
}

func (r *randomTable) build() {
	table := &Table{Family: r.ref.Family, Name: r.ref.Name, Comment: r.text()}
	if r.rarely(8) {
		table.Flags = TableDormant
	}
	r.add(table)
	for i := range 6 {
		if r.rarely(4) {
			continue
		}
		c := &Chain{Table: r.ref, Name: fmt.Sprint("chain-", i), Comment: r.text(), Userdata: r.text()}
		r.add(c)
		if i < 3 {
			r.leaves = append(r.leaves, c.Name)
		} else {
			r.inner = append(r.inner, c.Name)
		}
	}
	r.addSets()
	for i := range 2 {
		c := &Chain{Table: r.ref, Name: fmt.Sprint("base-", i), Comment: r.text(), Hook: Forward + Hook(r.rnd.IntN(2)),
			Priority: int32(r.rnd.IntN(2)), Policy: Policy(r.rnd.IntN(2))}
		r.add(c)
		r.addRules(c.Name, append(r.inner, r.leaves...), true)
	}
	for _, name := range r.inner {
		r.addRules(name, r.leaves, true)
	}
	for _, name := range r.leaves {
		r.addRules(name, nil, false)
	}
}

func (r *randomTable) addSets() {
	r.sets = map[string]*Set{}
	for _, s := range []Set{
		{Name: "marks", Key: TypeMark}, {Name: "ports", Key: TypeInetService},
		{Name: "map", Key: TypeInetService, Data: TypeVerdict}, {Name: "data", Key: TypeMark, Data: TypeInetService},
		{Name: "ranges", Key: TypeOf(TypeInetProto, TypeInetService), Interval: true},
	} {
		if r.rarely(5) {
			continue
		}
		s.Table, s.Comment, s.Counter = r.ref, r.text(), r.rarely(6)
		if r.rarely(6) {
			s.Key = TypeInetService
			s.Interval = false
		}
		r.add(&s)
		r.sets[s.Name] = &s
		next := uint16(0) // intervals do not overlap
		for i := range uint16(6) {
			if r.rarely(3) {
				continue
			}
			e := &Element{Set: s.Ref(), Key: Key(Port(i)), Comment: r.text(), Userdata: r.text()}
			if s.Key == TypeMark {
				e.Key = Key(MarkValue(uint32(i)))
			}
			if s.Interval {
				first := next + uint16(r.rnd.IntN(9))
				next = first + uint16(r.rnd.IntN(9)) + 1
				e.Key = Key(Proto(TCP), Port(first))
				if end := Key(Proto(TCP), Port(next-1)); end != e.Key {
					e.End = end
				}
			}
			switch s.Data {
			case TypeInetService:
				e.Data = Key(Port(uint16(r.rnd.IntN(3))))
			case TypeVerdict:
				e.Verdict = r.verdict(r.leaves)
			}
			r.add(e)
		}
	}
}

func (r *randomTable) verdict(chains []string) Verdict {
	if len(chains) == 0 || r.rarely(3) {
		return []Verdict{Accept(), Drop(), Return()}[r.rnd.IntN(3)]
	}
	chain := chains[r.rnd.IntN(len(chains))]
	if r.rarely(2) {
		return Goto(chain)
	}
	return Jump(chain)
}

// addRules fills a chain with rules that refer to the chains and, where it is
// allowed to, to the verdict map.
func (r *randomTable) addRules(chain string, chains []string, maps bool) {
	for _, n := range r.rnd.Perm(7) {
		if r.rarely(3) {
			continue
		}
		rule := &Rule{Chain: r.ref.Chain(chain), Key: fmt.Sprint("rule-", n), Rank: r.rnd.IntN(5) - 2, Comment: r.text(), Userdata: r.text()}
		if r.rarely(2) {
			rule.Rank = n - 3
		}
		if r.rarely(9) {
			rule.Key, rule.Rank = "", 0
		}
		rule.Statements = r.statements(chains, maps)
		r.add(rule)
	}
}

func (r *randomTable) statements(chains []string, maps bool) []Statement {
	var out []Statement
	set := func(name string, key Type) *Set {
		if s := r.sets[name]; s != nil && s.Key == key && r.rarely(2) {
			return s
		}
		return nil
	}
	if s := set("marks", TypeMark); s != nil {
		out = append(out, Mark.InSet(*s))
	}
	if s := set("ports", TypeInetService); s != nil {
		out = append(out, TCPDport.InSet(*s))
	}
	if s := set("ranges", TypeOf(TypeInetProto, TypeInetService)); s != nil && s.Interval {
		out = append(out, Concat(MetaL4Proto, THDport).InSet(*s))
	}
	if r.rarely(2) {
		out = append(out, IPDaddr.Eq(netip.AddrFrom4([4]byte{10, 0, 0, byte(r.rnd.IntN(2))})))
		if f := r.ref.Family; f == IPv6 {
			out[len(out)-1] = IP6Daddr.Eq(netip.AddrFrom16([16]byte{0xfd, 15: byte(r.rnd.IntN(2))}))
		}
	}
	if r.rarely(2) {
		out = append(out, Counter())
	}
	if s := set("map", TypeInetService); s != nil && maps {
		return append(out, UDPDport.VMap(*s))
	}
	return append(out, r.verdict(chains))
}

// Whatever is there becomes whatever is wanted, in one batch.
func TestDiffTurnsAnyRulesetIntoAny(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			t.Parallel()
			c := dial(t, newNetNS(t))
			rnd := rand.New(rand.NewPCG(seed, 3))
			for step := range 15 {
				have, want := load(t, c), randomRuleset(t, rnd)
				b := Diff(have, want)
				if _, err := c.Commit(context.Background(), b); err != nil {
					t.Fatalf("step %d: %v\n%s", step, err, b.String())
				}
				got := load(t, c)
				sameRuleset(t, withoutHandles(got), withoutHandles(want))
				for name, b := range map[string]Batch{"(have, want)": Diff(got, want), "(have, have)": Diff(got, got)} {
					if b.Len() != 0 {
						t.Fatalf("step %d: afterwards Diff%s is %s", step, name, b.String())
					}
				}
			}
		})
	}
}

// withoutHandles returns the ruleset with rules as they were before they were
// added.
func withoutHandles(rs *Ruleset) *Ruleset {
	out := &Ruleset{}
	for o := range rs.Objects() {
		if r, ok := o.(*Rule); ok {
			bare := *r
			bare.Handle = 0
			c := out.tables[r.Chain.Table].chains[r.Chain.Name]
			c.rules = append(c.rules, &bare)
			continue
		}
		if err := out.Add(o); err != nil {
			panic(err)
		}
	}
	return out
}
