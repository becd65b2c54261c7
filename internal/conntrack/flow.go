package conntrack

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// A Tuple is what the packets of one direction of a flow have in common. The zero value is no tuple.
type Tuple struct {
	// Src and Dst are where the packets come from and go to: of the same family, without zones. The ports are 0 where
	// the protocol has none.
	Src, Dst netip.AddrPort
	// Proto is the IP protocol number: 6 for TCP.
	Proto uint8
}

// Status is what has become of a flow: a set of the kernel's IPS_ bits, most of which have no name here.
type Status uint32

const (
	// SeenReply says that packets were seen in both directions.
	SeenReply Status = 1 << 1
	// SourceNAT says that the source of the first direction is translated.
	SourceNAT Status = 1 << 4
	// DestinationNAT says that the destination of the first direction is translated.
	DestinationNAT Status = 1 << 5
)

// A Flow is an entry of the table. A packet of the first direction is sent as Orig says, and arrives as the reverse of
// Reply; where nothing is translated, the two are each other's reverse.
type Flow struct {
	// Orig is the direction of the first packet, as it came.
	Orig Tuple
	// Reply is the other direction, as answers come: from where the first packet was translated to, to where it was
	// translated from.
	Reply Tuple
	// Status is never 0 in the kernel's table.
	Status Status
	// OrigCount and ReplyCount are what was seen in each direction since the flow began, if accounting was on then
	// (net.netfilter.nf_conntrack_acct).
	OrigCount, ReplyCount Count

	// The attributes that tell the kernel which entry is meant, as it wrote them, headers included. They alias the
	// message.
	orig, zone, id []byte
}

// A Count is packets, and their bytes from the IP header on.
type Count struct{ Packets, Bytes uint64 }

func (n *Count) decode(b []byte) error {
	for len(b) > 0 {
		typ, v, _, rest, err := next(b)
		if err != nil {
			return err
		}
		if typ == ctaCountPackets || typ == ctaCountBytes {
			if len(v) != 8 {
				return fmt.Errorf("a count of %d bytes", len(v))
			}
			if count := binary.BigEndian.Uint64(v); typ == ctaCountPackets {
				n.Packets = count
			} else {
				n.Bytes = count
			}
		}
		b = rest
	}
	return nil
}

// Translated tells whether packets are led to another address or port than the one that they were sent to.
func (f *Flow) Translated() bool { return f.Reply.Src != f.Orig.Dst }

func (f *Flow) family() uint8 {
	if f.Orig.Src.Addr().Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

// decode reads an entry from a message's attributes. It ignores attributes that it does not need, and refuses entries
// that lack one that it does.
func (f *Flow) decode(b []byte) error {
	*f = Flow{}
	for len(b) > 0 {
		typ, v, whole, rest, err := next(b)
		if err != nil {
			return err
		}
		switch typ {
		case ctaTupleOrig:
			f.orig = whole
			err = f.Orig.decode(v)
		case ctaTupleReply:
			err = f.Reply.decode(v)
		case ctaStatus:
			if len(v) != 4 {
				return fmt.Errorf("status of %d bytes", len(v))
			}
			f.Status = Status(binary.BigEndian.Uint32(v))
		case ctaCountOrig:
			err = f.OrigCount.decode(v)
		case ctaCountReply:
			err = f.ReplyCount.decode(v)
		case ctaZone:
			f.zone = whole
		case ctaID:
			f.id = whole
		}
		if err != nil {
			return fmt.Errorf("attribute %d: %w", typ, err)
		}
		b = rest
	}
	switch {
	case f.orig == nil, !f.Reply.Src.IsValid():
		return fmt.Errorf("an entry without both tuples")
	case f.Orig.Src.Addr().Is4() != f.Reply.Src.Addr().Is4():
		return fmt.Errorf("an entry of two families")
	}
	return nil
}

func (t *Tuple) decode(b []byte) error {
	var src, dst netip.Addr
	var srcPort, dstPort uint16
	for len(b) > 0 {
		typ, v, _, rest, err := next(b)
		if err != nil {
			return err
		}
		switch typ {
		case ctaTupleIP:
			src, dst, err = decodeAddrs(v)
		case ctaTupleProto:
			t.Proto, srcPort, dstPort, err = decodeProto(v)
		}
		if err != nil {
			return err
		}
		b = rest
	}
	if !src.IsValid() || !dst.IsValid() || src.Is4() != dst.Is4() {
		return fmt.Errorf("a tuple without two addresses of one family")
	}
	t.Src, t.Dst = netip.AddrPortFrom(src, srcPort), netip.AddrPortFrom(dst, dstPort)
	return nil
}

func decodeAddrs(b []byte) (src, dst netip.Addr, err error) {
	for len(b) > 0 {
		typ, v, _, rest, err := next(b)
		if err != nil {
			return src, dst, err
		}
		size, to := 4, &src
		switch typ {
		case ctaIPv4Src:
		case ctaIPv4Dst:
			to = &dst
		case ctaIPv6Src:
			size = 16
		case ctaIPv6Dst:
			size, to = 16, &dst
		default:
			return src, dst, fmt.Errorf("unknown kind of address %d", typ)
		}
		if len(v) != size {
			return src, dst, fmt.Errorf("an address of %d bytes", len(v))
		}
		*to, _ = netip.AddrFromSlice(v)
		b = rest
	}
	return src, dst, nil
}

func decodeProto(b []byte) (proto uint8, src, dst uint16, err error) {
	for len(b) > 0 {
		typ, v, _, rest, err := next(b)
		if err != nil {
			return 0, 0, 0, err
		}
		size := 2
		if typ == ctaProtoNum {
			size = 1
		}
		if typ <= ctaProtoDstPort && len(v) != size { // what follows is for ICMP
			return 0, 0, 0, fmt.Errorf("a protocol or port of %d bytes", len(v))
		}
		switch typ {
		case ctaProtoNum:
			proto = v[0]
		case ctaProtoSrcPort:
			src = binary.BigEndian.Uint16(v)
		case ctaProtoDstPort:
			dst = binary.BigEndian.Uint16(v)
		}
		b = rest
	}
	return proto, src, dst, nil
}
