package bridge

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/seawall-net/seawall/nft"
)

// Every commit names the generation of the ruleset in which our objects were
// last known to be as they should be, and the kernel refuses it if anybody has
// committed anything since. That is detection; to make progress next to busy
// writers, a witness listens to what the others do. As long as they leave our
// tables alone, the same bytes are sent again for the new generation, and after
// some losses without one: see turn.go.

// maxLosses is how often a commit names a generation before it goes without.
const maxLosses = 3

// maxHeard is how many commits of others are listened to at a time. Who commits
// faster than we can listen would keep us busy for ever.
const maxHeard = 2000

// maxLoads is how often the tables are read until nobody has touched them
// meanwhile, or is known not to have.
const maxLoads = 5

// quietCommits is how many commits in a row have to succeed at once before the
// witness is dismissed: it costs the kernel a message for each object that we
// commit ourselves.
const quietCommits = 64

// errTouched says that others may have changed our objects.
var errTouched = errors.New("others have changed our tables")

// A witness knows what others have committed.
type witness struct {
	monitor *nft.Monitor
	// seen is the last generation that is accounted for.
	seen  uint32
	quiet int
}

// send commits a batch, if our objects are as they were at fw.generation, which
// it moves on. It fails with errTouched if that is not known.
//
// An exclusive batch fails if what it adds is there already: since our objects
// are as they were, it would be a user's.
func (fw *Firewall) send(ctx context.Context, op string, batch nft.Batch, exclusive bool) (nft.Result, error) {
	if exclusive {
		batch = batch.Exclusive()
	}
	for losses := 0; ; losses++ {
		batch.Generation = fw.generation
		if losses >= maxLosses && exclusive || fw.turn {
			switch err := fw.takeTurn(ctx); {
			case err == nil:
				return fw.sendBlind(ctx, op, batch)
			case !errors.Is(err, errNoTurns):
				return nft.Result{}, err
			}
		}
		start := time.Now()
		result, err := fw.conn.Commit(ctx, batch)
		if err == nil {
			fw.generation = result.Generation
			fw.trace(op, batch, result, time.Since(start))
			fw.dismissWitness(losses)
			if result.Incomplete {
				fw.distrust() // the next commit has to learn the handles first
			}
			return result, nil
		}
		if errors.Is(err, nft.ErrUnknownOutcome) {
			fw.distrust()
		}
		if !errors.Is(err, nft.ErrGeneration) {
			return nft.Result{}, err
		}
		if err := fw.catchUp(ctx); err != nil {
			return nft.Result{}, err
		}
	}
}

// catchUp moves fw.generation on to the present, or fails with errTouched.
func (fw *Firewall) catchUp(ctx context.Context) error {
	if fw.witness == nil {
		return errTouched // nobody was listening
	}
	generation, err := fw.conn.Generation(ctx)
	if err != nil {
		return err
	}
	touched, err := fw.hear(ctx, func(t nft.Transaction) bool { return newer(t.Generation, generation) || t.Generation == generation })
	switch {
	case err != nil:
		return err
	case touched:
		return errTouched
	}
	fw.generation = fw.witness.seen
	return nil
}

// hear listens to the commits since the last one that it heard of, up to the
// one that the caller is waiting for, and tells whether others have touched our
// tables in them.
func (fw *Firewall) hear(ctx context.Context, until func(nft.Transaction) bool) (touched bool, err error) {
	w := fw.witness
	if until(nft.Transaction{Generation: w.seen}) {
		return false, nil
	}
	for range maxHeard {
		t, err := w.monitor.Next(ctx)
		switch {
		case errors.Is(err, nft.ErrOverrun):
			fw.releaseWitness() // what it missed may have been anything
			return true, nil
		case err != nil:
			return true, fmt.Errorf("listen to other writers: %w", err)
		case !newer(t.Generation, w.seen):
			continue
		}
		w.seen = t.Generation
		touched = touched || t.Port != fw.conn.Port() && fw.touches(t)
		if until(t) {
			return touched, nil
		}
	}
	fw.releaseWitness() // it is too far behind
	return true, nil
}

// newer tells whether generation a comes after b; the numbers wrap around.
func newer(a, b uint32) bool { return int32(a-b) > 0 }

// touches tells whether a commit changed something of ours.
func (fw *Firewall) touches(t nft.Transaction) bool {
	return slices.ContainsFunc(t.Events, func(e nft.Event) bool {
		if e.ID.Table == turnTable.Ref() {
			return true // another firewall is at work
		}
		if !slices.Contains(fw.tables(), e.ID.Table) {
			return false
		}
		if e.ID.Kind != nft.KindRule {
			return true
		}
		chain := nft.ID{Kind: nft.KindChain, Table: e.ID.Table, Name: e.ID.Name}
		switch c, _ := fw.union.Lookup(chain).(*nft.Chain); {
		case c == nil:
			// A chain of others, unless it is about to become ours: then that
			// fails by itself.
			return e.ID.Key != ""
		case c.Open || c.Shared:
			return e.ID.Key != ""
		}
		return true
	})
}

// sendBlind commits an exclusive batch without naming a generation, while the
// turn is ours, and gives that back. Every operation fails by itself
// if the world is not as assumed, and the witness tells afterwards whether
// others have come in between.
func (fw *Firewall) sendBlind(ctx context.Context, op string, batch nft.Batch) (nft.Result, error) {
	// What firewalls of other processes have done came before the turn.
	if err := fw.catchUp(ctx); err != nil {
		return nft.Result{}, err
	}
	var last nft.Batch
	last.Append(batch)
	last.Delete(&turnTable)
	start := time.Now()
	result, err := fw.conn.Commit(ctx, last)
	if err != nil {
		if errors.Is(err, nft.ErrUnknownOutcome) {
			fw.distrust()
			return nft.Result{}, err
		}
		// Refused because others were there first, or for its own sake.
		return nft.Result{}, errors.Join(err, fw.catchUp(ctx))
	}
	fw.turn = false
	touched, herr := fw.hear(context.WithoutCancel(ctx), func(t nft.Transaction) bool { return t.Port == fw.conn.Port() })
	if touched || herr != nil {
		// The commit holds. What others did is found out by the next one,
		// which will name a generation that is gone.
		fw.distrust()
	} else {
		result.Generation = fw.witness.seen
		fw.generation = result.Generation
	}
	fw.trace(op, batch, result, time.Since(start))
	return result, nil
}

// tables are those that we look at: the layout's, and until the host has moved over
// those of the layout of before.
func (fw *Firewall) tables() []nft.TableRef {
	all := fw.layout.Tables()
	if fw.cfg.Former == nil || fw.moved {
		return all
	}
	all = slices.Clone(all)
	for _, t := range fw.cfg.Former.Tables() {
		if !slices.Contains(all, t) {
			all = append(all, t)
		}
	}
	return all
}

// load reads our tables, also next to busy writers who leave them alone, and
// moves fw.generation to when they were so.
func (fw *Firewall) load(ctx context.Context) (*nft.Ruleset, error) {
	have, err := fw.conn.Load(ctx, fw.tables()...)
	if errors.Is(err, nft.ErrGeneration) {
		have, err = fw.loadAmidWriters(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("read the ruleset back: %w", err)
	}
	// Who has the turn commits without a generation: what was read is out of date
	// when that is done, and then its generation is gone, too.
	if err := fw.awaitTurn(ctx); err != nil {
		return nil, fmt.Errorf("wait for another process: %w", err)
	}
	for _, t := range have.Tables() {
		t.Open = true // others may have made it, or put something into it
	}
	fw.generation = have.Generation
	fw.keepCounters(have)
	return have, nil
}

// loadAmidWriters reads our tables while others commit. The witness tells whether
// they have touched them meanwhile. If it cannot keep up, what was read counts:
// each object was so at some time during the reading.
func (fw *Firewall) loadAmidWriters(ctx context.Context) (*nft.Ruleset, error) {
	for attempt := 1; ; attempt++ {
		if err := fw.callWitness(ctx); err != nil {
			return nil, err
		}
		have, err := fw.conn.LoadUnchecked(ctx, fw.tables()...)
		if errors.Is(err, nft.ErrGeneration) && attempt < maxLoads {
			continue
		}
		if err != nil {
			return nil, err
		}
		switch err := fw.catchUp(ctx); {
		case err == nil:
			have.Generation = fw.generation
			return have, nil
		case !errors.Is(err, errTouched):
			return nil, err
		case attempt == maxLoads:
			have.Generation, err = fw.conn.Generation(ctx)
			return have, err
		}
	}
}

// distrust makes the next commit find out whether our objects are as they should
// be: it will name a generation that is gone.
func (fw *Firewall) distrust() {
	if fw.generation--; fw.generation == 0 {
		fw.generation--
	}
	fw.releaseWitness()
}

// callWitness starts to listen to other writers.
func (fw *Firewall) callWitness(ctx context.Context) error {
	if fw.witness != nil {
		return nil
	}
	monitor, err := nft.Listen(nft.Config{NetNS: fw.ns})
	if err != nil {
		return fmt.Errorf("listen to other writers: %w", err)
	}
	generation, err := fw.conn.Generation(ctx)
	if err != nil {
		return errors.Join(err, monitor.Close())
	}
	fw.witness = &witness{monitor: monitor, seen: generation}
	return nil
}

// dismissWitness stops listening after enough commits without losses.
func (fw *Firewall) dismissWitness(losses int) {
	if fw.witness == nil {
		return
	}
	if fw.witness.quiet++; losses > 0 {
		fw.witness.quiet = 0
	}
	if fw.witness.quiet >= quietCommits {
		fw.releaseWitness()
	}
}

func (fw *Firewall) releaseWitness() {
	if fw.witness != nil {
		_ = fw.witness.monitor.Close()
		fw.witness = nil
	}
}
