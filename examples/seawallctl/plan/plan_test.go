package plan_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/examples/seawallctl/document"
	"github.com/seawall-net/seawall/examples/seawallctl/plan"
	"github.com/seawall-net/seawall/portmap"
)

// states are documents: each leads to each other.
var states = map[string]string{
	"nothing": `networks: []`,
	"web": `
networks:
  - {name: web, bridge: br-web, ipv4: {subnet: 172.18.0.0/16}, ipv6: {subnet: "fd00:18::/64"}}
  - {name: db, bridge: br-db, ipv4: {subnet: 172.19.0.0/16}}
endpoints:
  - {name: c1, network: web, ipv4: 172.18.0.2, ipv6: "fd00:18::2", publish: ["8080:80", "81", "81", "8443:443"], links: [{to: c2, ports: [1, 2]}]}
  - {name: c2, network: web, ipv4: 172.18.0.3, links: [{to: c1, ports: [3]}]}
  - {name: c1, network: db, ipv4: 172.19.0.2}
`,
	"options": `
networks:
  - {name: web, bridge: br-web, ipv4: {subnet: 172.18.0.0/16, mode: routed}, ipv6: {subnet: "fd00:18::/64"}, disable_icc: true}
  - {name: db, bridge: br-db, ipv4: {subnet: 172.19.0.0/16}, internal: true}
endpoints:
  - {name: c1, network: web, ipv4: 172.18.0.2, ipv6: "fd00:18::2", allow_spoofing: true, publish: ["8080:80", "81", {spec: "8443:443", from: [192.0.2.0/24]}], links: [{to: c2, ports: [2, 4]}]}
  - {name: c2, network: web, ipv4: 172.18.0.3, publish: ["8081:80"], links: [{to: c1, ports: [3]}]}
  - {name: c1, network: db, ipv4: 172.19.0.2, publish: ["9000:90"]}
`,
	"swapped": `
networks:
  - {name: db, bridge: br-web, ipv4: {subnet: 172.18.0.0/16}}
  - {name: web, bridge: br-db, ipv4: {subnet: 172.19.0.0/16}}
endpoints:
  - {name: c1, network: web, ipv4: 172.19.0.3, publish: ["8081:80"]}
  - {name: c2, network: web, ipv4: 172.19.0.2, publish: ["8080:80"], links: [{to: c1, ports: [3]}]}
`,
	"moved": `
networks:
  - {name: web, bridge: br-web, ipv4: {subnet: 172.18.0.0/16}, ipv6: {subnet: "fd00:18::/64"}}
endpoints:
  - {name: c1, network: web, ipv4: 172.18.0.3, publish: ["81"]}
  - {name: c2, network: web, ipv4: 172.18.0.2, publish: ["8080:80", "8443:443"], links: [{to: c1, ports: [1]}]}
`,
}

func facts(t *testing.T, text string) (*document.Document, *bridge.View) {
	t.Helper()
	d, err := document.Parse("f", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	v, err := d.Facts()
	if err != nil {
		t.Fatal(err)
	}
	return d, v
}

// listing is facts in a comparable form: without the order in which they were made, and ports that were chosen.
func listing(t *testing.T, v *bridge.View) string {
	t.Helper()
	l := document.List("native", &bridge.Host{}, v, document.Counted{})
	slices.SortFunc(l.Networks, func(a, b document.ListedNetwork) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(l.Endpoints, func(a, b document.ListedEndpoint) int { return strings.Compare(a.Network+a.Name, b.Network+b.Name) })
	for i, e := range l.Endpoints {
		for j := range e.Publish {
			e.Publish[j].Published = ""
		}
		slices.SortFunc(e.Publish, func(a, b document.ListedPublication) int { return strings.Compare(a.Spec, b.Spec) })
		for j := range e.Links {
			slices.Sort(l.Endpoints[i].Links[j].Ports)
		}
	}
	var out bytes.Buffer
	if err := l.Write(&out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func blame(err error, network, endpoint string, _ *bridge.Binding) error {
	return fmt.Errorf("%s/%s: %w", network, endpoint, err)
}

func free(portmap.Claim) error { return nil }

// Each plan leads where it should, and from there nothing has to be done.
func TestBetween(t *testing.T) {
	for from, old := range states {
		for to, now := range states {
			_, have := facts(t, old)
			_, want := facts(t, now)
			p := plan.Between(have, want)
			got, err := bridge.Rehearse(bridge.Config{}, func(tx *bridge.Tx) error {
				if err := plan.Between(empty(t), have).Apply(tx, free, blame); err != nil {
					return err
				}
				return plan.Between(tx.View(), want).Apply(tx, free, blame)
			})
			if err != nil {
				t.Errorf("%s to %s: %v", from, to, err)
				continue
			}
			if got, want := listing(t, got), listing(t, want); got != want {
				t.Errorf("%s to %s: there is\n%s\nwant\n%s", from, to, got, want)
			}
			if again := plan.Between(got, want); len(again.Lines) > 0 {
				t.Errorf("%s to %s, again: %v", from, to, again.Lines)
			}
			if from == to && len(p.Lines) > 0 {
				t.Errorf("%s to itself: %v", from, p.Lines)
			}
		}
	}
}

func empty(t *testing.T) *bridge.View {
	t.Helper()
	_, v := facts(t, "networks: []")
	return v
}

// A plan says what it does, and keeps what can stay.
func TestLines(t *testing.T) {
	_, have := facts(t, states["web"])
	_, want := facts(t, states["options"])
	var lines []string
	for _, l := range plan.Between(have, want).Lines {
		lines = append(lines, l.String())
	}
	expected := []string{
		"- publish web/c1 8443:443",
		"- publish web/c1 81",
		"- link web/c1 to c2 1/tcp",
		"~ network web disable_icc: false -> true, ipv4.mode: nat -> routed",
		"~ network db internal: false -> true",
		"~ endpoint web/c1 allow_spoofing: false -> true",
		"+ publish web/c1 8443:443 from 192.0.2.0/24",
		"+ publish web/c2 8081:80",
		"+ publish db/c1 9000:90",
		"+ link web/c1 to c2 4/tcp",
	}
	slices.Sort(lines)
	slices.Sort(expected)
	if !slices.Equal(lines, expected) {
		t.Errorf("%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(expected, "\n"))
	}
}

// A port that a program has is not published: another one is where there is a choice.
func TestPortsOfPrograms(t *testing.T) {
	_, want := facts(t, states["web"])
	busy := 3
	check := func(c portmap.Claim) error {
		if c.Ports.First >= 32768 && busy > 0 {
			busy--
			return fmt.Errorf("%s is busy", c)
		}
		return nil
	}
	v, err := bridge.Rehearse(bridge.Config{}, func(tx *bridge.Tx) error { return plan.Between(empty(t), want).Apply(tx, check, blame) })
	if err != nil {
		t.Fatal(err)
	}
	var chosen []uint16
	for b := range v.Bindings(v.Endpoint("web", "c1")) {
		if b.Port.Dynamic() {
			chosen = append(chosen, b.Host().First)
		}
	}
	if len(chosen) != 2 || slices.Contains(chosen, 32768) {
		t.Errorf("chosen: %v", chosen)
	}
	_, err = bridge.Rehearse(bridge.Config{}, func(tx *bridge.Tx) error {
		return plan.Between(empty(t), want).Apply(tx, func(portmap.Claim) error { return fmt.Errorf("busy") }, blame)
	})
	if err == nil || err.Error() != "web/c1: busy" {
		t.Errorf("all busy: %v", err)
	}
}
