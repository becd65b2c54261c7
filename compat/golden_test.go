package compat

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

var update = flag.Bool("update", false, "write what is printed to testdata: review it")

func dockers() []docker {
	var out []docker
	for _, l := range layouts {
		if d, ok := l.make().(docker); ok {
			out = append(out, d)
		}
	}
	return out
}

// cases calls fn for each layout and each scenario that it has.
func cases(t *testing.T, scenarios []scenario, fn func(*testing.T, docker, scenario)) {
	for _, l := range dockers() {
		for _, s := range scenarios {
			if s.isFor(l.name) {
				t.Run(l.name+"/"+s.name, func(t *testing.T) { fn(t, l, s) })
			}
		}
	}
}

func goldenFile(l docker, s scenario) string {
	return filepath.Join("testdata", l.name, s.name+".txt")
}

func golden(t *testing.T, l docker, s scenario) string {
	t.Helper()
	b, err := os.ReadFile(goldenFile(l, s))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Each layout writes the rules of its Docker, in its order. The source of each is
// noted.
func TestRules(t *testing.T) {
	cases(t, slices.Concat(captured, others), func(t *testing.T, l docker, s scenario) {
		p := onPaper(t, s)
		for _, f := range p.facts {
			if err := l.version.check(f); err != nil {
				t.Error(err)
			}
		}
		note := func(r line) string {
			from := sourceOf(l, r)
			if from == "" {
				t.Errorf("%s %s: no source is noted for %s", r.table, r.chain, r.key)
			}
			return from
		}
		got := ofLines(l, p.lines(l), p.host.Disabled, note).String()
		if *update {
			write(t, goldenFile(l, s), got)
		}
		if want := golden(t, l, s); got != want {
			t.Errorf("is\n%s\nwant\n%s", got, want)
		}
	})
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// Rules of different facts in a chain have different ranks and keys that fit.
func TestRanks(t *testing.T) {
	cases(t, slices.Concat(captured, others), func(t *testing.T, l docker, s scenario) {
		places := map[string]string{}
		for _, r := range onPaper(t, s).lines(l) {
			if r.key == "initial" {
				continue
			}
			if len(r.key) > 64 {
				t.Errorf("%s: %d bytes", r.key, len(r.key))
			}
			place := fmt.Sprint(r.family, r.table, r.chain, r.rank)
			if other := places[place]; other != "" {
				t.Errorf("%s %s: %s and %s have the same rank", r.table, r.chain, other, r.key)
			}
			places[place] = r.key
		}
	})
}
