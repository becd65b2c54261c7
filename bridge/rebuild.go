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
// facts of: see [Config].Rebuild. It matches [ErrForeignTable]. Nothing was
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
		const few = 400
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

// adoptOrRebuild is adopt and, where records are lost and that is asked for, rebuilds
// them first.
func (fw *Firewall) adoptOrRebuild(ctx context.Context) error {
	err := fw.adopt(ctx)
	var lost *RecordsError
	if !fw.cfg.Rebuild || !errors.As(err, &lost) {
		return err
	}
	if err := fw.rebuild(ctx); err != nil {
		return fmt.Errorf("bridge: open: rebuild: %w", err)
	}
	return fw.adopt(ctx) // from here it is as if nothing had been lost
}

// rebuild writes records for the rules that are there.
func (fw *Firewall) rebuild(ctx context.Context) error {
	var lost int
	_, _, err := fw.converge(ctx, opRebuild, func(have *nft.Ruleset) (b nft.Batch, err error) {
		have = have.Only(fw.layout.Tables()...)
		if lost, err = fw.rebuildFrom(have); err != nil {
			return nft.Batch{}, err
		}
		own := fw.union.Ruleset()
		fw.kept.recall(have, own)
		recognise(have, own)
		return fw.withCounters(nft.Diff(have, own)), nil
	})
	if err != nil {
		return err
	}
	fw.logger.LogAttrs(ctx, slog.LevelInfo, "records were rebuilt from the rules", slog.Int("networks", len(fw.state.networks)))
	if lost > 0 {
		fw.logger.LogAttrs(ctx, slog.LevelWarn, "publications and links that open nothing could not be rebuilt", slog.Int("lost", lost))
	}
	return nil
}

// rebuildFrom makes facts and union of rules without records. It returns how many
// facts of no effect there were, which no rule tells of.
func (fw *Firewall) rebuildFrom(have *nft.Ruleset) (lost int, err error) {
	var closest *RebuildError
	for _, host := range newSearch(fw, have, nil).hosts() {
		s := newSearch(fw, have, host)
		bad := s.facts()
		if bad == nil {
			bad = s.accept()
		}
		if bad == nil {
			return s.lost()
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
