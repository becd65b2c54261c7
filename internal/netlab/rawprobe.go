package netlab

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"
)

// RawProbe is one attempt to get a crafted packet somewhere that routes would never lead it: to 127.0.0.1 of a
// neighbour, with somebody else's address, and so on.
type RawProbe struct {
	From      *Namespace
	Interface string           // of From, out of which the frame goes
	DstMAC    net.HardwareAddr // of the host under attack
	SrcMAC    net.HardwareAddr // nil means Interface's own
	VLAN      uint16           // 802.1Q tag control information, 0 for none

	Proto    string         // "tcp" (a SYN), "udp" or "sctp" (an INIT)
	Src, Dst netip.AddrPort // a zero Src.Port means a random one

	// Watch is where the packet must not, or must, arrive: a container behind the host under attack, or that host itself
	// (in which case Arrived is always true, and Answered tells).
	Watch   *Namespace
	Timeout time.Duration // how long to wait until nothing has happened; 0 means DefaultTimeout
}

// RawResult is what became of a RawProbe.
type RawResult struct {
	// Arrived: Watch received the packet, NAT or not; As is how it looked then.
	Arrived bool
	As      Frame
	// Answered: a server accepted the packet: its answer (SYN ACK, INIT ACK, or what a udp Server says) left Watch or
	// reached From, whether or not it would have reached Src. Reply is that answer.
	Answered bool
	Reply    Frame
	Err      error // the probe could not be made; Arrived and Answered mean nothing then
}

// String returns a line such as "arrived (tcp 192.0.2.2:1000 > 127.0.0.1:80 ...), not answered".
func (r RawResult) String() string {
	if r.Err != nil {
		return r.Err.Error()
	}
	arrived, answered := "not arrived", "not answered"
	if r.Arrived {
		arrived = fmt.Sprintf("arrived (%s)", r.As)
	}
	if r.Answered {
		answered = fmt.Sprintf("answered (%s)", r.Reply)
	}
	return arrived + ", " + answered
}

// RawProbe sends a crafted packet and returns as soon as it was answered, else after the timeout. The packet is marked
// by its sequence number, payload or initiate tag, so that it is recognised behind any NAT, and probes may run
// concurrently.
func (l *Lab) RawProbe(p RawProbe) RawResult {
	result, err := p.run()
	if err != nil {
		result.Err = fmt.Errorf("netlab: raw probe %s from %s to %s: %w", p.Proto, p.From.name, p.Dst, err)
	}
	return result
}

// RawProbeAll makes probes all at once and returns their results in the same order.
func (l *Lab) RawProbeAll(probes []RawProbe) []RawResult {
	results := make([]RawResult, len(probes))
	var group sync.WaitGroup
	for i, p := range probes {
		group.Go(func() { results[i] = l.RawProbe(p) })
	}
	group.Wait()
	return results
}

func (p RawProbe) run() (result RawResult, err error) {
	if err := p.From.lab.Err(); err != nil {
		return result, err
	}
	frame, err := p.frame()
	if err != nil {
		return result, err
	}
	answers := p.answers(frame)
	arrives := func(f CapturedFrame) bool {
		return !f.Outgoing && f.Proto == frame.Proto && f.Seq == frame.Seq && f.Ack == 0 && f.TCPFlags == frame.TCPFlags &&
			(frame.Proto != "udp" || string(f.Payload) == string(frame.Payload))
	}
	events := &Capture{frames: make(chan struct{}, 1)}
	for _, ns := range []*Namespace{p.Watch, p.From} {
		if ns == nil {
			continue
		}
		c := &Capture{frames: make(chan struct{}, 1)}
		watched := ns == p.Watch
		err := c.start(ns, "", func(f CapturedFrame) bool {
			if answer, ok := p.neighbour(frame, f); ok && ns == p.From {
				_ = ns.sendFrame(p.Interface, answer.Marshal()) // the interface was there for the probe itself
			}
			if answers(f) || watched && arrives(f) {
				events.add(f)
			}
			return false
		})
		if err != nil {
			return result, err
		}
		defer c.Close()
	}
	if err := p.From.sendFrame(p.Interface, frame.Marshal()); err != nil {
		return result, err
	}
	for !result.Answered || p.Watch != nil && !result.Arrived {
		event, ok := events.Next(p.Timeout)
		switch {
		case !ok:
			return result, nil
		case arrives(event):
			if !result.Arrived {
				result.Arrived, result.As = true, event.Frame
			}
		default:
			result.Answered, result.Reply = true, event.Frame
		}
	}
	return result, nil
}

// neighbour answers the question who has the probe's source address, as an attacker would: the host under attack could
// not answer the probe without, and the kernel of From answers neither for addresses that it has not, nor to 127.0.0.1.
func (p RawProbe) neighbour(probe Frame, f CapturedFrame) (answer Frame, ok bool) {
	const solicitation, advertisement, solicitedOverride, targetLinkAddress = 135, 136, 0x60, 2 // RFC 4861, section 4
	answer = Frame{Dst: f.Src, Src: probe.Src, From: netip.AddrPortFrom(probe.From.Addr(), 0), To: f.From, Proto: arpReply}
	if f.Outgoing {
		return answer, false
	}
	if f.Proto == arpRequest {
		return answer, f.To.Addr() == probe.From.Addr()
	}
	if f.Proto != "icmp" || f.To.Addr().Is4() || len(f.Payload) < 24 || f.Payload[0] != solicitation {
		return answer, false
	}
	target := netip.AddrFrom16([16]byte(f.Payload[8:24]))
	answer.Proto = "icmp"
	answer.Payload = append([]byte{advertisement, 0, 0, 0, solicitedOverride, 0, 0, 0}, f.Payload[8:24]...)
	answer.Payload = append(answer.Payload, targetLinkAddress, 1)
	answer.Payload = append(answer.Payload, probe.Src...)
	return answer, target == probe.From.Addr() && !f.From.Addr().IsUnspecified()
}

func (p RawProbe) frame() (Frame, error) {
	if _, ok := transports[p.Proto]; !ok || p.Proto == "icmp" {
		return Frame{}, fmt.Errorf("unknown protocol %q", p.Proto)
	}
	if p.Src.Addr().BitLen() != p.Dst.Addr().BitLen() || !p.Src.Addr().IsValid() {
		return Frame{}, fmt.Errorf("addresses %s and %s are not of one family", p.Src.Addr(), p.Dst.Addr())
	}
	if p.SrcMAC == nil {
		link, err := p.From.handle.LinkByName(p.Interface)
		if err != nil {
			return Frame{}, fmt.Errorf("interface %s: %w", p.Interface, err)
		}
		p.SrcMAC = link.Attrs().HardwareAddr
	}
	if p.Src.Port() == 0 {
		p.Src = netip.AddrPortFrom(p.Src.Addr(), 32768+uint16(randomUint32()%28232))
	}
	frame := Frame{Dst: p.DstMAC, Src: p.SrcMAC, VLAN: p.VLAN, From: p.Src, To: p.Dst, Proto: p.Proto}
	mark := randomUint32() | 1
	if p.Proto == "udp" {
		frame.Payload = binary.BigEndian.AppendUint64(nil, uint64(mark)<<32|uint64(randomUint32()))
		return frame, nil
	}
	frame.Seq = mark
	if p.Proto == "tcp" {
		frame.TCPFlags = SYN
	}
	return frame, nil
}

// answers returns the test for an answer to a frame.
func (p RawProbe) answers(frame Frame) func(CapturedFrame) bool {
	switch p.Proto {
	case "tcp":
		return func(f CapturedFrame) bool {
			return f.Proto == "tcp" && f.TCPFlags&(SYN|ACK|RST) == SYN|ACK && f.Ack == frame.Seq+1
		}
	case "sctp":
		return func(f CapturedFrame) bool { return f.Proto == "sctp" && f.Ack == frame.Seq }
	}
	return func(f CapturedFrame) bool {
		var r Result
		return f.Proto == "udp" && r.read(f.Payload, frame.Payload)
	}
}
