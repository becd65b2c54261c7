package iptables_test

import (
	"fmt"

	"github.com/seawall-net/seawall/compat/iptables"
	"github.com/seawall-net/seawall/nft"
)

// A rule as people write it, in the form that iptables lists, and as statements
// for a table of iptables and for one of one's own.
func ExampleParseText() {
	ctx := iptables.Context{Family: nft.IPv4, Hook: nft.Forward}
	rule, err := iptables.ParseText(ctx, `-j DROP -i eth0 ! --src 192.0.2.9/24 -m conntrack --ctstate NEW`)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(rule.Line("DOCKER-USER"))
	for _, table := range []string{"filter", "seawall"} {
		statements, _, err := rule.Statements(nft.TableRef{Family: nft.IPv4, Name: table}.Chain("DOCKER-USER"))
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(statements)
	}
	// Output:
	// -A DOCKER-USER ! -s 192.0.2.0/24 -i eth0 -m conntrack --ctstate NEW -j DROP
	// [iifname "eth0" ip saddr != 192.0.2.0/24 xt match "conntrack" counter packets 0 bytes 0 drop]
	// [iifname "eth0" ip saddr != 192.0.2.0/24 ct state new counter packets 0 bytes 0 drop]
}

// What is wrong is named by its place.
func ExampleSyntaxError() {
	ctx := iptables.Context{Family: nft.IPv4}
	_, err := iptables.ParseText(ctx, `-i eth0 ! -s 192.0.2.0/24 -m conntrack --foo NEW -j DROP`)
	fmt.Println(err)
	_, err = iptables.ParseSave(nft.IPv4, "*filter\n-A FORWARD -p tcp --dport 80,443 -j DROP\nCOMMIT\n")
	fmt.Println(err)
	// Output:
	// word 8: unknown option "--foo"
	// line 2: word 6: --destination-port: "80,443" is not one port
}

// A loaded rule is read back, if iptables has words for all that it does.
func ExampleFromRule() {
	chain := nft.TableRef{Family: nft.IPv4, Name: "seawall"}.Chain("user")
	for _, s := range [][]nft.Statement{
		{nft.TCPDport.Eq(80), nft.CounterAt(5, 600), nft.Drop()},
		{nft.Limit{Rate: 5, Per: nft.PerWeek}, nft.Counter(), nft.Drop()},
	} {
		rule, err := iptables.FromRule(&nft.Rule{Chain: chain, Statements: s})
		fmt.Printf("%q %v %v\n", rule, rule.Counters, err)
	}
	// Output:
	// "-p tcp -m tcp --dport 80 -j DROP" {5 600} <nil>
	// "" {0 0} iptables: rule in ip seawall user: limit rate 5/week: iptables has no form for it
}
