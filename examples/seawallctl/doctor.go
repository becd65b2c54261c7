package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/nft"
)

func doctorCommand() *command {
	c := newCommand("doctor", "doctor [--json]",
		"look for what keeps packets of containers from arriving, and say what mends it",
		"seawallctl doctor",
		"seawallctl doctor --json | jq -r '.findings[].mend'",
		"# exit status 0: there are notes at most; 1: there is a problem")
	c.run = func(ctx context.Context, s *session) error {
		if err := s.none(); err != nil {
			return err
		}
		p, err := s.examine(ctx)
		if err != nil {
			return err
		}
		found := p.findings()
		if err := s.report(found); err != nil {
			return err
		}
		for _, f := range found {
			if f.Severity == problem {
				return errNo
			}
		}
		return nil
	}
	return c
}

// Severities of findings.
const (
	problem = "problem" // packets are lost, or will be
	note    = "note"    // it may be meant
)

// A finding is what may be wrong, and the command that mends it.
type finding struct {
	Severity string `json:"severity"`
	About    string `json:"about"`
	What     string `json:"what"`
	Mend     string `json:"mend"`
}

// A patient is a host as it is, read once and without changing anything.
type patient struct {
	// ruleset is all tables of the host, without sets.
	ruleset *nft.Ruleset
	// view is our facts, and own the objects that they need; empty if there is no
	// firewall. tables are those of the layout.
	view   *bridge.View
	own    *nft.Ruleset
	tables map[nft.TableRef]bool
	// damaged says that our objects are not what they should be.
	damaged error
}

// examine reads the host.
func (s *session) examine(ctx context.Context) (p *patient, err error) {
	p = &patient{own: &nft.Ruleset{}, tables: map[nft.TableRef]bool{}}
	if p.view, err = bridge.Rehearse(bridge.Config{}, func(*bridge.Tx) error { return nil }); err != nil {
		return nil, err
	}
	conn, err := nft.Dial(nft.Config{})
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if p.ruleset, err = conn.LoadChains(ctx); err != nil {
		return nil, err
	}
	_, cfg, err := s.installed(ctx)
	switch {
	case errors.Is(err, errNoFirewall):
		return p, nil
	case errors.Is(err, bridge.ErrForeignTable):
		p.damaged = err
		return p, nil
	case err != nil:
		return nil, err
	}
	for _, t := range cfg.Layout.Tables() {
		p.tables[t] = true
	}
	cfg.RulesOnly = true // otherwise links that others have damaged would be repaired
	fw, err := bridge.Open(ctx, cfg)
	if drift := (*bridge.DriftError)(nil); errors.As(err, &drift) || errors.Is(err, bridge.ErrForeignTable) {
		p.damaged = err
		return p, nil
	}
	if err != nil {
		return nil, err
	}
	p.view, p.own = fw.View(), fw.Desired()
	return p, fw.Close()
}

// findings are all that there is to say.
func (p *patient) findings() []finding {
	out := []finding{}
	if p.damaged != nil {
		mend := "seawallctl watch"
		if errors.As(p.damaged, new(*bridge.RecordsError)) {
			mend = "seawallctl rebuild"
		}
		return append(out, finding{
			problem, "rules", "our own rules are not what they should be, and tell nothing about networks: " + p.damaged.Error(), mend,
		})
	}
	for _, check := range []func() []finding{
		p.checkForwarding, p.checkForeign, p.checkLeftovers, p.checkLegacy,
		p.checkBridges, p.checkSubnets, p.checkNetfilter, p.checkReversePath,
	} {
		out = append(out, check()...)
	}
	return out
}

// report prints findings.
func (s *session) report(found []finding) error {
	if s.json {
		return s.printJSON(map[string]any{"findings": found})
	}
	colour := map[string]string{problem: "-", note: "~"}
	for _, f := range found {
		line := coloured(s.stdout, colour[f.Severity], fmt.Sprintf("%s: %s", f.Severity, f.About))
		if _, err := fmt.Fprintf(s.stdout, "%s: %s\n    %s\n", line, f.What, f.Mend); err != nil {
			return err
		}
	}
	return nil
}
