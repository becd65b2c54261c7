package iptables

import (
	"fmt"
	"math"

	"github.com/seawall-net/seawall/nft"
)

// setMatch looks packets up in a set of ipset.
type setMatch struct {
	set    setUse
	invert bool
	// flags are of setReturnNomatch and its neighbours.
	flags          uint32
	packets, bytes setCounter
}

// A setCounter compares a counter of the element that was found.
type setCounter struct {
	// op is an index into setCounterOps, 0 for no comparison.
	op    uint8
	value uint64
}

// Bits of the kernel's xt_set_info and xt_set_info_match_v4.
const (
	setInvert                 = 1 << 0
	setSkipCounters           = 1 << 3
	setSkipSubcounters        = 1 << 4
	setReturnNomatch          = 1 << 7
	setMatchFlags      uint32 = setSkipCounters | setSkipSubcounters | setReturnNomatch
)

// setCounterOps are the comparisons by the kernel's numbers.
var setCounterOps = [...]struct {
	suffix string
	invert bool
}{1: {"-eq", false}, {"-eq", true}, {"-lt", false}, {"-gt", false}}

func matchSet() *Module {
	options := []Option{
		{Name: "match-set", Aliases: []string{"set"}, Kind: KindText, Min: 1, Max: maxSetName, Words: 1, Invert: true, Required: true, Value: "name src|dst[,...]"},
		{Name: "return-nomatch", Multi: true},
		{Name: "update-counters", Invert: true, Multi: true},
		{Name: "update-subcounters", Invert: true, Multi: true},
	}
	for _, what := range []string{"packets", "bytes"} {
		eq, lt, gt := what+"-eq", what+"-lt", what+"-gt"
		options = append(options,
			Option{Name: eq, Kind: KindNumber, Max: math.MaxUint64, Invert: true, Excludes: []string{lt, gt}, Value: "number"},
			Option{Name: lt, Kind: KindNumber, Max: math.MaxUint64, Excludes: []string{gt}, Value: "number"},
			Option{Name: gt, Kind: KindNumber, Max: math.MaxUint64, Value: "number"})
	}
	return &Module{Name: "set", Options: options, parse: parseSetMatch, decode: decodeSetMatch}
}

func parseSetMatch(a *arguments) extension {
	m := setMatch{
		set: parseSetUse(a, "match-set"), invert: a.inverted("match-set"),
		packets: parseSetCounter(a, "packets"), bytes: parseSetCounter(a, "bytes"),
	}
	for _, v := range a.values { // without "!", the latter two change nothing
		switch {
		case v.option.Name == "return-nomatch":
			m.flags |= setReturnNomatch
		case v.option.Name == "update-counters" && v.invert:
			m.flags |= setSkipCounters
		case v.option.Name == "update-subcounters" && v.invert:
			m.flags |= setSkipSubcounters
		}
	}
	return m
}

func parseSetCounter(a *arguments, what string) setCounter {
	for op, o := range setCounterOps {
		if name := what + o.suffix; op > 0 && a.has(name) && a.inverted(name) == o.invert {
			return setCounter{uint8(op), a.number(name)}
		}
	}
	return setCounter{}
}

func (m setMatch) format(w *words) {
	w.option(m.invert, "match-set")
	m.set.format(w)
	if m.flags&setReturnNomatch != 0 {
		w.option(false, "return-nomatch")
	}
	if m.flags&setSkipCounters != 0 {
		w.option(true, "update-counters")
	}
	if m.flags&setSkipSubcounters != 0 {
		w.option(true, "update-subcounters")
	}
	m.packets.format(w, "packets")
	m.bytes.format(w, "bytes")
}

func (c setCounter) format(w *words, what string) {
	if c.op != 0 {
		o := setCounterOps[c.op]
		w.option(o.invert, what+o.suffix, fmt.Sprint(c.value))
	}
}

func (m setMatch) xt(nft.Family) (uint32, []byte) {
	var l layout
	m.set.layout(&l, b2u(m.invert)*setInvert)
	for _, c := range []setCounter{m.packets, m.bytes} {
		l.u64(c.value)
		l.u8(c.op)
		l.align(8)
	}
	l.u32(m.flags)
	return 4, l.b
}

func decodeSetMatch(s *structure) extension {
	s.only(4)
	var m setMatch
	var flags uint8
	m.set, flags = s.setUse()
	m.invert = flags == setInvert
	for _, c := range []*setCounter{&m.packets, &m.bytes} {
		c.value, c.op = s.u64(), s.u8()
		if int(c.op) >= len(setCounterOps) || c.op == 0 && c.value != 0 {
			s.fail("unknown comparison %d", c.op)
			c.op = 0
		}
		s.skip(7)
	}
	m.flags = s.u32()
	if m.set.dim == 0 || flags > setInvert || m.flags&^setMatchFlags != 0 {
		s.fail("unknown flags %#x and %#x, or no set", flags, m.flags)
	}
	return m
}

func (m setMatch) plain() extension {
	m.set = m.set.plain()
	return m
}

func (m setMatch) mapSets(f func(*setUse) error) (extension, error) {
	err := f(&m.set)
	return m, err
}
