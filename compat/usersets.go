package compat

import (
	"errors"
	"slices"

	"github.com/seawall-net/seawall/compat/iptables"
	"github.com/seawall-net/seawall/nft"
)

// Resolve looks up the sets of ipset that the rule uses: see
// [iptables.Rule.Resolve]. A rule that uses none is returned as it is. A set is
// for one family, and so a rule that uses it is for that one only; it is an
// error if no family is left. [UserChain] does this by itself.
func (r Rule) Resolve(sets iptables.SetResolver) (Rule, error) {
	ipv4, err4 := resolveAll(r.ipv4, sets)
	ipv6, err6 := resolveAll(r.ipv6, sets)
	if len(ipv4)+len(ipv6) == 0 {
		if err := errors.Join(err4, err6); err != nil {
			return Rule{}, err
		}
	}
	return Rule{ipv4: ipv4, ipv6: ipv6}, nil
}

// resolveAll returns no rules if there is an error.
func resolveAll(rules []iptables.Rule, sets iptables.SetResolver) ([]iptables.Rule, error) {
	var out []iptables.Rule
	for _, r := range rules {
		resolved, err := r.Resolve(sets)
		if err != nil {
			return nil, err
		}
		out = append(out, resolved)
	}
	return out, nil
}

// resolve looks up the sets of rules in the firewall's network namespace. What
// uses none costs nothing.
func (t *userTable) resolve(rules []iptables.Rule) ([]iptables.Rule, error) {
	if !slices.ContainsFunc(rules, iptables.Rule.UsesSets) {
		return rules, nil
	}
	sets, err := OpenSets(t.c.Firewall.NetNS())
	if err != nil {
		return nil, err
	}
	out, err := resolveAll(rules, sets)
	return out, errors.Join(err, sets.Close())
}

// resolved is the rule with the sets of one family, for which alone it then is.
func (t *userTable) resolved(r Rule) (Rule, error) {
	rules, err := t.resolve(r.In(t.c.Family))
	if t.c.Family == nft.IPv6 {
		return Rule{ipv6: rules}, err
	}
	return Rule{ipv4: rules}, err
}

// named is a rule that was read back, with the names of its sets.
func (t *userTable) named(r iptables.Rule) (iptables.Rule, error) {
	rules, err := t.resolve([]iptables.Rule{r})
	if err != nil {
		return iptables.Rule{}, err
	}
	return rules[0], nil
}
