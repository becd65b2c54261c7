package bridge

import "time"

// A backoff keeps two programs that each insist on their own rules from doing
// nothing else. The first repairs in a row are done at once, the next ones after
// a delay that doubles. A time without damage ends the row.
type backoff struct {
	min, max time.Duration

	// row is how many repairs there were in a row, and last when the last one was.
	row  int
	last time.Time
}

// freeRepairs is how many repairs in a row are done at once: a tool's reload
// takes several steps.
const freeRepairs = 5

// quietDelays is how many delays without damage end a row.
const quietDelays = 5

// delayOf is how long the n-th repair of a row waits.
func (b *backoff) delayOf(n int) time.Duration {
	if n <= freeRepairs {
		return 0
	}
	d := b.min
	for n -= freeRepairs; n > 1 && d < b.max; n-- {
		d *= 2
	}
	return min(d, b.max)
}

// next is how long the next repair has to wait.
func (b *backoff) next(now time.Time) time.Duration {
	if b.over(now) {
		b.row = 0
	}
	return b.delayOf(b.row + 1)
}

// repaired counts a repair.
func (b *backoff) repaired(now time.Time) { b.row, b.last = b.row+1, now }

// end is when the row ends, if nothing happens.
func (b *backoff) end() time.Time {
	return b.last.Add(quietDelays * max(b.min, b.delayOf(b.row)))
}

// over tells whether the row has ended.
func (b *backoff) over(now time.Time) bool { return b.row == 0 || !now.Before(b.end()) }
