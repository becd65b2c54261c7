package nflog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Attributes of a packet, as in linux/netfilter/nfnetlink_log.h.
const (
	attrHeader    = 1
	attrMark      = 2
	attrTimestamp = 3
	attrIn        = 4
	attrOut       = 5
	attrPhysIn    = 6
	attrPhysOut   = 7
	attrPayload   = 9
	attrPrefix    = 10
)

// A Packet is what a rule has told of one.
type Packet struct {
	// Prefix is what the rule calls it.
	Prefix string
	// Family is where the rule is: unix.NFPROTO_IPV4, NFPROTO_IPV6 or NFPROTO_BRIDGE.
	Family uint8
	// EtherType is the protocol of Payload; 0 if the kernel does not know.
	EtherType uint16
	// Hook is the number of the rule's hook in its family.
	Hook uint8
	Mark uint32
	// In and Out are the indexes of the interfaces that the packet came in and goes out by; 0 is none. PhysIn and
	// PhysOut are those of the ports where those are bridges.
	In, Out, PhysIn, PhysOut int
	// Time is when the packet came in, if the kernel has noted that.
	Time time.Time
	// Payload is the beginning of the packet from its network header on.
	Payload []byte
}

var errMalformed = errors.New("malformed attribute")

// decode reads a message behind its netlink header. Attributes that it does not know are left out. Payload aliases b.
func (p *Packet) decode(b []byte) error {
	*p = Packet{}
	if len(b) < 4 {
		return fmt.Errorf("%w: a message of %d bytes", errMalformed, len(b))
	}
	p.Family = b[0]
	for b = b[4:]; len(b) > 0; {
		if len(b) < unix.SizeofNlAttr {
			return errMalformed
		}
		n := int(binary.NativeEndian.Uint16(b))
		if n < unix.SizeofNlAttr || n > len(b) {
			return errMalformed
		}
		typ := binary.NativeEndian.Uint16(b[2:]) &^ (unix.NLA_F_NESTED | unix.NLA_F_NET_BYTEORDER)
		if err := p.attribute(typ, b[unix.SizeofNlAttr:n]); err != nil {
			return fmt.Errorf("attribute %d: %w", typ, err)
		}
		b = b[min((n+3)&^3, len(b)):]
	}
	return nil
}

func (p *Packet) attribute(typ uint16, v []byte) error {
	size, numbers := 4, map[uint16]*int{attrIn: &p.In, attrOut: &p.Out, attrPhysIn: &p.PhysIn, attrPhysOut: &p.PhysOut}
	switch typ {
	case attrTimestamp:
		size = 16
	case attrHeader, attrMark, attrIn, attrOut, attrPhysIn, attrPhysOut:
	case attrPayload:
		p.Payload = v
		return nil
	case attrPrefix:
		p.Prefix, _, _ = strings.Cut(string(v), "\x00")
		return nil
	default:
		return nil
	}
	if len(v) != size {
		return fmt.Errorf("%w: %d bytes", errMalformed, len(v))
	}
	switch typ {
	case attrHeader:
		p.EtherType, p.Hook = binary.BigEndian.Uint16(v), v[2]
	case attrMark:
		p.Mark = binary.BigEndian.Uint32(v)
	case attrTimestamp:
		p.Time = time.Unix(int64(binary.BigEndian.Uint64(v)), 1000*int64(binary.BigEndian.Uint64(v[8:])%1e6))
	default:
		*numbers[typ] = int(binary.BigEndian.Uint32(v))
	}
	return nil
}
