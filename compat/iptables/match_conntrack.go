package iptables

import (
	"fmt"
	"math/bits"
	"net/netip"
	"strconv"
	"strings"

	"github.com/seawall-net/seawall/nft"
)

// conntrack matches what is known of the packet's connection.
type conntrack struct {
	states, statuses uint16
	proto            uint8
	expires          [2]uint32
	// addrs and ports are those of ctSides.
	addrs [4]ctAddr
	ports [4][2]uint16
	// given and invert are bits of ctFlags.
	given, invert uint16
	// alias tells that it was written as the match "state" of old.
	alias bool
}

// ctAddr is an address, which keeps its bits outside of the mask.
type ctAddr struct{ addr, mask netip.Addr }

// ctSides are the options for addresses; those for ports have "port" behind it.
var ctSides = [...]string{"ctorigsrc", "ctorigdst", "ctreplsrc", "ctrepldst"}

// The kernel's XT_CONNTRACK_* bits that say what is compared.
const (
	ctState     = 1 << 0
	ctProto     = 1 << 1
	ctAddrs     = 1 << 2 // and three more
	ctStatus    = 1 << 6
	ctExpires   = 1 << 7
	ctPorts     = 1 << 8 // and three more
	ctDirection = 1 << 12
	ctAlias     = 1 << 13
)

// A bitWord is the name of some bits.
type bitWord struct {
	name string
	bit  uint16
}

// ctStateWords are in the order in which iptables writes them (XT_CONNTRACK_STATE_*).
var ctStateWords = []bitWord{
	{"INVALID", 1}, {"NEW", 8}, {"RELATED", 4}, {"ESTABLISHED", 2}, {"UNTRACKED", 256}, {"SNAT", 64}, {"DNAT", 128},
}

// ctStatusWords are the kernel's IPS_* bits.
var ctStatusWords = []bitWord{{"EXPECTED", 1}, {"SEEN_REPLY", 2}, {"ASSURED", 4}, {"CONFIRMED", 8}, {"NONE", 0}}

func matchConntrack() *Module {
	opts := []Option{
		{Name: "ctstate", Kind: KindText, Invert: true, Value: "state[,...]"},
		{Name: "ctproto", Kind: KindProtocol, Invert: true, Value: "protocol"},
	}
	for _, side := range ctSides {
		opts = append(opts, Option{Name: side, Kind: KindNetwork, Invert: true, Value: "address[/mask]"})
	}
	opts = append(opts,
		Option{Name: "ctstatus", Kind: KindText, Invert: true, Value: "status[,...]"},
		Option{Name: "ctexpire", Kind: KindRange, Invert: true, Value: "seconds[:seconds]"})
	for _, side := range ctSides {
		opts = append(opts, Option{Name: side + "port", Kind: KindPortRange, Invert: true, Value: "port[:port]"})
	}
	opts = append(opts, Option{Name: "ctdir", Kind: KindText, Value: "ORIGINAL|REPLY"})
	var any []string
	for _, o := range opts {
		any = append(any, o.Name)
	}
	return &Module{Name: "conntrack", Options: opts, OneOf: any, parse: parseConntrack, decode: func(s *structure) extension {
		c := decodeConntrack(s)
		if c.alias {
			s.fail("written as a state")
		}
		return c
	}, read: readConntrack}
}

func parseConntrack(a *arguments) extension {
	var c conntrack
	flag := func(name string, bit uint16) bool {
		if a.has(name) {
			c.given |= bit
		}
		if a.inverted(name) {
			c.invert |= bit
		}
		return a.has(name)
	}
	if flag("ctstate", ctState) {
		c.states = parseBitWords(a, "ctstate", ctStateWords)
	}
	if flag("ctproto", ctProto) {
		c.proto = uint8(a.number("ctproto"))
	}
	if flag("ctstatus", ctStatus) {
		c.statuses = parseBitWords(a, "ctstatus", ctStatusWords)
	}
	if flag("ctexpire", ctExpires) {
		lo, hi := a.span("ctexpire")
		c.expires = [2]uint32{uint32(lo), uint32(hi)}
	}
	for i, side := range ctSides {
		if flag(side, ctAddrs<<i) {
			c.addrs[i].addr, c.addrs[i].mask = a.network(side)
		}
		if flag(side+"port", ctPorts<<i) {
			lo, hi := a.span(side + "port")
			c.ports[i] = [2]uint16{uint16(lo), uint16(hi)}
		}
	}
	if flag("ctdir", ctDirection) {
		switch strings.ToUpper(a.text("ctdir")) {
		case "ORIGINAL":
		case "REPLY":
			c.invert |= ctDirection
		default:
			a.fail("ctdir", "%q is neither ORIGINAL nor REPLY", a.text("ctdir"))
		}
	}
	return c
}

// parseBitWords reads words with commas between them, which may be shortened.
func parseBitWords(a *arguments, option string, words []bitWord) uint16 {
	var out uint16
next:
	for text := range strings.SplitSeq(a.text(option), ",") {
		for _, w := range words {
			if text != "" && len(text) <= len(w.name) && strings.EqualFold(text, w.name[:len(text)]) {
				out |= w.bit
				continue next
			}
		}
		a.fail(option, "unknown word %q", text)
	}
	return out
}

func formatBitWords(v uint16, words []bitWord) string {
	var names []string
	for _, w := range words {
		if v&w.bit != 0 || v == 0 && w.bit == 0 {
			names = append(names, w.name)
		}
	}
	return strings.Join(names, ",")
}

func (c conntrack) format(w *words) {
	option := func(bit uint16, name, value string) {
		if c.given&bit != 0 {
			w.option(c.invert&bit != 0, name, value)
		}
	}
	name := "ctstate"
	if c.alias {
		name = "state"
	}
	option(ctState, name, formatBitWords(c.states, ctStateWords))
	option(ctProto, "ctproto", strconv.Itoa(int(c.proto)))
	for i, side := range ctSides {
		option(ctAddrs<<i, side, c.addrs[i].String())
	}
	for i, side := range ctSides {
		option(ctPorts<<i, side+"port", formatSpan(uint32(c.ports[i][0]), uint32(c.ports[i][1])))
	}
	option(ctStatus, "ctstatus", formatBitWords(c.statuses, ctStatusWords))
	option(ctExpires, "ctexpire", formatSpan(c.expires[0], c.expires[1]))
	if c.given&ctDirection != 0 {
		w.option(false, "ctdir", [2]string{"ORIGINAL", "REPLY"}[c.invert>>12&1])
	}
}

func formatSpan(lo, hi uint32) string {
	if lo == hi {
		return fmt.Sprint(lo)
	}
	return fmt.Sprintf("%d:%d", lo, hi)
}

// String writes the address with its mask, if that is not a single address.
func (a ctAddr) String() string {
	if a.isSingle() {
		return a.addr.String()
	}
	return a.addr.String() + formatMask(a.mask)
}

func (a ctAddr) isSingle() bool {
	return prefixLength(a.mask) == a.mask.BitLen()
}

// xt is struct xt_conntrack_mtinfo3.
func (c conntrack) xt(nft.Family) (uint32, []byte) {
	var l layout
	for i, a := range c.addrs {
		l.addr16(a.addr)
		if c.given&(ctAddrs<<i) != 0 && a.isSingle() {
			// iptables sets all bits of the union, for IPv4 too.
			l.bytes([]byte(strings.Repeat("\xff", 16)))
			continue
		}
		l.addr16(a.mask)
	}
	l.u32(c.expires[0])
	l.u32(c.expires[1])
	l.u16(uint16(c.proto))
	for _, p := range c.ports {
		l.u16(p[0])
	}
	given := c.given
	if c.alias {
		given |= ctAlias
	}
	l.u16(given)
	l.u16(c.invert)
	l.u16(c.states)
	l.u16(c.statuses)
	for _, p := range c.ports {
		l.u16(p[1])
	}
	return 3, l.b
}

func decodeConntrack(s *structure) conntrack {
	s.only(3)
	var c conntrack
	for i := range c.addrs {
		c.addrs[i] = ctAddr{s.addr16(), s.addr16()}
	}
	c.expires = [2]uint32{s.u32(), s.u32()}
	proto := s.u16()
	c.proto = uint8(proto)
	for i := range c.ports {
		c.ports[i][0] = s.u16()
	}
	c.given, c.invert, c.states, c.statuses = s.u16(), s.u16(), s.u16(), s.u16()
	for i := range c.ports {
		c.ports[i][1] = s.u16()
		if c.ports[i][1] == 0 {
			c.ports[i][1] = c.ports[i][0] // one port
		}
	}
	c.alias = c.given&ctAlias != 0
	c.given &^= ctAlias
	for i := range c.addrs {
		if c.given&(ctAddrs<<i) == 0 {
			c.addrs[i] = ctAddr{}
		}
	}
	if proto > 255 || c.given > ctDirection<<1-1 || c.invert&^c.given != 0 ||
		unknownBits(c.states, ctStateWords) || unknownBits(c.statuses, ctStatusWords) {
		s.fail("unknown bits in what is compared")
	}
	return c
}

func unknownBits(v uint16, words []bitWord) bool {
	for _, w := range words {
		v &^= w.bit
	}
	return v != 0
}

// nativeForm compares the state alone, or the status alone: with a state and
// more, xt_conntrack does not look at the rest for packets without a
// connection.
func (c conntrack) nativeForm(*Rule) ([]nft.Statement, bool) {
	switch {
	case c.given == ctState && c.states != 0 && c.states&(64|128) == 0:
		state := nft.CTStateBits(c.states & 0xf)
		if c.states&256 != 0 {
			state |= nft.CTUntracked
		}
		if c.invert != 0 {
			return []nft.Statement{nft.CTState.None(state)}, true
		}
		return []nft.Statement{nft.CTState.Any(state)}, true
	case c.given == ctStatus && bits.OnesCount16(c.statuses) != 0:
		status := nft.CTStatusBits(c.statuses)
		if c.invert != 0 {
			return []nft.Statement{nft.CTStatus.None(status)}, true
		}
		return []nft.Statement{nft.CTStatus.Any(status)}, true
	}
	return nil, false
}

// readConntrack reads what nativeForm made.
func readConntrack(s nft.Statement, _ *Rule) (extension, bool) {
	c, ok := nft.Compared(s)
	if !ok || c.Op != nft.AnyBits {
		return nil, false
	}
	var out conntrack
	bits := uint16(c.Number(c.Value))
	switch c.Field {
	case "ct state":
		out.given, out.states = ctState, bits&0xf
		if bits&uint16(nft.CTUntracked) != 0 {
			out.states |= 256
		}
		ok = bits&^(0xf|uint16(nft.CTUntracked)) == 0
	case "ct status":
		out.given, out.statuses = ctStatus, bits
		ok = !unknownBits(bits, ctStatusWords)
	default:
		ok = false
	}
	if c.Invert {
		out.invert = out.given
	}
	return out, ok && c.Number(c.Value) <= 0xffff
}
