package iptables

import (
	"cmp"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"

	"github.com/seawall-net/seawall/nft"
)

// A value is an option as it was given.
type value struct {
	option *Option
	// word is the place of the option.
	word   int
	invert bool
	// text is the value, and more are the further words of one that has several.
	text string
	more []string
	// numbers are those of KindNumber, KindPort, KindLogLevel, KindPrefixLength
	// and KindProtocol (one), KindRange and KindPortRange (one or two, as given),
	// KindMark and KindTOS (value and mask).
	numbers []uint64
	// addr and mask are those of KindAddress and KindNetwork; the address keeps its
	// bits outside of the mask.
	addr, mask netip.Addr
	mac        [6]byte
	float      float64
}

// max is the largest number of an option.
func (o *Option) max() uint64 {
	switch {
	case o.Max != 0:
		return o.Max
	case o.Kind == KindPort || o.Kind == KindPortRange:
		return math.MaxUint16
	}
	return math.MaxUint32
}

// read checks the text of a value against the kind of its option.
func (v *value) read(f nft.Family) error {
	o := v.option
	switch o.Kind {
	case KindText:
		if n := uint64(len(v.text)); n < o.Min || o.Max != 0 && n > o.Max {
			return fmt.Errorf("%q has %d bytes: want %d to %d", v.text, n, o.Min, o.Max)
		}
	case KindNumber:
		return v.oneNumber(o.Min, o.max())
	case KindRange:
		return v.numberRange()
	case KindPort:
		n, err := parsePort(v.text, "")
		v.numbers = []uint64{uint64(n)}
		return err
	case KindPortRange:
		return v.portRange()
	case KindMark:
		return v.mark()
	case KindTOS:
		return v.tos()
	case KindAddress:
		a, err := parseAddr(f, v.text)
		v.addr, v.mask = a, prefixMask(f, addrBits(f))
		return cmp.Or(err, checkWhole(f, v.text))
	case KindNetwork:
		var err error
		v.addr, v.mask, err = parseNetwork(f, v.text)
		if err == nil && prefixLength(v.mask) < 0 {
			err = fmt.Errorf("mask %s is not in one piece", v.mask)
		}
		name, _, _ := cutLast(v.text, "/")
		return cmp.Or(err, checkWhole(f, name))
	case KindPrefixLength:
		mask, err := parseMask(f, v.text)
		if err != nil {
			return err
		}
		v.mask = mask
		v.numbers = []uint64{uint64(max(prefixLength(mask), 0))}
	case KindProtocol:
		n, ok := protocolNumber(v.text)
		if !ok {
			return fmt.Errorf("unknown protocol %q", v.text)
		}
		v.numbers = []uint64{uint64(n)}
	case KindMAC:
		return v.macAddr()
	case KindLogLevel:
		return v.logLevel()
	case KindFloat:
		x, err := strconv.ParseFloat(v.text, 64)
		if err != nil || math.IsNaN(x) || x < float64(o.Min) || x > float64(o.max()) {
			return fmt.Errorf("%q is not a number from %d to %d", v.text, o.Min, o.max())
		}
		v.float = x
	}
	return nil
}

// checkWhole refuses addresses with numbers left out. For -s and -d the last
// ones are 0, while the library that modules read addresses with fills the gap:
// 10.1 is 10.1.0.0 for those, and 10.0.0.1 for these.
func checkWhole(f nft.Family, text string) error {
	if f == nft.IPv4 && text != "localhost" && strings.Count(text, ".") != 3 {
		return fmt.Errorf("%q is not an address in full", text)
	}
	return nil
}

func (v *value) oneNumber(lo, hi uint64) error {
	n, ok := wholeNumber(v.text, lo, hi)
	if !ok {
		return fmt.Errorf("%q is not a number from %d to %d", v.text, lo, hi)
	}
	v.numbers = []uint64{n}
	return nil
}

func (v *value) numberRange() error {
	parts := strings.Split(v.text, ":")
	if len(parts) > 2 {
		return fmt.Errorf("%q has more than two numbers", v.text)
	}
	hi := v.option.max()
	for i, p := range parts {
		n, ok := wholeNumber(p, 0, hi)
		switch {
		case p == "":
			n = uint64(i) * hi
		case !ok:
			return fmt.Errorf("%q is not a number from 0 to %d", p, hi)
		}
		v.numbers = append(v.numbers, n)
	}
	return nil
}

func (v *value) portRange() error {
	parts := strings.Split(v.text, ":")
	if len(parts) > 2 {
		return fmt.Errorf("%q has more than two ports", v.text)
	}
	for i, p := range parts {
		n := uint16(i * math.MaxUint16)
		if p != "" {
			var err error
			if n, err = parsePort(p, ""); err != nil {
				return err
			}
		}
		v.numbers = append(v.numbers, uint64(n))
	}
	return nil
}

// parsePort reads the number or the name of a port; proto is what the name must
// be for, or empty for any.
func parsePort(text, proto string) (uint16, error) {
	if n, ok := wholeNumber(text, 0, math.MaxUint16); ok {
		return uint16(n), nil
	}
	if n, ok := servicePort(text, proto); ok {
		return n, nil
	}
	if n, _, ok := leadingNumber(text); ok {
		if n > math.MaxUint16 {
			return 0, fmt.Errorf("port %q is more than 65535", text)
		}
		return 0, fmt.Errorf("%q is not one port", text)
	}
	return 0, fmt.Errorf("unknown port %q", text)
}

// parsePorts reads one port, or two with a colon between them; a missing first
// is 0, a missing second 65535.
func parsePorts(text, proto string) (lo, hi uint16, err error) {
	first, second, isRange := strings.Cut(text, ":")
	if !isRange {
		lo, err = parsePort(text, proto)
		return lo, lo, err
	}
	hi = math.MaxUint16
	if first != "" {
		if lo, err = parsePort(first, proto); err != nil {
			return 0, 0, err
		}
	}
	if second != "" {
		hi, err = parsePort(second, proto)
	}
	return lo, hi, err
}

func (v *value) mark() error {
	first, second, hasMask := strings.Cut(v.text, "/")
	n, ok := wholeNumber(first, 0, math.MaxUint32)
	mask, okMask := uint64(math.MaxUint32), true
	if hasMask {
		mask, okMask = wholeNumber(second, 0, math.MaxUint32)
	}
	if !ok || !okMask {
		return fmt.Errorf("%q is not a mark: want value[/mask], each at most 0xffffffff", v.text)
	}
	v.numbers = []uint64{n, mask}
	return nil
}

func (v *value) tos() error {
	for name, n := range map[string]uint64{
		"minimize-delay": 0x10, "maximize-throughput": 0x08, "maximize-reliability": 0x04,
		"minimize-cost": 0x02, "normal-service": 0x00,
	} {
		if strings.ToLower(v.text) == name {
			v.numbers = []uint64{n, v.option.max()}
			return nil
		}
	}
	first, second, hasMask := strings.Cut(v.text, "/")
	n, ok := wholeNumber(first, 0, math.MaxUint8)
	mask, okMask := uint64(math.MaxUint8), true
	if hasMask {
		mask, okMask = wholeNumber(second, 0, math.MaxUint8)
	}
	if !ok || !okMask {
		return fmt.Errorf("%q is not a type of service: want value[/mask], each at most 255, or a name", v.text)
	}
	v.numbers = []uint64{n, mask}
	return nil
}

func (v *value) macAddr() error {
	parts := strings.Split(v.text, ":")
	if len(parts) != 6 {
		return fmt.Errorf("%q is not an Ethernet address", v.text)
	}
	for i, p := range parts {
		n, err := strconv.ParseUint(p, 16, 8)
		if err != nil || len(p) > 2 {
			return fmt.Errorf("%q is not an Ethernet address", v.text)
		}
		v.mac[i] = byte(n)
	}
	return nil
}

func (v *value) logLevel() error {
	for n, names := range []string{"emerg panic", "alert", "crit", "error", "warning", "notice", "info", "debug"} {
		for name := range strings.FieldsSeq(names) {
			if v.text == name {
				v.numbers = []uint64{uint64(n)}
				return nil
			}
		}
	}
	if err := v.oneNumber(0, 7); err != nil {
		return fmt.Errorf("unknown log level %q", v.text)
	}
	return nil
}
