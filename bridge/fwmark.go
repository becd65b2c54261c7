package bridge

import (
	"fmt"
	"strconv"
	"strings"
)

// A Fwmark selects packets by their mark: those whose mark has Value in the
// bits of Mask. The zero value selects none.
type Fwmark struct {
	Value, Mask uint32
}

// ParseFwmark reads "VALUE" or "VALUE/MASK" as Docker and iptables do: decimal,
// or hexadecimal behind "0x". Without a mask all bits count. The empty string is
// the zero value.
func ParseFwmark(s string) (Fwmark, error) {
	if s == "" {
		return Fwmark{}, nil
	}
	value, mask, masked := strings.Cut(s, "/")
	m := Fwmark{Mask: 1<<32 - 1}
	var err error
	if m.Value, err = parseMark(value); err == nil && masked {
		m.Mask, err = parseMark(mask)
	}
	if err == nil {
		err = m.check()
	}
	if err == nil && m == (Fwmark{}) {
		err = fmt.Errorf("has neither a value nor a mask")
	}
	if err != nil {
		return Fwmark{}, fmt.Errorf("bridge: fwmark %q: %w: %w", s, err, errInvalid)
	}
	return m, nil
}

func parseMark(s string) (uint32, error) {
	digits, base := s, 10
	if hex, ok := strings.CutPrefix(strings.ToLower(s), "0x"); ok {
		digits, base = hex, 16
	}
	n, err := strconv.ParseUint(digits, base, 32)
	if err != nil || strings.HasPrefix(digits, "+") {
		return 0, fmt.Errorf("%q is not a number of 32 bits", s)
	}
	return uint32(n), nil
}

func (m Fwmark) check() error {
	switch {
	case m == (Fwmark{}):
		return nil
	case m.Mask == 0:
		return fmt.Errorf("%s has no mask: it would select every packet, or none", m)
	case m.Value == 0:
		return fmt.Errorf("%s would select packets that nobody has marked", m)
	case m.Value&^m.Mask != 0:
		return fmt.Errorf("%s has bits outside of its mask: it would select no packet", m)
	}
	return nil
}

// String returns the form that ParseFwmark reads: "0x1/0x3", without the mask if
// all bits count, and "" for the zero value.
func (m Fwmark) String() string {
	switch {
	case m == (Fwmark{}):
		return ""
	case m.Mask == 1<<32-1:
		return fmt.Sprintf("%#x", m.Value)
	}
	return fmt.Sprintf("%#x/%#x", m.Value, m.Mask)
}
