package nft

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"golang.org/x/sys/unix"
)

// A LimitUnit is the time that a rate of a [Limit] is for, in seconds.
type LimitUnit uint32

// The units that nft has words for; the kernel takes no others from us.
const (
	PerSecond LimitUnit = 1
	PerMinute LimitUnit = 60
	PerHour   LimitUnit = 60 * 60
	PerDay    LimitUnit = 24 * 60 * 60
	PerWeek   LimitUnit = 7 * 24 * 60 * 60
)

// String returns nft's word for the unit.
func (u LimitUnit) String() string {
	switch u {
	case PerSecond:
		return "second"
	case PerMinute:
		return "minute"
	case PerHour:
		return "hour"
	case PerDay:
		return "day"
	case PerWeek:
		return "week"
	}
	return fmt.Sprintf("unit(%d)", uint32(u))
}

// A Limit is a match that lets through what stays below a rate: a bucket that
// holds Burst packets more than flow in at the rate. Each rule has a bucket of
// its own, full when the rule is made.
type Limit struct {
	// Rate is how many packets, or bytes, pass in a unit of time; at least 1.
	Rate uint64
	Per  LimitUnit
	// Burst is how many more may come at once. For packets, zero stands for the
	// kernel's default, 5.
	Burst uint32
	// Bytes counts bytes, not packets.
	Bytes bool
	// Over matches what exceeds the limit, and not the rest.
	Over bool
}

// defaultBurst is the kernel's, of packets (NFT_LIMIT_PKT_BURST_DEFAULT).
const defaultBurst = 5

// String returns the limit in nft syntax.
func (l Limit) String() string {
	out := "limit rate "
	if l.Over {
		out += "over "
	}
	if l.Bytes {
		out += formatBytes(l.Rate) + "/" + l.Per.String()
		if l.Burst != 0 {
			out += " burst " + formatBytes(uint64(l.Burst))
		}
		return out
	}
	out += fmt.Sprintf("%d/%s", l.Rate, l.Per)
	if l.Burst != 0 && l.Burst != defaultBurst {
		out += fmt.Sprintf(" burst %d packets", l.Burst)
	}
	return out
}

// formatBytes writes a number of bytes as nft does, in the largest unit that
// needs no fraction.
func formatBytes(n uint64) string {
	units := []string{"bytes", "kbytes", "mbytes"}
	i := 0
	for n != 0 && n%1024 == 0 && i < len(units)-1 {
		n /= 1024
		i++
	}
	return fmt.Sprintf("%d %s", n, units[i])
}

func (l Limit) check() error {
	switch {
	case l.Rate == 0:
		return fmt.Errorf("a rate of 0")
	case !slices.Contains([]LimitUnit{PerSecond, PerMinute, PerHour, PerDay, PerWeek}, l.Per):
		return fmt.Errorf("a rate per %d seconds: want a second, minute, hour, day or week", uint32(l.Per))
	}
	return nil
}

func (l Limit) compile(c *compiler) {
	if err := l.check(); err != nil {
		c.fail("%w", err)
		return
	}
	var typ, flags uint32
	if l.Bytes {
		typ = unix.NFT_LIMIT_PKT_BYTES
	} else if l.Burst == 0 {
		l.Burst = defaultBurst
	}
	if l.Over {
		flags = unix.NFT_LIMIT_F_INV
	}
	c.expression("limit", func(e *encoder) {
		e.u64(unix.NFTA_LIMIT_RATE, l.Rate)
		e.u64(unix.NFTA_LIMIT_UNIT, uint64(l.Per))
		e.u32(unix.NFTA_LIMIT_BURST, l.Burst)
		e.u32(unix.NFTA_LIMIT_TYPE, typ)
		e.u32(unix.NFTA_LIMIT_FLAGS, flags)
	})
}

// limit reads a limit.
func (d *decompiler) limit() int {
	e := &d.in[0]
	typ, flags := e.number(unix.NFTA_LIMIT_TYPE), e.number(unix.NFTA_LIMIT_FLAGS)
	unit := e.long(unix.NFTA_LIMIT_UNIT)
	if typ > unix.NFT_LIMIT_PKT_BYTES || flags > unix.NFT_LIMIT_F_INV || unit > math.MaxUint32 {
		return 0
	}
	l := Limit{
		Rate: e.long(unix.NFTA_LIMIT_RATE), Per: LimitUnit(unit), Burst: e.number(unix.NFTA_LIMIT_BURST),
		Bytes: typ == unix.NFT_LIMIT_PKT_BYTES, Over: flags == unix.NFT_LIMIT_F_INV,
	}
	if l.check() != nil {
		return 0
	}
	d.emit(l)
	return 1
}

// long is the value of an attribute of 8 bytes; 0 if absent.
func (e *expression) long(attr int) uint64 {
	if len(e.attrs[attr]) != 8 {
		return 0
	}
	return binary.BigEndian.Uint64([]byte(e.attrs[attr]))
}
