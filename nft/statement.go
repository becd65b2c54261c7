package nft

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/google/nftables/expr"
)

// A Statement is one part of a rule: a match, which lets the rule go on or
// not, or an action. Statements are made by the methods of fields and by the
// functions of this package; they are immutable.
type Statement interface {
	// String returns the statement in nft syntax.
	String() string
	// compile appends the kernel's expressions for the statement.
	compile(c *compiler)
}

// compare matches one value, or all but that.
type compare struct {
	f     field
	op    expr.CmpOp
	value Value
}

func (m compare) String() string {
	op := map[expr.CmpOp]string{
		expr.CmpOpNeq: "!= ", expr.CmpOpLt: "< ", expr.CmpOpLte: "<= ", expr.CmpOpGt: "> ", expr.CmpOpGte: ">= ",
	}[m.op]
	if op == "" && (m.f.typ.isBits() || m.f.typ == typeTCPFlags) { // without it, nft means any of the bits
		op = "== "
	}
	return m.f.name + " " + op + m.f.format(m.value)
}

// between matches a range of values, or all but that.
type between struct {
	f      field
	lo, hi Value
	invert bool
}

func (m between) String() string {
	return m.f.name + " " + bang(m.invert) + formatBounds(m.f.typ, m.lo, m.hi)
}

// prefix matches the addresses of a prefix, or all but those.
type prefix struct {
	f      field
	prefix netip.Prefix
	invert bool
}

func (m prefix) String() string { return m.f.name + " " + bang(m.invert) + formatPrefix(m.prefix) }

// hasBits matches any of some bits, or none of them.
type hasBits struct {
	f      field
	bits   uint32
	invert bool
}

func (m hasBits) String() string {
	op := ""
	if m.invert {
		op = "! " // none of the bits, where "!=" would be "not exactly these"
	}
	return m.f.name + " " + op + formatValue(m.f.typ, MarkValue(m.bits).value())
}

func bang(invert bool) string {
	if invert {
		return "!= "
	}
	return ""
}

// lookup matches the elements of a set, or all but those.
type lookup struct {
	sel    Selector
	set    string
	key    Type
	invert bool
}

func (m lookup) String() string { return m.sel.String() + " " + bang(m.invert) + "@" + m.set }

// vmap takes a verdict from a map.
type vmap struct {
	sel       Selector
	set       string
	key, data Type
}

func (m vmap) String() string { return m.sel.String() + " vmap @" + m.set }

// counter counts packets and bytes.
type counter struct{ packets, bytes uint64 }

// Counter counts the packets and bytes that reach it.
func Counter() Statement { return counter{} }

func (s counter) String() string {
	return fmt.Sprintf("counter packets %d bytes %d", s.packets, s.bytes)
}

// NATFlags refine a source translation.
type NATFlags uint8

// The flags of Masquerade and SNAT.
const (
	// NATRandom chooses ports at random where a port has to change.
	NATRandom NATFlags = 1 << iota
	// NATFullyRandom always chooses ports at random.
	NATFullyRandom
	// NATPersistent gives a client the same address for all its connections.
	NATPersistent
)

func (f NATFlags) words() string {
	var w []string
	for i, name := range []string{"random", "fully-random", "persistent"} {
		if f&(1<<i) != 0 {
			w = append(w, name)
		}
	}
	if w == nil {
		return ""
	}
	return " " + strings.Join(w, ",")
}

type masquerade struct{ flags NATFlags }

// Masquerade gives the packet the address of the interface it leaves by.
func Masquerade(flags NATFlags) Statement { return masquerade{flags} }

func (s masquerade) String() string { return "masquerade" + s.flags.words() }

// nat is a translation to a fixed address and, if not zero, port.
type nat struct {
	typ   expr.NATType
	addr  netip.Addr
	port  uint16
	flags NATFlags
}

// SNAT gives the packet a fixed source address.
func SNAT(a netip.Addr, flags NATFlags) Statement {
	return nat{typ: expr.NATTypeSourceNAT, addr: a, flags: flags}
}

// SNATPort gives the packet a fixed source address and port. Port 0 leaves the
// port to the kernel, as SNAT does.
func SNATPort(a netip.AddrPort, flags NATFlags) Statement {
	return nat{typ: expr.NATTypeSourceNAT, addr: a.Addr(), port: a.Port(), flags: flags}
}

// DNAT gives the packet a fixed destination. Port 0 keeps the packet's port.
func DNAT(to netip.AddrPort) Statement {
	return nat{typ: expr.NATTypeDestNAT, addr: to.Addr(), port: to.Port()}
}

func (s nat) String() string { return s.print(0) }

// dnatMap takes the new destination from a map.
type dnatMap struct {
	sel       Selector
	set       string
	key, data Type
}

// DNATMap gives the packet the destination that the map holds for what the
// selector reads; without one the rule goes on. The map's data is an address,
// or an address and a port.
func DNATMap(sel Selector, m Set) Statement {
	return dnatMap{sel: sel, set: m.Name, key: m.Key, data: m.Data}
}

func (s dnatMap) String() string { return s.print(0) }

// An Unknown is an expression that Load found and this package has no
// statement for. It is kept as it is, counts as different from every other
// statement when rules are compared, and is refused in rules to be sent.
type Unknown struct {
	// Name is the kernel's name of the expression, such as "quota" or "socket".
	Name string
	// Data is the expression's attributes as the kernel sent them.
	Data string
}

// String names the expression in a form that nft does not accept, so that a
// listing that lacks something cannot be loaded by mistake.
func (u Unknown) String() string { return "<unknown expression " + u.Name + ">" }
