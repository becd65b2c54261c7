package nft

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// A Result tells what a commit did.
type Result struct {
	// Generation is the ruleset's generation after the commit, where the batch
	// named the one before it; zero otherwise.
	Generation uint32
	// Messages and Bytes are the size of what was sent, the opening and
	// closing messages included.
	Messages, Bytes int
	// Handles holds the kernel's handles of the rules that were added with a
	// key.
	Handles map[ID]uint64
	// Unkeyed holds the handles of the rules that were added without a key.
	Unkeyed map[*Rule]uint64
	// Incomplete says that the kernel's answer was lost, although it has applied
	// the batch: handles are missing.
	Incomplete bool
}

// Commit applies a batch: all of it, or nothing when it returns an error
// (other than [ErrUnknownOutcome]). An [*ObjectError] names the object that the
// kernel refused and its reason. An empty batch does nothing. A context that is
// done before anything was sent prevents the commit; later it has no effect,
// since the kernel never makes a commit wait.
func (c *Conn) Commit(ctx context.Context, b Batch) (Result, error) {
	if len(b.ops) == 0 {
		return Result{Generation: b.Generation}, ctx.Err()
	}
	c.mu.Lock()
	base := c.nextSeq(b.Len() + 2)
	c.mu.Unlock()
	w, err := b.marshal(base)
	if err != nil {
		return Result{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.commit(ctx, &b, w)
}

// commit sends a marshalled batch.
func (c *Conn) commit(ctx context.Context, b *Batch, w *wire) (Result, error) {
	if c.closed {
		return Result{}, fmt.Errorf("nft: commit: %w", os.ErrClosed)
	}
	if err := c.growSendBuffer(len(w.b)); err != nil {
		return Result{}, err
	}
	r := Result{Messages: len(w.index) + 2, Bytes: len(w.b)}
	var failed *ack
	last := w.base + uint32(len(w.index))
	err := c.exchange(ctx, w.b, func(m message) (bool, error) {
		if m.typ != unix.NLMSG_ERROR {
			r.echo(b, w, m)
			return false, nil
		}
		a := m.ack()
		if a.errno != 0 && failed == nil {
			failed = &a
		}
		// The opening message is judged only when the whole batch fails.
		return a.seq == last || a.seq == w.base, nil
	})
	switch {
	case failed != nil:
		c.drain()
		return Result{}, b.refused(w, failed)
	case errors.Is(err, errLost):
		if err := c.recover(ctx, b); err != nil {
			return Result{}, err
		}
		r.Incomplete = true
	case errors.Is(err, unix.EMSGSIZE):
		return Result{}, fmt.Errorf("nft: commit of %d bytes: %w", len(w.b), ErrTooLarge)
	case err != nil:
		return Result{}, fmt.Errorf("nft: commit: %w", err)
	}
	if b.Generation != 0 {
		r.Generation = nextGeneration(b.Generation)
	}
	return r, nil
}

// nextGeneration is what the kernel calls the state after one more commit.
func nextGeneration(g uint32) uint32 {
	if g++; g == 0 {
		g = 1
	}
	return g
}

// recover finds out whether a batch whose answer was lost was applied.
func (c *Conn) recover(ctx context.Context, b *Batch) error {
	c.drain()
	if b.Generation == 0 {
		return fmt.Errorf("nft: commit: %w", ErrUnknownOutcome)
	}
	gen, err := c.generation(ctx)
	switch {
	case err != nil:
		return fmt.Errorf("nft: commit: %w: %w", ErrUnknownOutcome, err)
	case gen == b.Generation:
		return fmt.Errorf("nft: commit: %w", errLost)
	case gen != nextGeneration(b.Generation):
		return fmt.Errorf("nft: commit: %w", ErrUnknownOutcome)
	}
	return nil
}

// drain throws away what is left of an answer.
func (c *Conn) drain() {
	_ = c.control(func(fd int) error {
		for {
			_, _, err := unix.Recvfrom(fd, c.buf, unix.MSG_DONTWAIT)
			if errors.Is(err, unix.EAGAIN) || err != nil && !errors.Is(err, unix.ENOBUFS) && !errors.Is(err, unix.EINTR) {
				return nil
			}
		}
	})
}

// echo learns the handle of a rule that was added.
func (r *Result) echo(b *Batch, w *wire, m message) {
	i := int(m.seq) - int(w.base) - 1
	if m.typ != nftables(unix.NFT_MSG_NEWRULE) || i < 0 || i >= len(w.index) {
		return
	}
	rule, ok := b.ops[w.index[i].op].object.(*Rule)
	if !ok {
		return
	}
	for typ, v := range attributes(m.payload()) {
		if typ != unix.NFTA_RULE_HANDLE || len(v) != 8 {
			continue
		}
		handle := binary.BigEndian.Uint64(v)
		switch {
		case rule.Key == "" && r.Unkeyed == nil:
			r.Unkeyed = map[*Rule]uint64{rule: handle}
		case rule.Key == "":
			r.Unkeyed[rule] = handle
		case r.Handles == nil:
			r.Handles = map[ID]uint64{rule.ID(): handle}
		default:
			r.Handles[rule.ID()] = handle
		}
	}
}

// refused says which object the kernel refused.
func (b *Batch) refused(w *wire, a *ack) error {
	if a.seq == w.base {
		if a.errno == unix.ERESTART {
			return fmt.Errorf("nft: commit for generation %d: %w", b.Generation, ErrGeneration)
		}
		return fmt.Errorf("nft: commit: %w", a.err())
	}
	i := int(a.seq) - int(w.base) - 1
	if i < 0 || i >= len(w.index) {
		return fmt.Errorf("nft: commit: %w", a.err())
	}
	o := &b.ops[w.index[i].op]
	element := 0
	if o.object == nil {
		element = w.elementAt(i, int(a.offset))
	}
	e := b.describe(o, element, a.errno)
	if e.ID.Kind == KindRule {
		e.Expression = w.expressionAt(i, int(a.offset))
	}
	if e.Reason = a.reason; e.Reason == "" && a.errno == unix.ENFILE && e.ID.Kind == KindElement {
		e.Reason = "the set is full" // ENFILE's own text is of open files
	}
	return e
}

// elementAt finds the element that the kernel pointed at in message i.
func (w *wire) elementAt(i, offset int) int {
	n, _ := w.childAt(i, unix.NFTA_SET_ELEM_LIST_ELEMENTS, offset)
	return int(w.index[i].first) + n
}

// expressionAt names the expression of a rule that the kernel pointed at in
// message i, if it did.
func (w *wire) expressionAt(i, offset int) string {
	_, expression := w.childAt(i, unix.NFTA_RULE_EXPRESSIONS, offset)
	for typ, v := range attributes(expression) {
		if typ == unix.NFTA_EXPR_NAME {
			return unix.ByteSliceToString(v)
		}
	}
	return ""
}

// childAt finds which of the attributes nested in one of message i's is at an
// offset in the message, and what is in it.
func (w *wire) childAt(i int, list uint16, offset int) (n int, child []byte) {
	at := int(w.index[i].offset)
	m := w.b[at : at+int(binary.NativeEndian.Uint32(w.b[at:]))]
	pos := unix.SizeofNlMsghdr + 4
	for typ, v := range attributes(m[pos:]) {
		if typ != list {
			pos += unix.SizeofNlAttr + pad4(len(v))
			continue
		}
		if offset <= pos {
			return 0, nil
		}
		for _, c := range attributes(v) {
			pos += unix.SizeofNlAttr + pad4(len(c))
			if offset < pos+unix.SizeofNlAttr {
				return n, c
			}
			n++
		}
	}
	return 0, nil
}
