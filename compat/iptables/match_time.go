package iptables

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/seawall-net/seawall/nft"
)

// clock matches times of the day, days and dates.
type clock struct {
	// dateStart and dateStop are in seconds since 1970.
	dateStart, dateStop uint32
	// dayStart and dayStop are in seconds of the day.
	dayStart, dayStop uint32
	// monthdays has the bits 1 to 31, weekdays 1 (Monday) to 7.
	monthdays            uint32
	weekdays             uint8
	kernelTZ, contiguous bool
}

// Values and bits of the kernel's xt_time_info.
const (
	allMonthdays   = 0xfffffffe
	allWeekdays    = 0xfe
	maxDayTime     = 24*60*60 - 1
	noDateStop     = math.MaxInt32
	dateEnd        = 2177452800 // the first second of 2039
	timeKernelTZ   = 1 << 0
	timeContiguous = 1 << 1
)

var weekdayNames = [...]string{1: "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"}

func matchTime() *Module {
	return &Module{
		Name: "time",
		Options: []Option{
			{Name: "datestart", Kind: KindText, Value: "YYYY[-MM[-DD[Thh[:mm[:ss]]]]]"},
			{Name: "datestop", Kind: KindText, Value: "YYYY[-MM[-DD[Thh[:mm[:ss]]]]]"},
			{Name: "timestart", Kind: KindText, Value: "hh:mm[:ss]"},
			{Name: "timestop", Kind: KindText, Value: "hh:mm[:ss]"},
			{Name: "contiguous"},
			{Name: "weekdays", Kind: KindText, Min: 1, Invert: true, Value: "day[,...]"},
			{Name: "monthdays", Kind: KindText, Min: 1, Invert: true, Value: "day[,...]"},
			{Name: "localtz", Excludes: []string{"utc"}},
			{Name: "utc", Excludes: []string{"localtz", "kerneltz"}},
			{Name: "kerneltz", Excludes: []string{"utc"}},
		},
		parse:  parseTime,
		decode: decodeTime,
	}
}

func parseTime(a *arguments) extension {
	c := clock{
		dateStop: noDateStop, dayStop: maxDayTime, monthdays: allMonthdays, weekdays: allWeekdays,
		kernelTZ: a.has("kerneltz") || a.has("localtz"), contiguous: a.has("contiguous"),
	}
	for _, o := range []struct {
		name  string
		to    *uint32
		parse func(string) (uint32, error)
	}{
		{"datestart", &c.dateStart, parseDate}, {"datestop", &c.dateStop, parseDate},
		{"timestart", &c.dayStart, parseDayTime}, {"timestop", &c.dayStop, parseDayTime},
	} {
		if !a.has(o.name) {
			continue
		}
		v, err := o.parse(a.text(o.name))
		if err != nil {
			a.fail(o.name, "%s", err)
		}
		*o.to = v
	}
	if a.has("monthdays") {
		c.monthdays = parseDays(a, "monthdays", monthday, allMonthdays)
	}
	if a.has("weekdays") {
		c.weekdays = uint8(parseDays(a, "weekdays", weekday, allWeekdays))
	}
	if c.dateStop == 0 {
		a.fail("datestop", "1970 is over")
	}
	if c.contiguous && c.dayStart < c.dayStop {
		a.fail("contiguous", "there is no midnight between --timestart and --timestop")
	}
	return c
}

// parseDate reads a date. Days that the month does not have are of the next.
func parseDate(text string) (uint32, error) {
	parts := [...]struct {
		lo, hi int
		// end is what stands before the next part.
		end byte
		n   int
	}{{lo: 1970, hi: 2038, end: '-'}, {hi: 12, end: '-', n: 1}, {hi: 31, end: 'T', n: 1}, {hi: 23, end: ':'}, {hi: 59, end: ':'}, {hi: 59}}
	rest := text
	for i := range parts {
		p := &parts[i]
		digits := len(rest) - len(strings.TrimLeft(rest, "0123456789"))
		n, err := strconv.Atoi(rest[:digits])
		if err != nil || n < p.lo || n > p.hi {
			return 0, dateError(text)
		}
		p.n, rest = n, rest[digits:]
		if rest == "" {
			break
		}
		if p.end == 0 || rest[0] != p.end {
			return 0, dateError(text)
		}
		rest = rest[1:]
	}
	t := time.Date(parts[0].n, time.Month(parts[1].n), parts[2].n, parts[3].n, parts[4].n, parts[5].n, 0, time.UTC).Unix()
	if t < 0 || t >= dateEnd {
		return 0, dateError(text)
	}
	return uint32(t), nil
}

func dateError(text string) error {
	return fmt.Errorf("%q is not a date from 1970 to 2038: want YYYY[-MM[-DD[Thh[:mm[:ss]]]]]", text)
}

// parseDayTime reads a time of the day.
func parseDayTime(text string) (uint32, error) {
	parts := strings.Split(text, ":")
	ok := len(parts) == 2 || len(parts) == 3
	seconds := uint64(0)
	for i, unit := range []uint64{3600, 60, 1} {
		if i >= len(parts) {
			break
		}
		n, isNumber := decimal(parts[i])
		ok = ok && isNumber && n < []uint64{24, 60, 60}[i]
		seconds += n * unit
	}
	if !ok {
		return 0, fmt.Errorf("%q is not a time: want hh:mm[:ss]", text)
	}
	return uint32(seconds), nil
}

// parseDays reads a list of days. Lists without any are refused: iptables takes
// some, but cannot read what it writes for them.
func parseDays(a *arguments, name string, day func(string) (uint, bool), all uint32) uint32 {
	var out uint32
	for part := range strings.SplitSeq(strings.TrimSuffix(a.text(name), ","), ",") {
		n, ok := day(part)
		if !ok {
			a.fail(name, "%q is not a day", part)
		}
		out |= 1 << n
	}
	if a.inverted(name) {
		out ^= all
	}
	if out == 0 {
		a.fail(name, "no day is left")
	}
	return out
}

func monthday(text string) (uint, bool) {
	n, ok := wholeNumber(text, 1, 31)
	return uint(n), ok
}

// weekday reads a number or a name, of which the first two letters count.
func weekday(text string) (uint, bool) {
	if n, ok := wholeNumber(text, 1, 7); ok {
		return uint(n), true
	}
	for n, name := range weekdayNames {
		if n > 0 && strings.HasPrefix(text, name[:2]) {
			return uint(n), true
		}
	}
	return 0, false
}

func (c clock) format(w *words) {
	if c.dayStart != 0 || c.dayStop != maxDayTime {
		w.option(false, "timestart", formatDayTime(c.dayStart))
		w.option(false, "timestop", formatDayTime(c.dayStop))
	}
	if c.monthdays != allMonthdays {
		w.option(false, "monthdays", formatDays(c.monthdays, 31, func(n int) string { return strconv.Itoa(n) }))
	}
	if c.weekdays != allWeekdays {
		w.option(false, "weekdays", formatDays(uint32(c.weekdays), 7, func(n int) string { return weekdayNames[n] }))
	}
	// The end of a rule that has none is written as well.
	for _, d := range []struct {
		name string
		date uint32
	}{{"datestart", c.dateStart}, {"datestop", c.dateStop}} {
		if d.date != 0 {
			w.option(false, d.name, time.Unix(int64(d.date), 0).UTC().Format("2006-01-02T15:04:05"))
		}
	}
	if c.kernelTZ {
		w.option(false, "kerneltz")
	}
	if c.contiguous {
		w.option(false, "contiguous")
	}
}

func formatDayTime(s uint32) string { return fmt.Sprintf("%02d:%02d:%02d", s/3600, s/60%60, s%60) }

func formatDays(mask uint32, last int, name func(int) string) string {
	var out []string
	for n := 1; n <= last; n++ {
		if mask&(1<<n) != 0 {
			out = append(out, name(n))
		}
	}
	return strings.Join(out, ",")
}

func (c clock) xt(nft.Family) (uint32, []byte) {
	var l layout
	for _, v := range []uint32{c.dateStart, c.dateStop, c.dayStart, c.dayStop, c.monthdays} {
		l.u32(v)
	}
	l.u8(c.weekdays)
	l.u8(b2u(c.kernelTZ)*timeKernelTZ | b2u(c.contiguous)*timeContiguous)
	return 0, l.b
}

func decodeTime(s *structure) extension {
	s.only(0)
	c := clock{dateStart: s.u32(), dateStop: s.u32(), dayStart: s.u32(), dayStop: s.u32(), monthdays: s.u32(), weekdays: s.u8()}
	flags := s.u8()
	c.kernelTZ, c.contiguous = flags&timeKernelTZ != 0, flags&timeContiguous != 0
	switch {
	case flags > timeKernelTZ|timeContiguous:
		s.fail("unknown flags %#x", flags)
	case c.dateStop == 0 || max(c.dateStart, c.dateStop) >= dateEnd:
		s.fail("dates %d to %d", c.dateStart, c.dateStop)
	case c.dayStart > maxDayTime || c.dayStop > maxDayTime || c.contiguous && c.dayStart < c.dayStop:
		s.fail("times %d to %d of the day", c.dayStart, c.dayStop)
	case c.monthdays == 0 || c.monthdays&^allMonthdays != 0 || c.weekdays == 0 || c.weekdays&^allWeekdays != 0:
		s.fail("days %#x and %#x", c.monthdays, c.weekdays)
	}
	return c
}
