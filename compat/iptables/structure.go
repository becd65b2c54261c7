package iptables

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/seawall-net/seawall/nft"
)

// A layout writes one of the kernel's structures (struct xt_…_info) in the
// host's byte order, each number at the next place that is aligned to its size,
// as C does. The end is filled up by nft.XT.
type layout struct{ b []byte }

func (l *layout) align(n int) {
	for len(l.b)%n != 0 {
		l.b = append(l.b, 0)
	}
}

func (l *layout) u8(v uint8)     { l.b = append(l.b, v) }
func (l *layout) bool(v bool)    { l.b = append(l.b, b2u(v)) }
func (l *layout) u16(v uint16)   { l.align(2); l.b = binary.NativeEndian.AppendUint16(l.b, v) }
func (l *layout) u32(v uint32)   { l.align(4); l.b = binary.NativeEndian.AppendUint32(l.b, v) }
func (l *layout) u64(v uint64)   { l.align(8); l.b = binary.NativeEndian.AppendUint64(l.b, v) }
func (l *layout) be16(v uint16)  { l.align(2); l.b = binary.BigEndian.AppendUint16(l.b, v) }
func (l *layout) zero(n int)     { l.b = append(l.b, make([]byte, n)...) }
func (l *layout) bytes(b []byte) { l.b = append(l.b, b...) }

// text writes a string into n bytes, zeros behind it.
func (l *layout) text(s string, n int) {
	b := make([]byte, n)
	copy(b[:n-1], s)
	l.b = append(l.b, b...)
}

// addr16 writes an address into a union nf_inet_addr of 16 bytes; the zero
// netip.Addr as zeros.
func (l *layout) addr16(a netip.Addr) {
	l.align(4)
	b := make([]byte, 16)
	copy(b, a.AsSlice())
	l.b = append(l.b, b...)
}

func b2u(v bool) uint8 {
	if v {
		return 1
	}
	return 0
}

// A structure reads what a layout wrote. The first error sticks.
type structure struct {
	// family is that of the rule's table.
	family nft.Family
	// name and revision say which structure it is.
	name     string
	revision uint32
	b        []byte
	at       int
	err      error
}

// fail refuses the structure.
func (s *structure) fail(format string, args ...any) {
	if s.err == nil {
		s.err = fmt.Errorf(format, args...)
	}
}

// take returns the next n bytes, aligned; zeros after an error.
func (s *structure) take(n, align int) []byte {
	at := (s.at + align - 1) / align * align
	if s.err != nil || at+n > len(s.b) {
		s.fail("the structure has only %d bytes", len(s.b))
		return make([]byte, n)
	}
	if gap := s.b[s.at:at]; len(bytes.Trim(gap, "\x00")) > 0 {
		s.fail("something stands between two values")
	}
	s.at = at + n
	return s.b[at:s.at]
}

func (s *structure) u8() uint8          { return s.take(1, 1)[0] }
func (s *structure) u16() uint16        { return binary.NativeEndian.Uint16(s.take(2, 2)) }
func (s *structure) u32() uint32        { return binary.NativeEndian.Uint32(s.take(4, 4)) }
func (s *structure) u64() uint64        { return binary.NativeEndian.Uint64(s.take(8, 8)) }
func (s *structure) be16() uint16       { return binary.BigEndian.Uint16(s.take(2, 2)) }
func (s *structure) bytes(n int) []byte { return bytes.Clone(s.take(n, 1)) }
func (s *structure) skip(n int)         { s.take(n, 1) }

// zero reads n bytes that nothing is in.
func (s *structure) zero(n int) {
	if len(bytes.Trim(s.take(n, 1), "\x00")) > 0 {
		s.fail("something stands where nothing should")
	}
}

// bool reads a byte that must be 0 or 1.
func (s *structure) bool() bool {
	v := s.u8()
	if v > 1 {
		s.fail("%d is neither true nor false", v)
	}
	return v == 1
}

// text reads a string that ends within n bytes.
func (s *structure) text(n int) string {
	text, _, ok := bytes.Cut(s.take(n, 1), []byte{0})
	if !ok {
		s.fail("a text does not end")
	}
	return string(text)
}

// addr16 reads an address of the family from a union nf_inet_addr.
func (s *structure) addr16() netip.Addr {
	b := s.take(16, 4)
	a, _ := netip.AddrFromSlice(b[:addrBits(s.family)/8])
	return a
}

// end checks that nothing follows but the zeros that fill up the structure.
func (s *structure) end() {
	if s.err != nil {
		return
	}
	rest := s.b[s.at:]
	if len(rest) >= 8 || len(bytes.Trim(rest, "\x00")) > 0 {
		s.fail("the structure has %d bytes too many", len(rest))
	}
}

// only accepts one revision.
func (s *structure) only(revision uint32) {
	if s.revision != revision {
		s.fail("revision %d is not known, only %d", s.revision, revision)
	}
}
