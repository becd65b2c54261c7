package bridge

import (
	"context"
	"sync"
)

// maxEvents is how many events wait for a consumer that is busy. Repairs do not
// wait for him.
const maxEvents = 256

// An eventQueue holds events until they are taken.
type eventQueue struct {
	mu      sync.Mutex
	events  []Event
	dropped int
	err     error
	ready   chan struct{} // holds a token when there is something new
}

func newEventQueue() *eventQueue { return &eventQueue{ready: make(chan struct{}, 1)} }

func (q *eventQueue) wake() {
	select {
	case q.ready <- struct{}{}:
	default:
	}
}

// put adds an event. The oldest one makes room, if it must.
func (q *eventQueue) put(e Event) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.events) == maxEvents {
		q.dropped += 1 + q.events[0].Dropped
		q.events = append(q.events[:0], q.events[1:]...)
	}
	q.events = append(q.events, e)
	q.wake()
}

// end says that there will be no more, and why.
func (q *eventQueue) end(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.err = err
	q.wake()
}

// next waits for an event. It returns false at the end: without an error if the
// context has ended.
func (q *eventQueue) next(ctx context.Context) (e Event, ok bool, err error) {
	for ctx.Err() == nil {
		q.mu.Lock()
		if len(q.events) > 0 {
			e := q.events[0]
			q.events = q.events[1:]
			e.Dropped, q.dropped = q.dropped, 0
			q.mu.Unlock()
			return e, true, nil
		}
		err := q.err
		q.mu.Unlock()
		if err != nil {
			return Event{}, false, err
		}
		select {
		case <-q.ready:
		case <-ctx.Done():
		}
	}
	return Event{}, false, nil
}
