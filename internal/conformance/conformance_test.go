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

// hybrid is to all packets what native is, and with docker-28 some outcomes are Docker's: the page says which. No other
// layout has networks of all these kinds.
var layoutName = flag.String("layout", "native", "the layout to test: native, hybrid or docker-28")

const page = "../../docs/conformance.md"

// Its tables that hold always, and those that hold
// instead under a condition.
var (
	always = []string{
		"Endpoints by their own addresses", "Published ports from outside and from the host",
		"Published ports from containers", "Services of the host, and of the LAN",
	}
	withoutNFCall = "With bridge-nf-call 0"
	withProxy     = "With the userland proxy"
	withDocker28  = "With layout docker-28"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	tables := parseTables(t, read(t, page))
	s := newStage(t, bridge.Config{Layout: testedLayout(t)})
	asked := questions(s.atlas)
	measured := s.always(t, asked, tables)
	s.entriesExist(t, measured)
	asDocker(t, measured)
	if *capture != "" {
		s.compareCapture(t, *capture, measured)
	}

	for _, nfCall := range nfCalls(t) {
		expected := maps.Clone(measured)
		if nfCall == "0" {
			maps.Copy(expected, s.expectations(t, asked, [][]row{tables[withoutNFCall]}))
		}
		t.Run("bridge-nf-call "+nfCall, func(t *testing.T) { s.compare(t, nfCall, asked, expected) })
	}
}

// With the userland proxy nothing depends on br_netfilter.
func TestConformanceWithProxy(t *testing.T) {
	t.Parallel()
	tables := parseTables(t, read(t, page))
	s := newStage(t, bridge.Config{Layout: testedLayout(t), UserlandProxy: true, UnheldPorts: true})
	s.proxies()
	asked := questions(s.atlas)
	expected := s.always(t, asked, tables)
	maps.Copy(expected, s.expectations(t, asked, [][]row{tables[withProxy]}))
	s.entriesExist(t, expected)
	asDocker(t, expected)
	for _, nfCall := range nfCalls(t) {
		t.Run("bridge-nf-call "+nfCall, func(t *testing.T) { s.compare(t, nfCall, asked, expected) })
	}
}

// always returns what holds without proxies and with br_netfilter, for every
// probe.
func (a *atlas) always(t *testing.T, asked []probe, tables map[string][]row) map[probe]expectation {
	t.Helper()
	var all [][]row
	for _, heading := range always {
		all = append(all, tables[heading])
	}
	expected := a.expectations(t, asked, all)
	for _, p := range asked {
		if _, known := expected[p]; !known {
			t.Errorf("no table is about %s", p)
		}
	}
	return expected
}

// compare makes all probes.
func (s *stage) compare(t *testing.T, nfCall string, asked []probe, expected map[probe]expectation) {
	t.Helper()
	s.nfCall(nfCall)
	got := s.ask(asked)
	for _, p := range asked {
		if e := expected[p]; got[p] != e.want {
			t.Errorf("%s: %s, want %s (line %d)", p, got[p], e.want, e.row.line)
		}
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
