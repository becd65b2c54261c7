package compat

import (
	"errors"
	"fmt"
	"strings"

	"github.com/seawall-net/seawall/compat/iptables"
	"github.com/seawall-net/seawall/nft"
)

// A Rule is a rule for DOCKER-USER in the syntax of iptables, in each family in
// which it says something: one that names no address and no module of one family
// is for both. It is made by [ParseRule] and [ParseArgs], and immutable. The
// zero value is for no family.
//
// A Rule is a [bridge.RuleSource].
type Rule struct {
	// lists of addresses make several rules of one.
	ipv4, ipv6 []iptables.Rule
}

// contextOf is where rules of DOCKER-USER are.
func contextOf(f nft.Family) iptables.Context {
	return iptables.Context{Family: f, Table: "filter", Hook: nft.Forward}
}

// ParseRule reads a rule as one would type it behind `iptables -A DOCKER-USER`:
// "-i eth0 ! -s 192.0.2.0/24 -m conntrack --ctstate NEW -j DROP". Words may be in
// quotes, as iptables-save writes them. The error is an [*iptables.SyntaxError],
// with the number of the word that is wrong.
func ParseRule(text string) (Rule, error) {
	args, err := iptables.Split(text)
	if err != nil {
		return Rule{}, fmt.Errorf("compat: %w", err)
	}
	return ParseArgs(args...)
}

// ParseArgs is [ParseRule] for a rule whose words have been told apart already.
func ParseArgs(args ...string) (Rule, error) {
	ipv4, err4 := iptables.ParseAll(contextOf(nft.IPv4), args)
	ipv6, err6 := iptables.ParseAll(contextOf(nft.IPv6), args)
	if err4 != nil && err6 != nil {
		// What came further was meant.
		if wordOf(err6) > wordOf(err4) {
			err4 = err6
		}
		return Rule{}, fmt.Errorf("compat: %w", err4)
	}
	return Rule{ipv4: ipv4, ipv6: ipv6}, nil
}

// wordOf is the place of a syntax error.
func wordOf(err error) int {
	var bad *iptables.SyntaxError
	if errors.As(err, &bad) {
		return bad.Word
	}
	return 0
}

// In returns what the rule is in a family, nft.IPv4 or nft.IPv6: none if it is
// not for that family, and more than one if it has lists of addresses.
func (r Rule) In(f nft.Family) []iptables.Rule {
	if f == nft.IPv6 {
		return r.ipv6
	}
	return r.ipv4
}

// String is [Format].
func (r Rule) String() string { return Format(r) }

// Format returns the rule as `iptables -S` writes it, without command and chain;
// if it has lists of addresses, each rule on a line.
func Format(r Rule) string {
	rules := r.ipv4
	if len(rules) == 0 {
		rules = r.ipv6
	}
	var lines []string
	for _, rule := range rules {
		lines = append(lines, rule.String())
	}
	return strings.Join(lines, "\n")
}

// Compile returns the rule as rules of nf_tables for a chain of its family: in
// iptables' own tables as iptables programs it, elsewhere in nf_tables' own terms
// where these mean exactly the same. There are none if the rule is not for the
// chain's family. Sets of ipset have to be resolved before: see [Rule.Resolve].
func Compile(r Rule, chain nft.ChainRef) ([]*nft.Rule, error) {
	var out []*nft.Rule
	for _, rule := range r.In(chain.Table.Family) {
		statements, comment, err := rule.Statements(chain)
		if err != nil {
			return nil, fmt.Errorf("compat: %w", err)
		}
		out = append(out, &nft.Rule{Chain: chain, Statements: statements, Comment: comment})
	}
	return out, nil
}

// RulesIn is [Compile]. It makes the rule a [bridge.RuleSource].
func (r Rule) RulesIn(chain nft.ChainRef) ([]*nft.Rule, error) { return Compile(r, chain) }
