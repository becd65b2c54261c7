package netlab

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// nonceLen is how much random data tells one probe's answer from another's.
const nonceLen = 8

// datagram is one UDP, SCTP or ICMP probe: what is sent, and how its answer is known.
type datagram struct {
	request []byte
	// answers reads a received transport packet into a result and reports whether it answers this probe.
	answers func(packet []byte, result *Result) bool
	// owns reports whether a transport packet quoted in an ICMP error is this probe. Raw sockets are told of errors
	// that concern others; nil means that the socket is not raw.
	owns func(packet []byte) bool
}

func (p Probe) datagram(local netip.AddrPort) datagram {
	nonce := make([]byte, nonceLen)
	_, _ = rand.Read(nonce) // never fails
	switch p.Proto {
	case "sctp":
		return p.sctp(local.Port(), binary.BigEndian.Uint32(nonce)|1)
	case "icmp":
		return p.echo(nonce)
	}
	return datagram{request: nonce, answers: func(packet []byte, result *Result) bool { return result.read(packet, nonce) }}
}

func (p Probe) sctp(sport uint16, tag uint32) datagram {
	request := sctpChunk{sport: sport, dport: p.To.Port(), kind: sctpInit, initTag: tag}.marshal()
	return datagram{
		request: request,
		answers: func(packet []byte, result *Result) bool {
			c, ok := parseSCTP(packet)
			return ok && c.kind == sctpInitAck && c.sport == p.To.Port() && c.dport == sport && c.tag == tag &&
				result.read(c.cookie, nil)
		},
		owns: func(packet []byte) bool { return len(packet) >= 8 && bytes.Equal(packet[:4], request[:4]) },
	}
}

// echo is an ICMP echo request (RFC 792, RFC 4443); the kernel sums those of IPv6.
func (p Probe) echo(nonce []byte) datagram {
	ask, answer := byte(8), byte(0)
	if p.To.Addr().Is6() {
		ask, answer = 128, 129
	}
	request := append([]byte{ask, 0, 0, 0}, nonce...) // the nonce begins with identifier and sequence number
	if p.To.Addr().Is4() {
		binary.BigEndian.PutUint16(request[2:], checksum(request))
	}
	return datagram{
		request: request,
		answers: func(packet []byte, result *Result) bool {
			if len(packet) != len(request) || packet[0] != answer || !bytes.Equal(packet[4:], nonce) {
				return false
			}
			result.Outcome = Delivered
			return true
		},
		owns: func(packet []byte) bool {
			return len(packet) >= 8 && packet[0] == ask && bytes.Equal(packet[4:8], nonce[:4])
		},
	}
}

func (p Probe) runDatagrams(file *os.File, fd int, to unix.Sockaddr) (Result, error) {
	level, option := unix.IPPROTO_IP, unix.IP_RECVERR // otherwise only some ICMP errors are reported
	if p.To.Addr().Is6() {
		level, option = unix.IPPROTO_IPV6, unix.IPV6_RECVERR
	}
	if err := unix.SetsockoptInt(fd, level, option, 1); err != nil {
		return Result{}, setupError{err}
	}
	if err := unix.Connect(fd, to); err != nil {
		return Result{}, err
	}
	result := Result{Local: localAddr(fd)}
	if p.Proto != "udp" {
		port := p.Source.Port()
		if port == 0 {
			port = 32768 + uint16(randomUint32()%28232) // the kernel's default range
		}
		result.Local = netip.AddrPortFrom(result.Local.Addr(), port)
	}
	d := p.datagram(result.Local)
	packet, strange := make([]byte, 4096), false
	err := p.patience(file, func(tick int) error {
		if tick%3 == 0 { // again, should the machine have lost one
			if err := d.send(file, fd); err != nil {
				return err
			}
		}
		for {
			n, err := file.Read(packet)
			switch {
			case errors.Is(err, os.ErrDeadlineExceeded):
				return err
			case err != nil:
				if err := d.verdict(fd, err); err != nil {
					return err
				}
			case d.answers(transportOf(packet[:n], d.owns != nil && p.To.Addr().Is4()), &result):
				return nil
			case d.owns == nil:
				strange = true
			}
		}
	})
	if errors.Is(err, os.ErrDeadlineExceeded) && strange {
		result.Outcome, result.Err, err = Mute, errNoServer, nil
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		result.Outcome, err = Silent, nil
	}
	return result, err
}

// send sends the request. The kernel reports an earlier packet's error in place of sending the next one, so it may take
// more than one attempt.
func (d datagram) send(file *os.File, fd int) error {
	for {
		_, err := file.Write(d.request)
		if err == nil {
			return nil
		}
		if err = d.verdict(fd, err); err != nil {
			return err
		}
	}
}

// verdict returns what an error of the socket means for this probe: itself, or, on a raw socket, only what an ICMP
// error in its queue says that quotes this probe.
func (d datagram) verdict(fd int, err error) error {
	if d.owns == nil {
		return err
	}
	asynchronous := false
	quoted, control := make([]byte, 2048), make([]byte, 512)
	for {
		n, nc, _, _, failure := unix.Recvmsg(fd, quoted, control, unix.MSG_ERRQUEUE|unix.MSG_DONTWAIT)
		if failure != nil {
			break
		}
		asynchronous = true
		messages, failure := unix.ParseSocketControlMessage(control[:nc])
		if failure != nil || !d.owns(quoted[:n]) {
			continue
		}
		for _, m := range messages {
			// struct sock_extended_err begins with the error's number.
			if (m.Header.Type == unix.IP_RECVERR || m.Header.Type == unix.IPV6_RECVERR) && len(m.Data) >= 4 {
				return unix.Errno(binary.NativeEndian.Uint32(m.Data))
			}
		}
	}
	if asynchronous {
		return nil
	}
	switch outcome, _ := classify(err); outcome {
	case Refused, Unreachable:
		return nil // reported by the kernel once more, after its message was read
	}
	return err
}

func randomUint32() uint32 {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails
	return binary.NativeEndian.Uint32(b[:])
}
