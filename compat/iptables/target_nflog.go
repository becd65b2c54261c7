package iptables

import (
	"math"
	"strconv"
	"strings"

	"github.com/seawall-net/seawall/nft"
)

// nflog sends a copy of the packet to a program.
type nflog struct {
	prefix           string
	group, threshold uint16
	// hasSize tells that size limits the copy.
	hasSize bool
	size    uint32
}

// Lengths of the prefix: what nf_tables takes, and what the structure of the
// target holds.
const (
	maxNFLOGPrefix  = 127
	sizeNFLOGPrefix = 64
)

func targetNFLOG() *Module {
	return &Module{
		Name:   "NFLOG",
		Target: true,
		Options: []Option{
			{Name: "nflog-group", Kind: KindNumber, Max: math.MaxUint16, Value: "n"},
			{Name: "nflog-prefix", Kind: KindText, Min: 1, Max: maxNFLOGPrefix, Value: "text"},
			// It has never had an effect.
			{Name: "nflog-range", Kind: KindNumber, Excludes: []string{"nflog-size"}, Value: "bytes"},
			{Name: "nflog-size", Kind: KindNumber, Value: "bytes"},
			{Name: "nflog-threshold", Kind: KindNumber, Max: math.MaxUint16, Value: "packets"},
		},
		parse: func(a *arguments) extension {
			return nflog{
				prefix: a.text("nflog-prefix"), group: uint16(a.number("nflog-group")),
				threshold: uint16(a.number("nflog-threshold")),
				hasSize:   a.has("nflog-size"), size: uint32(a.number("nflog-size")),
			}
		},
		decode: func(s *structure) extension {
			s.only(0)
			size := s.u32()
			n := nflog{group: s.u16(), threshold: s.u16()}
			flags, pad := s.u16(), s.u16()
			n.hasSize, n.prefix = flags == 1, s.text(sizeNFLOGPrefix)
			if n.hasSize {
				n.size = size
			}
			if flags > 1 || pad != 0 || strings.ContainsAny(n.prefix, "\n\r") {
				s.fail("unknown flags %#x, or a line break in the prefix", flags)
			}
			return n
		},
		read: func(s nft.Statement, _ *Rule) (extension, bool) {
			l, ok := s.(nft.Log)
			if !ok || !l.Netlink || strings.ContainsAny(l.Prefix, "\n\r") {
				return nil, false
			}
			return nflog{
				prefix: l.Prefix, group: l.Group, threshold: l.Threshold,
				hasSize: l.NoPacket || l.Snaplen != 0, size: l.Snaplen,
			}, true
		},
	}
}

func (n nflog) format(w *words) {
	number := func(option string, v uint32) { w.option(false, option, strconv.FormatUint(uint64(v), 10)) }
	if n.prefix != "" {
		w.option(false, "nflog-prefix")
		w.quote(n.prefix)
	}
	if n.group != 0 {
		number("nflog-group", uint32(n.group))
	}
	if n.hasSize {
		number("nflog-size", n.size)
	}
	if n.threshold != 0 {
		number("nflog-threshold", uint32(n.threshold))
	}
}

// xt is the form of the target of xtables, which iptables-nft does not use.
func (n nflog) xt(nft.Family) (uint32, []byte) {
	var l layout
	l.u32(n.size)
	l.u16(n.group)
	l.u16(n.threshold)
	l.u16(uint16(b2u(n.hasSize)))
	l.u16(0)
	l.text(n.prefix, sizeNFLOGPrefix)
	return 0, l.b
}

func (n nflog) iptablesForm(*Rule) ([]nft.Statement, bool) {
	return []nft.Statement{nft.Log{
		Netlink: true, Prefix: n.prefix, Group: n.group, Threshold: n.threshold,
		Snaplen: n.size, NoPacket: n.hasSize && n.size == 0,
	}}, true
}

func (n nflog) nativeForm(r *Rule) ([]nft.Statement, bool) { return n.iptablesForm(r) }
