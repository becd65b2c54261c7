package bridge

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/seawall-net/seawall/internal/netns"
	"github.com/seawall-net/seawall/nft"
)

// runNFT runs nft in a namespace, and returns what it prints.
func runNFT(t testing.TB, ns *os.File, in string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath("nft")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("nft is not installed")
		}
		t.Skip("nft is not installed: nothing was tested")
	}
	var out, stderr bytes.Buffer
	cmd := exec.Command(path, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(in), &out, &stderr
	if err := netns.Do(ns, cmd.Run); err != nil {
		t.Fatalf("nft %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return out.String()
}

// listed is what packets meet: nft's own listing, without comments on elements and what was counted.
func listed(t testing.TB, ns *os.File) []string {
	t.Helper()
	rs := counted.ReplaceAllString(runNFT(t, ns, "", "-n", "list", "ruleset"), "counter")
	var out []string
	where, skip := "", false
	for line := range strings.Lines(rs) {
		words := strings.TrimSpace(line)
		if strings.HasSuffix(words, "{") && !strings.Contains(words, "elements") {
			where, skip = words, strings.Contains(words, "set facts")
		}
		if skip {
			continue
		}
		for part := range strings.SplitSeq(words, ", ") {
			if i := strings.Index(part, ` comment "`); i >= 0 {
				part = part[:i]
			}
			part = strings.TrimPrefix(part, "elements = { ")
			out = append(out, where+" "+strings.Trim(part, " ,}"))
		}
	}
	slices.Sort(out)
	return out
}

// reached lists a view's networks and endpoints, and port by port what leads where for whom.
func reached(v *View) []string {
	var out []string
	for n := range v.Networks() {
		out = append(out, fmt.Sprintf("%+v", n.Spec))
		for e := range v.Endpoints(n) {
			out = append(out, fmt.Sprintf("%s: %+v", n.Spec.Name, e.Spec))
			for b := range v.Bindings(e) {
				for _, f := range []nft.Family{nft.IPv4, nft.IPv6} {
					scope := b.Scope()
					from := (&scope).from(f)
					for i := range b.Port.Container.Len() {
						to := fmt.Sprintf("%s %v/%v for %v %s", e.Addr(f), b.Port.Container.First+uint16(i), b.Port.Proto, from, scope.Interface)
						if c, ok := b.Claim(f); ok {
							out = append(out, fmt.Sprintf("%s:%d to %s", c.Addr, c.Ports.First+uint16(i), to))
						}
					}
				}
			}
			for l := range v.Links(e) {
				for i := range l.Port.Ports.Len() {
					if n.Spec.DisableICC {
						out = append(out, fmt.Sprintf("%s to %s %v/%v", l.From, l.To, l.Port.Ports.First+uint16(i), l.Port.Proto))
					}
				}
			}
		}
	}
	slices.Sort(out)
	return out
}

// Whatever the facts are, a ruleset that was saved and loaded as text has them: what packets meet stays as it is, and the
// firewall goes on as if nothing had been lost. What is damaged is refused.
func TestRebuildFromText(t *testing.T) {
	t.Parallel()
	for seed := range uint64(6) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			t.Parallel()
			ctx := context.Background()
			rnd := rand.New(rand.NewPCG(seed, 9))
			p := &property{t: t, rnd: rnd, facts: model{}}
			cfg := p.config()
			cfg.DisableIPv4, cfg.DisableIPv6 = false, false
			if seed%3 == 1 {
				cfg.LogDrops = &DropLog{Group: 7, Rate: 20}
			}
			var ns *os.File
			p.fw, ns = openNew(t, cfg)
			for range 60 {
				p.update()
			}
			facts, rules := reached(p.fw.View()), listed(t, ns)
			if err := p.fw.Close(); err != nil {
				t.Fatal(err)
			}
			p.fw = nil
			runNFT(t, ns, "flush ruleset\n"+runNFT(t, ns, "", "list", "ruleset"), "-f", "-")
			cfg.NetNS, cfg.RulesOnly = ns, true
			if fw, err := Open(ctx, cfg); fw != nil || !errors.As(err, new(*RecordsError)) {
				t.Fatalf("without asking: %v", err)
			}
			hints := cfg
			if rnd.IntN(2) == 0 {
				hints = p.config() // the rules know better
				hints.NetNS = ns
			}
			r, err := Rebuild(ctx, hints)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := Rebuild(ctx, hints); !errors.Is(err, fs.ErrExist) {
				t.Errorf("again: %v", err)
			}
			fw := mustOpen(t, cfg)
			if v := fw.View(); r.Networks != len(slices.Collect(v.Networks())) || r.Layout != "native" {
				t.Errorf("rebuilt: %+v", r)
			}
			for _, d := range []struct {
				what      string
				got, want []string
			}{{"facts", reached(fw.View()), facts}, {"rules", listed(t, ns), rules}} {
				for _, line := range d.got {
					if !slices.Contains(d.want, line) {
						t.Errorf("%s: now there is %s", d.what, line)
					}
				}
				for _, line := range d.want {
					if !slices.Contains(d.got, line) {
						t.Errorf("%s: missing is %s", d.what, line)
					}
				}
			}
			checkFirewall(t, fw)
		})
	}
}
