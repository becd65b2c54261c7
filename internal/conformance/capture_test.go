package conformance

import (
	"bufio"
	"bytes"
	"encoding/json"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"testing"
)

// A captured line says what became of a probe under Docker.
type captured struct {
	Src        string
	Fam        int
	Proto      string
	Addr       netip.Addr
	Port       int
	Result     string
	Server     string
	SourceSeen string `json:"source_seen"`
}

// outcomes are a capture's words.
var outcomes = map[string]string{
	"ok": "delivered", "timeout": "silent", "refused": "refused", "unreach": "unreachable", "err:EINVAL": "invalid",
}

// compareCapture checks that the tables say of Docker what Docker did, and
// reports how many outcomes are the same and how many differ for which reason.
func (a *atlas) compareCapture(t *testing.T, path string, expected map[probe]expectation) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	seen, counts := map[probe]bool{}, map[string]int{}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		var c captured
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatalf("%s: %s: %v", path, lines.Text(), err)
		}
		p, did := a.understand(t, c)
		e, known := expected[p]
		switch {
		case !known || seen[p]:
			t.Errorf("%s: %s is asked twice, or by nobody here", path, p)
		case did != e.docker:
			t.Errorf("%s: Docker: %s, but line %d says %s", p, did, e.row.line, e.docker)
		case did == e.want:
			counts["(none)"]++
		default:
			counts[e.row.reference]++
		}
		seen[p] = true
	}
	if err := lines.Err(); err != nil || len(seen) != len(expected) {
		t.Errorf("%s: %d probes of %d (%v)", path, len(seen), len(expected), err)
	}
	for _, reason := range slices.Sorted(maps.Keys(counts)) {
		t.Logf("%5d probes, difference: %s", counts[reason], reason)
	}
}

func (a *atlas) understand(t *testing.T, c captured) (probe, answer) {
	t.Helper()
	p := probe{from: c.Src, family: c.Fam / 6, to: a.nameOf(c.Addr), port: strconv.Itoa(c.Port)}
	if c.Proto != "tcp" {
		p.port += "/" + c.Proto
	}
	outcome, known := outcomes[c.Result]
	if !known {
		t.Fatalf("unknown result %q", c.Result)
	}
	did := answer{outcome: outcome, server: c.Server}
	if c.SourceSeen != "" {
		addr, err := netip.ParseAddr(c.SourceSeen)
		if err != nil {
			t.Fatal(err)
		}
		did.source = a.nameOf(addr)
	}
	return p, did
}
