package bridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
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
// and returns a [*DriftError]. What the user does in DOCKER-USER is no drift, nor
// are chains and sets of the user's own in our tables. If one of them has a name
// that a new network needs for itself, the error matches fs.ErrExist.
//
// Other processes may have the firewall of the host open, too. What they have
// made of the facts is taken over before fn runs. If one of them is faster than
// this update, what fn did is forgotten, and it runs again on the facts as they
// are then; after some such losses, the others wait. fn runs on the calling goroutine. It must have no effect but on
// the Tx, and must not call the Firewall. If another process has opened the
// firewall with another layout, the error matches [ErrForeignTable].
func (fw *Firewall) Update(ctx context.Context, fn func(*Tx) error) error {
	fw.mu.Lock()
	defer fw.mu.Unlock()
	if fw.closed {
		return ErrClosed
	}
	defer fw.purge(ctx) // when it is certain which facts hold
	defer fw.endTurn()
	for losses := 0; ; losses++ {
		if err := fw.prepareUpdate(ctx, losses); err != nil {
			return fmt.Errorf("bridge: update: %w", err)
		}
		err := fw.tryUpdate(ctx, fn)
		if again, err := fw.lost(ctx, err); !again {
			return err
		}
	}
}

// prepareUpdate makes the facts those that are in the kernel. Who has lost to
// another process often enough takes the turn.
func (fw *Firewall) prepareUpdate(ctx context.Context, losses int) error {
	if losses >= maxLosses {
		if err := fw.takeTurn(ctx); err != nil && !errors.Is(err, errNoTurns) {
			return err
		}
	}
	return fw.follow(ctx)
}

// lost tells whether an update has failed because another process was faster, and
// takes over what that one has done.
func (fw *Firewall) lost(ctx context.Context, err error) (again bool, _ error) {
	var moved *movedError
	if !errors.As(err, &moved) {
		return false, err
	}
	if _, terr := fw.takeOverOthers(ctx, moved.have, moved.repair); terr != nil {
		fw.distrust() // the next commit must not take this for the right state
		return false, fmt.Errorf("bridge: update: %w", terr)
	}
	return true, nil
}

// A movedError says that the kernel does not hold what our facts need. It stays
// inside: who gets it finds out whether it holds other facts.
type movedError struct {
	have   *nft.Ruleset
	repair nft.Batch
}

func (e *movedError) Error() string { return (&DriftError{Repair: e.repair}).Error() }

// tryUpdate is one attempt of an Update.
func (fw *Firewall) tryUpdate(ctx context.Context, fn func(*Tx) error) error {
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
	fw.sockets.commit()
	if len(tx.user) > 0 {
		fw.rememberUsers(ctx)
	}
	if len(tx.log) > 0 {
		fw.view = nil
	}
	return nil
}

// carryOut brings rules and links into line with the Tx.
func (fw *Firewall) carryOut(ctx context.Context, tx *Tx) error {
	batch, err := tx.batch()
	if err != nil {
		return fmt.Errorf("bridge: update: %w", err)
	}
	if fw.links != nil && len(tx.log) > 0 {
		unlock, err := fw.links.lock(ctx, false)
		if err != nil {
			return fmt.Errorf("bridge: update: %w", err)
		}
		defer unlock()
	}
	links, err := fw.prepareLinks(tx)
	if err != nil {
		return err
	}
	result, err := fw.commit(ctx, opUpdate, tx, batch)
	if err != nil {
		return errors.Join(err, links.run())
	}
	fw.flows.owe(tx.log)
	if err := fw.activateLinks(tx); err != nil {
		return errors.Join(err, fw.takeBack(tx, result), links.run())
	}
	tx.change.Commit(result)
	if err := fw.deleteLinks(tx); err != nil {
		// The update holds: what could not be deleted is out of use.
		fw.logger.LogAttrs(ctx, slog.LevelWarn, "links of what was removed are left behind", slog.Any("error", err))
	}
	return nil
}

// takeBack undoes a commit whose links could not be put to use. What the Tx
// has deleted from a user's chain is lost.
func (fw *Firewall) takeBack(tx *Tx, result nft.Result) error {
	tx.change.Commit(result)
	tx.change, tx.user, tx.back = fw.union.Begin(), nil, true
	fw.compileBack(tx.log, tx.change)
	tx.unsetPolicies(tx.log)
	for rule, handle := range result.Unkeyed {
		gone := *rule
		gone.Handle = handle
		tx.user = append(tx.user, func(b *nft.Batch) { b.Delete(&gone) })
	}
	batch, err := tx.batch()
	if err == nil {
		result, err = fw.commit(context.Background(), opUndo, tx, batch)
	}
	if err != nil {
		// The rules stay, and protect more than is there. Nothing is known of
		// them any more: the next update will find that out.
		tx.rollback()
		tx.log = nil
		fw.union = fw.compile()
		fw.distrust()
		if fw.anchor != nil {
			fw.anchor.stale = true
		}
		err = fmt.Errorf("bridge: undo: %w", err)
	} else {
		tx.change.Commit(result)
	}
	tx.change = fw.union.Begin() // for the rollback of the facts
	return err
}

// compile returns the union of what all facts need.
func (fw *Firewall) compile() *nft.Union {
	u := nft.NewUnion()
	change := u.Begin()
	var networks []*Network
	for _, f := range fw.state.facts() {
		fw.compileFact(f, func() []*Network { return networks }, change.Add)
		if n, ok := f.(*Network); ok {
			networks = append(networks, n)
		}
	}
	change.Commit(nft.Result{})
	return u
}

// commit sends a batch, if our objects are as they should be.
func (fw *Firewall) commit(ctx context.Context, op string, tx *Tx, batch nft.Batch) (nft.Result, error) {
	if batch.Len() == 0 {
		return nft.Result{}, nil
	}
	for {
		result, err := fw.send(ctx, op, batch, true)
		if errors.Is(err, errTouched) {
			if batch, err = fw.verify(ctx, tx); err == nil {
				continue
			}
		}
		if err != nil {
			return nft.Result{}, fmt.Errorf("bridge: update: %w", err)
		}
		fw.kept.forget(batch)
		fw.anchor.committed()
		return result, nil
	}
}

func (fw *Firewall) trace(op string, batch nft.Batch, r nft.Result, d time.Duration) {
	level := slog.LevelDebug
	if op == opHeal || op == opTeardown {
		level = slog.LevelInfo
	}
	fw.logger.LogAttrs(context.Background(), level, "ruleset committed", slog.String("op", op), slog.Int("objects", batch.Len()),
		slog.Int("messages", r.Messages), slog.Int("bytes", r.Bytes), slog.Uint64("generation", uint64(r.Generation)), slog.Duration("took", d))
	if fw.cfg.Trace != nil {
		fw.cfg.Trace(Transaction{
			Op: op, Objects: batch.Len(), Messages: r.Messages, Bytes: r.Bytes, Generation: r.Generation, Duration: d,
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
	have, err := fw.load(ctx)
	if err != nil {
		return nft.Batch{}, err
	}
	base := tx.change.Base()
	recognise(have, base)
	if repair := nft.Diff(have, base); repair.Len() > 0 {
		return nft.Batch{}, &movedError{have, repair}
	}
	tx.change.SetHandles(have)
	return tx.batch()
}

// converge brings the kernel to what plan makes of its ruleset. It returns the
// ruleset as it was, and what the commit did.
func (fw *Firewall) converge(ctx context.Context, op string, plan func(have *nft.Ruleset) (nft.Batch, error)) (have *nft.Ruleset, r nft.Result, err error) {
	for {
		if have, err = fw.load(ctx); err != nil {
			return nil, r, err
		}
		batch, err := plan(have)
		if err != nil || batch.Len() == 0 {
			return have, r, err
		}
		r, err = fw.send(ctx, op, batch, false)
		if err == nil && asleep(have) {
			continue // the batch may have done no more than wake them: see nft.Diff
		}
		if !errors.Is(err, errTouched) {
			return have, r, err
		}
		if err := fw.callWitness(ctx); err != nil {
			return nil, r, err
		}
	}
}

// asleep tells whether tables have flags.
func asleep(have *nft.Ruleset) bool {
	return slices.ContainsFunc(have.Tables(), func(t *nft.Table) bool { return t.Flags != 0 })
}

// Heal brings the kernel back to what it should be, and reports whether anything
// had to be done. It takes one transaction, and another where tables were
// made dormant, or hold chains of networks that are none of this Firewall's. Rules of DOCKER-USER, and users' own chains and sets, are left as
// they are; if DOCKER-USER itself was deleted, it comes back empty. Published ports
// that are not held are tried again: see [Firewall.UnheldPorts]. What another
// process has made of the facts is taken over; that alone heals nothing. What
// it has made, and others have damaged since, is repaired with the rest.
func (fw *Firewall) Heal(ctx context.Context) (healed bool, err error) {
	fw.mu.Lock()
	defer fw.mu.Unlock()
	if fw.closed {
		return false, ErrClosed
	}
	objects, err := fw.repairJudged(ctx, func(*nft.Ruleset, *nft.Batch) error { return nil })
	if err != nil {
		return false, fmt.Errorf("bridge: heal: %w", err)
	}
	fw.purge(ctx)
	return fw.holdUnheld(ctx) || objects > 0, nil
}
