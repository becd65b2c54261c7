package nft

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// The fuzz targets start from what a kernel listed.

func addCaptured(f *testing.F, kind string) {
	for _, o := range readCapturedObjects(f) {
		if o.kind == kind {
			f.Add(uint8(o.family), o.attrs)
		}
	}
}

// firstNest returns what is inside the first attribute.
func firstNest(t *testing.T, b []byte) []byte {
	r := attrReader{rest: b}
	if !r.next() {
		t.Fatal(r.err)
	}
	return r.val
}

func FuzzDecodeTable(f *testing.F) {
	addCaptured(f, "table")
	f.Fuzz(func(t *testing.T, family uint8, b []byte) {
		table, err := decodeTable(Family(family), b)
		if err != nil {
			return
		}
		var e encoder
		if table.encode(&e, false) != nil {
			return // such as a comment that is too long for nft
		}
		if again, err := decodeTable(Family(family), e.b); err != nil || *again != *table {
			t.Errorf("%+v becomes %+v, %v", table, again, err)
		}
	})
}

func FuzzDecodeChain(f *testing.F) {
	addCaptured(f, "chain")
	f.Fuzz(func(t *testing.T, family uint8, b []byte) {
		chain, err := decodeChain(Family(family), b)
		if err != nil || chain.foreign != "" {
			return
		}
		var e encoder
		if checkName(chain.Table.Name) != nil || chain.encode(&e, false) != nil {
			return
		}
		if again, err := decodeChain(Family(family), e.b); err != nil || *again != *chain {
			t.Errorf("%+v becomes %+v, %v", chain, again, err)
		}
	})
}

func FuzzDecodeSet(f *testing.F) {
	addCaptured(f, "set")
	f.Fuzz(func(t *testing.T, family uint8, b []byte) {
		set, err := decodeSet(Family(family), b)
		if err != nil || set.foreign != "" {
			return
		}
		var e encoder
		if checkName(set.Table.Name) != nil || set.encode(&e, false, 1) != nil {
			return
		}
		if again, err := decodeSet(Family(family), e.b); err != nil || *again != *set {
			t.Errorf("%+v becomes %+v, %v", set, again, err)
		}
	})
}

func FuzzDecodeElements(f *testing.F) {
	for _, o := range readCapturedObjects(f) {
		if strings.HasPrefix(o.kind, "elements") {
			f.Add(true, true, o.attrs)
			f.Add(false, false, o.attrs)
		}
	}
	f.Fuzz(func(t *testing.T, counter, interval bool, b []byte) {
		s := &Set{Name: "s", Counter: counter}
		entries, err := decodeElements(s, nil, b)
		if err != nil {
			return
		}
		if interval {
			for _, d := range joinIntervals(entries) {
				if e := d.element; e.End != "" && len(e.End) == len(e.Key) && e.End < e.Key {
					t.Errorf("an interval from %x to %x", e.Key, e.End)
				}
			}
			return
		}
		for _, d := range entries {
			var e encoder
			if d.end || d.element.foreign != "" || d.element.encode(&e, false) != nil {
				continue
			}
			again, err := decodeElement(s, s.Ref(), firstNest(t, e.b))
			if err != nil || !again.element.same(d.element) {
				t.Errorf("%+v becomes %+v, %v", d.element, again.element, err)
			}
		}
	})
}

func FuzzDecodeRule(f *testing.F) {
	for i, b := range readCaptured(f) {
		f.Add(uint8(nftRules[i].family), b)
	}
	fields := newFieldIndex()
	f.Fuzz(func(t *testing.T, family uint8, b []byte) {
		rule, err := decodeRule(fields, Family(family), b)
		if err != nil {
			return
		}
		_ = rule.String()
		if !rule.same(rule) {
			t.Errorf("%s differs from itself", rule)
		}
		checkDecompiled(t, fields, rule)
	})
}

// checkDecompiled checks that what was understood whole can be said again and
// is understood the same way.
func checkDecompiled(t *testing.T, fields fieldIndex, rule *Rule) {
	t.Helper()
	if slices.ContainsFunc(rule.Statements, func(s Statement) bool { _, ok := s.(Unknown); return ok }) {
		return
	}
	again := Rule{Chain: rule.Chain, Statements: rule.Statements}
	exprs := recompiled(t, again)
	twice := Rule{Chain: rule.Chain, Statements: decompile(fields, rule.Chain.Table.Family, exprs)}
	if twice.String() != again.String() {
		t.Errorf("%s becomes %s", again, twice)
	}
	if !again.same(&twice) {
		t.Errorf("%s is not the same when it is compiled again", again)
	}
}

func FuzzDecodeExpression(f *testing.F) {
	for i, b := range readCaptured(f) {
		r := attrReader{rest: b}
		for r.next() {
			if r.typ == unix.NFTA_RULE_EXPRESSIONS {
				f.Add(uint8(nftRules[i].family), r.val)
			}
		}
	}
	for _, family := range []Family{IPv4, IPv6} {
		rules := append(filterStatements(family), []Statement{Queue{Num: 1, Total: 4, Bypass: true}}, []Statement{Queue{Fanout: true}},
			[]Statement{IIFName.HasPrefix(""), Drop()}, []Statement{IIFName.HasPrefix(""), IIFName.Eq("eth0")})
		for _, x := range xtModules {
			rules = append(rules, []Statement{MetaL4Proto.Eq(TCP), x})
		}
		for _, s := range rules {
			compiled, err := (&Rule{Chain: TableRef{family, "t"}.Chain("c"), Statements: s}).compile()
			if err != nil {
				f.Fatal(err)
			}
			var e encoder
			for _, x := range compiled {
				e.raw(unix.NFTA_LIST_ELEM|unix.NLA_F_NESTED, x)
			}
			f.Add(uint8(family), e.b)
		}
	}
	fields := newFieldIndex()
	f.Fuzz(func(t *testing.T, family uint8, b []byte) {
		exprs, err := decodeExpressions(b)
		if err != nil {
			return
		}
		rule := &Rule{Chain: ChainRef{Table: TableRef{Family: Family(family)}}}
		rule.Statements = decompile(fields, Family(family), exprs)
		if len(exprs) > 0 && len(rule.Statements) == 0 {
			t.Errorf("%d expressions are lost", len(exprs))
		}
		checkDecompiled(t, fields, rule)
	})
}

func FuzzDecodeUserdata(f *testing.F) {
	f.Add(false, appendUserdata(nil, "comment", "\x00opaque", "key", -3))
	f.Add(true, (&Set{Key: TypeMark, Data: TypeIFName, Comment: "c", Userdata: "u"}).userdata())
	f.Fuzz(func(t *testing.T, set bool, b []byte) {
		u := decodeUserdata(b, set)
		if set || u.Comment == "" && u.Key == "" && u.Userdata == "" {
			return
		}
		if len(u.Comment) > 250 || u.Key == "" && u.Rank != 0 {
			return
		}
		again := decodeUserdata(appendUserdata(nil, u.Comment, u.Userdata, u.Key, u.Rank), false)
		u.Other = ""
		if again != u {
			t.Errorf("%+v becomes %+v", u, again)
		}
	})
}
