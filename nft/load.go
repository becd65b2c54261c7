package nft

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// loadAttempts is how often Load starts again when the ruleset changes under
// it. Each attempt takes milliseconds, the pauses between them more and more.
const loadAttempts = 20

// errChanged says that a listing was not of one state of the ruleset.
var errChanged = errors.New("the ruleset changed during the listing")

// Load reads tables with everything in them, or all tables when none is named,
// as they were at one generation. A table that does not exist is absent from
// the result. Rules stand in the kernel's order; if two in a chain have the
// same key, as a rule copied by hand has, the first keeps it.
//
// When others keep changing the ruleset, Load starts again a number of times
// and then fails with an error that matches [ErrGeneration].
func (c *Conn) Load(ctx context.Context, tables ...TableRef) (*Ruleset, error) {
	return c.loadAll(ctx, loader{wanted: tables})
}

// LoadChains is Load without the sets, of which there may be large ones: with
// chains and rules only.
func (c *Conn) LoadChains(ctx context.Context, tables ...TableRef) (*Ruleset, error) {
	return c.loadAll(ctx, loader{wanted: tables, noSets: true})
}

// LoadCounters reads what has counted something: chains, rules and sets, and the
// elements of sets with counters only. It is for the numbers, which change while
// they are read, and does not mind commits of others meanwhile; the ruleset's
// Generation is zero.
func (c *Conn) LoadCounters(ctx context.Context, tables ...TableRef) (*Ruleset, error) {
	rs, err := c.loadAll(ctx, loader{wanted: tables, counted: true, unchecked: true})
	if err != nil {
		return nil, err
	}
	rs.Generation = 0
	return rs, nil
}

// LoadSome is Load with some of the sets only: those for which want is true.
func (c *Conn) LoadSome(ctx context.Context, want func(SetRef) bool, tables ...TableRef) (*Ruleset, error) {
	return c.loadAll(ctx, loader{wanted: tables, wantSet: want})
}

func (c *Conn) loadAll(ctx context.Context, what loader) (*Ruleset, error) {
	for attempt := range loadAttempts {
		if err := pause(ctx, attempt); err != nil {
			return nil, fmt.Errorf("nft: load: %w", err)
		}
		l := loader{
			c: c, ctx: ctx, wanted: what.wanted, noSets: what.noSets, wantSet: what.wantSet, counted: what.counted,
			unchecked: what.unchecked, fields: newFieldIndex(), rs: &Ruleset{},
		}
		switch err := l.load(); {
		case err == nil:
			return l.rs, nil
		case !errors.Is(err, errChanged) && !errors.Is(err, unix.EINTR) && !errors.Is(err, unix.ENOENT):
			return nil, fmt.Errorf("nft: load: %w", err)
		}
	}
	return nil, fmt.Errorf("nft: load: %w: in each of %d attempts", ErrGeneration, loadAttempts)
}

// LoadUnchecked is Load for a caller who knows by other means, such as a
// [Monitor], that nobody changes the tables meanwhile: commits to other tables
// do not disturb it. The ruleset's Generation is zero.
func (c *Conn) LoadUnchecked(ctx context.Context, tables ...TableRef) (*Ruleset, error) {
	l := loader{c: c, ctx: ctx, wanted: tables, fields: newFieldIndex(), rs: &Ruleset{}, unchecked: true}
	if err := l.load(); err != nil {
		if errors.Is(err, errChanged) || errors.Is(err, unix.EINTR) || errors.Is(err, unix.ENOENT) {
			err = fmt.Errorf("%w: %w", ErrGeneration, err)
		}
		return nil, fmt.Errorf("nft: load: %w", err)
	}
	l.rs.Generation = 0
	return l.rs, nil
}

// pause waits before another attempt.
func pause(ctx context.Context, attempt int) error {
	if attempt == 0 {
		return ctx.Err()
	}
	t := time.NewTimer(time.Duration(attempt) * time.Millisecond)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// A loader is one attempt to load.
type loader struct {
	c      *Conn
	ctx    context.Context
	wanted []TableRef
	fields fieldIndex
	rs     *Ruleset
	counts map[SetRef]int // how many elements sets have, where the kernel tells
	// unchecked loads what may be of several generations.
	unchecked bool
	// noSets leaves sets out, wantSet, if not nil, all for which it is false, and
	// counted the elements of those without counters.
	noSets, counted bool
	wantSet         func(SetRef) bool
}

// load reads everything between two looks at the generation. The kernel marks
// interrupted dumps of all objects but elements.
func (l *loader) load() error {
	gen, err := l.c.Generation(l.ctx)
	if err != nil {
		return err
	}
	l.rs.Generation = gen
	for _, part := range []func() error{l.tables, l.chains, l.sets, l.elements, l.rules} {
		if err := part(); err != nil {
			return err
		}
	}
	switch now, err := l.c.Generation(l.ctx); {
	case err != nil:
		return err
	case now != gen && !l.unchecked:
		return errChanged
	}
	return nil
}

// dump lists objects. An unchecked load repeats a listing that was interrupted;
// a checked one is over.
func (l *loader) dump(msg uint16, family Family, attrs []byte) ([]dumped, error) {
	for attempt := range loadAttempts {
		if err := pause(l.ctx, attempt); err != nil {
			return nil, err
		}
		out, err := l.c.dump(l.ctx, msg, family, attrs)
		if !l.unchecked || !errors.Is(err, unix.EINTR) {
			return out, err
		}
	}
	return nil, unix.EINTR
}

// families returns the families to ask for: those of the wanted tables, or
// none in particular.
func (l *loader) families() []Family {
	var out []Family
	for _, t := range l.wanted {
		if !slices.Contains(out, t.Family) {
			out = append(out, t.Family)
		}
	}
	if out == nil {
		out = []Family{unix.NFPROTO_UNSPEC}
	}
	return out
}

// tables and chains can be listed by family only.
func (l *loader) tables() error {
	for _, family := range l.families() {
		dump, err := l.dump(unix.NFT_MSG_GETTABLE, family, nil)
		if err != nil {
			return fmt.Errorf("list tables: %w", err)
		}
		for _, d := range dump {
			t, err := decodeTable(d.family, d.attrs)
			if err != nil {
				return err
			}
			if len(l.wanted) == 0 || slices.Contains(l.wanted, t.Ref()) {
				if err := l.rs.Add(t); err != nil {
					return changed(err)
				}
			}
		}
	}
	return nil
}

func (l *loader) chains() error {
	if len(l.rs.tables) == 0 {
		return nil
	}
	for _, family := range l.families() {
		dump, err := l.dump(unix.NFT_MSG_GETCHAIN, family, nil)
		if err != nil {
			return fmt.Errorf("list chains: %w", err)
		}
		for _, d := range dump {
			c, err := decodeChain(d.family, d.attrs)
			if err != nil {
				return err
			}
			if l.rs.tables[c.Table] != nil {
				if err := l.rs.Add(c); err != nil {
					return changed(err)
				}
			}
		}
	}
	return nil
}

// perTable lists what the kernel can filter by table: of each wanted table
// that exists, or of all tables at once.
func (l *loader) perTable(msg, tableAttr uint16, each func(d dumped) error) error {
	if len(l.wanted) == 0 {
		dump, err := l.dump(msg, unix.NFPROTO_UNSPEC, nil)
		return eachDumped(dump, err, each)
	}
	for _, t := range l.rs.Tables() {
		var e encoder
		e.str(tableAttr, t.Name)
		dump, err := l.dump(msg, t.Family, e.b)
		if err := eachDumped(dump, err, each); err != nil {
			return fmt.Errorf("table %s: %w", t.Ref(), err)
		}
	}
	return nil
}

func eachDumped(dump []dumped, err error, each func(d dumped) error) error {
	for _, d := range dump {
		if err := each(d); err != nil {
			return err
		}
	}
	return err
}

func (l *loader) sets() error {
	if l.noSets {
		return nil
	}
	l.counts = map[SetRef]int{}
	return l.perTable(unix.NFT_MSG_GETSET, unix.NFTA_SET_TABLE, func(d dumped) error {
		s, err := decodeSet(d.family, d.attrs)
		if err != nil {
			return err
		}
		if l.wantSet != nil && !l.wantSet(s.Ref()) {
			return nil
		}
		if n, ok := decodeSetCount(d.attrs); ok {
			l.counts[s.Ref()] = int(n)
		}
		return changed(l.rs.Add(s))
	})
}

func (l *loader) elements() error {
	for _, t := range l.rs.tables {
		for _, s := range t.sets {
			if l.counted && !s.set.Counter {
				continue
			}
			if err := l.elementsOf(s); err != nil {
				return fmt.Errorf("elements of set %s: %w", s.set.Ref(), err)
			}
		}
	}
	return nil
}

func (l *loader) elementsOf(s *setObjects) error {
	var e encoder
	e.str(unix.NFTA_SET_ELEM_LIST_TABLE, s.set.Table.Name)
	e.str(unix.NFTA_SET_ELEM_LIST_SET, s.set.Name)
	dump, err := l.dump(unix.NFT_MSG_GETSETELEM, s.set.Table.Family, e.b)
	if err != nil {
		return err
	}
	entries := make([]elementDump, 0, min(l.counts[s.set.Ref()], 1<<20))
	for _, d := range dump {
		if entries, err = decodeElements(s.set, entries, d.attrs); err != nil {
			return err
		}
	}
	if s.set.Interval && len(s.set.Key.parts()) < 2 {
		entries = joinIntervals(entries)
	}
	s.elements = make(map[Value]*Element, len(entries))
	for _, d := range entries {
		s.elements[d.element.Key] = d.element
		if s.places != nil {
			l.rs.added++
			s.places[d.element.Key] = l.rs.added
		}
	}
	// A hash table that the kernel resizes meanwhile, which it does some time
	// after a commit, is listed with some elements twice and others not at all.
	if len(s.elements) != len(entries) {
		return errChanged
	}
	return nil
}

func (l *loader) rules() error {
	seen := map[ID]bool{}
	return l.perTable(unix.NFT_MSG_GETRULE, unix.NFTA_RULE_TABLE, func(d dumped) error {
		r, err := decodeRule(l.fields, d.family, d.attrs)
		if err != nil {
			return err
		}
		t := l.rs.tables[r.Chain.Table]
		if t == nil || t.chains[r.Chain.Name] == nil {
			return errChanged
		}
		disownCopy(r, seen)
		chain := t.chains[r.Chain.Name]
		chain.rules = append(chain.rules, r)
		return nil
	})
}

// changed turns an object that does not fit to the others into a reason to
// list again.
func changed(err error) error {
	if err != nil {
		return fmt.Errorf("%w: %w", errChanged, err)
	}
	return nil
}

// disownCopy takes the key from a rule that bears the key of an earlier one:
// somebody copied it.
func disownCopy(r *Rule, seen map[ID]bool) {
	if r.Key == "" {
		return
	}
	if id := r.ID(); seen[id] {
		r.Key, r.Rank = "", 0
	} else {
		seen[id] = true
	}
}
