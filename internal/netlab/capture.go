package netlab

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// SendFrame sends a whole Ethernet frame out of an interface, past the namespace's own rules and routes.
func (ns *Namespace) SendFrame(ifname string, frame []byte) {
	ns.lab.tb.Helper()
	ns.lab.step(func() error { return ns.sendFrame(ifname, frame) }, "%s: send a frame out of %s", ns.name, ifname)
}

func (ns *Namespace) sendFrame(ifname string, frame []byte) error {
	link, err := ns.handle.LinkByName(ifname)
	if err != nil {
		return fmt.Errorf("interface %s: %w", ifname, err)
	}
	fd, err := ns.socket(unix.AF_PACKET, unix.SOCK_RAW, 0) // protocol 0: this socket receives nothing
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Sendto(fd, frame, 0, &unix.SockaddrLinklayer{Ifindex: link.Attrs().Index})
}

// CapturedFrame is a frame seen on an interface.
type CapturedFrame struct {
	Frame
	Outgoing bool   // sent by the namespace itself
	Index    int    // of the interface
	Raw      []byte // all of it, but for a VLAN tag that the kernel has taken off
}

// Capture holds the frames seen since it was started that its filter wants. It ends with its lab, or by Close.
type Capture struct {
	file   *os.File
	frames chan struct{} // holds a token while there may be more frames than were returned

	mu   sync.Mutex
	seen []CapturedFrame
	next int
}

// Capture starts to record the frames that an interface receives and sends, or, for "", all interfaces, loopback
// included. Only interfaces with Ethernet headers make sense, which veths, bridges and loopback have. Received frames are seen before, and sent ones after, the namespace's own rules had their say: that a frame
// got in is shown by capturing behind the firewall. Filter may be nil; it is called by one goroutine.
func (ns *Namespace) Capture(ifname string, filter func(CapturedFrame) bool) *Capture {
	c := &Capture{frames: make(chan struct{}, 1)}
	ns.lab.tb.Helper()
	ns.lab.step(func() error {
		ns.lab.onClose(c.Close)
		return c.start(ns, ifname, filter)
	}, "%s: capture on %s", ns.name, ifname)
	return c
}

func (c *Capture) start(ns *Namespace, ifname string, filter func(CapturedFrame) bool) error {
	address := &unix.SockaddrLinklayer{Protocol: networkOrder(unix.ETH_P_ALL)}
	if ifname != "" {
		link, err := ns.handle.LinkByName(ifname)
		if err != nil {
			return fmt.Errorf("interface %s: %w", ifname, err)
		}
		address.Ifindex = link.Attrs().Index
	}
	fd, err := ns.socket(unix.AF_PACKET, unix.SOCK_RAW, 0) // nothing arrives before it is bound
	if err != nil {
		return err
	}
	c.file = os.NewFile(uintptr(fd), "capture")
	err = unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_AUXDATA, 1) // the kernel takes VLAN tags off the frame
	if err == nil {
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 4<<20)
	}
	if err == nil {
		err = unix.Bind(fd, address)
	}
	if err != nil {
		return errors.Join(err, c.file.Close())
	}
	ns.lab.running.Go(func() { c.run(filter) })
	return nil
}

func (c *Capture) run(filter func(CapturedFrame) bool) {
	raw, err := c.file.SyscallConn()
	if err != nil {
		return
	}
	buffer, control := make([]byte, 1<<16), make([]byte, 128)
	for {
		var n, nc int
		var from unix.Sockaddr
		var failure error
		err := raw.Read(func(fd uintptr) bool {
			n, nc, _, from, failure = unix.Recvmsg(int(fd), buffer, control, 0)
			return !errors.Is(failure, unix.EAGAIN)
		})
		if err != nil {
			return // closed
		}
		link, ok := from.(*unix.SockaddrLinklayer)
		if failure != nil || !ok {
			continue // such as ENETDOWN, when an interface goes down
		}
		whole := append([]byte(nil), buffer[:n]...)
		frame := CapturedFrame{
			Frame: ParseFrame(whole), Raw: whole, Index: link.Ifindex,
			Outgoing: link.Pkttype == unix.PACKET_OUTGOING,
		}
		if tag := vlanTag(control[:nc]); tag != 0 {
			frame.VLAN = tag
		}
		if filter == nil || filter(frame) {
			c.add(frame)
		}
	}
}

// vlanTag returns the tag that the kernel has taken off the frame, or 0.
func vlanTag(control []byte) uint16 {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return 0
	}
	for _, m := range messages {
		if m.Header.Level == unix.SOL_PACKET && m.Header.Type == unix.PACKET_AUXDATA &&
			len(m.Data) >= 20 { // struct tpacket_auxdata
			status, tag := binary.NativeEndian.Uint32(m.Data), binary.NativeEndian.Uint16(m.Data[16:])
			if status&unix.TP_STATUS_VLAN_VALID != 0 {
				return tag
			}
		}
	}
	return 0
}

func (c *Capture) add(frame CapturedFrame) {
	c.mu.Lock()
	c.seen = append(c.seen, frame)
	c.mu.Unlock()
	select {
	case c.frames <- struct{}{}:
	default:
	}
}

// Next returns the first frame that no earlier Next has returned, and waits for one up to timeout (0 means
// DefaultTimeout). It reports false if none came. It is for one goroutine at a time.
func (c *Capture) Next(timeout time.Duration) (CapturedFrame, bool) {
	if timeout <= 0 {
		timeout = DefaultTimeout
	}
	// In parts, for the reason told at ticks.
	for tick := 0; tick < ticks; {
		if frame, ok := c.take(); ok {
			return frame, true
		}
		select {
		case <-c.frames:
		case <-time.After(timeout / ticks):
			tick++
		}
	}
	return c.take()
}

func (c *Capture) take() (CapturedFrame, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.next == len(c.seen) {
		return CapturedFrame{}, false
	}
	c.next++
	return c.seen[c.next-1], true
}

// Seen returns all frames so far.
func (c *Capture) Seen() []CapturedFrame {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]CapturedFrame(nil), c.seen...)
}

// Close ends the capture; what was seen stays. A second Close does nothing.
func (c *Capture) Close() error {
	if c.file == nil {
		return nil
	}
	if err := c.file.Close(); !errors.Is(err, os.ErrClosed) {
		return err
	}
	return nil
}

func networkOrder(v uint16) uint16 {
	return binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, v))
}
