package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/seawall-net/seawall/compat/iptables"
	"github.com/seawall-net/seawall/nft"
)

func showCommand() *command {
	c := newCommand("show", "show --as nft|iptables|json",
		"print the firewall's tables as the kernel has them",
		"seawallctl show --as nft         # as nft list ruleset prints them",
		"seawallctl show --as iptables    # as iptables -S does, for layouts that iptables lists",
		"seawallctl show --as json        # tables, chains, rules and sets for programs")
	as := c.flags.String("as", "", "the `syntax`: nft, iptables or json")
	c.run = func(ctx context.Context, s *session) error {
		if err := s.none(); err != nil {
			return err
		}
		if s.json && *as == "" {
			*as = "json"
		}
		if !slices.Contains([]string{"nft", "iptables", "json"}, *as) || s.json && *as != "json" {
			return s.usage("--as nft, --as iptables or --as json is needed")
		}
		fw, is, err := s.look(ctx)
		if err != nil {
			return err
		}
		defer fw.Close()
		rs, err := fw.Ruleset(ctx)
		if err != nil {
			return err
		}
		switch *as {
		case "nft":
			return rs.Print(s.stdout, nft.PrintOptions{})
		case "iptables":
			return showIPTables(s.stdout, rs, is.Layout)
		}
		return s.printJSON(map[string]any{"tables": showJSON(rs)})
	}
	return c
}

// iptablesTables are the tables that iptables lists, in the order in which a
// packet meets them.
var iptablesTables = []string{"raw", "mangle", "nat", "filter"}

// showIPTables prints what iptables lists.
func showIPTables(w io.Writer, rs *nft.Ruleset, layout string) error {
	out := bufio.NewWriter(w)
	found := false
	for _, f := range []nft.Family{nft.IPv4, nft.IPv6} {
		program := map[nft.Family]string{nft.IPv4: "iptables", nft.IPv6: "ip6tables"}[f]
		for _, name := range iptablesTables {
			table := nft.TableRef{Family: f, Name: name}
			chains := rs.Chains(table)
			if len(chains) == 0 {
				continue
			}
			found = true
			fmt.Fprintf(out, "# %s -t %s -S\n", program, name)
			for _, c := range chains {
				if c.Hook != nft.NoHook {
					fmt.Fprintf(out, "-P %s %s\n", c.Name, strings.ToUpper(c.Policy.String()))
				} else {
					fmt.Fprintf(out, "-N %s\n", c.Name)
				}
			}
			for _, c := range chains {
				for _, loaded := range rs.Rules(c.Ref()) {
					rule, err := iptables.FromRule(loaded)
					if err != nil {
						fmt.Fprintf(out, "# %s: iptables has no form for: %s\n", c.Name, loaded)
						continue
					}
					fmt.Fprintln(out, rule.Line(c.Name))
				}
			}
		}
	}
	if !found {
		return fmt.Errorf("layout %s has no rules that iptables lists: show --as nft prints them", layout)
	}
	return out.Flush()
}

// A shownTable is a table as JSON. Rules and elements are in nft's syntax.
type shownTable struct {
	Family string       `json:"family"`
	Name   string       `json:"name"`
	Chains []shownChain `json:"chains"`
	Sets   []shownSet   `json:"sets"`
}

type shownChain struct {
	Name     string   `json:"name"`
	Hook     string   `json:"hook,omitempty"`
	Priority *int32   `json:"priority,omitempty"`
	Policy   string   `json:"policy,omitempty"`
	Rules    []string `json:"rules"`
}

type shownSet struct {
	Name     string `json:"name"`
	Elements int    `json:"elements"`
}

func showJSON(rs *nft.Ruleset) []shownTable {
	tables := []shownTable{}
	for _, t := range rs.Tables() {
		table := shownTable{Family: t.Family.String(), Name: t.Name, Chains: []shownChain{}, Sets: []shownSet{}}
		for _, c := range rs.Chains(t.Ref()) {
			chain := shownChain{Name: c.Name, Rules: []string{}}
			if c.Hook != nft.NoHook {
				chain.Hook, chain.Priority, chain.Policy = c.Hook.String(), &c.Priority, c.Policy.String()
			}
			for _, r := range rs.Rules(c.Ref()) {
				chain.Rules = append(chain.Rules, r.String())
			}
			table.Chains = append(table.Chains, chain)
		}
		for _, set := range rs.Sets(t.Ref()) {
			table.Sets = append(table.Sets, shownSet{set.Name, len(rs.Elements(set.Ref()))})
		}
		tables = append(tables, table)
	}
	return tables
}
