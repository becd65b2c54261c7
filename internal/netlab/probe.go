package netlab

import (
	"bufio"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Outcome is what became of a probe.
type Outcome int

const (
	// Unknown is the zero value: the probe could not be made, and Result.Err says why.
	Unknown Outcome = iota
	// Delivered means that a Server got the probe and its answer came back; for "icmp", that the echo came back.
	Delivered
	// Refused means a TCP reset in place of a connection, or an ICMP message that port or protocol is unreachable.
	Refused
	// Reset means that a connection came about and was reset before the server's answer arrived.
	Reset
	// Silent means that nothing at all came back before the deadline, or that the namespace's own rules dropped the
	// probe.
	Silent
	// Unreachable means that there is no route, or an ICMP message that network or host is unreachable or prohibited.
	// The kernel limits the rate at which it says, as an IPv4 router, that it has no route: after about five times the
	// same host finds Silent.
	Unreachable
	// Mute means that somebody was reached who is no Server: a connection came about or a datagram came back, but not a
	// Server's answer.
	Mute
)

// String returns the outcome in one lower-case word.
func (o Outcome) String() string {
	words := [...]string{"unknown", "delivered", "refused", "reset", "silent", "unreachable", "mute"}
	if o < 0 || int(o) >= len(words) {
		return fmt.Sprintf("outcome %d", int(o))
	}
	return words[o]
}

// Probe is one attempt to reach a Server.
type Probe struct {
	From    *Namespace
	Proto   string         // "tcp", "udp", "sctp" or "icmp" (echo; the ports do not matter)
	To      netip.AddrPort // a link-local address needs From's interface as its zone
	Source  netip.AddrPort // where to send from; the zero value, or a zero port, leaves it to the kernel
	Timeout time.Duration  // how long silence is waited for; 0 means DefaultTimeout
}

// DefaultTimeout is how long a probe waits before it reports silence: beyond the second after which the kernel repeats
// a TCP SYN. Other probes are repeated by themselves.
const DefaultTimeout = 1400 * time.Millisecond

// Result is what a probe found out.
type Result struct {
	Outcome Outcome
	Server  string         // the name of the Namespace that answered; empty for "icmp"
	Source  netip.AddrPort // the probe's source as that server saw it
	Local   netip.AddrPort // the source the probe was sent with: another one than Source if there was NAT between
	Err     error          // the reason behind the outcome, if there is more to say
}

// String returns a line such as "delivered to web, which saw 192.0.2.2:40000".
func (r Result) String() string {
	text := r.Outcome.String()
	if r.Server != "" {
		text += fmt.Sprintf(" to %s, which saw %s", r.Server, r.Source)
	}
	if r.Err != nil {
		text += " (" + r.Err.Error() + ")"
	}
	return text
}

// Probe sends a probe from the namespace to an address and port such as "192.0.2.1:80" ("192.0.2.1:0" for "icmp").
func (ns *Namespace) Probe(proto, to string) Result {
	addr, err := netip.ParseAddrPort(to)
	if err != nil {
		return Result{Err: fmt.Errorf("netlab: probe from %s: %w", ns.name, err)}
	}
	return ns.lab.Probe(Probe{From: ns, Proto: proto, To: addr})
}

// ProbeAll makes probes all at once and returns their results in the same order: all silences last one timeout.
func (l *Lab) ProbeAll(probes []Probe) []Result {
	results := make([]Result, len(probes))
	var group sync.WaitGroup
	for i, p := range probes {
		group.Go(func() { results[i] = l.Probe(p) })
	}
	group.Wait()
	return results
}

// Probe makes one probe and returns as soon as its outcome is certain. It may be called concurrently.
func (l *Lab) Probe(p Probe) Result {
	if err := l.Err(); err != nil {
		return Result{Err: err}
	}
	result, err := p.run()
	if err != nil {
		result.Outcome, result.Err = classify(err)
	}
	if result.Outcome == Unknown {
		result.Err = fmt.Errorf("netlab: probe %s from %s to %s: %w", p.Proto, p.From.name, p.To, result.Err)
	}
	return result
}

func (p Probe) run() (Result, error) {
	file, fd, to, err := p.open()
	if err != nil {
		return Result{}, err
	}
	defer file.Close()
	if p.Proto == "tcp" {
		return p.runTCP(file, fd, to)
	}
	return p.runDatagrams(file, fd, to)
}

// open opens the socket to send from.
func (p *Probe) open() (file *os.File, fd int, to unix.Sockaddr, err error) {
	if p.Timeout <= 0 {
		p.Timeout = DefaultTimeout
	}
	if to, err = p.From.sockaddr(p.Proto, p.To); err != nil {
		return nil, 0, nil, setupError{err}
	}
	if fd, err = p.From.open(p.Proto, p.To.Addr()); err != nil {
		return nil, 0, nil, setupError{err}
	}
	file = os.NewFile(uintptr(fd), "probe")
	if err := p.From.bind(fd, p.Proto, p.Source); err != nil {
		_ = file.Close()
		return nil, 0, nil, setupError{err}
	}
	return file, fd, to, nil
}

var errNoServer = errors.New("reached somebody, but got no answer of a netlab server")

// setupError is an error that says nothing about the network, whatever its number.
type setupError struct{ error }

// classify says what an error of a socket means, and what of it is worth keeping.
func classify(err error) (Outcome, error) {
	var setup setupError
	if errors.As(err, &setup) {
		return Unknown, err
	}
	for _, class := range []struct {
		outcome Outcome
		errnos  []unix.Errno
	}{
		{Refused, []unix.Errno{unix.ECONNREFUSED, unix.ENOPROTOOPT, unix.EPROTO}},
		{Reset, []unix.Errno{unix.ECONNRESET, unix.EPIPE}},
		{Silent, []unix.Errno{unix.EPERM, unix.ETIMEDOUT}}, // EPERM: dropped on the way out
		{Unreachable, []unix.Errno{unix.ENETUNREACH, unix.EHOSTUNREACH, unix.EHOSTDOWN, unix.EACCES}},
	} {
		for _, errno := range class.errnos {
			if errors.Is(err, errno) {
				return class.outcome, err
			}
		}
	}
	return Unknown, err
}

// ticks is in how many parts silence is waited for. The parts are timed one after the other, so that a machine that
// stands still for a while uses up no more than one of them.
const ticks = 7

// patience calls attempt with a deadline for each tick until it returns something else than a timeout.
func (p Probe) patience(file *os.File, attempt func(tick int) error) error {
	for tick := range ticks {
		if err := file.SetDeadline(time.Now().Add(p.Timeout / ticks)); err != nil {
			return setupError{err}
		}
		if err := attempt(tick); !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
	}
	return os.ErrDeadlineExceeded
}

func (p Probe) runTCP(file *os.File, fd int, to unix.Sockaddr) (Result, error) {
	// Leave neither TIME_WAIT nor a half-open connection behind: a later probe may use the same ports.
	if err := unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}); err != nil {
		return Result{}, setupError{err}
	}
	var result Result
	err := p.patience(file, func(tick int) error {
		if tick == 0 {
			return p.From.connect(file, to)
		}
		return awaitConnect(file)
	})
	result.Local = localAddr(fd)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		result.Outcome = Silent
		return result, nil
	}
	if err != nil {
		return result, err
	}
	return p.readLine(file, nil, result)
}

// readLine reads what a Server says over TCP in reply to nonce.
func (p Probe) readLine(file *os.File, nonce []byte, result Result) (Result, error) {
	line := make([]byte, 0, 256)
	err := p.patience(file, func(int) error {
		for {
			n, err := file.Read(line[len(line):cap(line)]) // at the end n is 0, and err io.EOF
			line = line[:len(line)+n]
			switch {
			case err != nil:
				return err
			case line[len(line)-1] == '\n':
				return nil
			case len(line) == cap(line):
				return bufio.ErrTooLong
			}
		}
	})
	if errors.Is(err, unix.ECONNRESET) {
		return result, err
	}
	if err != nil || !result.read(line[:len(line)-1], nonce) {
		result.Outcome, result.Err = Mute, errors.Join(errNoServer, err)
	}
	return result, nil
}

// read takes in what a Server replied to nonce, and reports false if it is something else.
func (r *Result) read(reply, nonce []byte) bool {
	source, rest, ok1 := strings.Cut(string(reply), " ")
	said, server, ok2 := strings.Cut(rest, ". ")
	addr, err := netip.ParseAddrPort(source)
	if !ok1 || !ok2 || err != nil || said != fmt.Sprintf("%x", nonce) {
		return false
	}
	r.Outcome, r.Source, r.Server = Delivered, addr, server
	return true
}
