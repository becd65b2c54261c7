package bridge_test

import (
	"context"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/internal/netlab"
	"github.com/seawall-net/seawall/nft"
)

var updateDocs = flag.Bool("update", false, "write docs/rulesets instead of comparing with it")

const rulesetDocs = "../docs/rulesets"

// A scenario is a page of docs/rulesets: what a user wants, how it is said to Docker and to Seawall, the ruleset, and
// what becomes of packets, which is probed.
type scenario struct {
	name, title, about string
	docker             string
	cfg                bridge.Config
	open               string // how the firewall is opened, if cfg says something
	update             func(*bridge.Tx)
	// surroundings adds what the world does not have by itself.
	surroundings func(*world)
	// fates is a table as in fates_test.go, with a reason behind a semicolon. Words in quotes there are objects of the
	// ruleset. Lines that begin with # are paragraphs.
	fates string
	// forged is about raw frames in another's name: who, "as", whose address he claims, and then as in fates.
	forged string
	// families are the tables to show: those of IPv4 if nothing is said. ipv6 is what the other's has besides.
	families []nft.Family
	ipv6     string
}

// Each page of docs/rulesets is what its test has found. After a change: go test ./bridge -run TestRulesets -update
func TestRulesets(t *testing.T) {
	nativeText(t)
	t.Parallel()
	all := scenarios()
	comparePage(t, "README.md", rulesetIndex(all))
	pages := map[string]bool{"README.md": true}
	for _, s := range all {
		pages[s.name+".md"] = true
	}
	files, err := os.ReadDir(rulesetDocs)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !pages[f.Name()] {
			t.Errorf("%s/%s is no scenario's: delete it", rulesetDocs, f.Name())
		}
	}
	everywhere := newWorld(t, bridge.Config{}).printRuleset()
	for _, s := range all {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, s.cfg)
			w.filterBridges(filterOff)
			w.serve("host", 22)
			if s.update != nil {
				w.update(s.update)
				w.inhabit()
			}
			if s.surroundings != nil {
				s.surroundings(w)
			}
			lines := explained(s.fates)
			w.fates(lines.table())
			forged := explained(s.forged)
			w.forged(forged)
			lines = append(lines, forged...)
			comparePage(t, s.name+".md", s.page(t, w.printRuleset(), everywhere, lines))
		})
	}
}

// inhabit makes namespaces for all endpoints there are, and names for their addresses.
func (w *world) inhabit() {
	w.t.Helper()
	view := w.fw.View()
	for n := range view.Networks() {
		subnets, gateways := prefixPair{n.Spec.IPv4.Subnet, n.Spec.IPv6.Subnet}, addrPair{}
		for i, g := range []bridge.Gateway{n.Spec.IPv4, n.Spec.IPv6} {
			if subnets[i].IsValid() {
				w.ext.Route(subnets[i].String(), w.addrs["host"][i].String())
			}
			if g.Mode != bridge.Isolated {
				gateways[i] = g.Address
			}
		}
		w.subnets[n.Spec.Name], w.addrs["gw-"+n.Spec.Name] = subnets, gateways
		for e := range view.Endpoints(n) {
			w.addrs[e.Spec.Name] = addrPair{e.Spec.IPv4, e.Spec.IPv6}
			w.connect(n.Spec.Name, e.Spec.Name)
			w.serve(e.Spec.Name, 80, 81)
		}
	}
}

// printRuleset returns the tables of each family as nft prints them.
func (w *world) printRuleset() map[nft.Family]string {
	w.t.Helper()
	rs, err := w.fw.Ruleset(context.Background())
	if err != nil {
		w.t.Fatal(err)
	}
	printed := map[nft.Family]string{}
	for _, table := range rs.Tables() {
		var text strings.Builder
		if err := rs.Only(table.Ref()).Print(&text, nft.PrintOptions{Stateless: true}); err != nil {
			w.t.Fatal(err)
		}
		printed[table.Family] += text.String()
	}
	return printed
}

// A fateLine is one line of a scenario's fates: a paragraph, or a fate and its reason.
type fateLine struct{ paragraph, fate, reason string }

type fateLines []fateLine

func explained(table string) fateLines {
	var all fateLines
	for line := range strings.Lines(table) {
		line = strings.TrimSpace(line)
		if paragraph, is := strings.CutPrefix(line, "# "); is {
			all = append(all, fateLine{paragraph: paragraph})
		} else if fate, reason, _ := strings.Cut(line, ";"); fate != "" {
			all = append(all, fateLine{fate: strings.TrimSpace(fate), reason: quoted.ReplaceAllString(strings.TrimSpace(reason), "`$1`")})
		}
	}
	return all
}

func (all fateLines) table() string {
	var text strings.Builder
	for _, l := range all {
		text.WriteString(l.fate + "\n")
	}
	return text.String()
}

// forged sends raw frames in others' names, in both families, all at once, and compares who gets them.
func (w *world) forged(lines fateLines) {
	w.t.Helper()
	var fates []fate
	var probes []netlab.RawProbe
	for _, l := range lines {
		if l.fate == "" {
			continue
		}
		sender, rest, ok := strings.Cut(l.fate, " as ")
		claimed, rest, ok2 := strings.Cut(strings.TrimSpace(rest), " ")
		if !ok || !ok2 {
			w.t.Fatalf("%q: who, as whom?", l.fate)
		}
		for _, f := range w.parse(strings.TrimSpace(sender) + " " + rest) {
			watch, _, _ := strings.Cut(f.want, " ")
			fates = append(fates, f)
			probes = append(probes, netlab.RawProbe{
				From: f.from, Interface: "eth0", DstMAC: w.hostMAC(f.from.Name()), Proto: f.proto, Dst: f.to,
				Src: netip.AddrPortFrom(w.addrs[claimed][f.family], 0), Watch: w.spaces[watch],
			})
		}
	}
	for i, r := range w.RawProbeAll(probes) {
		got := probes[i].Watch.Name() + " gets nothing"
		if r.Arrived {
			got = probes[i].Watch.Name() + " gets it"
		}
		if got != fates[i].want || r.Err != nil {
			w.t.Errorf("%s\n\tfrom %s to %s: %s (%v)", fates[i].line, probes[i].Src, fates[i].to, got, r)
		}
	}
}

// comparePage compares a page with what is in docs/rulesets, or writes it.
func comparePage(t *testing.T, name, page string) {
	t.Helper()
	path := filepath.Join(rulesetDocs, name)
	if *updateDocs && !t.Failed() {
		if err := os.WriteFile(path, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	old, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v\nto write it: go test ./bridge -run TestRulesets -update", err)
	}
	if string(old) == page {
		return
	}
	want, got := strings.Split(string(old), "\n"), strings.Split(page, "\n")
	for i := range max(len(want), len(got)) {
		if i >= len(want) || i >= len(got) || want[i] != got[i] {
			t.Errorf("%s is not current, from line %d:\n\t%s\nshould be:\n\t%s\nto write it: go test ./bridge -run TestRulesets -update",
				path, i+1, strings.Join(want[min(i, len(want)):], "\n\t"), strings.Join(got[min(i, len(got)):], "\n\t"))
			return
		}
	}
}

// quoted finds what a reason in a scenario says of the ruleset, and marked on a page.
var (
	quoted = regexp.MustCompile(`'([A-Za-z0-9-]+)'`)
	marked = regexp.MustCompile("`([^`]+)`")
)

// checkReasons makes sure that reasons name chains, sets and maps that are there.
func checkReasons(t *testing.T, lines fateLines, ruleset string) {
	t.Helper()
	for _, l := range lines {
		if l.fate != "" && l.reason == "" {
			t.Errorf("%s: no reason is given", l.fate)
		}
		for _, m := range marked.FindAllStringSubmatch(l.reason, -1) {
			found := false
			for _, kind := range []string{"chain", "set", "map"} {
				found = found || strings.Contains(ruleset, fmt.Sprintf("\t%s %s {", kind, m[1]))
			}
			if !found {
				t.Errorf("%s: the ruleset has no %s", l.fate, m[1])
			}
		}
	}
}
