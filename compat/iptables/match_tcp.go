package iptables

import (
	"math"
	"strings"

	"github.com/seawall-net/seawall/nft"
)

// tcp matches the ports, flags and options of TCP.
type tcp struct {
	sport, dport ports
	// flags are those of mask that must be set, the others of mask not.
	mask, flags  uint8
	invertFlags  bool
	option       uint8
	invertOption bool
}

func matchTCP() *Module {
	return &Module{
		Name:      "tcp",
		Protocols: []uint8{protoTCP},
		Options: append(portOptions(),
			Option{Name: "syn", Invert: true, Excludes: []string{"tcp-flags"}},
			Option{Name: "tcp-flags", Kind: KindText, Words: 1, Invert: true, Value: "mask flags"},
			Option{Name: "tcp-option", Kind: KindNumber, Min: 1, Max: 255, Invert: true, Value: "number"},
		),
		parse:  parseTCP,
		decode: decodeTCP,
		read:   readTCP,
	}
}

func parseTCP(a *arguments) extension {
	t := tcp{
		sport: parsePortOption(a, "source-port"), dport: parsePortOption(a, "destination-port"),
		option: uint8(a.number("tcp-option")), invertOption: a.inverted("tcp-option"),
	}
	for _, o := range []string{"source-port", "destination-port"} {
		if lo, hi := a.span(o); lo > hi {
			a.fail(o, "%d is more than %d", lo, hi)
		}
	}
	switch {
	case a.has("syn"):
		t.mask, t.flags, t.invertFlags = 0x17, 0x02, a.inverted("syn")
	case a.has("tcp-flags"):
		t.mask, t.flags = parseTCPFlags(a, a.text("tcp-flags")), parseTCPFlags(a, a.word2("tcp-flags"))
		t.invertFlags = a.inverted("tcp-flags")
	}
	return t
}

// tcpFlagNames are the flags in the order of their bits.
var tcpFlagNames = [...]string{"FIN", "SYN", "RST", "PSH", "ACK", "URG"}

func parseTCPFlags(a *arguments, text string) uint8 {
	var out uint8
next:
	for word := range strings.SplitSeq(strings.ToUpper(text), ",") {
		switch word {
		case "", "NONE":
			continue
		case "ALL":
			out |= 0x3f
			continue
		}
		for i, name := range tcpFlagNames {
			if word == name {
				out |= 1 << i
				continue next
			}
		}
		a.fail("tcp-flags", "unknown flag %q", word)
	}
	return out
}

func formatTCPFlags(flags uint8) string {
	var names []string
	for i, name := range tcpFlagNames {
		if flags&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	if names == nil {
		return "NONE"
	}
	return strings.Join(names, ",")
}

func (t tcp) format(w *words) {
	t.sport.format(w, "sport")
	t.dport.format(w, "dport")
	if t.option != 0 || t.invertOption {
		w.option(t.invertOption, "tcp-option")
		w.addf("%d", t.option)
	}
	if t.mask != 0 || t.invertFlags {
		w.option(t.invertFlags, "tcp-flags", formatTCPFlags(t.mask), formatTCPFlags(t.flags))
	}
}

func (t tcp) xt(nft.Family) (uint32, []byte) {
	var l layout
	for _, p := range []ports{t.sport, t.dport} {
		l.u16(p.lo)
		l.u16(p.hi)
	}
	l.u8(t.option)
	l.u8(t.mask)
	l.u8(t.flags)
	l.u8(b2u(t.sport.invert) | b2u(t.dport.invert)<<1 | b2u(t.invertFlags)<<2 | b2u(t.invertOption)<<3)
	return 0, l.b
}

func decodeTCP(s *structure) extension {
	s.only(0)
	var t tcp
	t.sport.lo, t.sport.hi, t.dport.lo, t.dport.hi = s.u16(), s.u16(), s.u16(), s.u16()
	t.option, t.mask, t.flags = s.u8(), s.u8(), s.u8()
	invert := s.u8()
	t.sport.invert, t.dport.invert = invert&1 != 0, invert&2 != 0
	t.invertFlags, t.invertOption = invert&4 != 0, invert&8 != 0
	if invert > 15 || t.mask > 0x3f || t.flags > 0x3f {
		s.fail("unknown flags or bits to invert")
	}
	return t
}

// iptablesForm is the ports and flags in statements of nf_tables; iptables uses
// the match only if it has nothing to match, and for options.
func (t tcp) iptablesForm(*Rule) ([]nft.Statement, bool) {
	if t.option != 0 || t.invertOption || t == (tcp{sport: ports{hi: math.MaxUint16}, dport: ports{hi: math.MaxUint16}}) {
		return nil, false
	}
	var out []nft.Statement
	switch mask, flags := nft.TCPFlagBits(t.mask), nft.TCPFlagBits(t.flags); {
	case mask == 0 && t.invertFlags:
		return nil, false
	case mask == 0:
	case t.invertFlags:
		out = append(out, nft.TCPFlags.NeMasked(flags, mask))
	default:
		out = append(out, nft.TCPFlags.EqMasked(flags, mask))
	}
	ports, ok := compilePorts(nft.TCP, t.sport, nft.TCPSport, t.dport, nft.TCPDport)
	return append(out, ports...), ok
}

// readTCP reads what iptablesForm made.
func readTCP(s nft.Statement, _ *Rule) (extension, bool) {
	t := tcp{sport: anyPorts(), dport: anyPorts()}
	if c, ok := nft.Compared(s); ok && c.Field == "tcp flags" {
		t.flags, t.mask, t.invertFlags = uint8(c.Number(c.Value)), 0x3f, c.Invert
		if c.Op == nft.Masked {
			t.mask = uint8(c.Number(c.Mask))
		}
		// Without a mask all eight flags count, of which iptables knows six.
		return t, c.Op == nft.Masked && t.mask <= 0x3f && t.flags <= 0x3f
	}
	var ok bool
	t.sport, t.dport, ok = readPorts(s, "tcp", nft.TCP)
	return t, ok
}

func (t tcp) merge(other extension) (extension, bool) {
	o := other.(tcp)
	if t.option != 0 || o.option != 0 || t.mask != 0 && o.mask != 0 {
		return nil, false
	}
	if o.mask != 0 {
		t.mask, t.flags, t.invertFlags = o.mask, o.flags, o.invertFlags
	}
	var ok, ok2 bool
	t.sport, ok = mergePorts(t.sport, o.sport)
	t.dport, ok2 = mergePorts(t.dport, o.dport)
	return t, ok && ok2 && mergeable(t.sport, t.dport)
}

func (t tcp) isDropped() bool {
	return t.sport.isAll() && t.dport.isAll() && (t.sport.invert || t.dport.invert) &&
		t.mask == 0 && !t.invertFlags && t.option == 0 && !t.invertOption
}

func (t tcp) nativeForm(r *Rule) ([]nft.Statement, bool) { return t.iptablesForm(r) }
