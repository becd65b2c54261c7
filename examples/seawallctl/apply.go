package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/compat"
	"github.com/seawall-net/seawall/compat/iptables"
	"github.com/seawall-net/seawall/examples/seawallctl/document"
	"github.com/seawall-net/seawall/examples/seawallctl/plan"
	"github.com/seawall-net/seawall/nft"
)

func applyCommand() *command {
	c := newCommand("apply", "apply -f FILE|- [--dry-run]",
		"make the firewall what a document says, in one transaction",
		"seawallctl apply -f web.yaml",
		"seawallctl apply -f web.yaml --dry-run    # what would be done, as a diff",
		"seawallctl ls --json | seawallctl apply -f -    # nothing: it is like that already")
	file := c.flags.String("f", "", "the document, YAML or JSON: a `FILE`, or - for standard input")
	dry := c.flags.Bool("dry-run", false, "print what would be done, and do nothing")
	c.run = func(ctx context.Context, s *session) error {
		if err := s.none(); err != nil {
			return err
		}
		if *file == "" {
			return s.usage("-f FILE is missing")
		}
		doc, err := s.read(*file)
		if err != nil {
			return err
		}
		want, err := doc.Facts()
		if err != nil {
			return err
		}
		a := &application{session: s, doc: doc, want: want}
		if *dry {
			return a.rehearse(ctx)
		}
		return a.carryOut(ctx)
	}
	return c
}

// read reads a document from a file or standard input.
func (s *session) read(file string) (*document.Document, error) {
	if file == "-" {
		return document.Parse("standard input", s.stdin)
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return document.Parse(file, f)
}

// An application is a document on its way into the kernel.
type application struct {
	*session
	doc  *document.Document
	want *bridge.View
	// is is what was there before; nil if there was no firewall.
	is *bridge.Installation
	// user are the families whose user rules have to change.
	user []nft.Family
	// options is what changes about the firewall's own options, and lines is
	// everything.
	options, lines []plan.Line
}

// report is what is printed as JSON.
type report struct {
	Changes    []plan.Line `json:"changes"`
	Generation uint32      `json:"generation,omitempty"`
}

// rehearse prints what would be done.
func (a *application) rehearse(ctx context.Context) error {
	have, err := bridge.Rehearse(bridge.Config{}, func(*bridge.Tx) error { return nil })
	if err != nil {
		return err
	}
	fw, is, err := a.look(ctx)
	switch {
	case errors.Is(err, errNoFirewall):
		a.options = plan.Options("", &bridge.Host{}, a.doc.Layout, &a.doc.Host)
	case err != nil:
		return err
	default:
		defer fw.Close()
		if err := a.rehearseMove(ctx, fw, is); err != nil {
			return err
		}
		have = fw.View()
		a.options = plan.Options(is.Layout, &is.Host, a.doc.Layout, &a.doc.Host)
	}
	p := plan.Between(have, a.want)
	if err := a.checkPorts(p, checkPorts(have, a.want)); err != nil {
		return err
	}
	a.lines = append(a.options, p.Lines...)
	if err := a.compareUser(ctx, fw); err != nil {
		return err
	}
	return a.print(a.lines, 0)
}

// carryOut does what has to be done: all of it or nothing.
func (a *application) carryOut(ctx context.Context) (err error) {
	cfg, err := a.doc.Config()
	if err != nil {
		return err
	}
	is, former, err := a.installed(ctx)
	switch {
	case errors.Is(err, errNoFirewall):
		a.options = plan.Options("", &bridge.Host{}, a.doc.Layout, &a.doc.Host)
	case err != nil:
		return err
	default:
		a.is = is
		a.options = plan.Options(is.Layout, &is.Host, a.doc.Layout, &a.doc.Host)
		if is.Layout != a.doc.Layout {
			cfg.Former, former.Former = former.Layout, cfg.Layout
		}
	}
	fw, repaired, err := a.openRepaired(ctx, cfg)
	if err != nil {
		return a.blameMove(err)
	}
	if repaired > 0 {
		a.options = append(a.options, plan.Line{Op: "~", Kind: "firewall", Detail: fmt.Sprintf("%d objects that others had damaged", repaired)})
	}
	if err := a.update(ctx, fw); err != nil {
		return errors.Join(err, a.takeBack(fw, former))
	}
	return errors.Join(a.print(a.lines, fw.Generation()), fw.Close())
}

// takeBack undoes what opening has done: a new firewall goes, and an old one has
// its layout and its options again.
func (a *application) takeBack(fw *bridge.Firewall, former bridge.Config) error {
	ctx := context.Background() // that of the command may be done
	if a.is == nil {
		return fw.Teardown(ctx)
	}
	if err := fw.Close(); err != nil || len(a.options) == 0 {
		return err
	}
	fw, err := bridge.Open(ctx, former)
	if err != nil {
		return fmt.Errorf("and to restore the firewall's options: %w", err)
	}
	return fw.Close()
}

// userAttempts is how often the user's chains are read again because others have
// changed them meanwhile.
const userAttempts = 3

// update brings the facts and the user's rules into line.
func (a *application) update(ctx context.Context, fw *bridge.Firewall) error {
	for attempt := 1; ; attempt++ {
		a.lines, a.user = nil, nil
		if err := a.compareUser(ctx, fw); err != nil {
			return err
		}
		edits, err := a.editUser(ctx, fw)
		if err != nil {
			return err
		}
		user := a.lines
		err = fw.Update(ctx, func(tx *bridge.Tx) error {
			have := tx.View() // another process may have been faster
			p, check := plan.Between(have, a.want), checkPorts(have, a.want)
			a.lines = slices.Concat(a.options, p.Lines, user)
			if err := a.checkPorts(p, check); err != nil {
				return err
			}
			if err := p.Apply(tx, check, a.doc.Blame); err != nil {
				return err
			}
			for _, edit := range edits {
				tx.EditUserChains(edit)
			}
			return nil
		})
		stale := errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrExist)
		if bad := (*document.Error)(nil); !stale || errors.As(err, &bad) || len(edits) == 0 || attempt == userAttempts {
			return err
		}
	}
}

// checkPorts refuses ports that programs have. Those that leave a choice are
// checked when there is one.
func (a *application) checkPorts(p *plan.Plan, check plan.Check) error {
	for _, b := range p.NewBindings {
		if b.Port.Dynamic() {
			continue
		}
		for _, c := range b.Claims() {
			if err := check(c); err != nil {
				e := b.Endpoint
				return a.doc.Blame(fmt.Errorf("publish %s: %w", e, err), e.Network.Spec.Name, e.Spec.Name, b)
			}
		}
	}
	return nil
}

// compareUser finds out which families' user rules have to change.
func (a *application) compareUser(ctx context.Context, fw *bridge.Firewall) error {
	for _, f := range []nft.Family{nft.IPv4, nft.IPv6} {
		want := a.doc.UserRules[f]
		if want == nil {
			continue
		}
		have := &iptables.Save{Family: f}
		if fw != nil {
			there, err := compat.UserChain{Firewall: fw, Family: f}.Save(ctx)
			switch {
			case err == nil:
				have = there
			case errors.Is(err, bridge.ErrFamilyDisabled), errors.Is(err, bridge.ErrNoUserChain):
			case errors.Is(err, iptables.ErrNoForm):
				a.user = append(a.user, f) // what is there is none of the document's
			default:
				return err
			}
		}
		if lines := plan.UserRules(f, have, want.Save); len(lines) > 0 {
			a.user, a.lines = append(a.user, f), append(a.lines, lines...)
		}
	}
	return nil
}

// editUser returns what has to be done to the user's chains.
func (a *application) editUser(ctx context.Context, fw *bridge.Firewall) ([]nft.Batch, error) {
	var edits []nft.Batch
	for _, f := range a.user {
		rules := a.doc.UserRules[f]
		edit, err := compat.UserChain{Firewall: fw, Family: f}.PlanRestore(ctx, rules.Save, false)
		if err != nil {
			return nil, a.doc.BlameUser(err, f)
		}
		edits = append(edits, edit)
	}
	return edits, nil
}

// print prints what is done, or would be.
func (a *application) print(lines []plan.Line, generation uint32) error {
	if a.json {
		return a.printJSON(report{append([]plan.Line{}, lines...), generation})
	}
	for _, l := range lines {
		if _, err := io.WriteString(a.stdout, coloured(a.stdout, l.Op, l.String())+"\n"); err != nil {
			return err
		}
	}
	return nil
}
