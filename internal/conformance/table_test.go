package conformance

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// A row is one line of a table of docs/conformance.md.
type row struct {
	line      int
	text      string
	from      []string
	families  []int
	to        string
	outcome   string
	docker    string // empty where it is the same
	reference string // the entry of docs/differences.md, if docker is not empty
}

const header = "| From | In | To | Outcome | Docker 29 | Because |"

// parseTables reads the rows below each heading.
func parseTables(t *testing.T, text string) map[string][]row {
	t.Helper()
	tables := map[string][]row{}
	heading, inside, n := "", false, 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "## "):
			heading = line[3:]
		case line == header:
			inside = true
		case !strings.HasPrefix(line, "|"):
			inside = false
		case inside && !strings.HasPrefix(line, "| ---"):
			r, err := parseRow(line)
			if err != nil {
				t.Fatalf("line %d: %s: %v", n, line, err)
			}
			r.line = n
			tables[heading] = append(tables[heading], r)
		}
	}
	return tables
}

func parseRow(line string) (row, error) {
	cells := strings.Split(strings.Trim(line, "|"), "|")
	if len(cells) != 6 {
		return row{}, fmt.Errorf("%d cells, not six", len(cells))
	}
	for i := range cells {
		cells[i] = strings.TrimSpace(cells[i])
	}
	r := row{
		text: line, from: strings.Fields(cells[0]), to: cells[2], outcome: cells[3], docker: cells[4],
		reference: strings.Trim(cells[5], "[]"),
	}
	families := map[string][]int{"": both, "IPv4": {ipv4}, "IPv6": {ipv6}}
	r.families = families[cells[1]]
	switch {
	case r.families == nil:
		return row{}, fmt.Errorf("family %q", cells[1])
	case (r.docker == "") != (r.reference == ""):
		return row{}, fmt.Errorf("a difference needs an entry, and an entry a difference")
	case r.docker == r.outcome:
		return row{}, fmt.Errorf("no difference")
	}
	return r, nil
}

// targets returns the names and ports of a row's To, with "gw" for all of the
// host's addresses on bridges.
func (r row) targets() []probe {
	var all []probe
	for word := range strings.FieldsSeq(r.to) {
		names, ports, some := strings.Cut(word, ":")
		list := strings.Split(ports, ",")
		switch {
		case !some:
			list = endpointPorts
		case ports == "*":
			list = nil
			for port := range published {
				list = append(list, port)
			}
		}
		for name := range strings.SplitSeq(names, ",") {
			for _, port := range list {
				all = append(all, probe{to: name, port: port})
			}
		}
	}
	return all
}

// expand returns the probes of the topology that the row is about. What it
// names and nobody asks is an error.
func (r row) expand(asked []probe) ([]probe, error) {
	var all []probe
	used := map[string]bool{}
	targets := r.targets()
	for _, p := range asked {
		if !slices.Contains(r.from, p.from) || !slices.Contains(r.families, p.family) {
			continue
		}
		for _, target := range targets {
			if p.port == target.port && (p.to == target.to || target.to == "gw" && strings.HasPrefix(p.to, "gw-")) {
				all = append(all, p)
				used[p.from], used[target.to+":"+target.port] = true, true
			}
		}
	}
	for _, from := range r.from {
		if !used[from] {
			return nil, fmt.Errorf("nobody asks that from %s", from)
		}
	}
	for _, target := range targets {
		if !used[target.to+":"+target.port] {
			return nil, fmt.Errorf("nobody asks %s:%s there", target.to, target.port)
		}
	}
	return all, nil
}

// want turns the words of a table into the answer to a probe.
func (a *atlas) want(p probe, outcome string) (answer, error) {
	server := p.server(a)
	if proxied, is := strings.CutPrefix(outcome, "proxy "); is {
		server, outcome = "host", proxied // the proxies are listeners of the host's
	}
	source, delivered := strings.CutPrefix(outcome, "sees ")
	if !delivered {
		if !slices.Contains([]string{"silent", "refused", "unreachable", "invalid"}, outcome) {
			return answer{}, fmt.Errorf("unknown outcome %q", outcome)
		}
		return answer{outcome: outcome}, nil
	}
	switch source {
	case "client":
		source = p.from
	case "gateway":
		source = "gw-" + a.networkOf[server]
	case "itself":
		source = p.to
	}
	if _, known := a.addrs[source]; !known {
		return answer{}, fmt.Errorf("%q: nobody is called %s", outcome, source)
	}
	return answer{"delivered", server, source}, nil
}

// An expectation is what a table says about one probe.
type expectation struct {
	row          row
	want, docker answer
}

// expectations are those of the tables below some headings. Each probe is in
// one row.
func (a *atlas) expectations(t *testing.T, asked []probe, tables [][]row) map[probe]expectation {
	t.Helper()
	all := map[probe]expectation{}
	for _, r := range slices.Concat(tables...) {
		probes, err := r.expand(asked)
		if err != nil {
			t.Fatalf("line %d: %s: %v", r.line, r.text, err)
		}
		for _, p := range probes {
			if other, twice := all[p]; twice {
				t.Errorf("lines %d and %d are both about %s", other.row.line, r.line, p)
			}
			e := expectation{row: r}
			e.want, err = a.want(p, r.outcome)
			e.docker = e.want
			if err == nil && r.docker != "" {
				e.docker, err = a.want(p, r.docker)
			}
			if err != nil {
				t.Fatalf("line %d: %s: %v", r.line, r.text, err)
			}
			all[p] = e
		}
	}
	return all
}
