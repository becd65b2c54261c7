package bridge

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/seawall-net/seawall/nft"
)

// A Teardown looks like damage to another process that watches: what it watches is
// gone. So the transaction of a teardown also makes a table and deletes it again.
// The kernel announces both, and nothing stays.

// ErrTornDown ends a Watch when another process has torn the firewall down. It
// matches [ErrClosed]: the Firewall that was watched is closed as well, since there
// is nothing left to work on, and holds no ports any more. Its View is empty. To
// begin anew, Open.
var ErrTornDown = fmt.Errorf("bridge: another process has torn the firewall down: %w", ErrClosed)

// teardownTable is the table that a teardown makes and deletes.
var teardownTable = nft.Table{Family: nft.IPv4, Name: "seawall-teardown"}

func markTeardown(b *nft.Batch) {
	b.Create(&teardownTable)
	b.Delete(&teardownTable)
}

func isTeardown(t nft.Transaction) bool {
	return slices.ContainsFunc(t.Events, func(e nft.Event) bool { return e.Deleted && e.ID == teardownTable.ID() })
}

// meant returns ErrTornDown if what a repair is about to put back was torn down.
// fw.mu is held.
func (w *watcher) meant(ctx context.Context, have *nft.Ruleset, b *nft.Batch) error {
	if b.Len() == 0 || !w.running {
		return nil
	}
	w.receive(ctx, have.Generation)
	if w.marked() && w.fw.bare(have) {
		return ErrTornDown
	}
	return nil
}

// lookForMark returns ErrTornDown if there was a teardown before now that was not
// looked at. fw.mu is held.
func (w *watcher) lookForMark(ctx context.Context) error {
	generation, err := w.fw.conn.Generation(ctx)
	if err != nil {
		return fmt.Errorf("bridge: watch: %w", err)
	}
	if w.receive(ctx, generation); w.marked() {
		return ErrTornDown
	}
	return nil
}

// marked tells whether a teardown was received.
func (w *watcher) marked() bool {
	return w.torn != nil || slices.ContainsFunc(w.early, func(h heard) bool { return isTeardown(h.t) })
}

// bare tells whether a host has no firewall: there may be a new one since a
// teardown.
func (fw *Firewall) bare(have *nft.Ruleset) bool {
	records, _ := fw.readRecords(have, func(error) {})
	return len(records) == 0
}

// lookForTeardown ends the Watch if what was torn down is still so.
func (w *watcher) lookForTeardown(ctx context.Context) error {
	w.fw.mu.Lock()
	if w.fw.closed {
		w.fw.mu.Unlock()
		return ErrClosed
	}
	have, err := w.fw.load(ctx)
	bare := err == nil && w.fw.bare(have)
	if !bare {
		w.fw.distrust() // it was not compared
	}
	w.fw.mu.Unlock()
	switch {
	case ctx.Err() != nil:
		return nil
	case err != nil:
		w.failed(err, time.Now())
		return nil
	case bare:
		return w.tornDown()
	}
	w.torn, w.missed = nil, true // a new one has been made: compare
	return nil
}

// tornDown ends the Watch, and the Firewall, without a repair.
func (w *watcher) tornDown() error {
	if err := w.hearEarly(); err != nil {
		return err
	}
	e := Event{Kind: TornDown}
	if w.torn != nil {
		e.By, e.Generation = w.torn.by, w.torn.generation
	}
	w.fw.mu.Lock()
	defer w.fw.mu.Unlock()
	if w.fw.closed {
		return ErrClosed
	}
	w.tell(e)
	w.fw.state, w.fw.union, w.fw.view = newState(), nft.NewUnion(), nil
	if err := w.fw.release(); err != nil {
		return errors.Join(ErrTornDown, err)
	}
	return ErrTornDown
}
