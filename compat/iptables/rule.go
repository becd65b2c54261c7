package iptables

import (
	"net/netip"

	"github.com/seawall-net/seawall/nft"
)

// A Rule is a rule of iptables or ip6tables, without the chain that it is in.
// It is made by [ParseArgs], [ParseText], [ParseSave] and [FromRule]; rules are
// immutable values that say the same if their String is the same.
type Rule struct {
	// Family is nft.IPv4 or nft.IPv6.
	Family nft.Family
	// Protocol is -p.
	Protocol Protocol
	// Source and Destination are -s and -d.
	Source, Destination Address
	// In and Out are -i and -o.
	In, Out Interface
	// Fragment is -f; IPv4 only.
	Fragment Fragment
	// Matches are the matches, in the order in which they are tried.
	Matches []Match
	// Target is what happens to packets that match.
	Target Target
	// Counters are what the rule begins to count from, or has counted.
	Counters Counters
}

// A Protocol confines a rule to an IP protocol. The zero value is all of them.
type Protocol struct {
	// Number is 0 for all.
	Number uint8
	// Invert means all but that.
	Invert bool
}

// An Address confines a rule to addresses. The zero value is all of them.
type Address struct {
	// Addr and Mask are of the rule's family, or both the zero netip.Addr. The
	// mask's bits need not be in one piece, and the address has no others.
	Addr, Mask netip.Addr
	// Invert means all but those.
	Invert bool
}

// An Interface confines a rule to interfaces. The zero value is all of them.
type Interface struct {
	// Name is at most 15 bytes; with a "+" at the end, it is the beginning of
	// names.
	Name string
	// Invert means all but those.
	Invert bool
}

// A Fragment confines a rule to fragments of packets.
type Fragment uint8

// The values of Fragment.
const (
	// AnyFragment is every packet.
	AnyFragment Fragment = iota
	// LaterFragments are all fragments but the first (-f).
	LaterFragments
	// HeadFragments are whole packets and first fragments (! -f).
	HeadFragments
)

// Counters count packets and their bytes.
type Counters struct{ Packets, Bytes uint64 }

// A Match is a match module with its options (-m).
type Match struct {
	module *Module
	value  extension
}

// Module is the match's module; never nil in a parsed rule.
func (m Match) Module() *Module { return m.module }

// String returns the match as iptables writes it: "-m tcp --dport 80".
func (m Match) String() string {
	var w words
	m.format(&w)
	return w.String()
}

func (m Match) format(w *words) {
	w.add("-m", m.module.Name)
	m.value.format(w)
}

// A Target says what happens to packets that match. The zero value only counts
// them.
type Target struct {
	// Verdict is set for ACCEPT, DROP and RETURN, and for a jump (-j) or goto (-g)
	// to a chain.
	Verdict nft.Verdict
	module  *Module
	value   extension
}

// Module is the target's module; nil for verdicts and chains, and without a
// target.
func (t Target) Module() *Module { return t.module }

// String returns the target as iptables writes it: "-j DNAT --to-destination
// 192.0.2.1".
func (t Target) String() string {
	var w words
	t.format(&w)
	return w.String()
}

func (t Target) format(w *words) {
	switch t.Verdict.Kind {
	case nft.VerdictAccept:
		w.add("-j", "ACCEPT")
	case nft.VerdictDrop:
		w.add("-j", "DROP")
	case nft.VerdictReturn:
		w.add("-j", "RETURN")
	case nft.VerdictJump:
		w.add("-j")
		w.name(t.Verdict.Chain)
	case nft.VerdictGoto:
		w.add("-g")
		w.name(t.Verdict.Chain)
	}
	if t.module != nil {
		w.add("-j", t.module.Name)
		t.value.format(w)
	}
}
