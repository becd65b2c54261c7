package nflog

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// Message types, and what they are configured with.
const (
	msgPacket = unix.NFNL_SUBSYS_ULOG << 8
	msgConfig = unix.NFNL_SUBSYS_ULOG<<8 | 1

	configCommand   = 1
	configMode      = 2
	configThreshold = 5

	commandBind = 1
	copyPacket  = 2
)

// copyRange is how much of a packet is told: its headers.
const copyRange = 256

// A Listener hears of packets. Its methods may be called by one goroutine at a time, but for Close.
type Listener struct {
	socket *netlink.Conn
	queue  []netlink.Message
}

// Listen listens to a group in a network namespace, which is needed only during the call; nil is the calling thread's.
// It fails with fs.ErrPermission without CAP_NET_ADMIN, with unix.EBUSY if the group has a listener, and with
// errors.ErrUnsupported where the kernel has no nfnetlink_log.
func Listen(ns *os.File, group uint16) (*Listener, error) {
	var cfg netlink.Config
	if ns != nil {
		cfg.NetNS = int(ns.Fd())
	}
	socket, err := netlink.Dial(unix.NETLINK_NETFILTER, &cfg)
	if err != nil {
		return nil, fmt.Errorf("nflog: open socket: %w", err)
	}
	l := &Listener{socket: socket}
	if err := l.bind(group); err != nil {
		return nil, fmt.Errorf("nflog: listen to group %d: %w", group, errors.Join(err, socket.Close()))
	}
	return l, nil
}

func (l *Listener) bind(group uint16) error {
	// What comes faster than it is read is lost, and the socket goes on.
	if err := l.socket.SetOption(netlink.NoENOBUFS, true); err != nil {
		return err
	}
	for _, c := range []struct {
		attribute uint16
		value     []byte
	}{
		{configCommand, []byte{commandBind}},
		{configMode, append(binary.BigEndian.AppendUint32(nil, copyRange), copyPacket, 0)},
		{configThreshold, binary.BigEndian.AppendUint32(nil, 1)},
	} {
		body := binary.BigEndian.AppendUint16([]byte{unix.AF_UNSPEC, unix.NFNETLINK_V0}, group)
		attributes, err := netlink.MarshalAttributes([]netlink.Attribute{{Type: c.attribute, Data: c.value}})
		if err != nil {
			return err
		}
		_, err = l.socket.Execute(netlink.Message{
			Header: netlink.Header{Type: msgConfig, Flags: netlink.Request | netlink.Acknowledge},
			Data:   append(body, attributes...),
		})
		switch {
		case errors.Is(err, unix.EPERM) && l.capable():
			// The kernel has one word for both.
			return fmt.Errorf("%w: another program listens to it: choose another group", unix.EBUSY)
		case errors.Is(err, unix.EPERM):
			return fmt.Errorf("%w: CAP_NET_ADMIN is needed in the network namespace", err)
		case errors.Is(err, unix.EINVAL), errors.Is(err, unix.EOPNOTSUPP):
			return fmt.Errorf("%w: %w: the kernel may lack nfnetlink_log (CONFIG_NETFILTER_NETLINK_LOG)", errors.ErrUnsupported, err)
		case err != nil:
			return err
		}
	}
	return nil
}

// capable tells whether the kernel lets this process talk to its packet filter at all.
func (l *Listener) capable() bool {
	_, err := l.socket.Execute(netlink.Message{
		Header: netlink.Header{Type: unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_GETGEN, Flags: netlink.Request},
		Data:   []byte{unix.AF_UNSPEC, unix.NFNETLINK_V0, 0, 0},
	})
	return !errors.Is(err, unix.EPERM)
}

// Next waits for the next packet. It fails with the context's error when that is done, with os.ErrClosed when the Listener is
// closed, and goes on after an error about a single message. The packet's payload is the caller's.
func (l *Listener) Next(ctx context.Context) (Packet, error) {
	for {
		for len(l.queue) > 0 {
			m := l.queue[0]
			l.queue = l.queue[1:]
			if m.Header.Type != msgPacket {
				continue
			}
			var p Packet
			if err := p.decode(m.Data); err != nil {
				return p, fmt.Errorf("nflog: read a packet: %w", err)
			}
			return p, nil
		}
		var err error
		if l.queue, err = l.receive(ctx); err != nil {
			return Packet{}, err
		}
	}
}

func (l *Listener) receive(ctx context.Context) ([]netlink.Message, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := l.socket.SetReadDeadline(time.Time{}); err != nil {
		return nil, fmt.Errorf("nflog: %w", closed(err))
	}
	interrupt := context.AfterFunc(ctx, func() { _ = l.socket.SetReadDeadline(time.Unix(1, 0)) })
	messages, err := l.socket.Receive()
	interrupt()
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, fmt.Errorf("nflog: receive: %w", closed(err))
	}
	return messages, nil
}

// closed makes what the socket says of being closed os.ErrClosed.
func closed(err error) error {
	if errors.Is(err, unix.EBADF) {
		return os.ErrClosed
	}
	return err
}

// Close ends listening, and a Next that waits.
func (l *Listener) Close() error { return l.socket.Close() }
