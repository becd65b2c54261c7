package iptables

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/seawall-net/seawall/nft"
)

// limit matches packets as long as there are not too many of them.
type limit struct {
	// rate is how many in a unit.
	rate  uint64
	unit  nft.LimitUnit
	burst uint32
}

// limitScale is a second in the kernel's unit, XT_LIMIT_SCALE.
const limitScale = 10000

// limitUnits are the units, the longest first, as iptables prefers them.
var limitUnits = []struct {
	unit nft.LimitUnit
	name string
	long string
}{{nft.PerDay, "day", "day"}, {nft.PerHour, "hour", "hour"}, {nft.PerMinute, "min", "minute"}, {nft.PerSecond, "sec", "second"}}

func matchLimit() *Module {
	return &Module{
		Name: "limit",
		Options: []Option{
			{Name: "limit", Kind: KindText, Min: 1, Max: 64, Value: "rate[/second|/minute|/hour|/day]"},
			{Name: "limit-burst", Kind: KindNumber, Max: 10000, Value: "packets"},
		},
		parse: func(a *arguments) extension {
			text := "3/hour"
			if a.has("limit") {
				text = a.text("limit")
			}
			period, err := parsePeriod(text)
			if err != nil {
				a.fail("limit", "%s", err)
				return nil
			}
			l := limitOf(period)
			l.burst = 5
			if n := a.number("limit-burst"); n != 0 { // the kernel takes 0 for 5 as well
				l.burst = uint32(n)
			}
			return l
		},
		decode: func(s *structure) extension {
			s.only(0)
			period, burst := s.u32(), s.u32()
			s.skip(len(s.b) - s.at) // the kernel's own
			if period == 0 {
				s.fail("no rate")
				return nil
			}
			l := limitOf(period)
			l.burst = burst
			return l
		},
		read: readLimit,
	}
}

// parsePeriod reads a rate, as the time between two packets in the kernel's
// unit.
func parsePeriod(text string) (uint32, error) {
	number, unit, hasUnit := strings.Cut(text, "/")
	seconds := uint64(1)
	if hasUnit {
		seconds = 0
		for _, u := range limitUnits {
			if unit != "" && len(unit) <= len(u.long) && strings.EqualFold(unit, u.long[:len(unit)]) {
				seconds = uint64(u.unit)
			}
		}
	}
	n, err := strconv.ParseUint(number, 10, 31)
	if err != nil || n == 0 || seconds == 0 {
		return 0, fmt.Errorf("%q is not a rate", text)
	}
	period := limitScale * seconds / n
	if period == 0 {
		return 0, fmt.Errorf("%q is more than 10000 in a second", text)
	}
	return uint32(period), nil
}

// limitOf finds the unit in which iptables writes the rate of a period, and
// programs it.
func limitOf(period uint32) limit {
	p, best := uint64(period), 0
	for i := 1; i < len(limitUnits); i++ {
		unit := limitScale * uint64(limitUnits[i].unit)
		if p > unit || unit/p < unit%p {
			break
		}
		best = i
	}
	u := limitUnits[best].unit
	return limit{rate: limitScale * uint64(u) / p, unit: u}
}

func (l limit) format(w *words) {
	for _, u := range limitUnits {
		if u.unit == l.unit {
			w.option(false, "limit", fmt.Sprintf("%d/%s", l.rate, u.name))
		}
	}
	if l.burst != 5 {
		w.option(false, "limit-burst", strconv.Itoa(int(l.burst)))
	}
}

// xt is struct xt_rateinfo, which iptables-nft never sends.
func (l limit) xt(nft.Family) (uint32, []byte) {
	var s layout
	s.u32(uint32(min(limitScale*uint64(l.unit)/max(l.rate, 1), math.MaxUint32)))
	s.u32(l.burst)
	s.zero(40 - 8)
	return 0, s.b
}

func (l limit) iptablesForm(*Rule) ([]nft.Statement, bool) {
	return []nft.Statement{nft.Limit{Rate: l.rate, Per: l.unit, Burst: l.burst}}, true
}

func (l limit) nativeForm(r *Rule) ([]nft.Statement, bool) { return l.iptablesForm(r) }

// readLimit reads what iptablesForm made. Rates that iptables cannot say are not
// read.
func readLimit(s nft.Statement, _ *Rule) (extension, bool) {
	n, ok := s.(nft.Limit)
	if !ok || n.Bytes || n.Over || n.Rate == 0 || n.Per == nft.PerWeek || n.Burst > 10000 {
		return nil, false
	}
	period := limitScale * uint64(n.Per) / n.Rate
	if period == 0 {
		return nil, false
	}
	l := limitOf(uint32(period))
	exact := l.rate == n.Rate && l.unit == n.Per
	l.burst = n.Burst
	if l.burst == 0 {
		l.burst = 5
	}
	return l, exact
}
