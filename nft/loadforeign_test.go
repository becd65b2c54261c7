package nft

import (
	"context"
	"errors"
	"testing"
)

// What people change in our sets with nft is found and taken back, and nothing
// else is touched.
func TestDiffTakesBackWhatStrangersDid(t *testing.T) {
	if nftTool(t) == "" {
		return
	}
	c := nftDial(t, `table ip t {
		set s { type inet_service; elements = { 80, 81 comment "stranger", * } }
		map v { type ifname : verdict; elements = { "a" : accept, "b" : drop } }
		chain c { tcp dport @s accept; tcp dport { 1, 2 } drop; limit rate 5/second accept; }
	}`)
	table := &Table{Family: IPv4, Name: "t"}
	set := &Set{Table: table.Ref(), Name: "s", Key: TypeInetService}
	verdicts := &Set{Table: table.Ref(), Name: "v", Key: TypeIFName, Data: TypeVerdict}
	chain := &Chain{Table: table.Ref(), Name: "c"}
	want, err := NewRuleset(table, set, verdicts, chain,
		&Element{Set: set.Ref(), Key: Key(Port(80))}, &Element{Set: set.Ref(), Key: Key(Port(443))},
		&Element{Set: verdicts.Ref(), Key: Key(Name("a")), Verdict: Accept()},
		&Element{Set: verdicts.Ref(), Key: Key(Name("b")), Verdict: Accept()},
		&Rule{Chain: chain.Ref(), Key: "k", Statements: []Statement{TCPDport.InSet(*set), Drop()}})
	if err != nil {
		t.Fatal(err)
	}
	have := load(t, c)
	b := Diff(have, want)
	// Two elements and three rules go, an element and a rule come, an element
	// is replaced. The set in braces goes with its rule.
	if b.Len() != 9 {
		t.Errorf("%d operations:\n%s", b.Len(), b)
	}
	mustCommit(t, c, b)
	compareRulesets(t, load(t, c), want)
	for _, s := range []*Set{set, verdicts} {
		if loaded := have.Lookup(s.ID()).(*Set); *loaded != *s {
			t.Errorf("a set made by nft differs from ours: %+v", loaded)
		}
	}
}

func TestLoadRulesOfOneChain(t *testing.T) {
	c := dial(t, newNetNS(t))
	table := &Table{Family: IPv4, Name: "t"}
	a, b := &Chain{Table: table.Ref(), Name: "a"}, &Chain{Table: table.Ref(), Name: "b"}
	add(t, c, table, a, b,
		&Rule{Chain: a.Ref(), Key: "1", Statements: []Statement{Accept()}},
		&Rule{Chain: b.Ref(), Key: "2", Statements: []Statement{Drop()}},
		&Rule{Chain: a.Ref(), Key: "3", Rank: 1, Statements: []Statement{Return()}})
	rules, err := c.LoadRules(context.Background(), a.Ref())
	if err != nil || len(rules) != 2 || rules[0].Key != "1" || rules[1].Key != "3" || !rules[0].same(load(t, c).Rules(a.Ref())[0]) {
		t.Errorf("got %v, %v", rules, err)
	}
	for _, missing := range []ChainRef{table.Ref().Chain("c"), {TableRef{IPv6, "t"}, "a"}} {
		if rules, err := c.LoadRules(context.Background(), missing); !errors.Is(err, ErrNotExist) {
			t.Errorf("%s: got %v, %v", missing, rules, err)
		}
	}
}
