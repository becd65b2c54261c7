package compat

import (
	"fmt"
	"slices"
	"strings"

	"github.com/seawall-net/seawall/nft"
)

// A listing is what iptables and ip6tables list: of each table that is not empty,
// its own chains and the rules of each chain, without counters; and the policies of
// iptables' own chains, which are not printed with the rest.
type listing map[listed]*listedTable

type listed struct {
	family nft.Family
	table  string
}

type listedTable struct {
	chains   []string // sorted, but for iptables' own
	rules    map[string][]string
	policies map[string]string
}

func (l listing) table(f nft.Family, name string) *listedTable {
	t := l[listed{f, name}]
	if t == nil {
		t = &listedTable{rules: map[string][]string{}, policies: map[string]string{}}
		l[listed{f, name}] = t
	}
	return t
}

// ofLines lists rules on paper.
func ofLines(l docker, lines []line, disabled func(nft.Family) bool, note func(line) string) listing {
	out := listing{}
	for _, f := range l.version.families() {
		if disabled(f) {
			continue
		}
		for table, chains := range l.rules.chains(f) {
			t := out.table(f, table)
			t.chains = append(t.chains, chains...)
			if table == "filter" && l.rules.userChain(f) {
				t.chains = append(t.chains, userChain)
			}
		}
	}
	for _, r := range lines {
		t := out.table(r.family, r.table)
		text := strings.Join(append([]string{"-A", r.chain}, r.args...), " ")
		if note != nil {
			text += "  # " + note(r)
		}
		t.rules[r.chain] = append(t.rules[r.chain], text)
	}
	return out
}

// readSave adds what iptables-save printed.
func (l listing) readSave(f nft.Family, text string) error {
	var t *listedTable
	for _, line := range strings.Split(text, "\n") {
		chain, rest, _ := strings.Cut(strings.TrimPrefix(line, ":"), " ")
		switch {
		case line == "" || line[0] == '#' || line == "COMMIT":
		case line[0] == '*':
			t = l.table(f, line[1:])
		case t == nil:
			return fmt.Errorf("%q is in no table", line)
		case line[0] == ':' && strings.HasPrefix(rest, "-"):
			t.chains = append(t.chains, chain)
		case line[0] == ':':
			t.policies[chain], _, _ = strings.Cut(rest, " ")
		case chain == "-A":
			name, _, _ := strings.Cut(rest, " ")
			t.rules[name] = append(t.rules[name], line)
		default:
			return fmt.Errorf("%q is not understood", line)
		}
	}
	return nil
}

// String prints the listing as iptables -S does, table by table.
func (l listing) String() string {
	var b strings.Builder
	for _, f := range families {
		for _, name := range tableNames {
			t := l[listed{f, name}]
			if t == nil || len(t.chains) == 0 && len(t.rules) == 0 {
				continue
			}
			if b.Len() > 0 {
				b.WriteByte('\n')
			}
			tool := "iptables"
			if f == nft.IPv6 {
				tool = "ip6tables"
			}
			fmt.Fprintf(&b, "%s -t %s -S\n", tool, name)
			slices.Sort(t.chains)
			for _, c := range t.chains {
				fmt.Fprintf(&b, "-N %s\n", c)
			}
			for _, c := range append([]string{"PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"}, t.chains...) {
				for _, r := range t.rules[c] {
					fmt.Fprintln(&b, r)
				}
			}
		}
	}
	return b.String()
}

// withoutNotes takes the notes off the lines.
func withoutNotes(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i], _, _ = strings.Cut(lines[i], "  # ")
	}
	return strings.Join(lines, "\n")
}
