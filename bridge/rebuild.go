package bridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/seawall-net/seawall/nft"
)

// What loads a ruleset from text keeps all that packets meet, and loses records.
// Facts are found again by compiling: what the sets and maps show suggests a fact,
// and it is one if all that the layout makes of it is there. In the end everything
// has to be accounted for, with nothing missing and nothing left over. Only then
// are the objects made anew with the records, in one transaction in which no
// packet sees a difference.

// A RebuildError says why rules that have lost their records could not be made
// facts of: see [Rebuild]. It matches [ErrForeignTable]. Nothing was
// changed.
type RebuildError struct {
	// Missing and Extra are what the facts that come closest lack, and what they
	// do not explain, in nft's syntax.
	Missing, Extra []string
	// Err is what is wrong with the facts themselves, or nil.
	Err error
}

// Error names the first few objects, and says what to do.
func (e *RebuildError) Error() string {
	var what []string
	if e.Err != nil {
		what = append(what, e.Err.Error())
	}
	for _, l := range []struct {
		name    string
		objects []string
	}{{"missing", e.Missing}, {"not explained", e.Extra}} {
		const few = 4
		if n := len(l.objects); n > few {
			what = append(what, fmt.Sprintf("%s: %s and %d more", l.name, strings.Join(l.objects[:few], "; "), n-few))
		} else if n > 0 {
			what = append(what, l.name+": "+strings.Join(l.objects, "; "))
		}
	}
	return fmt.Sprintf("the rules do not tell which networks they were made for: %s: mend that, or delete the tables and apply the networks again",
		strings.Join(what, "; "))
}

// Unwrap returns ErrForeignTable, and Err if there is one.
func (e *RebuildError) Unwrap() []error {
	if e.Err == nil {
		return []error{ErrForeignTable}
	}
	return []error{ErrForeignTable, e.Err}
}

// Rebuilt is what [Rebuild] has found out.
type Rebuilt struct {
	Installation
	// Lost is how many publications and links there were that open nothing, of which
	// no rule tells.
	Lost int
}

// Rebuild finds out the facts from the rules where their records are lost, as after
// a ruleset was saved and loaded as text (nft list ruleset), and writes the records
// again, in one transaction in which no packet sees a difference. After that,
// [Open] takes the firewall over; before, it fails with a [*RecordsError].
//
// cfg names the namespace and the layout: the native one, or one that judges and
// translates in its maps. The host's options are those that the rules show; where
// they make no difference, those of cfg. Also not in the rules, and so lost, are:
// the order in which things were made, options of networks that make no difference,
// publications and links that open nothing, which port of the host a port was for
// that is not translated, and that a port was chosen. Ranges whose ports are others
// on the host, and those of links, come back port by port. Names are those in the
// comments; without them networks are named as their bridges, and endpoints as
// their addresses.
//
// It fails with a [*RebuildError] if the rules are not exactly those of some
// networks, endpoints and ports: then something is damaged, and nothing is changed.
// It fails with fs.ErrExist if there are records, and with fs.ErrNotExist if there
// is no firewall.
func Rebuild(ctx context.Context, cfg Config) (*Rebuilt, error) {
	r, err := rebuild(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("bridge: rebuild: %w", err)
	}
	return r, nil
}

func rebuild(ctx context.Context, cfg Config) (r *Rebuilt, err error) {
	cfg.Former = nil
	fw := newFirewall(cfg)
	defer func() { err = errors.Join(err, fw.release()) }()
	if fw.ns, err = namespace(cfg.NetNS); err != nil {
		return nil, err
	}
	if fw.conn, err = nft.Dial(nft.Config{NetNS: fw.ns}); err != nil {
		return nil, err
	}
	r = &Rebuilt{}
	_, result, err := fw.converge(ctx, opRebuild, func(have *nft.Ruleset) (b nft.Batch, err error) {
		if err := fw.mustBeLost(have); err != nil {
			return b, err
		}
		have = have.Only(fw.layout.Tables()...)
		if r.Lost, err = fw.rebuildFrom(have); err != nil {
			return b, err
		}
		own := fw.union.Ruleset()
		fw.kept.recall(have, own)
		recognise(have, own)
		return fw.withCounters(nft.Diff(have, own)), nil
	})
	if err != nil {
		return nil, err
	}
	v := fw.state.view()
	r.Installation = Installation{Layout: fw.layout.Name(), Host: *fw.state.host, Generation: result.Generation}
	for n := range v.Networks() {
		r.Networks++
		for e := range v.Endpoints(n) {
			r.Endpoints++
			for range v.Bindings(e) {
				r.Bindings++
			}
		}
	}
	fw.logger.LogAttrs(ctx, slog.LevelInfo, "records rebuilt from the rules", slog.Int("networks", r.Networks),
		slog.Int("endpoints", r.Endpoints), slog.Int("bindings", r.Bindings), slog.Int("lost", r.Lost))
	return r, nil
}

// mustBeLost returns an error unless there is a firewall without any records.
func (fw *Firewall) mustBeLost(have *nft.Ruleset) error {
	records, err := fw.records(have)
	var lost *RecordsError
	switch {
	case errors.As(err, &lost):
		return nil
	case err != nil:
		return err
	case len(records) > 0:
		return fmt.Errorf("the firewall has its records: %w", errExist)
	}
	return fmt.Errorf("there is no firewall on this host: %w", errNotExist)
}

// rebuildFrom makes facts and union of rules without records. It returns how many
// facts of no effect there were, which no rule tells of.
func (fw *Firewall) rebuildFrom(have *nft.Ruleset) (lost int, err error) {
	first := newSearch(fw, have, nil)
	if bad := first.inRecordsOnly(); bad != nil {
		return 0, bad
	}
	var closest *RebuildError
	for _, host := range first.hosts() {
		s := newSearch(fw, have, host)
		bad := s.facts()
		if bad == nil {
			bad = s.accept()
		}
		if bad == nil {
			return s.lost(), nil
		}
		if closest == nil || bad.size() < closest.size() {
			closest = bad
		}
	}
	return 0, closest
}

// size orders errors by how far the facts are from the rules.
func (e *RebuildError) size() int {
	n := len(e.Missing) + len(e.Extra)
	if e.Err != nil {
		n += 1 << 20
	}
	return n
}

// recall takes down what rules have counted that do the same as ours and have lost
// their keys.
func (k *keptCounters) recall(have, own *nft.Ruleset) {
	k.read(have)
	for _, t := range own.Tables() {
		for _, c := range own.Chains(t.Ref()) {
			there, rules := have.Rules(c.Ref()), own.Rules(c.Ref())
			if len(there) != len(rules) {
				continue // others' are among them
			}
			for i, r := range rules {
				if packets, bytes, ok := there[i].Count(); ok {
					keep(k.rules, r.ID(), packets, bytes)
				}
			}
		}
	}
}
