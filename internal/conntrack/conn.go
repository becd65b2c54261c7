package conntrack

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// A Conn is a connection to the table of one network namespace. Its methods may be called by several goroutines; they
// take turns.
type Conn struct {
	mu     sync.Mutex
	socket *netlink.Conn
	raw    syscall.RawConn
	seq    uint32
	buf    []byte // of answers
	out    []byte // of requests
}

// bufferSize holds any datagram that the kernel sends on request: dumps come in pieces of at most 32 KiB.
const bufferSize = 64 << 10

// Dial opens a connection to the table of a network namespace, which is needed only during the call; nil is the calling
// thread's. Whether the table can be read shows with the first request: that fails with fs.ErrPermission without
// CAP_NET_ADMIN, and with errors.ErrUnsupported where the kernel has no ctnetlink.
func Dial(ns *os.File) (*Conn, error) {
	var cfg netlink.Config
	if ns != nil {
		cfg.NetNS = int(ns.Fd())
	}
	socket, err := netlink.Dial(unix.NETLINK_NETFILTER, &cfg)
	if err != nil {
		return nil, fmt.Errorf("conntrack: open socket: %w", err)
	}
	c := &Conn{socket: socket, buf: make([]byte, bufferSize), out: make([]byte, 0, 128)}
	// Capped acknowledgements leave out the message that failed: more of them fit the receive buffer.
	err = socket.SetOption(netlink.CapAcknowledge, true)
	if err == nil {
		c.raw, err = socket.SyscallConn()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("conntrack: open socket: %w", err), socket.Close())
	}
	return c, nil
}

// Close closes the connection. Nothing of it is left in the kernel.
func (c *Conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.socket.Close()
}

// Count returns the number of entries of all families in the namespace, those included that are about to disappear. It
// takes one or two microseconds.
func (c *Conn) Count(ctx context.Context) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := encoder{c.out[:0]}
	at := e.message(msgGetStats, unix.NLM_F_REQUEST, c.nextSeq(1), unix.AF_UNSPEC)
	e.end(at)
	count := -1
	err := c.exchange(ctx, e.b, func(m message) (bool, error) {
		if m.typ == unix.NLMSG_ERROR {
			return true, m.err()
		}
		for b := m.attributes(); len(b) > 0; {
			typ, v, _, rest, err := next(b)
			if err != nil {
				return true, err
			}
			if typ == ctaStatsEntries && len(v) == 4 {
				count = int(binary.BigEndian.Uint32(v))
			}
			b = rest
		}
		return true, nil
	})
	if err == nil && count < 0 {
		err = errMalformed
	}
	if err != nil {
		return 0, fmt.Errorf("conntrack: count entries: %w", explain(err))
	}
	return count, nil
}

// explain adds to an error of the kernel what it means.
func explain(err error) error {
	switch {
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("%w: CAP_NET_ADMIN is needed in the network namespace", err)
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.EOPNOTSUPP):
		return fmt.Errorf("%w: %w: the kernel may lack ctnetlink (CONFIG_NF_CT_NETLINK)", errors.ErrUnsupported, err)
	}
	return err
}

// nextSeq reserves n sequence numbers and returns the first.
func (c *Conn) nextSeq(n int) uint32 {
	first := c.seq + 1
	c.seq += uint32(n)
	return first
}

// errLost says that some of the kernel's answer did not arrive.
var errLost = errors.New("the kernel's answer was lost")

// exchange sends requests, of which the first carries the lowest sequence number, and hands each answer to receive until
// that returns true. The kernel queues its answer before the send returns, and the next piece of a dump before the receive
// returns, so that nothing here ever waits.
func (c *Conn) exchange(ctx context.Context, request []byte, receive func(message) (bool, error)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	seq := binary.NativeEndian.Uint32(request[8:])
	var err error
	cerr := c.raw.Control(func(fd uintptr) { err = exchange(int(fd), request, c.buf, seq, receive) })
	if cerr != nil {
		return os.ErrClosed // the only reason
	}
	return err
}

func exchange(fd int, request, buf []byte, seq uint32, receive func(message) (bool, error)) error {
	for {
		_, err := unix.Write(fd, request)
		if err == nil {
			break
		}
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
	for {
		n, _, err := unix.Recvfrom(fd, buf, unix.MSG_DONTWAIT)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.ENOBUFS):
			return errLost
		case err != nil:
			return err
		}
		for b := buf[:n]; len(b) > 0; {
			m, rest, err := cut(b)
			if err != nil {
				return err
			}
			b = rest
			if int32(m.seq-seq) < 0 {
				continue // the rest of an earlier answer
			}
			if done, err := receive(m); done || err != nil {
				return err
			}
		}
	}
}

// A message is one netlink message. Its body aliases the receive buffer.
type message struct {
	typ, flags uint16
	seq        uint32
	body       []byte
}

// cut cuts the first message off a datagram.
func cut(b []byte) (m message, rest []byte, err error) {
	if len(b) < unix.SizeofNlMsghdr {
		return m, nil, errMalformed
	}
	n := int(binary.NativeEndian.Uint32(b))
	if n < unix.SizeofNlMsghdr || n > len(b) {
		return m, nil, errMalformed
	}
	m = message{
		typ:   binary.NativeEndian.Uint16(b[4:]),
		flags: binary.NativeEndian.Uint16(b[6:]),
		seq:   binary.NativeEndian.Uint32(b[8:]),
		body:  b[unix.SizeofNlMsghdr:n],
	}
	return m, b[min(align(n), len(b)):], nil
}

// attributes are the body behind the nfgenmsg header.
func (m message) attributes() []byte { return m.body[min(4, len(m.body)):] }

// err is the verdict of an NLMSG_ERROR message, or of the NLMSG_DONE that ends a dump.
func (m message) err() error {
	if len(m.body) < 4 {
		return errMalformed
	}
	if code := int32(binary.NativeEndian.Uint32(m.body)); code != 0 {
		return unix.Errno(-code)
	}
	return nil
}
