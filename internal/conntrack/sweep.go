package conntrack

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// A Filter says which entries the kernel lists. The zero value lists all. It is there to save time: kernels before 5.8
// ignore it and list all.
type Filter struct {
	// Proto is the IP protocol number; 0 is any.
	Proto uint8
	// Port is the port that the first packet of a flow was sent to; 0 is any. It needs Proto.
	Port uint16
}

// maxAttempts is how often a list that was interrupted is asked for.
const maxAttempts = 3

// maxDeletes is how many deletions are sent at a time: as many as have all their answers fit the smallest receive
// buffer, should each of them fail.
const maxDeletes = 256

// Sweep lists the entries that the filter leaves, of all families, and deletes those that are stale. It returns how many
// it has deleted. An entry that goes by itself meanwhile, or comes, is no error: what is not there when its part of the
// table is looked at is not seen.
//
// The Flow is valid only during the call of stale, which must not call the Conn. Where a list was interrupted, stale
// sees entries again. After an error the Conn may be of no use any more: dial a new one.
func (c *Conn) Sweep(ctx context.Context, f Filter, stale func(*Flow) bool) (deleted int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for attempt := 1; ; attempt++ {
		var d deletions
		var err error
		for _, family := range f.families() {
			if err == nil {
				err = c.list(ctx, family, f, func(flow *Flow) {
					if stale(flow) {
						d.add(flow)
					}
				})
			}
		}
		if errors.Is(err, unix.EINTR) && attempt < maxAttempts {
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("conntrack: list entries: %w", explain(err))
		}
		deleted, err := c.delete(ctx, d)
		if err != nil {
			err = fmt.Errorf("conntrack: delete entries: %w", err)
		}
		return deleted, err
	}
}

// List hands each entry that the filter leaves to yield, of all families. The Flow is valid only during the call, which
// must not call the Conn. The error matches unix.EINTR when the table changed so that entries may be missing, or were
// seen twice. After another error the Conn may be of no use any more: dial a new one.
func (c *Conn) List(ctx context.Context, f Filter, yield func(*Flow)) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, family := range f.families() {
		if err := c.list(ctx, family, f, yield); err != nil {
			return fmt.Errorf("conntrack: list entries: %w", explain(err))
		}
	}
	return nil
}

// list hands each entry to yield. The error matches unix.EINTR when the table changed so that entries may be missing.
func (c *Conn) list(ctx context.Context, family uint8, f Filter, yield func(*Flow)) error {
	e := encoder{c.out[:0]}
	at := e.message(msgGet, unix.NLM_F_REQUEST|unix.NLM_F_DUMP, c.nextSeq(1), family)
	f.encode(&e)
	e.end(at)
	var flow Flow
	interrupted := false
	err := c.exchange(ctx, e.b, func(m message) (bool, error) {
		interrupted = interrupted || m.flags&unix.NLM_F_DUMP_INTR != 0
		switch m.typ {
		case unix.NLMSG_DONE, unix.NLMSG_ERROR:
			return true, m.err()
		}
		err := flow.decode(m.attributes())
		if err == nil {
			yield(&flow)
		}
		return false, err
	})
	if err == nil && interrupted {
		return unix.EINTR
	}
	return err
}

// families are those to ask for, one after the other: the kernel can list all at once, but has no filters then.
func (f Filter) families() []uint8 {
	if f.Proto == 0 {
		return []uint8{unix.AF_UNSPEC}
	}
	return []uint8{unix.AF_INET, unix.AF_INET6}
}

func (f Filter) encode(e *encoder) {
	if f.Proto == 0 {
		return
	}
	flags := uint32(filterProto)
	tuple := e.nest(ctaTupleOrig)
	proto := e.nest(ctaTupleProto)
	e.bytes(ctaProtoNum, f.Proto)
	if f.Port != 0 {
		flags |= filterDstPort
		e.bytes(ctaProtoDstPort, byte(f.Port>>8), byte(f.Port))
	}
	e.unnest(proto)
	e.unnest(tuple)
	filter := e.nest(ctaFilter)
	e.bytes(ctaFilterOrigFlags, binary.NativeEndian.AppendUint32(nil, flags)...)
	e.unnest(filter)
}

// deletions are messages that delete an entry each, without sequence numbers.
type deletions struct {
	encoder
	ends []int
}

// add asks for the deletion of a flow. The entry's number keeps another one from being hit that has taken its place.
func (d *deletions) add(f *Flow) {
	if len(f.orig) <= unix.SizeofNlAttr {
		return // to the kernel, a deletion without a tuple means all entries
	}
	at := d.message(msgDelete, unix.NLM_F_REQUEST, 0, f.family())
	for _, attribute := range [][]byte{f.orig, f.zone, f.id} {
		d.b = append(d.b, attribute...)
		d.b = append(d.b, make([]byte, align(len(attribute))-len(attribute))...)
	}
	d.end(at)
	d.ends = append(d.ends, len(d.b))
}

// delete sends deletions and counts those that found their entry. It goes on after errors, and returns the first.
func (c *Conn) delete(ctx context.Context, d deletions) (deleted int, err error) {
	start := 0
	for len(d.ends) > 0 {
		n := min(len(d.ends), maxDeletes)
		part := d.b[start:d.ends[n-1]]
		failed, perr := c.deletePart(ctx, part, n)
		if err == nil {
			err = perr
		}
		deleted += n - failed
		start, d.ends = d.ends[n-1], d.ends[n:]
	}
	return deleted, err
}

// deletePart sends n deletions, and tells how many of them have not deleted anything, and why, if that is an error.
func (c *Conn) deletePart(ctx context.Context, part []byte, n int) (failed int, err error) {
	first := c.nextSeq(n)
	last := first + uint32(n) - 1
	seq := first
	for b := part; len(b) > 0; b = b[binary.NativeEndian.Uint32(b):] {
		binary.NativeEndian.PutUint32(b[8:], seq)
		if seq == last { // errors are told anyway
			binary.NativeEndian.PutUint16(b[6:], binary.NativeEndian.Uint16(b[6:])|unix.NLM_F_ACK)
		}
		seq++
	}
	lost := c.exchange(ctx, part, func(m message) (bool, error) {
		if m.typ != unix.NLMSG_ERROR {
			return false, nil
		}
		verdict := m.err()
		if verdict != nil {
			failed++
		}
		if !errors.Is(verdict, unix.ENOENT) && err == nil {
			err = verdict
		}
		return m.seq == last, nil
	})
	if lost != nil {
		return n, lost
	}
	return failed, err
}
