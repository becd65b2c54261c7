package main

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/seawall-net/seawall/nft"
)

// What an accept of ours lets pass, others' base chains may still drop: each
// table judges for itself.

// checkForeign looks for base chains of others that drop what is forwarded.
func (p *patient) checkForeign() []finding {
	var out []finding
	bridges := p.bridges()
	for _, t := range p.ruleset.Tables() {
		if p.tables[t.Ref()] || t.Family != nft.IPv4 && t.Family != nft.IPv6 && t.Family != nft.INet {
			continue
		}
		for _, c := range p.ruleset.Chains(t.Ref()) {
			if c.Hook != nft.Forward || c.Type != nft.FilterChain {
				continue
			}
			rules := p.ruleset.Rules(c.Ref())
			how := ""
			switch {
			case c.Policy == nft.PolicyDrop:
				how = "has the policy to drop"
			case len(rules) > 0 && refusesAll(rules[len(rules)-1]):
				how = "ends with a rule that refuses everything"
			}
			if how == "" || len(bridges) > 0 && !slices.ContainsFunc(bridges, func(b string) bool { return !admits(rules, b) }) {
				continue
			}
			out = append(out, finding{
				problem, "chain " + c.Ref().String(),
				how + ": what our rules let pass, containers' packets, ends there", mendForeign(c, bridges),
			})
		}
	}
	return out
}

// bridges are those of our networks.
func (p *patient) bridges() []string {
	var names []string
	for n := range p.view.Networks() {
		names = append(names, n.Spec.Bridge)
	}
	return names
}

// refusesAll tells whether a rule drops or rejects whatever comes to it.
func refusesAll(r *nft.Rule) bool {
	for _, s := range r.Statements {
		switch s := s.(type) {
		case nft.Verdict:
			return s.Kind == nft.Drop().Kind
		case nft.Reject:
			return true
		case nft.XT:
			return s.Target && s.Name == "REJECT"
		}
		if text := fmt.Sprint(s); !strings.HasPrefix(text, "counter") && !strings.HasPrefix(text, "log") {
			return false // a condition
		}
	}
	return false
}

// admits tells whether rules accept what a bridge sends and what it gets.
func admits(rules []*nft.Rule, bridge string) bool {
	in, out := false, false
	for _, r := range rules {
		text := r.String()
		if !strings.HasSuffix(text, "accept") {
			continue
		}
		in = in || strings.HasPrefix(text, fmt.Sprintf("iifname %q", bridge))
		out = out || strings.HasPrefix(text, fmt.Sprintf("oifname %q", bridge))
	}
	return in && out
}

// mendForeign lets the bridges pass through a chain: our rules have judged, or
// will. A table of iptables is changed by iptables, which would not understand
// anything else.
func mendForeign(c *nft.Chain, bridges []string) string {
	program := map[nft.Family]string{nft.IPv4: "iptables", nft.IPv6: "ip6tables"}[c.Table.Family]
	byIPTables := program != "" && c.Table.Name == "filter" && c.Name == "FORWARD"
	var lines []string
	switch {
	case len(bridges) == 0 && byIPTables:
		return program + " -P FORWARD ACCEPT"
	case len(bridges) == 0:
		return fmt.Sprintf("nft 'chain %s { policy accept; }'", c.Ref())
	}
	for _, b := range bridges {
		if byIPTables {
			lines = append(lines, fmt.Sprintf("%s -I FORWARD -i %s -j ACCEPT", program, b), fmt.Sprintf("%s -I FORWARD -o %s -j ACCEPT", program, b))
		} else {
			lines = append(lines, fmt.Sprintf(`nft 'insert rule %s iifname "%s" accept'`, c.Ref(), b), fmt.Sprintf(`nft 'insert rule %s oifname "%s" accept'`, c.Ref(), b))
		}
	}
	return strings.Join(lines, " && ")
}

// checkLeftovers looks for what Docker has left behind.
func (p *patient) checkLeftovers() []finding {
	var out []finding
	for _, t := range p.ruleset.Tables() {
		if t.Name == "docker-bridges" {
			out = append(out, finding{
				problem, "table " + t.Ref().String(), "is that of Docker's nftables backend, and drops what goes to its containers' addresses; if no Docker runs here, it is left over",
				fmt.Sprintf("nft delete table %s", t.Ref()),
			})
			continue
		}
		program := map[nft.Family]string{nft.IPv4: "iptables", nft.IPv6: "ip6tables"}[t.Family]
		if program == "" || !slices.Contains(iptablesTables, t.Name) {
			continue
		}
		var names []string
		for _, c := range p.ruleset.Chains(t.Ref()) {
			if strings.HasPrefix(c.Name, "DOCKER") && c.Name != "DOCKER-USER" && p.own.Lookup(c.ID()) == nil {
				names = append(names, c.Name)
			}
		}
		if len(names) > 0 {
			out = append(out, finding{
				problem, "table " + t.Ref().String(),
				fmt.Sprintf("has Docker's chains %s, which are not those of this firewall; if no Docker runs here, they are left over", strings.Join(names, ", ")),
				fmt.Sprintf("%s-save -t %s | grep -vE -- '(-A|-j|-g|^:) ?DOCKER( |$|-[^U])' | %s-restore -T %s", program, t.Name, program, t.Name),
			})
		}
	}
	return out
}

// checkLegacy looks for tables that only iptables-legacy sees.
func (p *patient) checkLegacy() []finding {
	var out []finding
	for file, program := range map[string]string{"/proc/thread-self/net/ip_tables_names": "iptables", "/proc/thread-self/net/ip6_tables_names": "ip6tables"} {
		names, err := os.ReadFile(file)
		if err != nil || len(bytes.TrimSpace(names)) == 0 {
			continue
		}
		out = append(out, finding{
			note, program + "-legacy", fmt.Sprintf("has tables (%s), which nft does not list: their rules judge packets, too", strings.Join(strings.Fields(string(names)), ", ")),
			program + "-legacy-save",
		})
	}
	return out
}
