package iptables

import (
	"testing"

	"github.com/seawall-net/seawall/nft"
)

// A rule is refused or has a form that is read back as the same rule, and it
// compiles for either kind of table unless the reason is named.
func FuzzParseRule(f *testing.F) {
	for _, c := range goodCases {
		f.Add(c.rule, c.place)
	}
	f.Add(`-s 10.0.0.1,10.0.0.2 "-p" tcp -\m x`, "nat OUTPUT")
	f.Fuzz(func(t *testing.T, text, place string) {
		args, err := Split(text)
		if err != nil {
			return
		}
		for _, family := range []nft.Family{nft.IPv4, nft.IPv6} {
			ctx, chain := goodCase{place: place}.placeOf(family)
			rules, err := ParseAll(ctx, args)
			if err != nil {
				continue
			}
			for _, r := range rules {
				checkRule(t, ctx, chain, r)
			}
		}
	})
}

func checkRule(t *testing.T, ctx Context, chain string, r Rule) {
	t.Helper()
	text := r.String()
	again, err := ParseText(ctx, text)
	if err != nil {
		t.Fatalf("%q is not read back: %v", text, err)
	}
	if got := again.String(); got != text {
		t.Fatalf("%q is read back as %q", text, got)
	}
	for _, m := range r.Matches {
		checkStructure(t, ctx.Family, m.module, m.value)
	}
	if m := r.Target.module; m != nil {
		checkStructure(t, ctx.Family, m, r.Target.value)
	}
	_, _, _ = r.Statements(nft.TableRef{Family: ctx.Family, Name: ctx.table()}.Chain(chain))
	_, _, _ = r.Statements(nft.TableRef{Family: ctx.Family, Name: "seawall"}.Chain(chain))
}

// checkStructure reads back what the kernel would be sent.
func checkStructure(t *testing.T, f nft.Family, m *Module, v extension) {
	t.Helper()
	if _, ok := v.(limit); ok {
		return // its structure is never sent
	}
	revision, info := v.xt(f)
	x := nft.XT{Target: m.Target, Name: m.xtName(), Revision: revision, Info: string(info)}
	d := reader{rule: Rule{Family: f}}
	back, got, err := d.decode(x)
	if err != nil {
		t.Fatalf("%s: %v", m.Name, err)
	}
	var want, have words
	v.format(&want)
	got.format(&have)
	if back != m || want.String() != have.String() {
		t.Fatalf("%s%s: read back as %s%s", m.Name, want.String(), back.Name, have.String())
	}
}

// A save file is refused or written so that it is read back as it was.
func FuzzParseSave(f *testing.F) {
	f.Add(saveText)
	f.Add(savedText)
	f.Add("*nat\n:X - [0:0]\n-A X -4 -j X\nCOMMIT\n")
	f.Fuzz(func(t *testing.T, text string) {
		for _, family := range []nft.Family{nft.IPv4, nft.IPv6} {
			s, err := ParseSave(family, text)
			if err != nil {
				continue
			}
			out := s.String()
			again, err := ParseSave(family, out)
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if got := again.String(); got != out {
				t.Fatalf("got\n%swant\n%s", got, out)
			}
		}
	})
}

// The kernel's structures are refused or have a form.
func FuzzDecode(f *testing.F) {
	for _, m := range registry {
		f.Add(m.xtName(), m.Target, uint32(0), []byte{1, 2, 3, 4, 5, 6, 7, 8})
	}
	for _, c := range goodCases {
		for _, family := range []nft.Family{nft.IPv4, nft.IPv6} {
			ctx, _ := c.placeOf(family)
			r, err := ParseText(ctx, c.rule)
			if err != nil {
				continue
			}
			for _, m := range r.Matches {
				revision, info := m.value.xt(family)
				f.Add(m.module.xtName(), false, revision, info)
			}
			if t := r.Target; t.module != nil {
				revision, info := t.value.xt(family)
				f.Add(t.module.xtName(), true, revision, info)
			}
		}
	}
	f.Fuzz(func(t *testing.T, name string, target bool, revision uint32, info []byte) {
		for _, family := range []nft.Family{nft.IPv4, nft.IPv6} {
			statements := []nft.Statement{nft.XT{Target: target, Name: name, Revision: revision, Info: string(info)}}
			for _, m := range registry {
				if m.xtName() == name && m.Target == target && len(m.Protocols) > 0 {
					statements = append([]nft.Statement{nft.MetaL4Proto.Eq(nft.L4Proto(m.Protocols[0]))}, statements...)
					break
				}
			}
			chain := nft.TableRef{Family: family, Name: "seawall"}.Chain("user")
			r, err := FromRule(&nft.Rule{Chain: chain, Statements: statements})
			if err != nil {
				continue
			}
			again, err := ParseText(Context{Family: family, Table: "seawall"}, r.String())
			if err != nil || again.String() != r.String() {
				t.Fatalf("%s: read back as %s, %v", r, again, err)
			}
		}
	})
}
