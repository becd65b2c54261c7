package netlab

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// Server tells every client from which address it saw it come, and who it is. It ends with its lab, or by Close.
type Server struct {
	ns    *Namespace
	proto string
	port  uint16

	mu      sync.Mutex
	closed  bool
	sockets map[interface{ Close() error }]bool
	clients []netip.AddrPort
}

// Listen starts a server for "tcp", "udp" or "sctp" on an address and port, or, for ":port", on all addresses of both
// families; port 0 lets the kernel choose (not for sctp). Answers leave from the address that was asked.
//
// The kernel may have no SCTP; the server speaks just enough of it over raw sockets to answer an INIT that carries a
// right checksum, and is silent about closed ports.
func (ns *Namespace) Listen(proto, address string) *Server {
	s := &Server{ns: ns, proto: proto, sockets: map[interface{ Close() error }]bool{}}
	ns.lab.tb.Helper()
	ns.lab.step(func() error {
		ns.lab.onClose(s.Close)
		addrs, err := listenAddrs(address)
		if err != nil {
			return err
		}
		s.port = addrs[0].Port()
		for _, addr := range addrs {
			if err := s.listen(netip.AddrPortFrom(addr.Addr(), s.port)); err != nil {
				return err
			}
		}
		return nil
	}, "%s: listen on %s %s", ns.name, proto, address)
	return s
}

func listenAddrs(address string) ([]netip.AddrPort, error) {
	if !strings.HasPrefix(address, ":") {
		addr, err := netip.ParseAddrPort(address)
		return []netip.AddrPort{addr}, err
	}
	ipv4, err := netip.ParseAddrPort("0.0.0.0" + address)
	return []netip.AddrPort{ipv4, netip.AddrPortFrom(netip.IPv6Unspecified(), ipv4.Port())}, err
}

func (s *Server) listen(addr netip.AddrPort) error {
	switch s.proto {
	case "tcp":
		listener, err := s.ns.listenTCP(addr)
		if err != nil {
			return err
		}
		s.port = listener.Addr().(*net.TCPAddr).AddrPort().Port()
		s.serve(listener, func() error { return s.acceptOne(listener) })
	case "udp", "sctp":
		fd, err := s.ns.bound(s.proto, addr)
		if err != nil {
			return err
		}
		if err := receiveDestination(fd, addr.Addr()); err != nil {
			_ = unix.Close(fd)
			return err
		}
		conn, err := adopt(fd, net.FilePacketConn)
		if err != nil {
			return err
		}
		if s.proto == "udp" {
			udp := conn.(*net.UDPConn)
			s.port = udp.LocalAddr().(*net.UDPAddr).AddrPort().Port()
			s.serve(udp, func() error { return s.answerUDP(udp) })
		} else {
			ip := conn.(*net.IPConn)
			s.serve(ip, func() error { return s.answerSCTP(ip) })
		}
	default:
		return fmt.Errorf("unknown protocol %q", s.proto)
	}
	return nil
}

// receiveDestination asks for the address each packet was sent to, from which it must be answered.
func receiveDestination(fd int, addr netip.Addr) error {
	if addr.Is4() {
		return unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_PKTINFO, 1)
	}
	return unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1)
}

// answerFrom turns the control message about a received packet into one for its answer: the same address, but the
// interface is for the routes to choose, except that link-local addresses have no meaning without it.
func answerFrom(control []byte) []byte {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil || len(messages) == 0 {
		return nil
	}
	data := messages[0].Data
	switch {
	case messages[0].Header.Level == unix.IPPROTO_IP && len(data) >= unix.SizeofInet4Pktinfo:
		info := &unix.Inet4Pktinfo{Spec_dst: [4]byte(data[4:8])}
		return unix.PktInfo4(info)
	case messages[0].Header.Level == unix.IPPROTO_IPV6 && len(data) >= unix.SizeofInet6Pktinfo:
		info := &unix.Inet6Pktinfo{Addr: [16]byte(data[:16])}
		return unix.PktInfo6(info)
	}
	return nil
}

// serve calls answer until the socket is closed.
func (s *Server) serve(socket interface{ Close() error }, answer func() error) {
	if !s.keep(socket) {
		return
	}
	s.ns.lab.running.Go(func() {
		for {
			if err := answer(); errors.Is(err, net.ErrClosed) {
				return
			}
		}
	})
}

// keep makes Close close a socket too; it reports false, and closes it, if the server is closed already.
func (s *Server) keep(socket interface{ Close() error }) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		_ = socket.Close()
		return false
	}
	s.sockets[socket] = true
	return true
}

func (s *Server) acceptOne(listener net.Listener) error {
	conn, err := listener.Accept()
	if err != nil || !s.keep(conn) {
		return err
	}
	s.ns.lab.running.Go(func() {
		client := conn.RemoteAddr().(*net.TCPAddr).AddrPort()
		var said []byte // nothing so far; then what a Flow asks, until the client is done
		for err := error(nil); err == nil; _, err = io.ReadFull(conn, said) {
			_, _ = conn.Write(append(s.reply(client, said), '\n'))
			said = make([]byte, nonceLen)
		}
		_ = conn.Close()
		s.mu.Lock()
		delete(s.sockets, conn)
		s.mu.Unlock()
	})
	return nil
}

func (s *Server) answerUDP(conn *net.UDPConn) error {
	payload, control := make([]byte, 2048), make([]byte, 128)
	n, nc, _, client, err := conn.ReadMsgUDPAddrPort(payload, control)
	if err != nil {
		return err
	}
	_, _, err = conn.WriteMsgUDPAddrPort(s.reply(client, payload[:min(n, nonceLen)]), answerFrom(control[:nc]), client)
	return err
}

func (s *Server) answerSCTP(conn *net.IPConn) error {
	packet, control := make([]byte, 2048), make([]byte, 128)
	n, nc, _, from, err := conn.ReadMsgIP(packet, control)
	if err != nil {
		return err
	}
	chunk, ok := parseSCTP(transportOf(packet[:n], from.IP.To4() != nil))
	if !ok || chunk.kind != sctpInit || chunk.dport != s.port {
		return nil
	}
	addr, _ := netip.AddrFromSlice(from.IP)
	client := netip.AddrPortFrom(addr.Unmap().WithZone(from.Zone), chunk.sport)
	answer := sctpChunk{
		sport: s.port, dport: chunk.sport, tag: chunk.initTag, kind: sctpInitAck, initTag: chunk.initTag,
		cookie: s.reply(client, nil),
	}
	_, _, err = conn.WriteMsgIP(answer.marshal(), answerFrom(control[:nc]), from)
	return err
}

// transportOf strips the IPv4 header, which raw sockets deliver and IPv6 ones do not.
func transportOf(packet []byte, ipv4 bool) []byte {
	if !ipv4 {
		return packet
	}
	if len(packet) == 0 || len(packet) < int(packet[0]&15)*4 {
		return nil
	}
	return packet[int(packet[0]&15)*4:]
}

// reply notes a client and returns what to tell it: its address, what it said in hexadecimal, and who speaks.
func (s *Server) reply(client netip.AddrPort, said []byte) []byte {
	client = netip.AddrPortFrom(client.Addr().WithZone(""), client.Port())
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clients = append(s.clients, client)
	return fmt.Appendf(nil, "%s %x. %s", client, said, s.ns.name)
}

// Clients returns the addresses of those who reached the server so far, as it saw them, in order; one that repeats its
// packet, or asks again, is there again.
func (s *Server) Clients() []netip.AddrPort {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]netip.AddrPort(nil), s.clients...)
}

// Port returns the port the server listens on.
func (s *Server) Port() uint16 { return s.port }

// Close stops the server and resets nothing: open connections end in order. A second Close does nothing.
func (s *Server) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	var failures []error
	for socket := range s.sockets {
		if err := socket.Close(); !errors.Is(err, net.ErrClosed) {
			failures = append(failures, err)
		}
		delete(s.sockets, socket)
	}
	return errors.Join(failures...)
}
