package iptables

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/seawall-net/seawall/nft"
)

var corpus = flag.String("corpus", "", "compare with the real iptables as recorded in these files (JSON lines), separated by commas")

// A recording is what the real iptables made of a rule.
type recording struct {
	ID        string     `json:"id"`
	Family    string     `json:"family"`
	Chain     string     `json:"chain"`
	Setup     [][]string `json:"setup"`
	Args      []string   `json:"args"`
	Loads     *bool      `json:"loads"`
	Expect    string     `json:"expect"`
	Canonical []string   `json:"canonical"`
	Matters   *bool      `json:"matters"`
	Module    string     `json:"module"`
	Modules   []string   `json:"modules"`
	Target    string     `json:"target"`
}

// TestCorpus holds the package against recordings: what is accepted, and its
// canonical form. Differences are reported by module. Those of rules that do not
// matter are no failures.
func TestCorpus(t *testing.T) {
	if *corpus == "" {
		return // there is nothing to compare with unless -corpus names it
	}
	var h host
	var conn *nft.Conn
	if haveTool(t) {
		h = newHost(t)
		conn = h.dial()
	}
	bad := map[string][]string{}
	total := map[string]int{}
	var all, accepted, others int
	for name := range strings.SplitSeq(*corpus, ",") {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		lines := bufio.NewScanner(f)
		lines.Buffer(nil, 1<<22)
		for lines.Scan() {
			var r recording
			if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
				t.Fatal(err)
			}
			key := r.key()
			total[key]++
			diff := r.compare()
			if diff == "" && conn != nil && r.works() && len(r.Setup) <= 2 && !r.hasExchangedPorts() {
				diff = r.compareWithTool(h, conn)
			}
			matters := r.Matters == nil || *r.Matters
			if matters {
				if all++; r.works() {
					accepted++
				}
			}
			switch {
			case diff != "" && matters:
				bad[key] = append(bad[key], fmt.Sprintf("%s %q: %s", r.ID, r.Args, diff))
			case diff != "":
				others++
				t.Logf("%s %q: %s", r.ID, r.Args, diff)
			}
		}
		if err := lines.Err(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("of %d rules that matter, the tool accepts %d; of the others, %d differ", all, accepted, others)
	for _, key := range slices.Sorted(maps.Keys(bad)) {
		t.Errorf("%s: %d of %d differ\n  %s", key, len(bad[key]), total[key], strings.Join(bad[key], "\n  "))
	}
}

func (r recording) key() string {
	if r.Module != "" {
		return r.Module
	}
	return strings.Join(append(r.Modules, r.Target), " ")
}

// hasExchangedPorts tells whether the rule has a range of UDP ports whose ends are
// exchanged, in which no port is. The tool programs it as a range, which package
// nft does not know; ours is in the match, and lists the same.
func (r recording) hasExchangedPorts() bool {
	rules, err := ParseAll(r.context(), r.Args)
	return err == nil && slices.ContainsFunc(rules, func(r Rule) bool {
		return slices.ContainsFunc(r.Matches, func(m Match) bool {
			u, ok := m.value.(udp)
			return ok && (u.sport.lo > u.sport.hi || u.dport.lo > u.dport.hi)
		})
	})
}

// leavesToChain tells whether the rule jumps or goes to a chain.
func (r Rule) leavesToChain() bool { return r.Target.Verdict.Chain != "" }

func (r recording) works() bool { return r.Expect == "ok" || r.Loads != nil && *r.Loads }

func (r recording) context() Context {
	ctx := Context{Family: nft.IPv4, Table: "filter", Hook: nft.Forward}
	if r.Family == "ipv6" {
		ctx.Family = nft.IPv6
	}
	return ctx
}

// compareWithTool gives the rule to the real iptables, in a chain that FORWARD
// jumps to.
func (r recording) compareWithTool(h host, conn *nft.Conn) string {
	var want []string
	for _, line := range r.Canonical {
		args := strings.SplitN(line, " ", 3)
		want = append(want, strings.Join(args[2:], " "))
	}
	ctx := r.context()
	for _, a := range [][]string{{"-j"}, {"-g"}} {
		if i := slices.Index(r.Args, a[0]); i >= 0 && i+1 < len(r.Args) {
			_, _ = h.run(ctx.Family, "-N", r.Args[i+1]) // it may be a chain
			defer func() { _, _ = h.run(ctx.Family, "-X", r.Args[i+1]) }()
		}
	}
	if err := h.agrees(conn, ctx, "USER", r.Args, want); err != nil {
		return "tool: " + err.Error()
	}
	return ""
}

func (r recording) compare() string {
	ctx := r.context()
	wantOK := r.works()
	rules, err := ParseAll(ctx, r.Args)
	for i := range rules {
		if rules[i], err = rules[i].Resolve(testSets{}); err != nil {
			break
		}
	}
	switch {
	case err != nil && wantOK:
		return "refused: " + err.Error()
	case err == nil && !wantOK && slices.ContainsFunc(rules, Rule.leavesToChain):
		return "" // whether the chain exists is for the kernel to say
	case err == nil && !wantOK:
		return "accepted"
	case err != nil:
		return ""
	}
	chain := r.Chain
	if chain == "" {
		chain = "DOCKER-USER"
	}
	var lines []string
	for _, rule := range rules {
		line := rule.Line(chain)
		lines = append(lines, line)
		if _, _, err := rule.Statements(nft.TableRef{Family: ctx.Family, Name: "filter"}.Chain(chain)); err != nil {
			return "not compiled: " + err.Error()
		}
	}
	if !slices.Equal(lines, r.Canonical) {
		return fmt.Sprintf("%q, want %q", lines, r.Canonical)
	}
	return ""
}
