package iptables

import (
	"fmt"
	"slices"
	"strings"

	"github.com/seawall-net/seawall/nft"
)

// hashlimit matches up to, or above, a rate that is counted for each source or
// destination (/proc/net/ipt_hashlimit).
type hashlimit struct {
	name string
	// cost is that of one packet, in millionths of a second; with rateBytes, that
	// of 16 bytes, as bytesToCost has it.
	cost uint64
	// burst is a number of packets, or with rateBytes of what a second's rate is.
	burst uint64
	mode  uint32
	// size and entries are those of the hash table, 0 for what suits. gc, its
	// interval, and expire are in milliseconds, interval in seconds.
	size, entries, gc, expire, interval uint32
	srcmask, dstmask                    uint8
	// bits is the length of an address.
	bits uint8
}

// Bits of the mode in the kernel's hashlimit_cfg3.
const (
	hashDstIP = 1 << iota
	hashDstPort
	hashSrcIP
	hashSrcPort
	rateAbove
	rateBytes
	rateMatch
	allModes = 1<<iota - 1
)

const (
	// maxHashlimitName is the longest name, without the zero at its end.
	maxHashlimitName = 254
	// maxHashlimitTable is what the kernel cuts larger sizes down to.
	maxHashlimitTable = 1 << 20
	// defaultGC is the default interval, in milliseconds.
	defaultGC = 1000
)

// hashModes are what is counted for each of, in the order of `iptables -S`.
var (
	hashModes    = [...]string{"srcip", "srcport", "dstip", "dstport"}
	hashModeBits = [...]uint32{hashSrcIP, hashSrcPort, hashDstIP, hashDstPort}
)

func matchHashlimit() *Module {
	return &Module{
		Name: "hashlimit",
		Options: []Option{
			{Name: "hashlimit-upto", Aliases: []string{"hashlimit"}, Kind: KindText, Invert: true, Excludes: []string{"hashlimit-above"}, Value: "rate"},
			{Name: "hashlimit-above", Kind: KindText, Invert: true, Excludes: []string{"hashlimit-upto"}, Value: "rate"},
			{Name: "hashlimit-srcmask", Kind: KindPrefixLength, Value: "length"},
			{Name: "hashlimit-dstmask", Kind: KindPrefixLength, Value: "length"},
			{Name: "hashlimit-burst", Kind: KindText, Value: "packets or bytes"},
			{Name: "hashlimit-htable-size", Kind: KindNumber, Value: "buckets"},
			{Name: "hashlimit-htable-max", Kind: KindNumber, Value: "entries"},
			{Name: "hashlimit-htable-gcinterval", Kind: KindNumber, Min: 1, Value: "milliseconds"},
			{Name: "hashlimit-htable-expire", Kind: KindNumber, Min: 1, Value: "milliseconds"},
			{Name: "hashlimit-mode", Kind: KindText, Value: "srcip|srcport|dstip|dstport[,...]"},
			{Name: "hashlimit-name", Kind: KindText, Min: 1, Max: maxHashlimitName, Required: true, Value: "name"},
			{Name: "hashlimit-rate-match"},
			{Name: "hashlimit-rate-interval", Kind: KindNumber, Min: 1, Max: 1<<31 - 1, Value: "seconds"},
		},
		OneOf:  []string{"hashlimit-upto", "hashlimit-above"},
		parse:  parseHashlimit,
		decode: decodeHashlimit,
	}
}

func parseHashlimit(a *arguments) extension {
	h := hashlimit{
		name: a.text("hashlimit-name"), gc: defaultGC, bits: uint8(addrBits(a.family())),
		size:     uint32(min(a.number("hashlimit-htable-size"), maxHashlimitTable)),
		entries:  uint32(min(a.number("hashlimit-htable-max"), maxHashlimitTable)),
		interval: uint32(a.number("hashlimit-rate-interval")),
	}
	if err := checkProcName(h.name); err != nil {
		a.fail("hashlimit-name", "%s", err)
	}
	if a.has("hashlimit-htable-gcinterval") {
		h.gc = uint32(a.number("hashlimit-htable-gcinterval"))
	}
	h.srcmask, h.dstmask = hashMask(a, "hashlimit-srcmask"), hashMask(a, "hashlimit-dstmask")
	for mode := range strings.FieldsFuncSeq(a.text("hashlimit-mode"), func(c rune) bool { return c == ',' || c == '|' }) {
		i := slices.Index(hashModes[:], mode)
		if i < 0 {
			a.fail("hashlimit-mode", "unknown mode %q", mode)
			return h
		}
		h.mode |= hashModeBits[i]
	}
	h.parseRate(a)
	return h
}

func hashMask(a *arguments, name string) uint8 {
	v := a.get(name)
	if v == nil {
		return uint8(addrBits(a.family()))
	}
	if prefixLength(v.mask) < 0 {
		a.fail(name, "mask %s is not in one piece", v.mask)
	}
	return uint8(v.numbers[0])
}

// parseRate reads the rate and what depends on it.
func (h *hashlimit) parseRate(a *arguments) {
	option := "hashlimit-upto"
	above := a.has("hashlimit-above")
	if above {
		option = "hashlimit-above"
	}
	if above != a.inverted(option) {
		h.mode |= rateAbove
	}
	rate, err := parseHashRate(a.text(option))
	if err != nil {
		a.fail(option, "%s", err)
		return
	}
	h.cost, h.burst, h.expire = rate.cost, defaultBurst, rate.seconds*1000
	if rate.bytes {
		h.mode |= rateBytes
		h.burst, h.expire = 0, byteExpire
	}
	if a.has("hashlimit-burst") {
		if err := h.parseBurst(a.text("hashlimit-burst")); err != nil {
			a.fail("hashlimit-burst", "%s", err)
			return
		}
	}
	if a.has("hashlimit-htable-expire") {
		h.expire = uint32(a.number("hashlimit-htable-expire"))
	}
	if a.has("hashlimit-rate-match") {
		h.mode |= rateMatch
		if !rate.bytes {
			h.cost /= uint64(rate.seconds)
		}
		if h.interval == 0 {
			h.interval = rate.seconds
		}
	}
	if err := h.overflows(); err != nil {
		a.fail(option, "%s", err)
	}
}

// plain forgets the interval where it is not used.
func (h hashlimit) plain() extension {
	if h.mode&rateMatch == 0 {
		h.interval = 0
	}
	return h
}

func (h hashlimit) format(w *words) {
	option := "hashlimit-upto"
	if h.mode&rateAbove != 0 {
		option = "hashlimit-above"
	}
	rate, burst, expire := h.formatRate()
	w.option(false, option, rate)
	if burst != "" {
		w.option(false, "hashlimit-burst", burst)
	}
	var modes []string
	for i, name := range hashModes {
		if h.mode&hashModeBits[i] != 0 {
			modes = append(modes, name)
		}
	}
	if modes != nil {
		w.option(false, "hashlimit-mode", strings.Join(modes, ","))
	}
	w.option(false, "hashlimit-name")
	w.name(h.name)
	for _, o := range []struct {
		name             string
		value, unwritten uint32
	}{
		{"hashlimit-htable-size", h.size, 0},
		{"hashlimit-htable-max", h.entries, 0},
		{"hashlimit-htable-gcinterval", h.gc, defaultGC},
		{"hashlimit-htable-expire", h.expire, expire},
		{"hashlimit-srcmask", uint32(h.srcmask), uint32(h.bits)},
		{"hashlimit-dstmask", uint32(h.dstmask), uint32(h.bits)},
	} {
		if o.value != o.unwritten {
			w.option(false, o.name, fmt.Sprint(o.value))
		}
	}
	if h.mode&rateMatch != 0 {
		w.option(false, "hashlimit-rate-match")
		if h.interval != 1 {
			w.option(false, "hashlimit-rate-interval", fmt.Sprint(h.interval))
		}
	}
}

func (h hashlimit) xt(nft.Family) (uint32, []byte) {
	var l layout
	l.text(h.name, maxHashlimitName+1)
	l.u64(h.cost)
	l.u64(h.burst)
	for _, v := range []uint32{h.mode, h.size, h.entries, h.gc, h.expire, h.interval} {
		l.u32(v)
	}
	l.u8(h.srcmask)
	l.u8(h.dstmask)
	l.align(8)
	l.u64(0) // the kernel's
	return 3, l.b
}

func decodeHashlimit(s *structure) extension {
	s.only(3)
	h := hashlimit{name: s.text(maxHashlimitName + 1), cost: s.u64(), burst: s.u64(), mode: s.u32()}
	for _, v := range []*uint32{&h.size, &h.entries, &h.gc, &h.expire, &h.interval} {
		*v = s.u32()
	}
	h.srcmask, h.dstmask = s.u8(), s.u8()
	h.bits = uint8(addrBits(s.family))
	switch {
	case h.name == "" || checkProcName(h.name) != nil:
		s.fail("no list can have the name %q", h.name)
	case h.mode > allModes:
		s.fail("unknown mode %#x", h.mode)
	case h.srcmask > h.bits || h.dstmask > h.bits:
		s.fail("masks of %d and %d bits", h.srcmask, h.dstmask)
	case max(h.size, h.entries) > maxHashlimitTable || h.gc == 0 || h.expire == 0:
		s.fail("a table of %d, %d, %d, %d", h.size, h.entries, h.gc, h.expire)
	}
	if err := h.checkRate(); err != nil {
		s.fail("%s", err)
	}
	s.kernelPart(8)
	return h
}
