package nft

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

// Config says where a connection leads.
type Config struct {
	// NetNS is an open file on the network namespace to work in; nil is the
	// calling thread's. It is needed only during the call it is handed to.
	NetNS *os.File
	// ReadBuffer is the size of the socket's receive buffer in bytes. Zero is
	// a default that suits.
	ReadBuffer int
}

// socket opens a netlink socket for nf_tables.
func (cfg Config) socket() (*netlink.Conn, error) {
	var nlc netlink.Config
	if cfg.NetNS != nil {
		nlc.NetNS = int(cfg.NetNS.Fd())
	}
	s, err := netlink.Dial(unix.NETLINK_NETFILTER, &nlc)
	if err != nil {
		if errors.Is(err, unix.EPROTONOSUPPORT) {
			return nil, fmt.Errorf("nft: open socket: %w: the kernel lacks netfilter netlink (CONFIG_NETFILTER_NETLINK)", err)
		}
		return nil, fmt.Errorf("nft: open socket: %w", err)
	}
	return s, nil
}

// A Conn is a connection to the nf_tables of one network namespace. Its methods
// may be called by several goroutines; they take turns. Keep one open rather
// than opening one for each change: closing takes the kernel milliseconds.
type Conn struct {
	mu     sync.Mutex
	socket *netlink.Conn
	raw    syscall.RawConn
	seq    uint32
	sndbuf int
	buf    []byte
	closed bool
}

// bufferSize holds any datagram that the kernel sends on request.
const bufferSize = 128 << 10

// Dial opens a connection. It fails with an error that matches
// fs.ErrPermission without CAP_NET_ADMIN in the network namespace, and with one
// that matches errors.ErrUnsupported where the kernel has no nf_tables.
func Dial(cfg Config) (*Conn, error) {
	s, err := cfg.socket()
	if err != nil {
		return nil, err
	}
	c := &Conn{socket: s, buf: make([]byte, bufferSize)}
	if err := c.init(cfg); err != nil {
		_ = s.Close()
		return nil, err
	}
	return c, nil
}

func (c *Conn) init(cfg Config) (err error) {
	// Extended acks carry the kernel's own words; capped ones leave out the
	// message that failed.
	for _, o := range []netlink.ConnOption{netlink.ExtendedAcknowledge, netlink.CapAcknowledge} {
		if err := c.socket.SetOption(o, true); err != nil {
			return fmt.Errorf("nft: set socket option: %w", err)
		}
	}
	if c.raw, err = c.socket.SyscallConn(); err != nil {
		return fmt.Errorf("nft: %w", err)
	}
	size := cfg.ReadBuffer
	if size == 0 {
		size = 8 << 20
	}
	if err := c.control(func(fd int) error {
		if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, size) != nil {
			return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, size)
		}
		return nil
	}); err != nil {
		return fmt.Errorf("nft: set receive buffer: %w", err)
	}
	switch _, err := c.Generation(context.Background()); {
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("nft: %w: CAP_NET_ADMIN is needed in the network namespace", err)
	case errors.Is(err, unix.EINVAL), errors.Is(err, unix.EOPNOTSUPP):
		return fmt.Errorf("nft: the kernel has no nf_tables (CONFIG_NF_TABLES): %w: %w", errors.ErrUnsupported, err)
	default:
		return err
	}
}

// Close closes the connection. Rules stay in force; tables with [TableOwner]
// that this connection made disappear.
func (c *Conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	return c.socket.Close()
}

// Generation returns the number of the ruleset's state: every commit by
// anybody in the network namespace increases it.
func (c *Conn) Generation(ctx context.Context) (uint32, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.generation(ctx)
}

func (c *Conn) generation(ctx context.Context) (uint32, error) {
	e := encoder{}
	seq := c.nextSeq(1)
	at := e.message(nftables(unix.NFT_MSG_GETGEN), unix.NLM_F_REQUEST, seq, 0, 0)
	e.end(at)
	var gen uint32
	err := c.exchange(ctx, e.b, func(m message) (bool, error) {
		if m.typ == unix.NLMSG_ERROR {
			return true, m.ack().err()
		}
		for typ, v := range attributes(m.payload()) {
			if typ == unix.NFTA_GEN_ID && len(v) == 4 {
				gen = binary.BigEndian.Uint32(v)
			}
		}
		return true, nil
	})
	if err != nil {
		return 0, fmt.Errorf("nft: get generation: %w", err)
	}
	return gen, nil
}

// A dumped is one object of a dump: its family and attributes.
type dumped struct {
	family Family
	attrs  []byte
}

// dump lists objects. The error matches unix.EINTR when the ruleset changed
// meanwhile.
func (c *Conn) dump(ctx context.Context, msg uint16, family Family, attrs []byte) ([]dumped, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := encoder{}
	at := e.message(nftables(msg), unix.NLM_F_REQUEST|unix.NLM_F_DUMP, c.nextSeq(1), uint8(family), 0)
	e.b = append(e.b, attrs...)
	e.end(at)
	var out []dumped
	interrupted := false
	err := c.exchange(ctx, e.b, func(m message) (bool, error) {
		interrupted = interrupted || m.flags&unix.NLM_F_DUMP_INTR != 0
		switch m.typ {
		case unix.NLMSG_DONE:
			return true, nil
		case unix.NLMSG_ERROR:
			return true, m.ack().err()
		}
		if len(m.body) < 4 {
			return true, fmt.Errorf("a message of %d bytes is too short", len(m.body))
		}
		out = append(out, dumped{Family(m.body[0]), append([]byte(nil), m.payload()...)})
		return false, nil
	})
	if err != nil {
		return nil, err
	}
	if interrupted {
		return nil, unix.EINTR
	}
	return out, nil
}

// nextSeq reserves n sequence numbers and returns the first.
func (c *Conn) nextSeq(n int) uint32 {
	if c.seq > 1<<31 {
		c.seq = 0
	}
	first := c.seq + 1
	c.seq += uint32(n)
	return first
}

// errLost says that the kernel's answer did not arrive.
var errLost = errors.New("no answer from the kernel")

// exchange sends a request and hands each answer to receive until that returns
// true. The kernel queues its answer before the send returns, so nothing here
// ever waits.
func (c *Conn) exchange(ctx context.Context, request []byte, receive func(message) (bool, error)) error {
	if c.closed {
		return os.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	seq := binary.NativeEndian.Uint32(request[8:])
	return c.control(func(fd int) error {
		if err := send(fd, request); err != nil {
			return err
		}
		for {
			n, _, err := unix.Recvfrom(fd, c.buf, unix.MSG_DONTWAIT)
			switch {
			case errors.Is(err, unix.EINTR):
				continue
			case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.ENOBUFS):
				return errLost
			case err != nil:
				return err
			}
			for m := range messages(c.buf[:n]) {
				if m.seq-seq > 1<<31 {
					continue // the rest of an earlier answer
				}
				if done, err := receive(m); done || err != nil {
					return err
				}
			}
		}
	})
}

func send(fd int, b []byte) error {
	for {
		_, err := unix.Write(fd, b)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// control runs f with the socket's file descriptor.
func (c *Conn) control(f func(fd int) error) error {
	var err error
	if cerr := c.raw.Control(func(fd uintptr) { err = f(int(fd)) }); cerr != nil {
		return cerr
	}
	return err
}

// growSendBuffer makes room for a message of n bytes.
func (c *Conn) growSendBuffer(n int) error {
	if n <= c.sndbuf {
		return nil
	}
	const slack = 1024
	return c.control(func(fd int) error {
		if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, n+slack) != nil {
			_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, n+slack)
		}
		size, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF)
		if err != nil {
			return fmt.Errorf("nft: read send buffer size: %w", err)
		}
		if c.sndbuf = size - slack; c.sndbuf < n {
			return fmt.Errorf("nft: commit of %d bytes: %w (%d bytes): raise net.core.wmem_max, or commit in parts",
				n, ErrTooLarge, size)
		}
		return nil
	})
}
