package compat_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/compat"
	"github.com/seawall-net/seawall/internal/netns"
	"github.com/seawall-net/seawall/internal/userrule"
	"github.com/seawall-net/seawall/nft"
)

var recorded = flag.String("recorded", "", "load the rules that are recorded in these files (JSON lines), separated by commas, and compare with the real iptables")

// A recording is what the real iptables made of a rule.
type recording struct {
	userrule.Rule
	ID        string   `json:"id"`
	Loads     *bool    `json:"loads"`
	Expect    string   `json:"expect"`
	Matters   *bool    `json:"matters"`
	Canonical []string `json:"canonical"`
}

func (r recording) works() bool { return r.Expect == "ok" || r.Loads != nil && *r.Loads }

// TestRecordedRules loads each recorded rule that matters into DOCKER-USER, by
// each layout. What iptables refused is refused; of the others, iptables itself
// lists the canonical form in its own table, and so do we. In our own table some
// forms are not told apart: how many are listed in another is logged.
func TestRecordedRules(t *testing.T) {
	if *recorded == "" {
		return // there is nothing to load unless -recorded names it
	}
	for name := range strings.SplitSeq(*recorded, ",") {
		all := recordings(t, name)
		for _, layout := range []string{"docker-28", "hybrid", "native"} {
			t.Run(filepath.Base(name)+" "+layout, func(t *testing.T) {
				t.Parallel()
				accepted, refused, otherForm := 0, 0, 0
				for _, r := range all {
					canonical, err := r.check(layout)
					switch {
					case err != nil:
						t.Errorf("%s %q: %v", r.ID, r.Args, err)
					case r.works():
						accepted++
					default:
						refused++
					}
					if r.works() && err == nil && !canonical {
						otherForm++
					}
				}
				t.Logf("of %d rules, %d are accepted and listed (%d in another form), %d refused, as by iptables", len(all), accepted, otherForm, refused)
			})
		}
	}
}

// recordings reads those of a file that matter.
func recordings(t *testing.T, name string) []recording {
	t.Helper()
	f, err := os.Open(name)
	ok(t, err)
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<22)
	var out []recording
	for lines.Scan() {
		var r recording
		ok(t, json.Unmarshal(lines.Bytes(), &r))
		if r.Chain == "" {
			r.Chain = "DOCKER-USER"
		}
		if r.Matters == nil || *r.Matters {
			out = append(out, r)
		}
	}
	ok(t, lines.Err())
	return out
}

// check loads the rule in a namespace of its own, and tells whether we list it in
// its canonical form.
func (r recording) check(layout string) (canonical bool, err error) {
	ctx := context.Background()
	ns, err := netns.New()
	if err != nil {
		return false, err
	}
	defer ns.Close()
	cfg := bridge.Config{NetNS: ns, RulesOnly: true}
	if cfg.Layout, err = compat.LayoutNamed(layout); err != nil {
		return false, err
	}
	fw, err := bridge.Open(ctx, cfg)
	if err != nil {
		return false, err
	}
	defer fw.Close()
	if err := r.Prepare(ctx, fw); err != nil {
		return false, err
	}
	before, err := r.listed(ctx, fw)
	if err != nil {
		return false, err
	}
	err = r.Load(ctx, fw)
	if !r.works() {
		if err == nil {
			return false, errors.New("it is accepted")
		}
		return true, nil
	}
	if err != nil {
		return false, err
	}
	want := slices.Concat(before, r.Canonical)
	if layout != "native" {
		text, err := toolListing(ns, r.Family(), r.Chain)
		if err != nil {
			return false, err
		}
		if !slices.Equal(text, want) {
			return false, fmt.Errorf("iptables lists %q, want %q", text, want)
		}
	}
	got, err := r.listed(ctx, fw)
	if err != nil {
		return false, err
	}
	canonical = slices.Equal(got, want)
	if !canonical && layout != "native" {
		return false, fmt.Errorf("we list %q, want %q", got, want)
	}
	return canonical, nil
}

// listed is how we list the rule's chain.
func (r recording) listed(ctx context.Context, fw *bridge.Firewall) ([]string, error) {
	list, err := compat.UserChain{Firewall: fw, Family: r.Family(), Name: r.Chain}.List(ctx)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, rule := range list {
		if rule.Err != nil {
			return nil, rule.Err
		}
		out = append(out, rule.Rule.Line(r.Chain))
	}
	return out, nil
}

// toolListing is how iptables lists a chain's rules.
func toolListing(ns *os.File, f nft.Family, chain string) ([]string, error) {
	name := map[nft.Family]string{nft.IPv4: "iptables", nft.IPv6: "ip6tables"}[f]
	var text []byte
	err := netns.Do(ns, func() (err error) {
		text, err = exec.Command(name, "-S", chain).Output()
		return err
	})
	var out []string
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "-A") {
			out = append(out, strings.TrimSuffix(line, "\n"))
		}
	}
	return out, err
}
