package compat

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/seawall-net/seawall/nft"
)

var capturesDir = flag.String("captures", "", "directory with output of real Dockers, to compare with: docker-20.10, docker-29-iptables")

// versions are the captures' directories, by layout.
var versions = map[string]string{"docker-18.05": "docker-20.10", "docker-28": "docker-29-iptables"}

// capture reads what a real Docker printed, without rules of the user's.
func capture(t *testing.T, l docker, s scenario) (out listing, ok bool) {
	t.Helper()
	dir := filepath.Join(*capturesDir, versions[l.name], s.name)
	if _, err := os.Stat(dir); *capturesDir == "" || versions[l.name] == "" || err != nil {
		return nil, false
	}
	out = listing{}
	for i, name := range []string{"iptables-save", "ip6tables-save"} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := out.readSave(families[i], string(b)); err != nil {
			t.Fatal(err)
		}
	}
	for _, table := range out {
		table.chains = slices.DeleteFunc(table.chains, func(c string) bool { return c == "MYCHAIN" })
		for c := range table.rules {
			table.rules[c] = slices.DeleteFunc(table.rules[c], isForeign)
		}
	}
	return out, true
}

// samePolicies compares the policies that Docker has left with those that the layout
// sets. The captured hosts had forwarded IPv4 before, and those with Docker 29 IPv6, too: then it is the host's own policy. Docker
// 20.10 drops in IPv6 even where the host forwarded before; the layout does so where the firewall has switched it on.
func (l docker) samePolicies(t *testing.T, captured listing) (dropping int) {
	t.Helper()
	for key, table := range captured {
		for chain, policy := range table.policies {
			ours := l.PolicyChain(key.family) == nft.TableRef{Family: key.family, Name: key.table}.Chain(chain)
			switch {
			case policy == "DROP" && ours:
				dropping++
			case policy != "ACCEPT":
				t.Errorf("table %s, chain %s: the policy is %s, and the layout sets none", key.table, chain, policy)
			}
		}
	}
	return dropping
}

// isForeign tells whether a captured rule is none of Docker's.
func isForeign(rule string) bool {
	return strings.Contains(rule, "-s 198.18.0.9") || strings.Contains(rule, "MYCHAIN") || strings.Contains(rule, "10.9.9.0")
}

// What Docker printed is what the layouts print.
func TestCaptures(t *testing.T) {
	compared, dropping := 0, 0
	cases(t, captured, func(t *testing.T, l docker, s scenario) {
		captured, ok := capture(t, l, s)
		if !ok {
			return
		}
		compared++
		dropping += l.samePolicies(t, captured)
		want := captured.String()
		p := onPaper(t, s)
		got := ofLines(l, p.lines(l), p.host.Disabled, nil)
		if !strings.Contains(want, "ip6tables") { // of which nothing was captured
			for key := range got {
				if key.family == nft.IPv6 {
					delete(got, key)
				}
			}
		}
		if got := got.String(); got != want {
			t.Errorf("is\n%s\nwant\n%s", got, want)
		}
	})
	if *capturesDir != "" && (compared != 25 || dropping != 9) {
		t.Errorf("only %d captures were compared, %d of which drop what is forwarded", compared, dropping)
	}
}
