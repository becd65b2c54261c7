package nft

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// ErrOverrun says that a [Monitor] could not be told of all that happened: its
// receive buffer was full, or the kernel had no memory. Load the ruleset again,
// go on listening, and pay no heed to transactions whose generation is not
// newer than the loaded ruleset's.
var ErrOverrun = errors.New("changes of the ruleset were missed")

// A Monitor listens to the changes that anybody commits to the nf_tables of a
// network namespace. A ruleset loaded after Listen plus the transactions with a
// newer generation is the present ruleset.
//
// One thing the kernel tells nobody: a table with [TableOwner] that disappears
// together with its owner's socket is not announced, and the generation stays
// the same (Linux 6.18).
type Monitor struct {
	socket *netlink.Conn
	raw    syscall.RawConn
	closed atomic.Bool
	turn   chan struct{} // holds a token while nobody reads

	buf     []byte
	decoder eventDecoder
}

// defaultMonitorBuffer holds the news of a commit of some 100,000 elements.
const defaultMonitorBuffer = 32 << 20

// Listen starts to listen: from its return on, no commit is missed. Config's
// ReadBuffer is how much the kernel may hold for the monitor, by default 32 MiB;
// without privileges in the initial namespace, net.core.rmem_max limits it.
func Listen(cfg Config) (*Monitor, error) {
	s, err := cfg.socket()
	if err != nil {
		return nil, err
	}
	m := &Monitor{socket: s, turn: make(chan struct{}, 1), buf: make([]byte, bufferSize)}
	m.turn <- struct{}{}
	if err := m.init(cfg); err != nil {
		_ = s.Close()
		return nil, fmt.Errorf("nft: listen: %w", err)
	}
	return m, nil
}

func (m *Monitor) init(cfg Config) (err error) {
	size := cfg.ReadBuffer
	if size == 0 {
		size = defaultMonitorBuffer
	}
	if m.raw, err = m.socket.SyscallConn(); err != nil {
		return err
	}
	cerr := m.raw.Control(func(fd uintptr) {
		if unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, size) != nil {
			err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, size)
		}
	})
	if err = errors.Join(cerr, err); err != nil {
		return fmt.Errorf("set receive buffer: %w", err)
	}
	if err := m.socket.JoinGroup(unix.NFNLGRP_NFTABLES); err != nil {
		return fmt.Errorf("join group: %w", err)
	}
	return nil
}

// Close stops listening. A Next that waits returns an error that matches
// os.ErrClosed.
func (m *Monitor) Close() error {
	m.closed.Store(true)
	return m.socket.Close()
}

// Next waits for a commit and returns it. The error matches [ErrOverrun] when
// commits were missed, after which Next can be called again; os.ErrClosed after
// Close; or it is the context's. A commit is returned by the next call if the
// context ends while it is being received. Several goroutines may call Next:
// each commit goes to one of them.
func (m *Monitor) Next(ctx context.Context) (Transaction, error) {
	select {
	case <-m.turn:
		defer func() { m.turn <- struct{}{} }()
	case <-ctx.Done():
		return Transaction{}, ctx.Err()
	}
	defer m.interruptible(ctx)()
	for {
		if t, ok := m.decoder.next(); ok {
			return t, nil
		}
		if m.closed.Load() {
			return Transaction{}, fmt.Errorf("nft: monitor: %w", os.ErrClosed)
		}
		if err := ctx.Err(); err != nil {
			return Transaction{}, err
		}
		b, err := m.receive(false)
		switch {
		case err == nil:
			m.decoder.unread = b
		case errors.Is(err, unix.ENOBUFS):
			m.skip(ctx)
			return Transaction{}, fmt.Errorf("nft: monitor: %w: load the ruleset again", ErrOverrun)
		case m.closed.Load() || ctx.Err() != nil: // as above
		default:
			return Transaction{}, fmt.Errorf("nft: monitor: %w", err)
		}
	}
}

// Transactions iterates over the commits until the context ends or the monitor
// is closed. An error that matches [ErrOverrun] does not end it, any other does.
func (m *Monitor) Transactions(ctx context.Context) iter.Seq2[Transaction, error] {
	return func(yield func(Transaction, error) bool) {
		for {
			t, err := m.Next(ctx)
			if err != nil && (ctx.Err() != nil || errors.Is(err, os.ErrClosed)) {
				return
			}
			if !yield(t, err) || err != nil && !errors.Is(err, ErrOverrun) {
				return
			}
		}
	}
}

// interruptible makes receive return when the context ends, until the returned
// function is called.
func (m *Monitor) interruptible(ctx context.Context) (stop func()) {
	done := make(chan struct{})
	cancel := context.AfterFunc(ctx, func() {
		_ = m.socket.SetReadDeadline(time.Unix(1, 0))
		close(done)
	})
	return func() {
		if !cancel() {
			<-done
			_ = m.socket.SetReadDeadline(time.Time{})
		}
	}
}

// receive returns one datagram from the kernel; what it did not send is empty.
// The datagram is valid until the next call. Unless it polls, receive waits.
func (m *Monitor) receive(poll bool) ([]byte, error) {
	var n int
	var from unix.Sockaddr
	var err error
	rerr := m.raw.Read(func(fd uintptr) bool {
		for {
			n, from, err = unix.Recvfrom(int(fd), m.buf, unix.MSG_DONTWAIT|unix.MSG_TRUNC)
			if !errors.Is(err, unix.EINTR) {
				return poll || !errors.Is(err, unix.EAGAIN)
			}
		}
	})
	switch sender, ok := from.(*unix.SockaddrNetlink); {
	case rerr != nil:
		return nil, rerr
	case err != nil:
		return nil, err
	case n > len(m.buf):
		return nil, unix.ENOBUFS // cut off, which is as good as lost
	case !ok || sender.Pid != 0:
		return nil, nil // forged
	}
	return m.buf[:n], nil
}

// skip throws away what was received before something was lost: a ruleset that
// is loaded from now on includes it.
func (m *Monitor) skip(ctx context.Context) {
	m.decoder.reset()
	for ctx.Err() == nil {
		if _, err := m.receive(true); err != nil && !errors.Is(err, unix.ENOBUFS) {
			return
		}
	}
}

// Port is the netlink port of the connection: the transactions that it commits
// bear it.
func (c *Conn) Port() uint32 { return c.socket.PID() }
