package conformance

import (
	"flag"
	"maps"
	"os"
	"regexp"
	"testing"

	"github.com/seawall-net/seawall/bridge"
)

// A capture of what a real Docker does on the same topology can be compared
// with the tables: -capture FILE. See capture_test.go.
var capture = flag.String("capture", "", "compare the tables with what a real Docker did, one JSON object for each probe")

// The tables of docs/conformance.md that hold always, and those that hold
// instead under a condition.
var (
	always = []string{
		"Endpoints by their own addresses", "Published ports from outside and from the host",
		"Published ports from containers", "Services of the host, and of the LAN",
	}
	withoutNFCall = "With bridge-nf-call 0"
)

func TestConformance(t *testing.T) {
	text := read(t, "../../docs/conformance.md")
	tables := parseTables(t, text)
	s := newStage(t, bridge.Config{})
	asked := questions(s.atlas)

	var base [][]row
	for _, heading := range always {
		base = append(base, tables[heading])
	}
	measured := s.expectations(t, asked, base)
	for _, p := range asked {
		if _, known := measured[p]; !known {
			t.Errorf("no table is about %s", p)
		}
	}
	s.entriesExist(t, measured)
	if *capture != "" {
		s.compareCapture(t, *capture, measured)
	}

	for _, nfCall := range nfCalls(t) {
		expected := maps.Clone(measured)
		if nfCall == "0" {
			maps.Copy(expected, s.expectations(t, asked, [][]row{tables[withoutNFCall]}))
		}
		t.Run("bridge-nf-call "+nfCall, func(t *testing.T) {
			s.nfCall(nfCall)
			got := s.ask(asked)
			for _, p := range asked {
				if e := expected[p]; got[p] != e.want {
					t.Errorf("%s: %s, want %s (line %d)", p, got[p], e.want, e.row.line)
				}
			}
		})
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// entriesExist checks that what the tables call a difference is explained.
func (a *atlas) entriesExist(t *testing.T, expected map[probe]expectation) {
	t.Helper()
	explained := map[string]bool{}
	for _, match := range regexp.MustCompile(`<a id="([a-z0-9-]+)"></a>`).FindAllStringSubmatch(read(t, "../../docs/differences.md"), -1) {
		explained[match[1]] = true
	}
	for _, e := range expected {
		if name := e.row.reference; name != "" && !explained[name] {
			t.Errorf("line %d: docs/differences.md has no entry %s", e.row.line, name)
			explained[name] = true
		}
	}
}
