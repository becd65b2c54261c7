package iptables

import (
	"fmt"
	"math"
	"strings"
)

// Rates of hashlimit, in packets or in bytes.
const (
	// rateScale is the cost of a second, in packets.
	rateScale = 1000000
	// defaultBurst and maxBurst are numbers of packets.
	defaultBurst, maxBurst = 5, 1000000
	// byteExpire and byteBurstExpire are the default lifetimes of what is counted,
	// in milliseconds, without and with a burst.
	byteExpire, byteBurstExpire = 15000, 60000
)

// A hashRate is what the text of a rate says.
type hashRate struct {
	cost  uint64
	bytes bool
	// seconds is the unit of a rate in packets; 1 for bytes.
	seconds uint32
}

// rateUnits are the units of rates, the longest first, as they are written and
// as they may be.
var rateUnits = [...]struct {
	name, long string
	seconds    uint32
}{{"day", "day", 86400}, {"hour", "hour", 3600}, {"min", "minute", 60}, {"sec", "second", 1}}

// parseHashRate reads "10", "10/second" with any beginning of the unit's name,
// or "10kb/s".
func parseHashRate(text string) (hashRate, error) {
	number, unit, hasUnit := strings.Cut(text, "/")
	if hasUnit && strings.HasSuffix(number, "b") && unit != "" && strings.HasPrefix("second", unit) {
		return parseByteRate(text, strings.TrimSuffix(number, "b"))
	}
	n, ok := decimal(number)
	if !ok || n == 0 {
		return hashRate{}, rateError(text)
	}
	seconds := uint32(1)
	if hasUnit {
		seconds = 0
		for _, u := range rateUnits {
			if unit != "" && strings.HasPrefix(u.long, strings.ToLower(unit)) {
				seconds = u.seconds
			}
		}
		if seconds == 0 {
			return hashRate{}, rateError(text)
		}
	}
	cost := rateScale * uint64(seconds) / n
	if cost == 0 {
		return hashRate{}, fmt.Errorf("%q is more than a million packets a second", text)
	}
	return hashRate{cost: cost, seconds: seconds}, nil
}

func rateError(text string) error {
	return fmt.Errorf("%q is not a rate: want packets[/second|minute|hour|day] or bytes[k|m]b/s", text)
}

func parseByteRate(text, number string) (hashRate, error) {
	factor := uint64(1)
	for unit, f := range map[string]uint64{"k": 1 << 10, "m": 1 << 20} {
		if rest, ok := strings.CutSuffix(number, unit); ok {
			number, factor = rest, f
		}
	}
	n, ok := decimal(number)
	switch {
	case !ok:
		return hashRate{}, rateError(text)
	case n > math.MaxUint32<<4/factor:
		return hashRate{}, fmt.Errorf("%q is too much", text)
	case n*factor < 16:
		return hashRate{}, fmt.Errorf("%q is less than the smallest rate, 16b/s", text)
	}
	return hashRate{cost: bytesToCost(n * factor), bytes: true, seconds: 1}, nil
}

// bytesToCost is the cost of 16 bytes at a rate of so many bytes a second.
func bytesToCost(bytes uint64) uint64 { return math.MaxUint32 / (bytes>>4 + 1) }

// costToBytes is the rate again, a multiple of 16.
func costToBytes(cost uint64) uint64 { return (math.MaxUint32/cost - 1) << 4 }

// parseBurst reads the burst. That of a rate in bytes is in bytes, and is
// rounded up to multiples of the rate.
func (h *hashlimit) parseBurst(text string) error {
	n, unit, ok := leadingNumber(text)
	factor := uint64(1)
	switch strings.TrimSuffix(unit, "b") {
	case "":
	case "k":
		factor = 1 << 10
	case "m":
		factor = 1 << 20
	default:
		ok = false
	}
	if !ok || n == 0 || unit == "" && n > maxBurst {
		return fmt.Errorf("%q is not a burst: want 1 to %d packets, or bytes[k|m]b", text, maxBurst)
	}
	if n > math.MaxUint32/factor {
		return fmt.Errorf("%q is too much", text)
	}
	n *= factor
	switch {
	case h.mode&rateBytes != 0:
		rate := costToBytes(h.cost)
		if n < rate {
			return fmt.Errorf("%q is less than the rate in a second, %db", text, rate)
		}
		h.burst, h.expire = (n+rate-1)/rate, byteBurstExpire
	case n > maxBurst:
		return fmt.Errorf("%q is more than %d packets", text, maxBurst)
	default:
		h.burst = n
	}
	return nil
}

// formatRate returns the rate and the burst as iptables writes them, and the
// expiry that they imply.
func (h hashlimit) formatRate() (rate, burst string, expire uint32) {
	if h.mode&rateBytes != 0 {
		return h.formatByteRate()
	}
	u := rateUnits[0]
	for i := 1; i < len(rateUnits); i++ {
		unit := rateScale * uint64(rateUnits[i].seconds)
		if h.cost > unit || unit/h.cost < unit%h.cost {
			break
		}
		u = rateUnits[i]
	}
	return fmt.Sprintf("%d/%s", rateScale*uint64(u.seconds)/h.cost, u.name), fmt.Sprint(h.burst), u.seconds * 1000
}

func (h hashlimit) formatByteRate() (rate, burst string, expire uint32) {
	r := costToBytes(h.cost)
	units := []struct {
		size uint64
		name string
	}{{1 << 20, "mb"}, {1 << 10, "kb"}, {1, "b"}}
	for _, u := range units {
		if r >= u.size && bytesToCost(r&^(u.size-1)) == h.cost {
			rate = fmt.Sprintf("%d%s/s", r/u.size, u.name)
			break
		}
	}
	if h.burst == 0 {
		return rate, "", byteExpire
	}
	bytes := min(r*h.burst, math.MaxUint32)
	for _, u := range units {
		// iptables writes the largest unit, also where that is another burst when it
		// is read, or none. Such are exact here.
		shown := bytes &^ (u.size - 1)
		if bytes >= u.size && shown >= r && (shown+r-1)/r == h.burst {
			burst = fmt.Sprintf("%d%s", bytes/u.size, u.name)
			break
		}
	}
	return rate, burst, byteBurstExpire
}

// checkRate refuses a rate and burst that iptables does not make.
func (h hashlimit) checkRate() error {
	match := h.mode&rateMatch != 0
	if h.cost == 0 || match && (h.interval == 0 || h.interval > math.MaxInt32) {
		return fmt.Errorf("a cost of %d, interval %d", h.cost, h.interval)
	}
	if h.mode&rateBytes != 0 {
		switch {
		case h.cost > math.MaxUint32/2, bytesToCost(costToBytes(h.cost)) != h.cost:
			return fmt.Errorf("a cost of %d", h.cost)
		case h.burst > 0 && h.burst-1 > (math.MaxUint32-1)/costToBytes(h.cost):
			return fmt.Errorf("a burst of %d", h.burst)
		}
		return h.overflows()
	}
	if h.burst == 0 || h.burst > maxBurst {
		return fmt.Errorf("a burst of %d", h.burst)
	}
	text := h.rateText()
	again, err := parseHashRate(text)
	if err != nil || match && again.seconds != 1 {
		return fmt.Errorf("a cost of %d", h.cost)
	}
	read := h
	if read.cost = again.cost; read.rateText() != text {
		return fmt.Errorf("a cost of %d", h.cost)
	}
	return h.overflows()
}

func (h hashlimit) rateText() string {
	text, _, _ := h.formatRate()
	return text
}

// overflows refuses what every kernel does, whatever the length of its ticks.
func (h hashlimit) overflows() error {
	if h.mode&rateMatch != 0 {
		if h.cost == 0 || h.cost > math.MaxUint32 {
			return fmt.Errorf("the kernel cannot count this rate without limiting it")
		}
		return nil
	}
	for _, hz := range []uint64{100, 250, 300, 1000} {
		if h.mode&rateBytes != 0 {
			if h.cost*(hz*powerBelow(math.MaxUint32/hz))>>32 != 0 {
				return nil
			}
			continue
		}
		second := hz * powerBelow(math.MaxUint64/(hz*86400))
		if credits(h.cost*h.burst, second) >= credits(h.cost, second) {
			return nil
		}
	}
	return fmt.Errorf("the kernel cannot count this: try a lower burst")
}

// credits is what the kernel makes of a cost, at so many credits a second; it
// wraps around.
func credits(cost, second uint64) uint64 { return cost * (second / rateScale) }

// powerBelow is the largest power of two that is not more than n.
func powerBelow(n uint64) uint64 {
	p := uint64(1)
	for p <= n/2 {
		p *= 2
	}
	return p
}
