package iptables

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/seawall-net/seawall/nft"
)

// What iptables has no words for is named, never guessed.
func TestFromRuleRefuses(t *testing.T) {
	set := nft.Set{Table: nft.TableRef{Family: nft.IPv4, Name: "seawall"}, Name: "s", Key: nft.TypeIPv4Addr}
	a, p := netip.MustParseAddr("10.0.0.1"), netip.MustParsePrefix("10.0.0.0/8")
	for name, c := range map[string]struct {
		want       string
		statements []nft.Statement
	}{
		"lookup":            {"@s", []nft.Statement{nft.IPDaddr.InSet(set), nft.Accept()}},
		"unknown":           {"unknown expression quota", []nft.Statement{nft.Unknown{Name: "quota"}, nft.Accept()}},
		"behind the target": {"behind the target", []nft.Statement{nft.Accept(), nft.Counter()}},
		"two counters":      {"second counter", []nft.Statement{nft.Counter(), nft.Counter()}},
		"counter first":     {"behind the counter", []nft.Statement{nft.Counter(), nft.IPSaddr.Eq(a), nft.Accept()}},
		"continue":          {"continue", []nft.Statement{nft.Continue()}},
		"two sources":       {"ip saddr", []nft.Statement{nft.IPSaddr.Eq(a), nft.IPSaddr.In(p)}},
		"address after limit": {"stands behind a match", []nft.Statement{
			nft.Limit{Rate: 1, Per: nft.PerSecond}, nft.IPSaddr.Eq(a), nft.Drop()}},
		"ports of two protocols": {"not for protocol udp", []nft.Statement{nft.TCPDport.Eq(1), nft.UDPDport.Eq(1)}},
		"any protocol's ports":   {"th dport", []nft.Statement{nft.THDport.Eq(80)}},
		"limit of bytes":         {"limit rate", []nft.Statement{nft.Limit{Rate: 1, Per: nft.PerSecond, Bytes: true}}},
		"fast limit":             {"limit rate 3000/second", []nft.Statement{nft.Limit{Rate: 3000, Per: nft.PerSecond}}},
		"long prefix":            {"log prefix", []nft.Statement{nft.Log{Prefix: strings.Repeat("x", 30)}}},
		"log and drop":           {"behind the target", []nft.Statement{nft.Log{Prefix: "x"}, nft.Drop()}},
		"unknown match":          {"not supported", []nft.Statement{nft.XT{Name: "nosuch"}}},
		"unknown revision":       {"revision 1 is not known", []nft.Statement{nft.XT{Name: "conntrack", Revision: 1, Info: strings.Repeat("\x00", 160)}}},
		"short structure":        {"has only", []nft.Statement{nft.XT{Name: "conntrack", Revision: 3, Info: "abc"}}},
		"long structure":         {"too many", []nft.Statement{nft.XT{Name: "mark", Revision: 1, Info: strings.Repeat("\x00", 24)}}},
		"a match without -p":     {"needs -p tcp", []nft.Statement{nft.XT{Name: "tcp", Info: "\x00\x00\xff\xff\x00\x00\xff\xff" + strings.Repeat("\x00", 8)}}},
	} {
		chain := nft.TableRef{Family: nft.IPv4, Name: "seawall"}.Chain("user")
		r, err := FromRule(&nft.Rule{Chain: chain, Statements: c.statements})
		if !errors.Is(err, ErrNoForm) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %s, %v: want %s", name, r, err, c.want)
		}
	}
	if _, err := FromRule(&nft.Rule{Chain: nft.TableRef{Family: nft.INet, Name: "x"}.Chain("y")}); !errors.Is(err, ErrNoForm) {
		t.Errorf("family inet: %v", err)
	}
}

// A remark of nf_tables is a comment match.
func TestFromRuleReadsTheComment(t *testing.T) {
	chain := nft.TableRef{Family: nft.IPv6, Name: "filter"}.Chain("USER")
	r, err := FromRule(&nft.Rule{Chain: chain, Comment: "a b", Statements: []nft.Statement{nft.IIFName.HasPrefix("br-"), nft.Drop()}})
	if want := `-i br-+ -m comment --comment "a b" -j DROP`; err != nil || r.String() != want {
		t.Errorf("%s, %v, want %s", r, err, want)
	}
}

func TestStatementsRefuses(t *testing.T) {
	for _, c := range []struct{ place, rule, chain, want string }{
		{"nat PREROUTING", "-j DNAT --to-destination 10.0.0.1-10.0.0.2", "seawall", "iptables' tables only"},
		{"nat PREROUTING", "-j REDIRECT", "seawall", "iptables' tables only"},
		{"nat PREROUTING", "-j DNAT --to-destination 10.0.0.1", "filter", "table nat, not filter"},
		{"", "-j DROP", "nat", "not for filtering"},
	} {
		ctx, _ := goodCase{place: c.place}.placeOf(nft.IPv4)
		r, err := ParseText(ctx, c.rule)
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = r.Statements(nft.TableRef{Family: nft.IPv4, Name: c.chain}.Chain("x"))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s in %s: %v: want %s", c.rule, c.chain, err, c.want)
		}
		if _, _, err := r.Statements(nft.TableRef{Family: nft.IPv6, Name: "nat"}.Chain("x")); err == nil {
			t.Errorf("%s: compiled for IPv6", c.rule)
		}
	}
}

// The table of modules is what documentation is made of.
func TestModulesAreWellFormed(t *testing.T) {
	for _, m := range Modules() {
		if m.parse == nil || m.decode == nil || m.Name == "" {
			t.Errorf("%s lacks something", m.Name)
		}
		seen := map[string]bool{}
		for _, o := range m.Options {
			for _, n := range append([]string{o.Name}, o.Aliases...) {
				if seen[n] {
					t.Errorf("%s: option %s twice", m.Name, n)
				}
				seen[n] = true
			}
			if (o.Value == "") != (o.Kind == KindFlag) {
				t.Errorf("%s: --%s: the manual's word for its value", m.Name, o.Name)
			}
		}
		for _, o := range m.Options {
			for _, n := range append(append([]string{}, o.Excludes...), o.Also...) {
				if m.option(n) == nil {
					t.Errorf("%s: --%s refers to --%s", m.Name, o.Name, n)
				}
			}
		}
	}
}
