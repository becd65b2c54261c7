package bridge

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/seawall-net/seawall/nft"
)

// heard is what came from the monitor.
type heard struct {
	t   nft.Transaction
	at  time.Time
	err error
}

// listen hands on what the monitor hears.
func (w *watcher) listen(ctx context.Context) {
	for {
		t, err := w.monitor.Next(ctx)
		select {
		case w.feed <- heard{t, time.Now(), err}:
		case <-ctx.Done():
			return
		case <-w.fw.ended:
			return
		}
		if err != nil && !errors.Is(err, nft.ErrOverrun) {
			return
		}
	}
}

// hear takes note of a transaction.
func (w *watcher) hear(h heard) error {
	if errors.Is(h.err, nft.ErrOverrun) {
		w.tell(Event{Kind: Missed})
		w.missed, w.keep.dirty = true, true
		w.schedule(h.at, Process{})
		return nil
	}
	if h.err != nil {
		return fmt.Errorf("bridge: watch: %w", h.err)
	}
	if !newer(h.t.Generation, w.seen) {
		return nil
	}
	w.seen = h.t.Generation
	w.fw.mu.Lock()
	if w.fw.closed {
		w.fw.mu.Unlock()
		return ErrClosed
	}
	d := w.fw.judgeDeed(h.t, h.at)
	w.fw.mu.Unlock()
	if isTeardown(h.t) {
		w.torn = &d
	}
	if d.edited {
		w.keep.dirty = true
		if !d.harm && !d.maybe && !d.own {
			clear(w.keep.restored)
		}
	}
	for _, t := range d.wiped {
		if !w.cfg.ForgetUserRules {
			w.keep.wiped[t] = true
		}
	}
	if d.harm || d.maybe {
		if len(w.deeds) == 0 {
			w.schedule(h.at, d.by)
		}
		w.deeds = append(w.deeds, d)
		if len(w.deeds) > maxDeeds {
			w.deeds = slices.Delete(w.deeds, 0, 1)
			w.deeds[0].more += len(w.deeds[0].changes)
		}
	}
	return nil
}

// maxDeeds is how many deeds are remembered until a repair.
const maxDeeds = 32

// schedule says when to repair.
func (w *watcher) schedule(now time.Time, by Process) {
	delay := w.pause.next(now)
	w.due = now.Add(delay)
	if delay == 0 {
		return
	}
	w.fw.mu.Lock()
	err := w.fw.setShut(context.Background(), true)
	w.fw.mu.Unlock()
	if w.backing {
		return
	}
	w.backing = true
	e := Event{Kind: BackingOff, By: by, Delay: delay}
	if err != nil {
		e.Reason = err.Error()
	}
	w.tell(e)
}
