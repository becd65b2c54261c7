package conntrack

import (
	"encoding/binary"
	"errors"

	"golang.org/x/sys/unix"
)

// Message types of ctnetlink, and attributes, as in linux/netfilter/nfnetlink_conntrack.h.
const (
	msgGet      = unix.NFNL_SUBSYS_CTNETLINK<<8 | 1
	msgDelete   = unix.NFNL_SUBSYS_CTNETLINK<<8 | 2
	msgGetStats = unix.NFNL_SUBSYS_CTNETLINK<<8 | 5

	ctaTupleOrig  = 1
	ctaTupleReply = 2
	ctaStatus     = 3
	ctaCountOrig  = 9
	ctaCountReply = 10
	ctaID         = 12
	ctaZone       = 18
	ctaFilter     = 25

	ctaTupleIP    = 1
	ctaTupleProto = 2

	ctaIPv4Src = 1
	ctaIPv4Dst = 2
	ctaIPv6Src = 3
	ctaIPv6Dst = 4

	ctaProtoNum     = 1
	ctaProtoSrcPort = 2
	ctaProtoDstPort = 3

	ctaFilterOrigFlags = 1
	filterProto        = 1 << 3
	filterDstPort      = 1 << 5

	ctaStatsEntries = 1

	ctaCountPackets = 1
	ctaCountBytes   = 2
)

// errMalformed says that bytes are no attributes.
var errMalformed = errors.New("malformed attribute")

// next cuts the first attribute off b: its type, its value, and the whole of it as it came, padding included.
func next(b []byte) (typ uint16, value, whole, rest []byte, err error) {
	if len(b) < unix.SizeofNlAttr {
		return 0, nil, nil, nil, errMalformed
	}
	n := int(binary.NativeEndian.Uint16(b))
	if n < unix.SizeofNlAttr || n > len(b) {
		return 0, nil, nil, nil, errMalformed
	}
	typ = binary.NativeEndian.Uint16(b[2:]) &^ (unix.NLA_F_NESTED | unix.NLA_F_NET_BYTEORDER)
	end := min(align(n), len(b))
	return typ, b[unix.SizeofNlAttr:n], b[:end], b[end:], nil
}

func align(n int) int { return (n + 3) &^ 3 }

// An encoder appends netlink messages to a buffer.
type encoder struct{ b []byte }

// message starts a message for an address family, and returns its offset, to be handed to end.
func (e *encoder) message(typ, flags uint16, seq uint32, family uint8) int {
	at := len(e.b)
	e.b = append(e.b, 0, 0, 0, 0)
	e.b = binary.NativeEndian.AppendUint16(e.b, typ)
	e.b = binary.NativeEndian.AppendUint16(e.b, flags)
	e.b = binary.NativeEndian.AppendUint32(e.b, seq)
	e.b = append(e.b, 0, 0, 0, 0) // the kernel fills in the port
	e.b = append(e.b, family, unix.NFNETLINK_V0, 0, 0)
	return at
}

// end fills in the length of the message that starts at an offset.
func (e *encoder) end(at int) { binary.NativeEndian.PutUint32(e.b[at:], uint32(len(e.b)-at)) }

// nest starts a nested attribute and returns its offset, to be handed to unnest.
func (e *encoder) nest(typ uint16) int {
	at := len(e.b)
	e.b = append(e.b, 0, 0)
	e.b = binary.NativeEndian.AppendUint16(e.b, typ|unix.NLA_F_NESTED)
	return at
}

func (e *encoder) unnest(at int) { binary.NativeEndian.PutUint16(e.b[at:], uint16(len(e.b)-at)) }

// bytes appends an attribute.
func (e *encoder) bytes(typ uint16, v ...byte) {
	e.b = binary.NativeEndian.AppendUint16(e.b, uint16(unix.SizeofNlAttr+len(v)))
	e.b = binary.NativeEndian.AppendUint16(e.b, typ)
	e.b = append(e.b, v...)
	e.b = append(e.b, make([]byte, align(len(v))-len(v))...)
}
