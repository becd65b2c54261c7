package iptables

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/seawall-net/seawall/nft"
)

func forwarding(f nft.Family) Context { return Context{Family: f, Table: "filter", Hook: nft.Forward} }

func mustParse(t testing.TB, r packetRule) Rule {
	t.Helper()
	rule, err := ParseArgs(forwarding(r.family), r.words())
	if err != nil {
		t.Fatalf("%s %q: %v", r.family, r.args, err)
	}
	return rule
}

// Rules come out in iptables' form, and that form says the same.
func TestPacketRulesAreCanonical(t *testing.T) {
	for _, r := range packetRules() {
		rule := mustParse(t, r)
		if got := rule.String(); got != r.want() {
			t.Errorf("%s %q: %q, want %q", r.family, r.args, got, r.want())
		}
		again, err := ParseText(forwarding(r.family), rule.String())
		if err != nil || again.String() != rule.String() {
			t.Errorf("%s %q read again: %q, %v", r.family, rule, again, err)
		}
	}
}

func TestPacketRefusals(t *testing.T) {
	for _, r := range packetRefusals() {
		words := packetRule{args: r.args}.words()
		got, err := ParseArgs(forwarding(r.family), words)
		var e *SyntaxError
		switch {
		case err == nil:
			t.Errorf("%s %q was accepted: %s", r.family, r.args, got)
		case !errors.As(err, &e) || !strings.Contains(e.Reason, r.reason):
			t.Errorf("%s %q: %v, want: %s", r.family, r.args, err, r.reason)
		case e.Word != r.word:
			t.Errorf("%s %q: %v, want word %d", r.family, r.args, err, r.word)
		}
	}
}

// Modules that the kernel has in some hooks only are accepted there.
func TestPacketModulesInOtherHooks(t *testing.T) {
	for _, c := range []struct {
		table string
		hook  nft.Hook
		args  string
		ok    bool
	}{
		{"filter", nft.Output, "-m owner ! --uid-owner 0-999 --gid-owner 5 --suppl-groups", true},
		{"mangle", nft.Postrouting, "-m owner --socket-exists", true},
		{"filter", nft.Input, "-m owner --socket-exists", false},
		{"filter", nft.Input, "-m policy --dir out --pol none", false},
		{"filter", nft.Output, "-m policy --dir in --pol none", false},
		{"filter", nft.Output, "-m policy --dir out --pol none", true},
		{"filter", nft.Input, "-m devgroup --src-group 0x1", true},
		{"filter", nft.Input, "-m devgroup --dst-group 0x1", false},
		{"filter", nft.Output, "-m devgroup --src-group 0x1", false},
		{"filter", nft.Input, "-p tcp -j TCPMSS --clamp-mss-to-pmtu", false},
		{"filter", nft.Input, "-p tcp -j TCPMSS --set-mss 1000", true},
	} {
		rule, err := ParseText(Context{Family: nft.IPv4, Table: c.table, Hook: c.hook}, c.args)
		if (err == nil) != c.ok || err == nil && rule.String() != c.args {
			t.Errorf("%q in %s, hook %s: %q, %v", c.args, c.table, c.hook, rule, err)
		}
	}
}

// What a rule compiles to is read back as the same rule, in iptables' tables and
// in others.
func TestPacketRulesAreReadBack(t *testing.T) {
	for _, r := range packetRules() {
		rule := mustParse(t, r)
		for _, table := range []string{"filter", "seawall"} {
			chain := nft.TableRef{Family: r.family, Name: table}.Chain("DOCKER-USER")
			statements, comment, err := rule.Statements(chain)
			if err != nil {
				t.Errorf("%s %q: %v", r.family, r.args, err)
				continue
			}
			got, err := FromRule(&nft.Rule{Chain: chain, Statements: statements, Comment: comment})
			if err != nil || got.String() != rule.String() {
				t.Errorf("%s %q in %s: %q, %v", r.family, r.args, table, got, err)
			}
		}
	}
}

// Where statements of nf_tables mean the same, they are used.
func TestPacketRulesInNativeForm(t *testing.T) {
	for _, c := range []struct {
		family     nft.Family
		args, want string
	}{
		{ip4, "-m pkttype ! --pkt-type multicast", "meta pkttype != multicast counter packets 0 bytes 0"},
		{ip4, "-m ttl --ttl-lt 5", "ip ttl < 5 counter packets 0 bytes 0"},
		{ip4, "-m ttl ! --ttl-eq 5", "ip ttl != 5 counter packets 0 bytes 0"},
		{ip6, "-m hl --hl-gt 5", "ip6 hoplimit > 5 counter packets 0 bytes 0"},
		{ip6, "-m hl --hl-eq 5", "ip6 hoplimit 5 counter packets 0 bytes 0"},
		{ip4, "-m devgroup --src-group 0x1 ! --dst-group 0xf0/0xf0", "iifgroup 1 oifgroup & 240 != 240 counter packets 0 bytes 0"},
		{ip4, "-m devgroup --src-group 0x0/0x0", `xt match "devgroup" counter packets 0 bytes 0`},
		{ip4, "-m length --length 5", `xt match "length" counter packets 0 bytes 0`},
		{ip4, "-j NFLOG --nflog-group 3 --nflog-size 0", "counter packets 0 bytes 0 log group 3 snaplen 0"},
		{ip4, "-j NFQUEUE --queue-balance 1:4 --queue-bypass", "counter packets 0 bytes 0 xt target \"NFQUEUE\""},
		{ip4, "-p tcp -j TCPMSS --set-mss 9", `meta l4proto tcp counter packets 0 bytes 0 xt target "TCPMSS"`},
	} {
		rule := mustParse(t, packetRule{family: c.family, args: c.args})
		statements, _, err := rule.Statements(nft.TableRef{Family: c.family, Name: "seawall"}.Chain("user"))
		var words []string
		for _, s := range statements {
			words = append(words, s.String())
		}
		if got := strings.Join(words, " "); err != nil || got != c.want {
			t.Errorf("%q: %q, %v, want %q", c.args, got, err, c.want)
		}
	}
}

// A decoded structure is the one that was decoded, byte for byte, or it is
// refused: a rule that is written back is not another one.
func FuzzPacketModules(f *testing.F) {
	modules := packetModules()
	for i, m := range modules {
		for _, r := range packetRules() {
			rule := mustParse(f, r)
			for _, have := range append(rule.Matches, Match{rule.Target.module, rule.Target.value}) {
				if have.module != nil && have.module.Name == m.Name && have.module.Target == m.Target && have.module.Family == m.Family {
					revision, info := have.value.xt(r.family)
					f.Add(uint8(i), r.family == nft.IPv6, revision, info)
				}
			}
		}
	}
	f.Fuzz(func(t *testing.T, i uint8, v6 bool, revision uint32, info []byte) {
		m := modules[int(i)%len(modules)]
		family := nft.IPv4
		if v6 {
			family = nft.IPv6
		}
		if m.Family != 0 {
			family = m.Family
		}
		s := &structure{family: family, name: m.Name, revision: revision, b: info}
		v := m.decode(s)
		s.end()
		if s.err != nil {
			return
		}
		again, out := v.xt(family)
		if again != revision || !bytes.Equal(bytes.TrimRight(info, "\x00"), bytes.TrimRight(out, "\x00")) {
			t.Errorf("%s: %+v from\n%x, makes\n%x", m.Name, v, info, out)
		}
		var w words
		v.format(&w)
		if strings.Contains(w.String(), "\n") {
			t.Errorf("%s: a line break in %q", m.Name, w.String())
		}
	})
}
