package bridge

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seawall-net/seawall/nft"
)

// ErrWatched says that somebody watches this Firewall already.
var ErrWatched = errors.New("bridge: the firewall is watched already")

// Watch listens to what others do to the firewall, tells it, and repairs it: the
// rules, in one transaction, and bridges with their addresses and sysctls. It
// goes on until the context ends, or the loop is left; the first event is
// [Watching], when everything is in place. An error ends it: [ErrClosed] when the
// firewall was closed, [ErrTornDown] when another process has torn it down,
// [ErrWatched] if it is watched already.
//
// Repairs do not wait for the loop's body, which may call the Firewall, Update
// included. If it takes its time, the oldest of 256 events make room.
//
// What users have in DOCKER-USER is theirs, and an edit no damage. What was lost
// because somebody flushed all of its table is put back as it was last seen,
// together with the user's own chains and sets that it leads to.
//
// While Watch runs, an anchor is there: tables named seawall-anchor that belong to
// this process alone (Linux 5.12). A flush of the ruleset by others leaves them
// alone. They keep connections alive, translated ones included, and let no new
// flow from or to networks pass until the rules are back. Nobody else can change
// them: while they are there, `nft -f` of a file that lists them, as `nft list
// ruleset` does, fails with EPERM and changes nothing. See [WatchConfig].NoAnchor.
//
// Repeated damage is repaired less and less often, with [BackingOff]; meanwhile
// the anchor lets nothing new pass.
func (fw *Firewall) Watch(ctx context.Context) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		w, err := fw.startWatch(ctx)
		if err != nil {
			cancel()
			yield(Event{}, err)
			return
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			w.out.end(w.run(ctx))
		}()
		defer func() {
			cancel()
			<-done
			w.stop()
		}()
		for {
			e, ok, err := w.out.next(ctx)
			if !ok {
				if err != nil && ctx.Err() == nil {
					yield(Event{}, err)
				}
				return
			}
			if !yield(e, nil) {
				return
			}
		}
	}
}

// A watcher is one run of Watch.
type watcher struct {
	fw      *Firewall
	cfg     WatchConfig
	monitor *nft.Monitor
	feed    chan heard
	links   *linkListener // nil if links are left alone
	out     *eventQueue
	keep    *keeper

	// seen is the last generation that was heard of.
	seen uint32
	// early was received, and is still to be heard: see receive.
	early []heard
	// running says that somebody feeds, and torn, that there was a teardown.
	running bool
	torn    *deed
	// deeds wait for a repair, due at a time.
	deeds []deed
	due   time.Time
	// missed says that more was done than was heard of.
	missed  bool
	pause   backoff
	backing bool

	linksDue   bool
	linksAt    time.Time
	linksPause backoff

	// failures counts those in a row.
	failures int
	// unanchored is why there is no anchor, and told says that this was told;
	// never, that the kernel cannot.
	unanchored  string
	told, never bool
	checkAt     time.Time
}

// startWatch listens, and then repairs what was changed before.
func (fw *Firewall) startWatch(ctx context.Context) (w *watcher, err error) {
	w = &watcher{fw: fw, cfg: fw.cfg.Watch.withDefaults(), out: newEventQueue(), feed: make(chan heard, 64),
		keep: &keeper{wiped: map[nft.TableRef]bool{}, restored: map[nft.ChainRef]bool{}}}
	w.pause = backoff{min: w.cfg.MinDelay, max: w.cfg.MaxDelay}
	w.linksPause = w.pause
	if err := w.cfg.check(fw.layout); err != nil {
		return nil, fmt.Errorf("bridge: %w", err)
	}
	fw.mu.Lock()
	defer fw.mu.Unlock()
	switch {
	case fw.closed:
		return nil, ErrClosed
	case fw.watched:
		return nil, ErrWatched
	}
	if w.monitor, err = nft.Listen(nft.Config{NetNS: fw.ns, ReadBuffer: fw.watchBuffer}); err != nil {
		return nil, fmt.Errorf("bridge: watch: %w", err)
	}
	if fw.links != nil && !w.cfg.KeepLinks {
		if w.links, err = listenToLinks(fw.ns); err != nil {
			return nil, errors.Join(fmt.Errorf("bridge: watch: %w", err), w.monitor.Close())
		}
	}
	fw.watched = true
	if err := w.first(ctx); err != nil {
		w.release()
		return nil, errors.Join(fmt.Errorf("bridge: watch: %w", err), fw.dropAnchor(context.Background()))
	}
	return w, nil
}

// first puts everything in place. fw.mu is held.
func (w *watcher) first(ctx context.Context) error {
	objects, err := w.repairRules(ctx)
	if err != nil {
		return err
	}
	w.seen = w.fw.generation
	var changes []string
	var failed error
	if w.links != nil {
		changes, failed = w.fw.mendLinks(func() error { return nil })
	}
	if w.fw.users, _, err = w.fw.loadUsers(ctx); err != nil {
		return err
	}
	w.tell(Event{Kind: Watching, Objects: objects + len(changes), Generation: w.fw.generation})
	w.tellUnanchored()
	w.checkAt = time.Now().Add(w.cfg.CheckInterval)
	if failed != nil {
		w.tell(Event{Kind: Failed, Reason: failed.Error(), Delay: w.cfg.CheckInterval})
	}
	return nil
}

// repairRules repairs the ruleset, and raises the anchor if it is not there. fw.mu is
// held.
func (w *watcher) repairRules(ctx context.Context) (objects int, err error) {
	fw := w.fw
	if !w.cfg.NoAnchor && !w.never && fw.anchor == nil {
		fw.anchor = fw.newAnchor()
		ours := 0
		_, err = fw.repair(ctx, func(have *nft.Ruleset, b *nft.Batch) error {
			if err := w.meant(ctx, have, b); err != nil {
				return err
			}
			ours = b.Len()
			w.restore(have, b)
			fw.anchor.vouch(have, b)
			fw.anchor.raise(fw.state, b)
			return nil
		})
		if err == nil {
			w.unanchored, w.told = "", false
			return ours, nil
		}
		fw.anchor = nil
		reason, ok := noAnchor(err)
		if !ok {
			return 0, err
		}
		w.never = errors.Is(err, unix.EOPNOTSUPP)
		w.unanchored = reason
	}
	return fw.repairJudged(ctx, func(have *nft.Ruleset, b *nft.Batch) error {
		if err := w.meant(ctx, have, b); err != nil {
			return err
		}
		w.restore(have, b)
		return nil
	})
}

// restore adds what users have lost to a repair.
func (w *watcher) restore(have *nft.Ruleset, b *nft.Batch) {
	if w.cfg.ForgetUserRules {
		return
	}
	if w.missed && b.Len() > 0 {
		for _, t := range w.fw.userTables() {
			w.keep.wiped[t] = true // as far as is known
		}
	}
	for _, h := range w.early { // received, but not heard yet
		for _, t := range w.fw.judgeDeed(h.t, h.at).wiped {
			w.keep.wiped[t] = true
		}
	}
	for _, t := range w.fw.userTables() {
		chain := nft.ID{Kind: nft.KindChain, Table: t, Name: w.fw.layout.UserChain(t.Family).Name}
		if have.Lookup(chain) == nil {
			w.keep.wiped[t] = true // with ours that jumps to it
		}
	}
	w.keep.count = w.keep.restore(w.fw, have, b)
}

// tellUnanchored tells once why there is no anchor.
func (w *watcher) tellUnanchored() {
	if w.unanchored != "" && !w.told {
		w.told = true
		w.tell(Event{Kind: Unanchored, Reason: w.unanchored})
	}
}

func (w *watcher) tell(e Event) {
	e.Time = time.Now()
	e.log(context.Background(), w.fw.logger)
	w.out.put(e)
}

// release stops listening.
func (w *watcher) release() {
	w.fw.watched, w.fw.users = false, nil
	_ = w.monitor.Close()
	if w.links != nil {
		w.links.close()
	}
}

// stop ends the run.
func (w *watcher) stop() {
	w.fw.mu.Lock()
	defer w.fw.mu.Unlock()
	w.release()
	if err := w.fw.dropAnchor(context.Background()); err != nil {
		w.fw.logger.Warn("the anchor was not removed", "error", err)
	}
}

// run listens and repairs until the context ends, or the firewall.
func (w *watcher) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	w.running = true
	listening := make(chan struct{})
	go func() {
		defer close(listening)
		w.listen(ctx)
	}()
	defer func() { <-listening }()
	defer w.monitor.Close()
	defer cancel() // who listens may wait to be heard
	for ctx.Err() == nil {
		var links <-chan struct{}
		if w.links != nil {
			links = w.links.changed
		}
		alarm := time.NewTimer(time.Until(w.wake()))
		select {
		case <-ctx.Done():
			alarm.Stop()
			return nil
		case <-w.fw.ended:
			alarm.Stop()
			return ErrClosed
		case h := <-w.feed:
			w.early = append(w.early, h)
		case <-links:
			w.linksChanged()
		case <-alarm.C:
		}
		alarm.Stop()
		if err := w.step(ctx); err != nil && ctx.Err() == nil {
			return err
		}
	}
	return nil
}

// wake is when something has to be done that nobody announces.
func (w *watcher) wake() time.Time {
	at := w.checkAt
	earlier := func(t time.Time) {
		if t.Before(at) {
			at = t
		}
	}
	if len(w.early) > 0 {
		return time.Time{}
	}
	if w.damaged() {
		earlier(w.due)
	}
	if w.linksDue {
		earlier(w.linksAt)
	}
	if w.backing && !w.damaged() {
		earlier(w.pause.end())
	}
	return at
}

// damaged tells whether a repair is due, or will be.
func (w *watcher) damaged() bool { return len(w.deeds) > 0 || w.missed || len(w.keep.wiped) > 0 }
