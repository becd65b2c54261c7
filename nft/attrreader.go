package nft

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"
)

// An attrReader walks over netlink attributes. Unlike a lenient walk, it
// notices what does not fit: the first error sticks and ends the walk, so that
// half an object is never taken for a whole one.
type attrReader struct {
	rest []byte
	typ  uint16
	val  []byte
	err  error
}

// next advances to the next attribute; it returns false at the end and after
// an error.
func (r *attrReader) next() bool {
	if r.err != nil || len(r.rest) == 0 {
		return false
	}
	if len(r.rest) < unix.SizeofNlAttr {
		r.err = fmt.Errorf("%d bytes are left over behind attribute %d", len(r.rest), r.typ)
		return false
	}
	n := int(binary.NativeEndian.Uint16(r.rest))
	typ := binary.NativeEndian.Uint16(r.rest[2:]) &^ (unix.NLA_F_NESTED | unix.NLA_F_NET_BYTEORDER)
	if n < unix.SizeofNlAttr || n > len(r.rest) {
		r.err = fmt.Errorf("attribute %d: %d of %d bytes", typ, n, len(r.rest))
		return false
	}
	r.typ, r.val = typ, r.rest[unix.SizeofNlAttr:n]
	r.rest = r.rest[min(pad4(n), len(r.rest)):]
	return true
}

// fail notes what is wrong with the current attribute.
func (r *attrReader) fail(err error) {
	if r.err == nil && err != nil {
		r.err = fmt.Errorf("attribute %d: %w", r.typ, err)
	}
}

// u32 reads the current attribute as a number in network byte order.
func (r *attrReader) u32() uint32 {
	if len(r.val) != 4 {
		r.fail(fmt.Errorf("%d bytes, want 4", len(r.val)))
		return 0
	}
	return binary.BigEndian.Uint32(r.val)
}

func (r *attrReader) u64() uint64 {
	if len(r.val) != 8 {
		r.fail(fmt.Errorf("%d bytes, want 8", len(r.val)))
		return 0
	}
	return binary.BigEndian.Uint64(r.val)
}

// str reads the current attribute as a NUL-terminated string.
func (r *attrReader) str() string {
	s, ok := cString(r.val)
	if !ok {
		r.fail(fmt.Errorf("not a string"))
	}
	return s
}

// cString reads a string with exactly one NUL, its last byte.
func cString(b []byte) (string, bool) {
	for i, c := range b {
		if c == 0 {
			return string(b[:i]), i == len(b)-1
		}
	}
	return "", false
}

// A foreignNotes collects what was found in the kernel and cannot be expressed.
// Equal findings give equal notes.
type foreignNotes string

func (n *foreignNotes) add(format string, args ...any) {
	if *n != "" {
		*n += ", "
	}
	*n += foreignNotes(fmt.Sprintf(format, args...))
}
