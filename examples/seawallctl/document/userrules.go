package document

import (
	"fmt"
	"slices"
	"strings"

	"github.com/seawall-net/seawall/compat"
	"github.com/seawall-net/seawall/compat/iptables"
	"github.com/seawall-net/seawall/nft"
	"go.yaml.in/yaml/v3"
)

// UserChain is the name of the chain that user rules without another belong to.
const UserChain = "DOCKER-USER"

func (r reader) userRules(n *yaml.Node, d *Document) error {
	family := func(f nft.Family, name string) field {
		return func(n *yaml.Node) error {
			rules := &UserRules{place: place{n.Line, nil}}
			chains := &chains{family: f, save: []iptables.SaveChain{{Name: UserChain}}, lines: map[string]int{}}
			err := r.list("user_rules: "+name, func(n *yaml.Node) error {
				return r.text("user rule", func(text string) error { return chains.add(text, n.Line) })(n)
			})(n)
			if err == nil {
				err = r.unreachable(chains)
			}
			rules.Save = &iptables.Save{Family: f, Tables: []iptables.SaveTable{{Name: "filter", Chains: chains.save}}}
			d.UserRules[f] = rules
			return err
		}
	}
	_, err := r.mapping(n, "user_rules", map[string]field{"ipv4": family(nft.IPv4, "ipv4"), "ipv6": family(nft.IPv6, "ipv6")})
	return err
}

// chains are the user's chains as they are read.
type chains struct {
	family nft.Family
	save   []iptables.SaveChain
	lines  map[string]int
}

// add reads "-N CHAIN", "-A CHAIN RULE", or a rule of DOCKER-USER.
func (c *chains) add(text string, line int) error {
	words, err := iptables.Split(text)
	if err != nil {
		return err
	}
	chain := UserChain
	switch {
	case len(words) == 2 && words[0] == "-N":
		if c.lines[words[1]] != 0 || words[1] == UserChain {
			return fmt.Errorf("chain %s is there already", printable(words[1]))
		}
		c.save, c.lines[words[1]] = append(c.save, iptables.SaveChain{Name: words[1]}), line
		return nil
	case len(words) >= 2 && words[0] == "-A":
		chain, words = words[1], words[2:]
	}
	i := slices.IndexFunc(c.save, func(s iptables.SaveChain) bool { return s.Name == chain })
	if i < 0 {
		return fmt.Errorf("there is no chain %s: make it by a line \"-N %s\" above", printable(chain), printable(chain))
	}
	rule, err := compat.ParseArgs(words...)
	if err != nil {
		return fmt.Errorf("%s", strings.TrimPrefix(err.Error(), "compat: "))
	}
	made := rule.In(c.family)
	if len(made) == 0 {
		return fmt.Errorf("%s is not for family %s", rule, c.family)
	}
	c.save[i].Rules = append(c.save[i].Rules, made...)
	return nil
}

// unreachable refuses chains that DOCKER-USER does not lead to: they would be
// without effect, and nobody could tell that they are the user's.
func (r reader) unreachable(c *chains) error {
	reached := []string{UserChain}
	for i := 0; i < len(reached); i++ {
		for _, s := range c.save {
			if s.Name != reached[i] {
				continue
			}
			for _, rule := range s.Rules {
				words, _ := iptables.Split(rule.Target.String())
				for _, w := range words {
					if c.lines[w] != 0 && !slices.Contains(reached, w) {
						reached = append(reached, w)
					}
				}
			}
		}
	}
	for _, s := range c.save {
		if !slices.Contains(reached, s.Name) {
			return &Error{File: r.file, Line: c.lines[s.Name], Reason: fmt.Sprintf("user rule: nothing in %s leads to chain %s", UserChain, printable(s.Name))}
		}
	}
	return nil
}

// Lines are the rules of a family as they stand in a document: first chains of
// the user's own by name, and their rules, then those of DOCKER-USER.
func Lines(save *iptables.Save) []string {
	lines := []string{}
	var chains []iptables.SaveChain
	for _, t := range save.Tables {
		chains = append(chains, t.Chains...)
	}
	slices.SortStableFunc(chains, func(a, b iptables.SaveChain) int { return strings.Compare(a.Name, b.Name) })
	for _, c := range chains {
		if c.Name != UserChain {
			lines = append(lines, "-N "+c.Name)
		}
	}
	for _, own := range []bool{true, false} {
		for _, c := range chains {
			for _, rule := range c.Rules {
				switch {
				case (c.Name != UserChain) != own:
				case own:
					lines = append(lines, rule.Line(c.Name))
				default:
					lines = append(lines, rule.String())
				}
			}
		}
	}
	return lines
}
