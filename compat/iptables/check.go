package iptables

import (
	"fmt"
	"slices"
	"strings"

	"github.com/seawall-net/seawall/nft"
)

// check refuses what the kernel, or iptables, would refuse.
func (p *parser) check() error {
	r := &p.rule
	if p.context.Hook == nft.NoHook {
		p.context.Hook = hookOf(p.chain)
	}
	if err := r.valid(p.context); err != nil {
		return err
	}
	switch p.context.Hook {
	case nft.Prerouting, nft.Input:
		if p.given["out-interface"] != 0 {
			return refuse(p.given["out-interface"], "-o", "no packet has an outgoing interface in hook %s", p.context.Hook)
		}
	case nft.Output, nft.Postrouting:
		if p.given["in-interface"] != 0 {
			return refuse(p.given["in-interface"], "-i", "no packet has an incoming interface in hook %s", p.context.Hook)
		}
	}
	return nil
}

// valid checks a rule for a place.
func (r *Rule) valid(c Context) error {
	if c.table() == "nat" && r.Target.Verdict.Kind == nft.VerdictDrop {
		return wholeRule("the nat table is not for filtering: no DROP there")
	}
	for _, m := range r.Matches {
		if err := r.validModule(m.module, m.value, c); err != nil {
			return err
		}
	}
	if r.Target.module != nil {
		return r.validModule(r.Target.module, r.Target.value, c)
	}
	return nil
}

func (r *Rule) validModule(m *Module, v extension, c Context) error {
	what := "-m " + m.Name
	if m.Target {
		what = "-j " + m.Name
	}
	if len(m.Protocols) > 0 && (r.Protocol.Invert || !slices.Contains(m.Protocols, r.Protocol.Number)) {
		var names []string
		for _, n := range m.Protocols {
			names = append(names, protocolName(n))
		}
		return wholeRule("%s needs -p %s", what, strings.Join(names, " or "))
	}
	if len(m.Tables) > 0 && isIPTables(c.table()) && !slices.Contains(m.Tables, c.table()) {
		return wholeRule("%s is for table %s, not %s", what, strings.Join(m.Tables, ", "), c.table())
	}
	if len(m.Hooks) > 0 && c.Hook != nft.NoHook && !slices.Contains(m.Hooks, c.Hook) {
		var names []string
		for _, h := range m.Hooks {
			names = append(names, h.String())
		}
		return wholeRule("%s exists in hook %s, not in %s", what, strings.Join(names, ", "), c.Hook)
	}
	if v, ok := v.(checker); ok {
		if err := v.check(r, c); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
	return nil
}
