package netlab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// socket opens a non-blocking socket that belongs to the namespace for its whole life. Only this happens on a thread
// inside the namespace; everything else can be done to the socket from anywhere.
func (ns *Namespace) socket(family, kind, protocol int) (fd int, err error) {
	err = ns.Do(func() error {
		var err error
		fd, err = unix.Socket(family, kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, protocol)
		if err != nil {
			return fmt.Errorf("socket: %w", err)
		}
		return nil
	})
	return fd, err
}

// transport is how a protocol's sockets are made.
type transport struct{ kind, ipv4, ipv6 int }

var transports = map[string]transport{
	"tcp":  {unix.SOCK_STREAM, unix.IPPROTO_TCP, unix.IPPROTO_TCP},
	"udp":  {unix.SOCK_DGRAM, unix.IPPROTO_UDP, unix.IPPROTO_UDP},
	"sctp": {unix.SOCK_RAW, unix.IPPROTO_SCTP, unix.IPPROTO_SCTP},
	"icmp": {unix.SOCK_RAW, unix.IPPROTO_ICMP, unix.IPPROTO_ICMPV6},
}

// open opens a socket of a protocol and of an address's family.
func (ns *Namespace) open(proto string, addr netip.Addr) (int, error) {
	t, ok := transports[proto]
	if !ok {
		return 0, fmt.Errorf("unknown protocol %q", proto)
	}
	if !addr.IsValid() {
		return 0, errors.New("no address")
	}
	family, protocol := unix.AF_INET, t.ipv4
	if addr.Is6() {
		family, protocol = unix.AF_INET6, t.ipv6
	}
	fd, err := ns.socket(family, t.kind, protocol)
	if err != nil {
		return 0, err
	}
	err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	if err == nil && addr.Is6() && t.kind != unix.SOCK_RAW {
		err = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1)
	}
	if err != nil {
		_ = unix.Close(fd)
		return 0, fmt.Errorf("setsockopt: %w", err)
	}
	return fd, nil
}

// sockaddr converts an address; a zone is the name of an interface of the namespace. Raw sockets have no ports.
func (ns *Namespace) sockaddr(proto string, addr netip.AddrPort) (unix.Sockaddr, error) {
	port := int(addr.Port())
	if transports[proto].kind == unix.SOCK_RAW {
		port = 0
	}
	if addr.Addr().Is4() {
		return &unix.SockaddrInet4{Port: port, Addr: addr.Addr().As4()}, nil
	}
	result := &unix.SockaddrInet6{Port: port, Addr: addr.Addr().As16()}
	if zone := addr.Addr().Zone(); zone != "" {
		link, err := ns.handle.LinkByName(zone)
		if err != nil {
			return nil, fmt.Errorf("interface %s: %w", zone, err)
		}
		result.ZoneId = uint32(link.Attrs().Index)
	}
	return result, nil
}

// bind binds fd to an address, unless that is the zero value.
func (ns *Namespace) bind(fd int, proto string, addr netip.AddrPort) error {
	if !addr.IsValid() {
		return nil
	}
	to, err := ns.sockaddr(proto, addr)
	if err != nil {
		return err
	}
	if err := unix.Bind(fd, to); err != nil {
		return fmt.Errorf("bind to %s: %w", addr, err)
	}
	return nil
}

// localAddr returns the address a socket is bound to.
func localAddr(fd int) netip.AddrPort {
	name, err := unix.Getsockname(fd)
	if err != nil {
		return netip.AddrPort{}
	}
	switch name := name.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(name.Addr), uint16(name.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(name.Addr), uint16(name.Port))
	}
	return netip.AddrPort{}
}

// adopt hands fd over to the net package: open is net.FileListener, net.FileConn or net.FilePacketConn.
func adopt[T any](fd int, open func(*os.File) (T, error)) (T, error) {
	file := os.NewFile(uintptr(fd), "socket")
	defer file.Close() // the net package works on a duplicate
	return open(file)
}

// connect connects a TCP socket and waits until that has succeeded or failed, or wait's deadline has passed.
func (ns *Namespace) connect(file *os.File, to unix.Sockaddr) error {
	raw, err := file.SyscallConn()
	if err != nil {
		return err
	}
	var result error
	if err := raw.Control(func(fd uintptr) { result = unix.Connect(int(fd), to) }); err != nil {
		return err
	}
	if !errors.Is(result, unix.EINPROGRESS) {
		return result
	}
	return awaitConnect(file)
}

// awaitConnect waits for a connect in progress.
func awaitConnect(file *os.File) error {
	raw, err := file.SyscallConn()
	if err != nil {
		return err
	}
	var result error
	err = raw.Write(func(fd uintptr) bool {
		code, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR)
		if err == nil && code != 0 {
			err = unix.Errno(code)
		}
		if err == nil {
			if _, err = unix.Getpeername(int(fd)); errors.Is(err, unix.ENOTCONN) {
				return false
			}
		}
		result = err
		return true
	})
	return errors.Join(err, result)
}

// ListenTCP opens an ordinary listener inside the namespace, for servers of the caller's own such as net/http's; the
// address is an IP address and port. The caller closes it.
func (ns *Namespace) ListenTCP(address string) (net.Listener, error) {
	addr, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, fmt.Errorf("netlab: %s: listen: %w", ns.name, err)
	}
	listener, err := ns.listenTCP(addr)
	if err != nil {
		return nil, fmt.Errorf("netlab: %s: listen on %s: %w", ns.name, address, err)
	}
	return listener, nil
}

func (ns *Namespace) listenTCP(addr netip.AddrPort) (net.Listener, error) {
	fd, err := ns.bound("tcp", addr)
	if err != nil {
		return nil, err
	}
	if err := unix.Listen(fd, 1024); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("listen: %w", err)
	}
	return adopt(fd, net.FileListener)
}

// bound opens a socket bound to an address.
func (ns *Namespace) bound(proto string, addr netip.AddrPort) (int, error) {
	fd, err := ns.open(proto, addr.Addr())
	if err != nil {
		return 0, err
	}
	if err := ns.bind(fd, proto, addr); err != nil {
		_ = unix.Close(fd)
		return 0, err
	}
	return fd, nil
}

// DialContext opens an ordinary TCP connection from the namespace. It fits http.Transport; the address must be an IP
// address and port, as there are no names in a lab.
func (ns *Namespace) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := ns.dial(ctx, network, address)
	if err != nil {
		return nil, fmt.Errorf("netlab: %s: dial %s: %w", ns.name, address, err)
	}
	return conn, nil
}

func (ns *Namespace) dial(ctx context.Context, network, address string) (net.Conn, error) {
	if !strings.HasPrefix(network, "tcp") {
		return nil, net.UnknownNetworkError(network)
	}
	addr, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, err
	}
	to, err := ns.sockaddr("tcp", addr)
	if err != nil {
		return nil, err
	}
	fd, err := ns.open("tcp", addr.Addr())
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), "socket")
	defer file.Close()
	stop := context.AfterFunc(ctx, func() { _ = file.Close() })
	defer stop()
	if err := ns.connect(file, to); err != nil {
		return nil, errors.Join(ctx.Err(), err)
	}
	return net.FileConn(file)
}
