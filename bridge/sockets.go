package bridge

import (
	"errors"
	"fmt"
	"iter"
	"net/netip"
	"os"
	"slices"

	"github.com/seawall-net/seawall/internal/netns"
	"github.com/seawall-net/seawall/portmap"
	"golang.org/x/sys/unix"
)

// sockets hold the published ports of the host, one socket for each port of each
// address, so that no other process can take them. What a Tx gives up stays held
// until its rules are committed.
type sockets struct {
	ns *os.File
	// future tells whether the host will have an address that it lacks now.
	future func(netip.Addr) bool
	held   map[hostPort]*socket
	// unheld are the published ports that could not be held, with the reason.
	unheld map[hostPort]error
	// noSCTP is set once the kernel turned out to have no SCTP. Asking it again
	// would make it look for a module each time.
	noSCTP bool

	// released are ports given up by the Tx that is open, log its steps.
	released map[hostPort]bool
	log      []socketStep
}

type socket struct {
	fd int
	// lent tells that others have a duplicate, and packets come in.
	lent bool
}

type socketStep struct {
	op   socketOp
	port hostPort
}

type socketOp byte

const (
	socketOpened    socketOp = iota
	socketReleased           // to be closed on commit
	socketRetaken            // no longer to be closed
	socketDisplaced          // was released, and closed for one that it was in the way of
)

func newSockets(ns *os.File, future func(netip.Addr) bool) *sockets {
	return &sockets{
		ns: ns, future: future,
		held: map[hostPort]*socket{}, unheld: map[hostPort]error{}, released: map[hostPort]bool{},
	}
}

// inside runs f in the host's namespace, where ports are taken.
func (s *sockets) inside(f func() error) error {
	return netns.Do(s.ns, f)
}

// mark is a point to which undo leads back.
func (s *sockets) mark() int {
	if s == nil {
		return 0
	}
	return len(s.log)
}

// take holds all ports of the claims, or none. It must be called inside.
func (s *sockets) take(claims []portmap.Claim) error {
	if s == nil {
		return nil
	}
	mark := s.mark()
	for _, c := range claims {
		for p := range hostPorts(c) {
			if err := s.takeOne(p); err != nil {
				s.undo(mark)
				return err
			}
		}
	}
	return nil
}

// hostPorts iterates over the single ports of a claim.
func hostPorts(c portmap.Claim) iter.Seq[hostPort] {
	return func(yield func(hostPort) bool) {
		for i := range c.Ports.Len() {
			if !yield(hostPort{c.Addr, c.Ports.First + uint16(i), c.Proto}) {
				return
			}
		}
	}
}

func (s *sockets) takeOne(p hostPort) error {
	if s.held[p] == nil {
		err := s.open(p)
		if errors.Is(err, unix.EADDRINUSE) && s.displace(p) {
			err = s.open(p)
		}
		if err != nil {
			return err
		}
		if s.held[p] != nil {
			s.note(socketOpened, p)
		}
	}
	if s.released[p] {
		delete(s.released, p)
		s.note(socketRetaken, p)
	}
	return nil
}

// open holds a port, if the kernel has the protocol.
func (s *sockets) open(p hostPort) error {
	if p.proto == portmap.SCTP && s.noSCTP {
		return nil
	}
	fd, err := p.open(false)
	if errors.Is(err, unix.EADDRNOTAVAIL) && s.future(p.addr) {
		fd, err = p.open(true)
	}
	switch {
	case err == nil:
		s.held[p] = &socket{fd: fd}
	case p.proto == portmap.SCTP && unsupported(err):
		s.noSCTP, err = true, nil
	}
	return err
}

// hold holds ports that were published before, as far as they can be had.
func (s *sockets) hold(ports []hostPort) {
	if len(ports) == 0 {
		return
	}
	all := s.inside(func() error {
		for _, p := range ports {
			if err := s.open(p); err != nil {
				s.unheld[p] = err
			} else {
				delete(s.unheld, p)
			}
		}
		return nil
	})
	if all == nil {
		return
	}
	for _, p := range ports {
		if s.held[p] == nil {
			s.unheld[p] = &PortError{Claim: p.claim(), Err: all}
		}
	}
}

// displace closes sockets of ours that the Tx has given up and that are in the
// way of p: those for all addresses if p is for one, and the reverse. The kernel
// offers no way to change over that would not let other processes in, too; if
// somebody is quick enough to take the port in between, p is refused.
func (s *sockets) displace(p hostPort) bool {
	found := false
	give := func(q hostPort) {
		if s.released[q] && s.held[q] != nil {
			s.close(q)
			delete(s.released, q)
			s.note(socketDisplaced, q)
			found = true
		}
	}
	if !p.addr.IsUnspecified() {
		give(hostPort{unspecified(p.addr), p.port, p.proto})
		return found
	}
	for q := range s.released {
		if q.port == p.port && q.proto == p.proto && q.addr.Is4() == p.addr.Is4() {
			give(q)
		}
	}
	return found
}

// release gives up the ports of the claims once the Tx is committed.
func (s *sockets) release(claims []portmap.Claim) {
	if s == nil {
		return
	}
	for _, c := range claims {
		for p := range hostPorts(c) {
			s.released[p] = true
			s.note(socketReleased, p)
		}
	}
}

func (s *sockets) note(op socketOp, p hostPort) {
	if n := len(s.log); n == cap(s.log) {
		s.log = slices.Grow(s.log, max(4, n))
	}
	s.log = append(s.log, socketStep{op, p})
}

// undo takes back all steps since mark. It must be called inside if a socket
// was displaced.
func (s *sockets) undo(mark int) {
	if s == nil {
		return
	}
	for _, step := range slices.Backward(s.log[mark:]) {
		switch step.op {
		case socketOpened:
			s.close(step.port)
		case socketReleased:
			delete(s.released, step.port)
		case socketRetaken:
			s.released[step.port] = true
		case socketDisplaced:
			s.released[step.port] = true
			if err := s.open(step.port); err != nil {
				s.unheld[step.port] = err
			}
		}
	}
	s.log = s.log[:mark]
}

// rollback leaves the sockets as they were before the Tx. What cannot be held
// again is unheld.
func (s *sockets) rollback() error {
	if s == nil || len(s.log) == 0 {
		return nil
	}
	before := len(s.unheld)
	displaced := func(step socketStep) bool { return step.op == socketDisplaced }
	if !slices.ContainsFunc(s.log, displaced) {
		s.undo(0)
	} else if err := s.inside(func() error { s.undo(0); return nil }); err != nil {
		return err
	}
	if n := len(s.unheld) - before; n > 0 {
		return fmt.Errorf("%d ports could not be taken again", n)
	}
	return nil
}

// commit closes what the Tx has given up.
func (s *sockets) commit() {
	if s == nil {
		return
	}
	for _, step := range s.log {
		switch step.op {
		case socketOpened, socketDisplaced:
			delete(s.unheld, step.port)
		case socketRetaken:
			// Whoever has a duplicate has it for what was published before.
			if sock := s.held[step.port]; sock != nil && sock.lent {
				sock.lent = shut(sock.fd) != nil
			}
		}
	}
	for p := range s.released {
		s.close(p)
		delete(s.unheld, p)
	}
	clear(s.released)
	s.log = nil
}

func (s *sockets) close(p hostPort) {
	if sock := s.held[p]; sock != nil {
		_ = unix.Close(sock.fd)
		delete(s.held, p)
	}
}

// keep gives up all ports but some.
func (s *sockets) keep(ports map[hostPort]bool) {
	for p := range s.held {
		if !ports[p] {
			s.close(p)
		}
	}
	for p := range s.unheld {
		if !ports[p] {
			delete(s.unheld, p)
		}
	}
}

// closeAll gives up everything.
func (s *sockets) closeAll() {
	if s == nil {
		return
	}
	for p := range s.held {
		s.close(p)
	}
}

// duplicate returns another descriptor of the socket that holds a port.
func (s *sockets) duplicate(p hostPort) (*os.File, error) {
	sock := s.held[p]
	if sock == nil {
		if err := s.unheld[p]; err != nil {
			return nil, err
		}
		return nil, &PortError{Claim: p.claim(), Err: fmt.Errorf("the kernel has no %s: %w", p.proto, errors.ErrUnsupported)}
	}
	fd, err := unix.FcntlInt(uintptr(sock.fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, &PortError{Claim: p.claim(), Err: os.NewSyscallError("duplicate", err)}
	}
	return os.NewFile(uintptr(fd), p.claim().String()), nil
}

// lend lets packets into the socket that holds a port.
func (s *sockets) lend(p hostPort) error {
	sock := s.held[p]
	if sock.lent {
		return nil
	}
	if err := unshut(sock.fd); err != nil {
		return &PortError{Claim: p.claim(), Err: err}
	}
	sock.lent = true
	return nil
}
