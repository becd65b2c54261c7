package nft

import (
	"encoding/binary"
	"fmt"
	"iter"

	"golang.org/x/sys/unix"
)

// A message is one netlink message. Its body aliases the receive buffer.
type message struct {
	typ, flags uint16
	seq, port  uint32
	body       []byte
}

// messages splits a datagram into its messages; what is malformed ends it.
func messages(b []byte) iter.Seq[message] {
	return func(yield func(message) bool) {
		for m := range messagesWithRest(b) {
			if !yield(m) {
				return
			}
		}
	}
}

// messagesWithRest yields each message together with what follows it.
func messagesWithRest(b []byte) iter.Seq2[message, []byte] {
	return func(yield func(message, []byte) bool) {
		for len(b) >= unix.SizeofNlMsghdr {
			n := int(binary.NativeEndian.Uint32(b))
			if n < unix.SizeofNlMsghdr || n > len(b) {
				return
			}
			m := message{
				typ:   binary.NativeEndian.Uint16(b[4:]),
				flags: binary.NativeEndian.Uint16(b[6:]),
				seq:   binary.NativeEndian.Uint32(b[8:]),
				port:  binary.NativeEndian.Uint32(b[12:]),
				body:  b[unix.SizeofNlMsghdr:n],
			}
			b = b[min(pad4(n), len(b)):]
			if !yield(m, b) {
				return
			}
		}
	}
}

// payload is the body behind the nfgenmsg header.
func (m message) payload() []byte {
	if len(m.body) < 4 {
		return nil
	}
	return m.body[4:]
}

// attributes iterates over the attributes in b; what is malformed ends it.
func attributes(b []byte) iter.Seq2[uint16, []byte] {
	return func(yield func(uint16, []byte) bool) {
		for len(b) >= unix.SizeofNlAttr {
			n := int(binary.NativeEndian.Uint16(b))
			if n < unix.SizeofNlAttr || n > len(b) {
				return
			}
			typ := binary.NativeEndian.Uint16(b[2:]) &^ (unix.NLA_F_NESTED | unix.NLA_F_NET_BYTEORDER)
			if !yield(typ, b[unix.SizeofNlAttr:n]) {
				return
			}
			b = b[min(pad4(n), len(b)):]
		}
	}
}

// An ack is the kernel's verdict on one message.
type ack struct {
	errno  unix.Errno
	seq    uint32 // of the message that is judged
	reason string
	offset uint32 // of the attribute at fault in that message; 0 if not told
}

// ack decodes an NLMSG_ERROR message.
func (m message) ack() ack {
	if len(m.body) < 4+unix.SizeofNlMsghdr {
		return ack{errno: unix.EBADMSG}
	}
	a := ack{
		errno: unix.Errno(-int32(binary.NativeEndian.Uint32(m.body))),
		seq:   binary.NativeEndian.Uint32(m.body[4+8:]),
	}
	if m.flags&nlmFAckTLVs == 0 {
		return a
	}
	tlvs := m.body[4+unix.SizeofNlMsghdr:]
	if m.flags&nlmFCapped == 0 {
		n := int(binary.NativeEndian.Uint32(m.body[4:]))
		if n = pad4(n); n < unix.SizeofNlMsghdr || 4+n > len(m.body) {
			return a
		}
		tlvs = m.body[4+n:]
	}
	for typ, v := range attributes(tlvs) {
		switch {
		case typ == nlmsgerrAttrMsg && len(v) > 0:
			a.reason = string(v[:len(v)-1])
		case typ == nlmsgerrAttrOffs && len(v) == 4:
			a.offset = binary.NativeEndian.Uint32(v)
		}
	}
	return a
}

// Netlink's extended acknowledgement, as in linux/netlink.h.
const (
	nlmFCapped       = 0x100
	nlmFAckTLVs      = 0x200
	nlmsgerrAttrMsg  = 1
	nlmsgerrAttrOffs = 2
)

// err returns the error of an ack, or nil.
func (a ack) err() error {
	switch {
	case a.errno == 0:
		return nil
	case a.reason != "":
		return fmt.Errorf("%s: %w", a.reason, a.errno)
	}
	return a.errno
}
