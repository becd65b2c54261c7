package bridge_test

import (
	"errors"
	"net/netip"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// A grab is an attempt of another process to take a port. The test is that process: the kernel asks which socket and
// which user it is, and not which process.
type grab struct {
	proto, addr string
	options     []int // of SOL_SOCKET
}

// taker returns the socket that has the port, listening if it can.
func (w *world) taker(g grab) (int, error) {
	w.t.Helper()
	to := netip.MustParseAddrPort(g.addr)
	family, sa := unix.AF_INET6, unix.Sockaddr(&unix.SockaddrInet6{Addr: to.Addr().As16(), Port: int(to.Port())})
	if to.Addr().Is4() {
		family, sa = unix.AF_INET, &unix.SockaddrInet4{Addr: to.Addr().As4(), Port: int(to.Port())}
	}
	kind := map[string]int{"tcp": unix.SOCK_STREAM, "udp": unix.SOCK_DGRAM}[g.proto]
	fd := -1
	err := w.host.Do(func() (err error) {
		fd, err = unix.Socket(family, kind|unix.SOCK_CLOEXEC, 0)
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	if to.Addr().Is6() {
		err = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1)
	}
	for _, o := range g.options {
		err = errors.Join(err, unix.SetsockoptInt(fd, unix.SOL_SOCKET, o, 1))
	}
	if err != nil {
		w.t.Fatal(err)
	}
	if err = unix.Bind(fd, sa); err == nil && g.proto == "tcp" {
		err = unix.Listen(fd, 1)
	}
	if err != nil {
		_ = unix.Close(fd)
	}
	return fd, err
}

// take takes a port as another process, until the test ends or give is called.
func (w *world) take(proto, addr string) (give func()) {
	w.t.Helper()
	end := noForks()
	fd, err := w.taker(grab{proto: proto, addr: addr, options: []int{unix.SO_REUSEADDR}})
	end()
	if err != nil {
		w.t.Fatal(err)
	}
	given := false
	give = func() {
		if !given {
			given = true
			_ = unix.Close(fd)
		}
	}
	w.t.Cleanup(give)
	return give
}

// noForks waits until no process is about to be started, and keeps it so until the returned function is called: until it
// runs another program, a new process has copies of all sockets, those included that are closed here.
func noForks() (end func()) {
	syscall.ForkLock.RLock()
	return syscall.ForkLock.RUnlock
}

// canTake tries every way to take a port.
func (w *world) canTake(proto, addr string) (can, cannot []grab) {
	w.t.Helper()
	defer noForks()()
	for _, options := range [][]int{nil, {unix.SO_REUSEADDR}, {unix.SO_REUSEPORT}, {unix.SO_REUSEADDR, unix.SO_REUSEPORT}} {
		g := grab{proto, addr, options}
		fd, err := w.taker(g)
		switch {
		case err == nil:
			_ = unix.Close(fd)
			can = append(can, g)
		case errors.Is(err, unix.EADDRINUSE):
			cannot = append(cannot, g)
		default:
			w.t.Fatalf("%+v: %v", g, err)
		}
	}
	return can, cannot
}

func (w *world) mustBeHeld(proto string, addrs ...string) {
	w.t.Helper()
	for _, a := range addrs {
		if w.ipv4Only && strings.HasPrefix(a, "[") {
			continue
		}
		if can, _ := w.canTake(proto, a); can != nil {
			w.t.Errorf("%s %s can be taken: %+v", proto, a, can)
		}
	}
}

func (w *world) mustBeFree(proto string, addrs ...string) {
	w.t.Helper()
	for _, a := range addrs {
		if _, cannot := w.canTake(proto, a); cannot != nil {
			w.t.Errorf("%s %s cannot be taken: %+v", proto, a, cannot)
		}
	}
}
