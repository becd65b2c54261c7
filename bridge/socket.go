package bridge

import (
	"errors"
	"net/netip"
	"os"
	"syscall"

	"github.com/seawall-net/seawall/portmap"
	"golang.org/x/sys/unix"
)

// A hostPort is what one socket holds.
type hostPort struct {
	addr  netip.Addr
	port  uint16
	proto portmap.Proto
}

func (p hostPort) claim() portmap.Claim {
	return portmap.Claim{Addr: p.addr, Ports: portmap.Port(p.port), Proto: p.proto}
}

func (p hostPort) sockaddr() (family int, to unix.Sockaddr) {
	if p.addr.Is4() {
		return unix.AF_INET, &unix.SockaddrInet4{Addr: p.addr.As4(), Port: int(p.port)}
	}
	return unix.AF_INET6, &unix.SockaddrInet6{Addr: p.addr.As16(), Port: int(p.port)}
}

// open opens a socket that holds the port in the thread's network namespace, and
// lets nothing in. freebind takes an address that the host does not have yet.
// The error is a *PortError.
func (p hostPort) open(freebind bool) (int, error) {
	fd, err := p.tryOpen(freebind)
	if errors.Is(err, unix.EADDRINUSE) {
		// A process that this one is about to start has copies of all its sockets
		// until it runs another program, also of one that had the port and was
		// closed here. While nobody forks, there are none.
		syscall.ForkLock.RLock()
		defer syscall.ForkLock.RUnlock()
		return p.tryOpen(freebind)
	}
	return fd, err
}

func (p hostPort) tryOpen(freebind bool) (int, error) {
	kind, protocol := unix.SOCK_STREAM, int(p.proto.Number())
	if p.proto == portmap.UDP {
		kind = unix.SOCK_DGRAM
	}
	family, to := p.sockaddr()
	fd, err := unix.Socket(family, kind|unix.SOCK_CLOEXEC, protocol)
	if err != nil {
		return -1, &PortError{Claim: p.claim(), Err: os.NewSyscallError("socket", err)}
	}
	if err := p.bind(fd, to, freebind); err != nil {
		_ = unix.Close(fd)
		return -1, &PortError{Claim: p.claim(), Err: err}
	}
	return fd, nil
}

func (p hostPort) bind(fd int, to unix.Sockaddr, freebind bool) error {
	// Before the socket can get anything.
	if err := shut(fd); err != nil {
		return err
	}
	type option struct{ level, name int }
	var options []option
	if p.proto == portmap.TCP {
		// Connections of before that linger in TIME_WAIT do not matter. With
		// others than TCP it would let processes share the port.
		options = append(options, option{unix.SOL_SOCKET, unix.SO_REUSEADDR})
	}
	if p.addr.Is6() {
		options = append(options, option{unix.IPPROTO_IPV6, unix.IPV6_V6ONLY})
	}
	switch {
	case freebind && p.addr.Is6():
		options = append(options, option{unix.IPPROTO_IPV6, unix.IPV6_FREEBIND})
	case freebind:
		options = append(options, option{unix.IPPROTO_IP, unix.IP_FREEBIND})
	}
	for _, o := range options {
		if err := unix.SetsockoptInt(fd, o.level, o.name, 1); err != nil {
			return os.NewSyscallError("setsockopt", err)
		}
	}
	if err := unix.Bind(fd, to); err != nil {
		return os.NewSyscallError("bind", err)
	}
	if p.proto == portmap.UDP {
		return nil
	}
	// Without listening, others that say SO_REUSEADDR could have the port, too.
	// The backlog is net.core.somaxconn: a proxy may serve the socket.
	return os.NewSyscallError("listen", unix.Listen(fd, -1))
}

// shut lets no packet into a socket.
func shut(fd int) error {
	drop := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K} // returns 0: none of the packet
	err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &drop})
	return os.NewSyscallError("attach the filter", err)
}

// unshut takes back shut.
func unshut(fd int) error {
	err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0)
	return os.NewSyscallError("detach the filter", err)
}

// unsupported tells whether the kernel lacks a protocol.
func unsupported(err error) bool {
	return errors.Is(err, unix.EPROTONOSUPPORT) || errors.Is(err, unix.ESOCKTNOSUPPORT)
}
