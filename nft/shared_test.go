package nft

import (
	"context"
	"strings"
	"testing"
)

// filterTable is iptables' table, with a chain FORWARD that drops and holds a rule of somebody else's.
func filterTable(t *testing.T, c *Conn) (*Table, *Chain) {
	t.Helper()
	table := &Table{Family: IPv4, Name: "filter", Userdata: "theirs"}
	chain := &Chain{Table: table.Ref(), Name: "FORWARD", Hook: Forward, Policy: PolicyDrop, Userdata: "theirs"}
	var b Batch
	b.Add(table, chain, &Rule{Chain: chain.Ref(), Comment: "foreign", Statements: []Statement{Counter()}})
	mustCommit(t, c, b)
	return table, chain
}

// sharedObjects are what somebody wants who uses the chain, too.
func sharedObjects() (*Table, *Chain, *Rule) {
	table := &Table{Family: IPv4, Name: "filter", Open: true, Userdata: "ours"}
	chain := &Chain{Table: table.Ref(), Name: "FORWARD", Hook: Forward, Shared: true, Userdata: "ours"}
	return table, chain, &Rule{Chain: chain.Ref(), Key: "first", Rank: -1, Statements: []Statement{Accept()}}
}

// A shared chain that is there is taken as it is, and stays as it was.
func TestSharedChainIsTakenAsItIs(t *testing.T) {
	t.Parallel()
	c := dial(t, newNetNS(t))
	ref, _ := filterTable(t, c)
	before := load(t, c).String()
	table, chain, rule := sharedObjects()
	u := NewUnion()
	for range 2 {
		change := u.Begin()
		change.Add(table)
		change.Add(chain)
		change.Add(rule)
		b, err := change.Batch()
		if err != nil {
			t.Fatal(err)
		}
		result, err := c.Commit(context.Background(), b.Exclusive())
		if err != nil {
			t.Fatal(err)
		}
		change.Commit(result)
		have := load(t, c, ref.Ref())
		if got := have.Chains(ref.Ref())[0]; got.Policy != PolicyDrop || got.Userdata != "theirs" {
			t.Errorf("the chain is %+v", got)
		}
		if rules := have.Rules(chain.Ref()); len(rules) != 2 || rules[0].Key != "first" || rules[1].Comment != "foreign" {
			t.Errorf("the rules are %v", rules)
		}
		if b := Diff(have, u.Ruleset()); b.Len() != 0 {
			t.Errorf("drift: %s", b.String())
		}

		change = u.Begin()
		for _, o := range []Object{rule, chain, table} {
			change.Remove(o)
		}
		commitChange(t, c, change)
		if after := load(t, c).String(); after != before {
			t.Errorf("before:\n%s\nafter:\n%s", before, after)
		}
	}
}

// One that is missing is made, accepts, and is not made twice.
func TestSharedChainIsMade(t *testing.T) {
	t.Parallel()
	c := dial(t, newNetNS(t))
	table, chain, rule := sharedObjects()
	u := NewUnion()
	for range 2 { // it outlives the need for it
		change := u.Begin()
		change.Add(table)
		change.Add(chain)
		change.Add(rule)
		commitChange(t, c, change)
		have := load(t, c, table.Ref()).Chains(table.Ref())
		if len(have) != 1 || have[0].Policy != PolicyAccept || have[0].Userdata != "ours" {
			t.Errorf("the chains are %v", have)
		}
		change = u.Begin()
		for _, o := range []Object{rule, chain, table} {
			change.Remove(o)
		}
		commitChange(t, c, change)
		if len(load(t, c, table.Ref()).Chains(table.Ref())) != 1 {
			t.Error("the chain is gone")
		}
	}
}

// The policy of a chain that others use is changed by itself.
func TestSetPolicy(t *testing.T) {
	t.Parallel()
	c := dial(t, newNetNS(t))
	ref, chain := filterTable(t, c)
	for _, p := range []Policy{PolicyAccept, PolicyDrop} {
		before := load(t, c, ref.Ref())
		var b Batch
		b.SetPolicy(&Chain{Table: chain.Table, Name: chain.Name, Policy: p})
		if _, err := c.Commit(context.Background(), b.Exclusive()); err != nil {
			t.Fatalf("%v\n%s", err, b.String())
		}
		have := load(t, c, ref.Ref())
		want := *before.Chains(ref.Ref())[0]
		want.Policy = p
		if got := have.Chains(ref.Ref())[0]; *got != want || len(have.Rules(chain.Ref())) != 1 {
			t.Errorf("the chain is %+v, want %+v", got, want)
		}
		if want := "chain ip filter FORWARD { policy " + p.String() + "; }\n"; b.String() != want {
			t.Errorf("it prints %q", b.String())
		}
	}
}

// Where it cannot be what is wanted, the kernel says so, and nothing is deleted.
func TestSharedChainOfAnotherHook(t *testing.T) {
	t.Parallel()
	c := dial(t, newNetNS(t))
	table, chain, rule := sharedObjects()
	other := *chain
	other.Shared, other.Hook = false, Input
	var b Batch
	b.Add(table, &other, &Rule{Chain: chain.Ref(), Comment: "foreign", Statements: []Statement{Counter()}})
	mustCommit(t, c, b)
	before := load(t, c).String()
	var want Ruleset
	for _, o := range []Object{table, chain, rule} {
		if err := want.Add(o); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Commit(context.Background(), Diff(load(t, c, table.Ref()), &want)); err == nil || !strings.Contains(err.Error(), "chain ip filter FORWARD") {
		t.Errorf("the error is %v", err)
	}
	if after := load(t, c).String(); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
}

// An open table that nobody wants any more is not deleted.
func TestDiffLeavesOpenTables(t *testing.T) {
	t.Parallel()
	c := dial(t, newNetNS(t))
	filterTable(t, c)
	have := load(t, c)
	for _, table := range have.Tables() {
		table.Open = true
	}
	if b := Diff(have, &Ruleset{}); b.Len() != 0 {
		t.Errorf("it is deleted: %s", b.String())
	}
}

// LoadChains reads what Load reads, but for sets.
func TestLoadChains(t *testing.T) {
	t.Parallel()
	c := dial(t, newNetNS(t))
	s := newSmall()
	var b Batch
	b.Add(s.table, s.chain, s.set, s.element, s.rule)
	mustCommit(t, c, b)
	have, err := c.LoadChains(context.Background(), s.table.Ref())
	if err != nil || len(have.Rules(s.chain.Ref())) != 1 || len(have.Sets(s.table.Ref())) != 0 {
		t.Errorf("loaded %v, %v", have, err)
	}
}
