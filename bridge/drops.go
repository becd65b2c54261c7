package bridge

import (
	"context"
	"encoding/binary"
	"fmt"
	"iter"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seawall-net/seawall/internal/nflog"
)

// A Drop is a dropped packet that a rule has told of: see [DropLog].
type Drop struct {
	// Network is the name of the network that the packet came from or went to,
	// and empty if it is of none in particular. The longest names end with "~" in
	// place of what is cut off.
	Network string `json:"network,omitempty"`
	Reason  Reason `json:"reason"`
	// Time is when the packet came in or, if the kernel has not noted that, when
	// it was read.
	Time time.Time `json:"time"`
	// In and Out are the interfaces that the packet came in and would have gone
	// out by, as far as that was known, and a bridge's port rather than the bridge.
	// "#7" is interface 7, which has gone since.
	In  string `json:"in,omitempty"`
	Out string `json:"out,omitempty"`
	// Proto is the protocol: tcp, udp, sctp, icmp, icmp6, arp, or its number.
	Proto string `json:"proto,omitempty"`
	// From and To are the packet's addresses, behind translation of the
	// destination where that came before. Without a port they have port 0.
	From netip.AddrPort `json:"from"`
	To   netip.AddrPort `json:"to"`
	// Packet is its beginning, from the header behind Ethernet's on.
	Packet []byte `json:"-"`
}

// String tells what was dropped in a line: "web: not published: tcp
// 192.0.2.2:40000 > 172.18.0.2:81, eth0 > br-web".
func (d Drop) String() string {
	var b strings.Builder
	if d.Network != "" {
		b.WriteString(d.Network + ": ")
	}
	b.WriteString(string(d.Reason))
	if d.Proto != "" {
		fmt.Fprintf(&b, ": %s %s > %s", d.Proto, address(d.From), address(d.To))
	}
	switch {
	case d.In != "" && d.Out != "":
		fmt.Fprintf(&b, ", %s > %s", d.In, d.Out)
	case d.In+d.Out != "":
		fmt.Fprintf(&b, ", %s", d.In+d.Out)
	}
	return b.String()
}

func address(a netip.AddrPort) string {
	if a.Port() == 0 {
		return a.Addr().String()
	}
	return a.String()
}

// Drops listens to the packets that firewalls of a network namespace drop and
// tell of, from the call on until the context is done: nil is the calling thread's
// namespace. It hears of those in group, whichever process has set that up. What
// others log there is left out, and so is what comes faster than it is read.
//
// An error that ends it is yielded last: one that matches fs.ErrPermission without
// CAP_NET_ADMIN, or unix.EBUSY if another program listens to the group.
func Drops(ctx context.Context, ns *os.File, group uint16) iter.Seq2[Drop, error] {
	l, names, err := listenDrops(ns, group)
	if err != nil {
		err = fmt.Errorf("bridge: drops: %w", err)
		return func(yield func(Drop, error) bool) { yield(Drop{}, err) }
	}
	var mu sync.Mutex
	context.AfterFunc(ctx, func() { // also if nobody ever iterates
		_ = l.Close()
		mu.Lock()
		defer mu.Unlock()
		names.close()
	})
	name := func(index int) string {
		mu.Lock()
		defer mu.Unlock()
		if ctx.Err() != nil {
			return unnamed(index)
		}
		return names.name(index)
	}
	return func(yield func(Drop, error) bool) {
		for {
			p, err := l.Next(ctx)
			if ctx.Err() != nil {
				return
			}
			if err != nil {
				yield(Drop{}, fmt.Errorf("bridge: drops: %w", err))
				return
			}
			if d, ok := dropOf(&p, name); ok && !yield(d, nil) {
				return
			}
		}
	}
}

func listenDrops(ns *os.File, group uint16) (*nflog.Listener, *links, error) {
	ns, err := namespace(ns)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = ns.Close() }()
	names, err := openLinks(ns)
	if err != nil {
		return nil, nil, err
	}
	l, err := nflog.Listen(ns, group)
	if err != nil {
		names.close()
		return nil, nil, err
	}
	return l, names, nil
}

// name is the name of the interface with an index.
func (l *links) name(index int) string {
	link, err := l.h.LinkByIndex(index)
	if err != nil {
		return unnamed(index)
	}
	return link.Attrs().Name
}

func unnamed(index int) string { return "#" + strconv.Itoa(index) }

// dropOf reads what a rule has told; false if it was none of ours.
func dropOf(p *nflog.Packet, name func(index int) string) (Drop, bool) {
	d := Drop{Time: p.Time, Packet: p.Payload}
	var ok bool
	if d.Network, d.Reason, ok = parseDropPrefix(p.Prefix); !ok {
		return d, false
	}
	if d.Time.IsZero() {
		d.Time = time.Now()
	}
	for _, i := range []struct {
		to         *string
		port, link int
	}{{&d.In, p.PhysIn, p.In}, {&d.Out, p.PhysOut, p.Out}} {
		if index := i.port; index != 0 || i.link != 0 {
			if index == 0 {
				index = i.link
			}
			*i.to = name(index)
		}
	}
	d.header(p.EtherType)
	return d, true
}

// header reads addresses and ports, as far as the packet goes.
func (d *Drop) header(etherType uint16) {
	b := d.Packet
	var from, to netip.Addr
	var proto uint8
	var first bool // fragment, which alone has ports
	switch {
	case etherType == unix.ETH_P_IP && len(b) >= 20 && int(b[0]&15)*4 >= 20:
		from, to = netip.AddrFrom4([4]byte(b[12:])), netip.AddrFrom4([4]byte(b[16:]))
		proto, first = b[9], binary.BigEndian.Uint16(b[6:])&0x1fff == 0
		b = b[min(len(b), int(b[0]&15)*4):]
	case etherType == unix.ETH_P_IPV6 && len(b) >= 40:
		from, to = netip.AddrFrom16([16]byte(b[8:])), netip.AddrFrom16([16]byte(b[24:]))
		proto, first, b = skipExtensions(b[6], b[40:])
	case etherType == unix.ETH_P_ARP && len(b) >= 28:
		d.Proto = "arp"
		d.From = netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[14:])), 0)
		d.To = netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[24:])), 0)
		return
	default:
		return
	}
	var fromPort, toPort uint16
	switch proto {
	case unix.IPPROTO_TCP, unix.IPPROTO_UDP, unix.IPPROTO_SCTP:
		if first && len(b) >= 4 {
			fromPort, toPort = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
		}
	}
	d.Proto = protoName(proto)
	d.From, d.To = netip.AddrPortFrom(from, fromPort), netip.AddrPortFrom(to, toPort)
}

// skipExtensions returns the protocol behind IPv6's extension headers, as far as
// they are there, and whether this is the fragment with its header.
func skipExtensions(next uint8, b []byte) (proto uint8, first bool, rest []byte) {
	for {
		size := 8
		switch next {
		case unix.IPPROTO_HOPOPTS, unix.IPPROTO_ROUTING, unix.IPPROTO_DSTOPTS:
			if len(b) >= 8 {
				size += 8 * int(b[1])
			}
		case unix.IPPROTO_FRAGMENT:
			if len(b) >= 8 && binary.BigEndian.Uint16(b[2:])&^7 != 0 {
				return b[0], false, nil
			}
		default:
			return next, true, b
		}
		if len(b) < size {
			return next, false, nil
		}
		next, b = b[0], b[size:]
	}
}

func protoName(n uint8) string {
	switch n {
	case unix.IPPROTO_TCP:
		return "tcp"
	case unix.IPPROTO_UDP:
		return "udp"
	case unix.IPPROTO_SCTP:
		return "sctp"
	case unix.IPPROTO_ICMP:
		return "icmp"
	case unix.IPPROTO_ICMPV6:
		return "icmp6"
	}
	return strconv.Itoa(int(n))
}
