package iptables

import (
	"strings"

	"github.com/seawall-net/seawall/nft"
)

// sctp matches the ports and chunks of SCTP.
type sctp struct {
	sport, dport       ports
	hasSport, hasDport bool
	chunks             sctpChunks
}

// sctpChunks says which chunks a packet must have.
type sctpChunks struct {
	// match is any, all or only (SCTP_CHUNK_MATCH_*); 0 does not look.
	match  uint32
	invert bool
	// types are the bits of the 256 types.
	types [8]uint32
	// flags are the flags that some must have; flagCount of them count.
	flags     [4]sctpFlags
	flagCount uint8
}

// sctpFlags are flags of a chunk: those of mask that must be set, the others
// not.
type sctpFlags struct{ kind, flags, mask uint8 }

var sctpMatches = []bitWord{{"any", 1}, {"all", 2}, {"only", 4}}

// sctpChunkNames are the types of chunks, with the letters of their flags from
// the highest bit to the lowest.
var sctpChunkNames = []struct {
	name  string
	kind  uint8
	flags string
}{
	{"DATA", 0, "----IUBE"}, {"INIT", 1, ""}, {"INIT_ACK", 2, ""}, {"SACK", 3, ""}, {"HEARTBEAT", 4, ""},
	{"HEARTBEAT_ACK", 5, ""}, {"ABORT", 6, "-------T"}, {"SHUTDOWN", 7, ""}, {"SHUTDOWN_ACK", 8, ""}, {"ERROR", 9, ""},
	{"COOKIE_ECHO", 10, ""}, {"COOKIE_ACK", 11, ""}, {"ECN_ECNE", 12, ""}, {"ECN_CWR", 13, ""},
	{"SHUTDOWN_COMPLETE", 14, "-------T"}, {"I_DATA", 64, ""}, {"ASCONF_ACK", 128, ""}, {"RE_CONFIG", 130, ""},
	{"PAD", 132, ""}, {"FORWARD_TSN", 192, ""}, {"ASCONF", 193, ""}, {"I_FORWARD_TSN", 194, ""},
}

func matchSCTP() *Module {
	return &Module{
		Name: "sctp", Protocols: []uint8{protoSCTP},
		Options: append(portOptions(),
			Option{Name: "chunk-types", Kind: KindText, Words: 1, Invert: true, Value: "all|any|only type[:flags][,...]"}),
		parse:  parseSCTP,
		decode: decodeSCTP,
	}
}

func parseSCTP(a *arguments) extension {
	m := sctp{hasSport: a.has("source-port"), hasDport: a.has("destination-port")}
	if m.hasSport {
		m.sport = parsePortOption(a, "source-port")
	}
	if m.hasDport {
		m.dport = parsePortOption(a, "destination-port")
	}
	for _, o := range []string{"source-port", "destination-port"} {
		if lo, hi := a.span(o); lo > hi {
			a.fail(o, "%d is more than %d", lo, hi)
		}
	}
	if a.has("chunk-types") {
		m.chunks = parseChunks(a)
	}
	return m
}

func parseChunks(a *arguments) sctpChunks {
	const option = "chunk-types"
	c := sctpChunks{invert: a.inverted(option)}
	for _, w := range sctpMatches {
		if strings.EqualFold(a.text(option), w.name) {
			c.match = uint32(w.bit)
		}
	}
	if c.match == 0 {
		a.fail(option, "%q is neither any, all nor only", a.text(option))
	}
	list := a.word2(option)
	switch strings.ToUpper(list) {
	case "ALL":
		for i := range c.types {
			c.types[i] = 1<<32 - 1
		}
		return c
	case "NONE":
		return c
	}
	for text := range strings.SplitSeq(list, ",") {
		name, flags, _ := strings.Cut(text, ":")
		known := false
		for _, n := range sctpChunkNames {
			if strings.EqualFold(name, n.name) {
				known = true
				c.types[n.kind/32] |= 1 << (n.kind % 32)
				if !c.addFlags(n.kind, n.flags, flags) {
					a.fail(option, "%q: these flags are not possible", text)
				}
			}
		}
		if !known {
			a.fail(option, "unknown chunk %q", name)
		}
	}
	return c
}

// addFlags notes the letters of flags, in capitals if they must be set.
func (c *sctpChunks) addFlags(kind uint8, letters, flags string) bool {
	if flags == "" {
		return true
	}
	at := -1
	for i := range int(c.flagCount) {
		if c.flags[i].kind == kind {
			at = i
		}
	}
	if at < 0 {
		if at = int(c.flagCount); at == len(c.flags) {
			return false
		}
		c.flags[at].kind = kind
		c.flagCount++
	}
	for _, letter := range []byte(flags) {
		i := strings.IndexByte(letters, letter&^0x20)
		if i < 0 || letter == '-' {
			return false
		}
		bit := uint8(0x80) >> i
		c.flags[at].mask |= bit
		if letter&0x20 == 0 {
			c.flags[at].flags |= bit
		}
	}
	return true
}

func (m sctp) format(w *words) {
	if m.hasSport {
		w.option(m.sport.invert, "sport", formatSpan(uint32(m.sport.lo), uint32(m.sport.hi)))
	}
	if m.hasDport {
		w.option(m.dport.invert, "dport", formatSpan(uint32(m.dport.lo), uint32(m.dport.hi)))
	}
	if m.chunks.match != 0 {
		w.option(m.chunks.invert, "chunk-types", formatBitWords(uint16(m.chunks.match), sctpMatches), m.chunks.String())
	}
}

// String lists the chunks and their flags.
func (c sctpChunks) String() string {
	all := [8]uint32{}
	for i := range all {
		all[i] = 1<<32 - 1
	}
	switch c.types {
	case [8]uint32{}:
		return "NONE"
	case all:
		return "ALL"
	}
	var list []string
	for _, n := range sctpChunkNames {
		if c.types[n.kind/32]&(1<<(n.kind%32)) == 0 {
			continue
		}
		text := n.name
		for _, f := range c.flags[:c.flagCount] {
			if f.kind == n.kind {
				text += ":" + f.letters(n.flags)
			}
		}
		list = append(list, text)
	}
	return strings.Join(list, ",")
}

func (f sctpFlags) letters(names string) string {
	out := ""
	for i := range len(names) {
		bit := uint8(0x80) >> i
		switch {
		case f.mask&bit == 0:
		case f.flags&bit != 0:
			out += names[i : i+1]
		default:
			out += strings.ToLower(names[i : i+1])
		}
	}
	return out
}

// xt is struct xt_sctp_info, whose map has room for far more than 256 types.
func (m sctp) xt(nft.Family) (uint32, []byte) {
	var l layout
	for _, p := range []ports{m.dport, m.sport} {
		l.u16(p.lo)
		l.u16(p.hi)
	}
	for _, t := range m.chunks.types {
		l.u32(t)
	}
	fill := byte(0)
	if m.chunks.types[1] == 1<<32-1 { // only ALL has all of these
		fill = 0xff
	}
	l.bytes([]byte(strings.Repeat(string([]byte{fill}), 256-32)))
	l.u32(m.chunks.match)
	for i, f := range m.chunks.flags {
		if i >= int(m.chunks.flagCount) {
			f.kind = 0xff // as iptables leaves it
		}
		l.bytes([]byte{f.kind, f.flags, f.mask})
	}
	l.u32(uint32(m.chunks.flagCount))
	l.u32(uint32(b2u(m.hasSport) | b2u(m.hasDport)<<1 | b2u(m.chunks.match != 0)<<2))
	l.u32(uint32(b2u(m.sport.invert) | b2u(m.dport.invert)<<1 | b2u(m.chunks.invert)<<2))
	return 0, l.b
}

func decodeSCTP(s *structure) extension {
	s.only(0)
	var m sctp
	m.dport.lo, m.dport.hi, m.sport.lo, m.sport.hi = s.u16(), s.u16(), s.u16(), s.u16()
	for i := range m.chunks.types {
		m.chunks.types[i] = s.u32()
	}
	s.skip(256 - 32)
	m.chunks.match = s.u32()
	for i := range m.chunks.flags {
		m.chunks.flags[i] = sctpFlags{s.u8(), s.u8(), s.u8()}
	}
	count, flags, invert := s.u32(), s.u32(), s.u32()
	m.hasSport, m.hasDport = flags&1 != 0, flags&2 != 0
	m.sport.invert, m.dport.invert, m.chunks.invert = invert&1 != 0, invert&2 != 0, invert&4 != 0
	if flags > 7 || invert > 7 || invert&^flags != 0 || count > 4 || flags&4 != 0 != (m.chunks.match != 0) ||
		m.chunks.match&(m.chunks.match-1) != 0 || m.chunks.match > 4 {
		s.fail("unknown flags")
		return m
	}
	m.chunks.flagCount = uint8(count)
	for i := int(count); i < len(m.chunks.flags); i++ {
		m.chunks.flags[i] = sctpFlags{}
	}
	if !m.hasSport {
		m.sport = ports{}
	}
	if !m.hasDport {
		m.dport = ports{}
	}
	m.chunks.checkNames(s)
	return m
}

// checkNames refuses chunks and flags that have no name.
func (c *sctpChunks) checkNames(s *structure) {
	types := c.types
	for _, n := range sctpChunkNames {
		types[n.kind/32] &^= 1 << (n.kind % 32)
		for i, f := range c.flags {
			if i < int(c.flagCount) && f.kind == n.kind && (f.mask == 0 || len(f.letters(n.flags)) == 0) {
				s.fail("unknown flags of %s", n.name)
			}
		}
	}
	if types != [8]uint32{} && c.String() != "ALL" {
		s.fail("unknown chunks")
	}
}
