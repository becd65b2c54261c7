package nft

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
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
		{MetaL4Proto.Eq(TCP), CTOriginalDport.Eq(80)}, {MetaL4Proto.Eq(UDP), CTOriginalDport.NotIn(80, 90)},
		{UDPDport.Eq(1), CTOriginalDport.In(80, 90)}, {MetaL4Proto.Eq(ICMP), CTOriginalDport.InSet(*sets["ports"])},
		{MetaL4Proto.Eq(TCP), CTOriginalDport.Eq(80), TCPDport.Eq(80)}, {TCPDport.Eq(80), MetaL4Proto.Eq(TCP), CTOriginalDport.Eq(80)},
		{MetaL4Proto.Eq(TCP), Saddr(f).Eq(a), CTOriginalDport.Eq(80), TCPSport.Eq(81), CTOriginalDport.Ne(81)},
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
		rules = append(rules, filterStatements(f)...)
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
		{SNAT(a, 0)}, {SNATPort(netip.AddrPortFrom(a, 53), 0)}, {SNAT(a, NATPersistent)}, {SNAT(b, NATRandom|NATFullyRandom)},
	}
	return dst, src
}

// fixture is a ruleset with every kind of object that can be sent.
func fixture(t testing.TB, family Family) *Ruleset {
	t.Helper()
	table := TableRef{family, "fixture"}
	objects := []Object{&Table{Family: family, Name: table.Name, Comment: "a comment", Userdata: "x\x00y"}}
	addChain := func(chain Chain, rules [][]Statement) {
		chain.Table = table
		objects = append(objects, &chain)
		for i, s := range rules {
			objects = append(objects, &Rule{Chain: chain.Ref(), Key: fmt.Sprint(i), Rank: i / 2, Statements: s})
		}
	}
	addChain(Chain{Name: "regular", Comment: "c", Userdata: "\x01"}, nil)
	addChain(Chain{Name: "other"}, nil)
	addChain(Chain{Name: "forward", Hook: Forward, Priority: PriorityRaw, Policy: PolicyDrop}, [][]Statement{{Jump("regular")}})
	sets := fixtureSets(table)
	for _, s := range sets {
		objects = append(objects, s)
	}
	chain := Chain{Name: "statements"}
	addChain(chain, nil)
	for i, s := range fixtureStatements(table, sets) {
		objects = append(objects, &Rule{Chain: table.Chain("statements"), Key: fmt.Sprint(i), Rank: i/2 - 10, Statements: s,
			Comment: []string{"", "why"}[i%2], Userdata: []string{"", "", "\x00u"}[i%3]})
	}
	if family != Bridge {
		dst, src := fixtureNAT(table, sets)
		addChain(Chain{Name: "pre", Hook: Prerouting, Type: NATChain, Priority: PriorityDNAT}, dst)
		addChain(Chain{Name: "post", Hook: Postrouting, Type: NATChain, Priority: PrioritySNAT, Comment: "p"}, src)
		addChain(Chain{Name: "route", Hook: Output, Type: RouteChain, Priority: PriorityMangle}, nil)
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
