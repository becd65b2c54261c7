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
	tx.endForwarding()
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
	batch, err := tx.batch()
	if err != nil {
		return fmt.Errorf("bridge: update: %w", err)
	}
	resume := func() error { return nil }
	if fw.links != nil {
		if resume, err = fw.stopLinks(tx); err != nil {
			return err
		}
	}
	result, err := fw.commit(ctx, tx, batch)
	if err != nil {
		return errors.Join(err, resume())
	}
	if fw.links != nil {
		if err := fw.settleLinks(tx); err != nil {
			return fw.takeBack(tx, result, err, resume)
		}
	}
	tx.change.Commit(result)
	return nil
}

// takeBack undoes a commit whose links could not be made, and then resumes
// those that were taken out of use.
func (fw *Firewall) takeBack(tx *Tx, result nft.Result, cause error, resume func() error) error {
	tx.change.Commit(result)
	tx.change, tx.user = fw.union.Begin(), nil
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
	return errors.Join(cause, resume())
}

// commit sends a batch, if our objects are as they should be.
func (fw *Firewall) commit(ctx context.Context, tx *Tx, batch nft.Batch) (nft.Result, error) {
	if batch.Len() == 0 {
		return nft.Result{}, nil
	}
	for {
		result, err := fw.send(ctx, batch, true)
		if errors.Is(err, errTouched) {
			if batch, err = fw.verify(ctx, tx); err == nil {
				continue
			}
		}
		if err != nil {
			return nft.Result{}, fmt.Errorf("bridge: update: %w", err)
		}
		return result, nil
	}
}

func (fw *Firewall) trace(batch nft.Batch, r nft.Result, d time.Duration) {
	if fw.cfg.Trace != nil {
		fw.cfg.Trace(Transaction{
			Objects: batch.Len(), Messages: r.Messages, Bytes: r.Bytes, Generation: r.Generation, Duration: d,
		})
	}
}

// verify checks that our objects in the kernel are as they should be, and moves
// fw.generation to when they were. It returns the batch of the Tx for that
// state: others may have put rules back that now have other handles.
func (fw *Firewall) verify(ctx context.Context, tx *Tx) (nft.Batch, error) {
	if err := fw.callWitness(ctx); err != nil {
		return nft.Batch{}, err
	}
	before := fw.generation
	have, err := fw.load(ctx)
	if err != nil {
		return nft.Batch{}, err
	}
	if repair := nft.Diff(have, tx.change.Base()); repair.Len() > 0 {
		// The next commit must not take this state for the right one.
		fw.generation = before
		fw.releaseWitness()
		return nft.Batch{}, &DriftError{Repair: repair}
	}
	tx.change.SetHandles(have)
	return tx.batch()
}

// converge brings the kernel to what plan makes of its ruleset. It returns the
// ruleset as it was, and what the commit did.
func (fw *Firewall) converge(ctx context.Context, plan func(have *nft.Ruleset) (nft.Batch, error)) (have *nft.Ruleset, r nft.Result, err error) {
	for {
		if have, err = fw.load(ctx); err != nil {
			return nil, r, err
		}
		batch, err := plan(have)
		if err != nil || batch.Len() == 0 {
			return have, r, err
		}
		r, err = fw.send(ctx, batch, false)
		if !errors.Is(err, errTouched) {
			return have, r, err
		}
		if err := fw.callWitness(ctx); err != nil {
			return nil, r, err
		}
	}
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
	have, result, err := fw.converge(ctx, func(have *nft.Ruleset) (nft.Batch, error) {
		repair := nft.Diff(have, fw.union.Ruleset())
		healed = repair.Len() > 0
		return repair, nil
	})
	if err != nil {
		return false, fmt.Errorf("bridge: heal: %w", err)
	}
	fw.union.SetHandles(have, result)
	return healed, nil
}
