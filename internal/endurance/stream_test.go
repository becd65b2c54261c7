package endurance

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seawall-net/seawall/internal/netlab"
)

// A stream is datagrams from one to another, numbered, out of ever new sockets: so most belong to a connection that is
// known, and some begin one.
type stream struct {
	name    string
	allowed bool
	from    *netlab.Namespace
	to      netip.AddrPort
	// source is the address that the receiver has to see.
	source netip.Addr

	sent, received atomic.Int64
	// lost is how many were given up; wrong how many came from another source than they should.
	lost, wrong atomic.Int64
	err         error
}

const (
	// perSocket is how many datagrams come out of one socket.
	perSocket = 100
	// window is how many allowed datagrams may be on their way, so that none is lost for want of room.
	window = 48
	// patience is how long a datagram may be on its way. It is not what is tested: that is whether it arrives at all.
	patience = 10 * time.Second
)

// run sends until enough says so.
func (s *stream) run(id uint16, enough func(sent int64) bool) {
	for !enough(s.sent.Load()) && s.err == nil {
		s.err = s.burst(id)
	}
	s.drain(0)
}

// burst sends what comes out of one socket.
func (s *stream) burst(id uint16) error {
	conn, err := listenUDP(s.from, netip.AddrPort{})
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	var datagram [10]byte
	binary.BigEndian.PutUint16(datagram[:], id)
	for range perSocket {
		if s.allowed {
			s.drain(window)
		}
		binary.BigEndian.PutUint64(datagram[2:], uint64(s.sent.Load()))
		_, err := conn.WriteToUDPAddrPort(datagram[:], s.to)
		if s.allowed && err != nil {
			return fmt.Errorf("send number %d: %w", s.sent.Load(), err)
		}
		s.sent.Add(1) // a refusal on the way out is a drop like any other
	}
	return nil
}

// drain waits until at most n allowed datagrams are on their way; those that need too long are lost.
func (s *stream) drain(n int64) {
	if !s.allowed {
		return
	}
	for start := time.Now(); ; time.Sleep(50 * time.Microsecond) {
		missing := s.sent.Load() - s.received.Load() - s.lost.Load()
		if missing <= n {
			return
		}
		if time.Since(start) > patience {
			s.lost.Add(missing)
			return
		}
	}
}

// A hub knows the streams by their numbers, and has the sockets that receive them.
type hub struct {
	t       testing.TB
	streams []*stream
	reading sync.WaitGroup
	conns   []*net.UDPConn
}

// sink receives what arrives at a port of somebody's, from whichever stream.
func (h *hub) sink(ns *netlab.Namespace, port uint16) {
	h.t.Helper()
	conn, err := listenUDP(ns, netip.AddrPortFrom(netip.IPv6Unspecified(), port))
	if err != nil {
		h.t.Fatal(err)
	}
	h.conns = append(h.conns, conn)
	h.reading.Go(func() {
		var datagram [64]byte
		for {
			n, from, err := conn.ReadFromUDPAddrPort(datagram[:])
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil || n != 10 {
				continue // an ICMP error; or nothing of ours
			}
			if id := int(binary.BigEndian.Uint16(datagram[:])); id < len(h.streams) {
				s := h.streams[id]
				s.received.Add(1)
				if s.allowed && from.Addr().Unmap() != s.source {
					s.wrong.Add(1)
				}
			}
		}
	})
}

func (h *hub) close() {
	for _, c := range h.conns {
		_ = c.Close()
	}
	h.reading.Wait()
}

// listenUDP opens a socket, on an address or on any, with as much room as there is.
func listenUDP(ns *netlab.Namespace, addr netip.AddrPort) (conn *net.UDPConn, err error) {
	var local *net.UDPAddr
	if addr.IsValid() {
		local = net.UDPAddrFromAddrPort(addr)
	}
	err = ns.Do(func() error {
		conn, err = net.ListenUDP("udp", local)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open a socket in %s: %w", ns, err)
	}
	raw, err := conn.SyscallConn()
	if err == nil {
		err = raw.Control(func(fd uintptr) {
			const room = 8 << 20
			if unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, room) != nil {
				_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, room)
			}
		})
	}
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}
