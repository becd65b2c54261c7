package nft

import (
	"net/netip"

	"github.com/google/nftables/expr"
)

// A TranslationKind says what a [Translation] replaces.
type TranslationKind uint8

// The kinds. The zero value is none of them.
const (
	// ToSource is [SNAT], ToDestination is [DNAT], and ToInterface [Masquerade].
	ToSource TranslationKind = iota + 1
	ToDestination
	ToInterface
)

// A Translation is what a statement makes of a packet's addresses, for those who
// read rules.
type Translation struct {
	Kind TranslationKind
	// To is the new address, with port 0 if the port stays; the zero AddrPort for
	// ToInterface.
	To    netip.AddrPort
	Flags NATFlags
}

// Translated returns the fixed translation that a statement is; false if it is
// none, or takes the address from a map.
func Translated(s Statement) (Translation, bool) {
	switch s := s.(type) {
	case masquerade:
		return Translation{Kind: ToInterface, Flags: s.flags}, true
	case nat:
		t := Translation{Kind: ToSource, To: netip.AddrPortFrom(s.addr, s.port), Flags: s.flags}
		if s.typ == expr.NATTypeDestNAT {
			t.Kind = ToDestination
		}
		return t, true
	}
	return Translation{}, false
}
