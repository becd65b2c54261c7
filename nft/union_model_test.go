package nft

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
)

// A user is one of those whose needs a union is made of: its objects are a
// pure function of what it is. Two users of the same chain must want it alike.
// Rules that users share have ranks of their own: among equals, it would be
// history that decides.
type user struct {
	id, chain, variant int
	ports              []uint16
}

var modelTable = TableRef{IPv4, "model"}

func (u user) objects() []Object {
	table := &Table{Family: IPv4, Name: modelTable.Name}
	base := &Chain{Table: modelTable, Name: "forward", Hook: Forward}
	dispatch := &Set{Table: modelTable, Name: "dispatch", Key: TypeIFName, Data: TypeVerdict}
	open := &Set{Table: modelTable, Name: "open", Key: TypeInetService}
	own := &Set{Table: modelTable, Name: "map", Key: TypeInetService, Data: TypeIPv4Addr}
	chain := &Chain{Table: modelTable, Name: fmt.Sprint("chain-", u.chain), Userdata: fmt.Sprint(u.variant)}
	// Every other variant has a set of another type.
	private := &Set{Table: modelTable, Name: fmt.Sprint("set-", u.chain), Key: TypeInetService}
	key := Key(Port(1))
	if u.variant%2 == 1 {
		private.Key, key = TypeMark, Key(MarkValue(1))
	}
	match := TCPDport.InSet(*private)
	if u.variant%2 == 1 {
		match = Mark.InSet(*private)
	}
	out := []Object{
		table, base, dispatch, open, own, chain, private,
		&Element{Set: private.Ref(), Key: key},
		&Element{Set: dispatch.Ref(), Key: Key(Name(chain.Name)), Verdict: Jump(chain.Name)},
		&Rule{Chain: base.Ref(), Key: "first", Rank: -9, Statements: []Statement{Counter()}},
		&Rule{Chain: base.Ref(), Key: chain.Name, Rank: u.chain - 3, Statements: []Statement{Jump(chain.Name)}},
		&Rule{Chain: chain.Ref(), Key: "match", Rank: -1, Statements: []Statement{match, Accept()}},
		&Rule{Chain: chain.Ref(), Key: fmt.Sprint("user-", u.id), Rank: u.id % 2, Statements: []Statement{Counter()}},
		&Element{Set: own.Ref(), Key: Key(Port(uint16(u.id))), Data: Key(Addr(netip.AddrFrom4([4]byte{10, 0, 0, byte(u.variant)})))},
	}
	for _, p := range u.ports {
		out = append(out, &Element{Set: open.Ref(), Key: Key(Port(p))})
	}
	return out
}

// A unionModel is a union next to a list of its users, and the kernel.
type unionModel struct {
	t     *testing.T
	rnd   *rand.Rand
	c     *Conn
	union *Union
	users []user
	next  int
}

// full is the union made from scratch, in the naive way.
func (m *unionModel) full() *Ruleset {
	m.t.Helper()
	rs := &Ruleset{}
	for _, u := range m.users {
		for _, o := range u.objects() {
			if err := rs.Add(o); err != nil && !errors.Is(err, ErrExist) {
				m.t.Fatal(err)
			}
		}
	}
	return rs
}

// step makes one random change to the union and to the list. It reports
// whether the change contradicts itself.
func (m *unionModel) step(c *Change) (contradiction bool) {
	add := func(u user) {
		contradiction = contradiction || slices.ContainsFunc(m.users, func(o user) bool {
			return o.chain == u.chain && o.variant != u.variant
		})
		m.users = append(m.users, u)
		for _, o := range u.objects() {
			c.Add(o)
		}
	}
	remove := func(i int) user {
		u := m.users[i]
		m.users = slices.Delete(slices.Clone(m.users), i, i+1)
		for _, o := range u.objects() {
			c.Remove(o)
		}
		return u
	}
	switch n := m.rnd.IntN(8); {
	case n < 3 && len(m.users) < 12 || len(m.users) == 0:
		m.next++
		u := user{id: m.next, chain: m.rnd.IntN(6)}
		for range m.rnd.IntN(4) {
			u.ports = append(u.ports, uint16(m.rnd.IntN(9)))
		}
		slices.Sort(u.ports)
		u.ports = slices.Compact(u.ports)
		if i := slices.IndexFunc(m.users, func(o user) bool { return o.chain == u.chain }); i >= 0 {
			u.variant = m.users[i].variant
		}
		if m.rnd.IntN(6) == 0 {
			u.variant++
		}
		add(u)
	case n < 6:
		remove(m.rnd.IntN(len(m.users)))
	default:
		// All users of a chain go, and come back wanting another, or the same.
		chain := m.users[m.rnd.IntN(len(m.users))].chain
		another := m.rnd.IntN(2)
		var gone []user
		for i := len(m.users) - 1; i >= 0; i-- {
			if m.users[i].chain == chain {
				gone = append(gone, remove(i))
			}
		}
		for _, u := range gone {
			u.variant += another
			add(u)
		}
	}
	return contradiction
}

// The union equals the naive count of needs after each change, and so does the
// kernel after its batch; a rollback, or a contradiction, leaves no trace.
func TestUnionAgainstAModel(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			t.Parallel()
			m := &unionModel{t: t, rnd: rand.New(rand.NewPCG(seed, 2)), c: dial(t, newNetNS(t)), union: NewUnion()}
			var commits, rollbacks, contradictions int
			for range 150 {
				before, users := m.union.Ruleset(), m.users
				c := m.union.Begin()
				contradiction := false
				for range 1 + m.rnd.IntN(3) {
					contradiction = m.step(c) || contradiction
				}
				_, err := c.Batch()
				if contradiction != errors.Is(err, ErrContradiction) || !contradiction && err != nil {
					t.Fatalf("contradiction is %t, the error %v", contradiction, err)
				}
				if contradiction || m.rnd.IntN(4) == 0 {
					c.Rollback()
					m.users = users
					sameRuleset(t, m.union.Ruleset(), before)
					rollbacks++
					if contradiction {
						contradictions++
					}
					continue
				}
				sameRuleset(t, c.Base(), before)
				commitChange(t, m.c, c)
				commits++
				if b := Diff(m.union.Ruleset(), m.full()); b.Len() != 0 {
					t.Fatalf("the union differs from what its users need: %s", b.String())
				}
				sameRuleset(t, load(t, m.c), m.union.Ruleset())
			}
			if commits < 50 || rollbacks-contradictions < 10 || contradictions < 2 {
				t.Errorf("%d commits, %d rollbacks, %d contradictions", commits, rollbacks, contradictions)
			}
			c := m.union.Begin()
			for _, u := range m.users {
				for _, o := range u.objects() {
					c.Remove(o)
				}
			}
			commitChange(t, m.c, c)
			if n := len(objectsOf(load(t, m.c))); n != 0 {
				t.Errorf("%d objects left", n)
			}
		})
	}
}

// sameRuleset compares everything but the order of tables, chains and sets,
// without the help of Diff: handles and the order of rules included.
func sameRuleset(t *testing.T, got, want *Ruleset) {
	t.Helper()
	g, w := contents(got), contents(want)
	for k, v := range w {
		if g[k] != v {
			t.Fatalf("%s:\n got %s\nwant %s", k, g[k], v)
		}
	}
	for k, v := range g {
		if w[k] != v {
			t.Fatalf("%s: %s, want none", k, v)
		}
	}
}

// contents describes each object by all that tells it from others.
func contents(rs *Ruleset) map[string]string {
	out := map[string]string{}
	for o := range rs.Objects() {
		switch o := o.(type) {
		case *Chain:
			c := *o
			c.Open = false
			out[o.ID().String()] = fmt.Sprintf("%+v", c)
			for i, r := range rs.Rules(o.Ref()) {
				text, ok := r.canonical()
				out[fmt.Sprintf("%s rule %d", o.ID(), i)] = fmt.Sprintf("%q rank %d handle %d comment %q userdata %q %t %s %x",
					r.Key, r.Rank, r.Handle, r.Comment, r.Userdata, ok, r, text)
			}
		case *Table:
			table := *o
			table.Open = false
			out[o.ID().String()] = fmt.Sprintf("%+v", table)
		case *Element:
			e := *o
			e.Packets, e.Bytes = 0, 0
			out[o.ID().String()] = fmt.Sprintf("%q", fmt.Sprint(e))
		case *Set:
			out[o.ID().String()] = fmt.Sprintf("%+v", *o)
		}
	}
	return out
}
