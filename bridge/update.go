package bridge

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seawall-net/seawall/nft"
)

// Update changes the firewall: what fn does to the Tx takes effect as one
// transaction of the kernel, all of it or nothing. If fn or one of its calls on
// the Tx fails, or the kernel refuses, or the context is done before anything
// was sent, nothing changes, and Update returns the first error.
//
// If others have changed the ruleset meanwhile, Update looks at what they did:
// if our objects are as they should be it goes on, otherwise it changes nothing
// and returns a [*DriftError]. What the user does in DOCKER-USER is no drift.
//
// fn runs on the calling goroutine, exactly once. It must not call the
// Firewall.
func (fw *Firewall) Update(ctx context.Context, fn func(*Tx) error) error {
	fw.mu.Lock()
	defer fw.mu.Unlock()
	if fw.closed {
		return ErrClosed
	}
	tx := &Tx{fw: fw, change: fw.union.Begin()}
	done := false
	defer func() {
		if !done { // fn panicked, or something failed
			tx.rollback()
		}
	}()
	if err := fn(tx); err != nil {
		return err
	}
	if tx.err != nil {
		return tx.err
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("bridge: update: %w", err)
	}
	if err := fw.carryOut(ctx, tx); err != nil {
		return err
	}
	done = true
	if len(tx.log) > 0 {
		fw.view = nil
	}
	return nil
}

// carryOut brings rules and links into line with the Tx: rules come before
// links, and links go before rules.
func (fw *Firewall) carryOut(ctx context.Context, tx *Tx) error {
	batch, err := tx.change.Batch()
	if err != nil {
		return fmt.Errorf("bridge: update: %w", err)
	}
	for _, op := range tx.user {
		op(&batch)
	}
	var stopped []*Network
	if fw.links != nil {
		if stopped, err = fw.stopLinks(tx); err != nil {
			return err
		}
	}
	result, err := fw.commit(ctx, tx, batch)
	if err != nil {
		for _, n := range stopped {
			err = errors.Join(err, fw.links.start(n))
		}
		return err
	}
	if fw.links != nil {
		if err := fw.settleLinks(tx); err != nil {
			return fw.takeBack(tx, result, err)
		}
	}
	tx.change.Commit(result)
	return nil
}

// takeBack undoes a commit whose links could not be made.
func (fw *Firewall) takeBack(tx *Tx, result nft.Result, cause error) error {
	tx.change.Commit(result)
	tx.change = fw.union.Begin()
	for i := len(tx.log) - 1; i >= 0; i-- {
		if a := tx.log[i]; a.add {
			fw.layout.Compile(a.fact, tx.change.Remove)
		} else {
			fw.layout.Compile(a.fact, tx.change.Add)
		}
	}
	batch, err := tx.change.Batch()
	if err == nil {
		result, err = fw.commit(context.Background(), tx, batch)
	}
	if err != nil {
		// The rules stay as if the update had succeeded: they protect more
		// than is there.
		return errors.Join(cause, fmt.Errorf("bridge: undo: %w", err))
	}
	tx.change.Commit(result)
	tx.change = fw.union.Begin() // for the rollback of the facts
	return cause
}

// maxLosses is how often a commit is tried again because others were faster.
const maxLosses = 100

// commit sends a batch, if our objects are as they should be.
func (fw *Firewall) commit(ctx context.Context, tx *Tx, batch nft.Batch) (nft.Result, error) {
	if batch.Len() == 0 {
		return nft.Result{}, nil
	}
	for losses := 0; ; losses++ {
		batch.Generation = fw.generation
		start := time.Now()
		result, err := fw.conn.Commit(ctx, batch)
		if err == nil {
			fw.generation = result.Generation
			fw.trace(batch, result, time.Since(start))
			return result, nil
		}
		if !errors.Is(err, nft.ErrGeneration) || losses == maxLosses {
			return nft.Result{}, fmt.Errorf("bridge: update: %w", err)
		}
		if err := fw.verify(ctx, tx.change.Base()); err != nil {
			return nft.Result{}, err
		}
	}
}

func (fw *Firewall) trace(batch nft.Batch, r nft.Result, d time.Duration) {
	if fw.cfg.Trace != nil {
		fw.cfg.Trace(Transaction{
			Objects: batch.Len(), Messages: r.Messages, Bytes: r.Bytes, Generation: r.Generation, Duration: d,
		})
	}
}

// verify checks that our objects in the kernel are as they should be, and
// remembers the generation in which they were.
func (fw *Firewall) verify(ctx context.Context, want *nft.Ruleset) error {
	have, err := fw.conn.Load(ctx, fw.layout.Tables()...)
	if err != nil {
		return fmt.Errorf("bridge: read the ruleset back: %w", err)
	}
	if repair := nft.Diff(have, want); repair.Len() > 0 {
		return &DriftError{Repair: repair}
	}
	fw.generation = have.Generation
	return nil
}

// Heal brings the kernel back to what it should be, in one transaction, and
// reports whether anything had to be done. Rules of DOCKER-USER are left as
// they are; if the chain itself was deleted, it comes back empty.
func (fw *Firewall) Heal(ctx context.Context) (healed bool, err error) {
	fw.mu.Lock()
	defer fw.mu.Unlock()
	if fw.closed {
		return false, ErrClosed
	}
	for losses := 0; ; losses++ {
		have, err := fw.conn.Load(ctx, fw.layout.Tables()...)
		if err != nil {
			return false, fmt.Errorf("bridge: read the ruleset back: %w", err)
		}
		repair := nft.Diff(have, fw.union.Ruleset())
		fw.generation = have.Generation
		if repair.Len() == 0 {
			return false, nil
		}
		start := time.Now()
		result, err := fw.conn.Commit(ctx, repair)
		if err == nil {
			fw.union.SetHandles(have, result)
			fw.generation = result.Generation
			fw.trace(repair, result, time.Since(start))
			return true, nil
		}
		if !errors.Is(err, nft.ErrGeneration) || losses == maxLosses {
			return false, fmt.Errorf("bridge: heal: %w", err)
		}
	}
}
