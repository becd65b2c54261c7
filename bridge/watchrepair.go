package bridge

import (
	"context"
	"errors"
	"time"

	"github.com/seawall-net/seawall/nft"
)

// step does what is due.
func (w *watcher) step(ctx context.Context) error {
	for more := true; more; { // what has come already
		select {
		case h := <-w.feed:
			w.early = append(w.early, h)
		default:
			more = false
		}
	}
	if err := w.hearEarly(); err != nil {
		return err
	}
	if w.torn != nil {
		if err := w.lookForTeardown(ctx); err != nil {
			return err
		}
	}
	// Once: if it fails, or there is more to repair by then, the run is soon back,
	// and looks first whether it has to end.
	if w.damaged() && !time.Now().Before(w.due) {
		if err := w.repair(ctx); err != nil {
			return err
		}
	}
	if w.linksDue && !time.Now().Before(w.linksAt) {
		if err := w.mendLinks(ctx); err != nil {
			return err
		}
	}
	if w.backing && !w.damaged() && w.pause.over(time.Now()) {
		w.backing = false
		w.tell(Event{Kind: Calm})
	}
	if err := w.remember(ctx); err != nil {
		return err
	}
	if now := time.Now(); !now.Before(w.checkAt) {
		w.checkAt = now.Add(w.cfg.CheckInterval)
		w.linksChanged()
		return w.retryAnchor(ctx)
	}
	return nil
}

// repair brings everything back, and tells what it was.
func (w *watcher) repair(ctx context.Context) error {
	fw, missed := w.fw, w.missed
	since := time.Now()
	for _, d := range w.deeds {
		if d.at.Before(since) {
			since = d.at
		}
	}
	w.keep.count = 0
	fw.mu.Lock()
	if fw.closed {
		fw.mu.Unlock()
		return ErrClosed
	}
	before := fw.state
	objects, quick := w.mendElements(ctx)
	var err error
	if !quick {
		objects, err = w.repairRules(ctx)
	}
	if err != nil && w.keep.count > 0 {
		// What is ours does not wait for what is the user's.
		w.keep.lost = err
		clear(w.keep.wiped)
		w.keep.count = 0
		objects, err = w.repairRules(ctx)
	}
	adopted := fw.state != before // other processes' facts
	if err == nil && fw.anchor != nil && fw.anchor.stale {
		err = fw.refillAnchor(ctx)
	}
	if err == nil {
		err = fw.setShut(ctx, false)
	}
	repaired, now := fw.generation, time.Now()
	fw.purge(ctx)
	fw.mu.Unlock()
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, ErrTornDown) {
			return w.tornDown()
		}
		w.failed(err, now)
		return nil
	}
	w.failures, w.missed = 0, false
	w.tellUnanchored()
	clear(w.keep.wiped)
	users, lost := w.keep.count, w.keep.lost
	// What was done before that, and is repaired with it, may not have been heard
	// yet.
	if err := w.catchUp(ctx, repaired); err != nil {
		return err
	}
	deeds := w.deeds
	w.deeds = nil
	for _, d := range deeds {
		e := Event{By: d.by, Changes: d.changes, More: d.more, Generation: d.generation}
		switch {
		case adopted && objects == 0:
			e.Kind = Adopted
		case objects == 0 && !d.harm:
			continue // others' rules, in chains that they use, too
		case objects == 0:
			e.Kind = Touched
		default:
			e.Kind = Damaged
		}
		w.tell(e)
	}
	if objects == 0 && !missed {
		return nil
	}
	if objects > 0 {
		w.pause.repaired(now)
	}
	if err := w.remember(ctx); err != nil {
		return err
	}
	e := Event{Kind: Repaired, Objects: max(0, objects-users), UserRules: users, Generation: repaired, Took: now.Sub(since)}
	if lost != nil {
		e.Reason = "rules of the user's could not be put back: " + lost.Error()
	}
	w.tell(e)
	return nil
}

// failed says that a repair did, and when the next one is.
func (w *watcher) failed(err error, now time.Time) {
	delay := w.cfg.MinDelay << min(w.failures, 16)
	if delay > w.cfg.MaxDelay || delay <= 0 {
		delay = w.cfg.MaxDelay
	}
	w.failures++
	w.due, w.missed = now.Add(delay), true
	w.tell(Event{Kind: Failed, Reason: err.Error(), Delay: delay})
}

// patience is how long an announcement may take that the kernel has sent already.
const patience = 5 * time.Second

// catchUp hears what was committed up to a generation.
func (w *watcher) catchUp(ctx context.Context, generation uint32) error {
	w.receive(ctx, generation)
	return w.hearEarly()
}

// receive takes what was committed up to a generation, which is heard later.
func (w *watcher) receive(ctx context.Context, generation uint32) {
	last := w.seen
	if n := len(w.early); n > 0 {
		if last = w.early[n-1].t.Generation; w.early[n-1].err != nil {
			return
		}
	}
	late := time.NewTimer(patience)
	defer late.Stop()
	for w.running && newer(generation, last) {
		select {
		case h := <-w.feed:
			w.early = append(w.early, h)
			if last = h.t.Generation; h.err != nil {
				return
			}
		case <-late.C:
			return
		case <-ctx.Done():
			return
		case <-w.fw.ended:
			return
		}
	}
}

// hearEarly hears what was received.
func (w *watcher) hearEarly() error {
	for len(w.early) > 0 {
		h := w.early[0]
		w.early = w.early[1:]
		if err := w.hear(h); err != nil {
			return err
		}
	}
	return nil
}

// remember reads what users have in our tables, if that has changed, unless it
// turns out that somebody has just flushed it.
func (w *watcher) remember(ctx context.Context) error {
	if !w.keep.dirty || w.damaged() {
		return nil
	}
	w.fw.mu.Lock()
	if w.fw.closed {
		w.fw.mu.Unlock()
		return ErrClosed
	}
	kept, generation, err := w.fw.loadUsers(ctx)
	w.fw.mu.Unlock()
	if err != nil {
		w.keep.dirty = true // later: others are busy
		return nil
	}
	w.keep.dirty = false
	if err := w.catchUp(ctx, generation); err != nil {
		return err
	}
	if w.keep.dirty || w.damaged() {
		w.keep.dirty = true // again, when that is done
		return nil
	}
	w.fw.mu.Lock()
	defer w.fw.mu.Unlock()
	if !newer(w.fw.usersSeen, generation) {
		w.fw.users, w.fw.usersSeen = kept, generation
	}
	return nil
}

// retryAnchor raises the anchor if somebody else's was in the way.
func (w *watcher) retryAnchor(ctx context.Context) error {
	w.fw.mu.Lock()
	defer w.fw.mu.Unlock()
	switch {
	case w.fw.closed:
		return ErrClosed
	case w.cfg.NoAnchor || w.never || w.fw.anchor != nil || w.damaged():
		return nil
	}
	var probe nft.Batch
	table := &nft.Table{Family: nft.IPv4, Name: anchorTable, Flags: nft.TableOwner}
	probe.Create(table)
	probe.Delete(table)
	if w.fw.commitAside(ctx, probe) != nil {
		return nil // as before
	}
	if _, err := w.repairRules(ctx); err != nil && ctx.Err() == nil {
		if errors.Is(err, ErrTornDown) {
			return nil // which the next step hears
		}
		w.failed(err, time.Now())
	}
	return nil
}
