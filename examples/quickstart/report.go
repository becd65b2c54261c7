package main

import (
	"net/netip"
	"time"

	"github.com/seawall-net/seawall/bridge"
)

// A report is what the tour found out. Its keys in JSON are stable.
type report struct {
	Laptop       machine           `json:"laptop"`
	Host         machine           `json:"host"`
	Networks     []network         `json:"networks"`
	Containers   []container       `json:"containers"`
	UserRules    map[string]string `json:"user_rules"` // by family, "ip" or "ip6"
	Phases       []phase           `json:"phases"`
	Transactions []transaction     `json:"transactions"`
	Ruleset      map[string]string `json:"ruleset"`     // by family, while the user rules were in force
	LeftBehind   []string          `json:"left_behind"` // tables and links, after the teardown

	step string // what the next update is for
}

type machine struct {
	IPv4 netip.Addr `json:"ipv4"`
	IPv6 netip.Addr `json:"ipv6"`
}

type network struct {
	Name   string       `json:"name"`
	Bridge string       `json:"bridge"`
	IPv4   netip.Prefix `json:"ipv4"`
	IPv6   netip.Prefix `json:"ipv6"`
}

type container struct {
	Name    string `json:"name"`
	Network string `json:"network"`
	machine
	Publishes []string `json:"publishes"`
}

// A phase is who reached whom at one moment.
type phase struct {
	Name   string  `json:"name"`
	Probes []probe `json:"probes"`
}

// A probe is one HTTP request.
type probe struct {
	From    string         `json:"from"`
	To      string         `json:"to"`
	Family  string         `json:"family"` // "ipv4" or "ipv6"
	Address netip.AddrPort `json:"address"`
	// Outcome is "delivered", "refused" or "silent".
	Outcome string `json:"outcome"`
	// Server is who answered, and Source whom it saw.
	Server string     `json:"server,omitempty"`
	Source netip.Addr `json:"source,omitzero"`
}

// A transaction is one change of the kernel's ruleset.
type transaction struct {
	Step       string        `json:"step"`
	Objects    int           `json:"objects"`
	Messages   int           `json:"messages"`
	Bytes      int           `json:"bytes"`
	Generation uint32        `json:"generation"`
	Duration   time.Duration `json:"nanoseconds"`
}

// trace is called by the firewall after each transaction.
func (r *report) trace(t bridge.Transaction) {
	step := t.Op
	if step == "update" {
		step = r.step
	}
	r.Transactions = append(r.Transactions,
		transaction{step, t.Objects, t.Messages, t.Bytes, t.Generation, t.Duration})
}

// view notes what the firewall knows.
func (r *report) view(v *bridge.View) {
	for n := range v.Networks() {
		r.Networks = append(r.Networks, network{n.Spec.Name, n.Spec.Bridge, n.Spec.IPv4.Subnet, n.Spec.IPv6.Subnet})
		for e := range v.Endpoints(n) {
			c := container{e.Spec.Name, n.Spec.Name, machine{e.Spec.IPv4, e.Spec.IPv6}, []string{}}
			for b := range v.Bindings(e) {
				c.Publishes = append(c.Publishes, b.Port.String())
			}
			r.Containers = append(r.Containers, c)
		}
	}
}
