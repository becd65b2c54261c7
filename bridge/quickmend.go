package bridge

import (
	"context"
	"time"

	"github.com/seawall-net/seawall/nft"
)

// maxQuick is how many elements are repaired without reading all there are.
const maxQuick = 1000

// mendElements puts elements back that the deeds have deleted, if that is all that
// they have done, and none of them has a record: whatever another process of ours
// does to facts, it changes one. It reads nothing: what is there is what should be, but for that,
// as long as the ruleset's generation is the one of the last deed, and if it is not,
// the kernel refuses. It tells whether all is repaired. fw.mu is held.
func (w *watcher) mendElements(ctx context.Context) (objects int, done bool) {
	fw := w.fw
	if w.missed || len(w.keep.wiped) > 0 || len(w.deeds) == 0 || w.failures > 0 {
		return 0, false
	}
	gone, n := map[*nft.Element]bool{}, 0
	for _, d := range w.deeds {
		for _, e := range d.events {
			s, _ := fw.union.Lookup(eventBox(e.ID)).(*nft.Set)
			if n++; e.ID.Kind != nft.KindElement || !e.Deleted || s == nil || s.Interval || n > maxQuick {
				return 0, false
			}
			want := fw.union.Element(s.Ref(), nft.Value(e.ID.Key))
			if want == nil || want.Userdata != "" {
				return 0, false
			}
			gone[want] = true
		}
	}
	var back nft.Batch
	for want := range gone {
		back.Create(want)
	}
	before := fw.generation
	back.Generation = w.seen
	if back.Len() == 0 {
		return 0, false
	}
	start := time.Now()
	r, err := fw.conn.Commit(ctx, back)
	if err != nil {
		return 0, false
	}
	if before == w.deeds[0].generation-1 { // else there is more that the next update does not know
		fw.generation = r.Generation
	}
	fw.trace(opHeal, back, r, time.Since(start))
	fw.flows.all = true
	w.keep.count, w.keep.lost = 0, nil
	return back.Len(), true
}
