package nft

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// A Queue is a statement that hands the packet to a program, by one of the
// queues of nfnetlink_queue, and lets that decide. The kernel needs the module
// nft_queue.
type Queue struct {
	// Num is the queue or, with a Total, the first of several in a row.
	Num uint16
	// Total is over how many queues packets are spread, by their connection;
	// zero is the same as 1.
	Total uint16
	// Bypass lets packets pass to the next rule when no program listens; without
	// it they are dropped.
	Bypass bool
	// Fanout spreads packets by the processor that handles them.
	Fanout bool
}

// The kernel's flags (NFT_QUEUE_FLAG_*).
const (
	queueBypass = 1
	queueFanout = 2
)

// String returns the statement in nft syntax.
func (q Queue) String() string {
	out := "queue"
	switch {
	case q.Bypass && q.Fanout:
		out += " flags bypass,fanout"
	case q.Bypass:
		out += " flags bypass"
	case q.Fanout:
		out += " flags fanout"
	}
	if q.Total > 1 {
		return out + fmt.Sprintf(" to %d-%d", q.Num, int(q.Num)+int(q.Total)-1)
	}
	return out + fmt.Sprintf(" to %d", q.Num)
}

func (q Queue) check() error {
	if int(q.Num)+max(int(q.Total), 1) > 1<<16 {
		return fmt.Errorf("%d queues from %d: the last one is 65535", q.Total, q.Num)
	}
	return nil
}

func (q Queue) compile(c *compiler) {
	if err := q.check(); err != nil {
		c.fail("%w", err)
		return
	}
	var flags uint16
	if q.Bypass {
		flags |= queueBypass
	}
	if q.Fanout {
		flags |= queueFanout
	}
	c.expression("queue", func(e *encoder) {
		e.u16(unix.NFTA_QUEUE_NUM, q.Num)
		e.u16(unix.NFTA_QUEUE_TOTAL, max(q.Total, 1))
		e.u16(unix.NFTA_QUEUE_FLAGS, flags)
	})
}

// queue reads a statement that names its queues.
func (d *decompiler) queue() int {
	e := &d.in[0]
	flags := e.short(unix.NFTA_QUEUE_FLAGS)
	q := Queue{
		Num: e.short(unix.NFTA_QUEUE_NUM), Total: e.short(unix.NFTA_QUEUE_TOTAL),
		Bypass: flags&queueBypass != 0, Fanout: flags&queueFanout != 0,
	}
	if !e.has(unix.NFTA_QUEUE_NUM) || e.has(unix.NFTA_QUEUE_SREG_QNUM) || flags > queueBypass|queueFanout || q.check() != nil {
		return 0
	}
	d.emit(q)
	return 1
}
