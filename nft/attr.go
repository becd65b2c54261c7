package nft

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// An encoder appends netlink messages and attributes to a buffer.
type encoder struct{ b []byte }

// message starts a message and returns its offset, to be handed to end.
func (e *encoder) message(typ, flags uint16, seq uint32, family uint8, resID uint16) int {
	at := len(e.b)
	e.b = append(e.b, 0, 0, 0, 0)
	e.b = binary.NativeEndian.AppendUint16(e.b, typ)
	e.b = binary.NativeEndian.AppendUint16(e.b, flags)
	e.b = binary.NativeEndian.AppendUint32(e.b, seq)
	e.b = append(e.b, 0, 0, 0, 0) // the kernel fills in the port
	e.b = append(e.b, family, unix.NFNETLINK_V0)
	e.b = binary.BigEndian.AppendUint16(e.b, resID)
	return at
}

// end fills in the length of the message that starts at an offset.
func (e *encoder) end(at int) {
	binary.NativeEndian.PutUint32(e.b[at:], uint32(len(e.b)-at))
}

// nest starts a nested attribute and returns its offset, to be handed to unnest.
func (e *encoder) nest(typ uint16) int {
	at := len(e.b)
	e.b = append(e.b, 0, 0)
	e.b = binary.NativeEndian.AppendUint16(e.b, typ|unix.NLA_F_NESTED)
	return at
}

func (e *encoder) unnest(at int) {
	binary.NativeEndian.PutUint16(e.b[at:], uint16(len(e.b)-at))
}

func (e *encoder) header(typ uint16, n int) {
	e.b = binary.NativeEndian.AppendUint16(e.b, uint16(4+n))
	e.b = binary.NativeEndian.AppendUint16(e.b, typ)
}

var padding [4]byte

// bytes appends an attribute with raw bytes.
func (e *encoder) bytes(typ uint16, v string) {
	e.header(typ, len(v))
	e.b = append(e.b, v...)
	e.b = append(e.b, padding[:pad4(len(v))-len(v)]...)
}

// str appends an attribute with a NUL-terminated string.
func (e *encoder) str(typ uint16, v string) {
	e.header(typ, len(v)+1)
	e.b = append(e.b, v...)
	e.b = append(e.b, padding[:pad4(len(v)+1)-len(v)]...)
}

// u32 appends an attribute in network byte order.
func (e *encoder) u32(typ uint16, v uint32) {
	e.header(typ, 4)
	e.b = binary.BigEndian.AppendUint32(e.b, v)
}

func (e *encoder) u64(typ uint16, v uint64) {
	e.header(typ, 8)
	e.b = binary.BigEndian.AppendUint64(e.b, v)
}

// raw appends an attribute that another library has marshalled.
func (e *encoder) raw(typ uint16, v []byte) {
	e.header(typ, len(v))
	e.b = append(e.b, v...)
	e.b = append(e.b, padding[:pad4(len(v))-len(v)]...)
}
