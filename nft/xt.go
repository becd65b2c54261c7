package nft

import (
	"strings"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// An XT is a match or a target of xtables, the engine of iptables, inside a
// rule of nf_tables: this is how iptables-nft programs whatever nf_tables has
// no expression of its own for. The kernel needs the module (xt_conntrack, …)
// and refuses a rule whose Info has another size than the module's structure.
//
// The protocol that modules such as multiport, tcpmss and TCPMSS insist on is
// taken from the first statement of the rule that says one: [MetaL4Proto] Eq or
// Ne, or a field that exists in one protocol only.
//
// Rules are compared by name, revision and Info, the latter filled up with
// zeros to a multiple of 8. In what it lists, the kernel leaves out, as zeros,
// the parts of the structures that it keeps for itself (pointers, the credit
// of limits), so a rule is found again as it was sent if whoever made Info
// left those zero.
type XT struct {
	// Target tells a target (iptables -j) from a match (iptables -m).
	Target bool
	// Name is the module's: 1 to 28 bytes, such as "conntrack" or "LOG".
	Name string
	// Revision is the version of the module's structure.
	Revision uint32
	// Info is the module's structure (struct xt_conntrack_mtinfo3, …), in the
	// byte order and layout of the host. That of loaded rules is filled up to a
	// multiple of 8 bytes, others may be.
	Info string
}

// String names the module as nft does where it has no words of its own for
// what it does. nft cannot read it back.
func (x XT) String() string { return "xt " + x.kind() + " " + quote(x.Name) }

func (x XT) kind() string {
	if x.Target {
		return "target"
	}
	return "match"
}

// Limits of XT: the kernel's for the name (XT_EXTENSION_MAXNAMELEN), and one
// that keeps the attribute small; the largest structure, cgroup's, has some 4 KB.
const (
	maxXTName = 28
	maxXTInfo = 1 << 14
)

// Attributes of the kernel's match and target expressions, which have the same
// numbers.
const (
	xtName = unix.NFTA_MATCH_NAME
	xtRev  = unix.NFTA_MATCH_REV
	xtInfo = unix.NFTA_MATCH_INFO
)

func (x XT) compile(c *compiler) {
	switch {
	case x.Name == "" || len(x.Name) > maxXTName || strings.Contains(x.Name, "\x00"):
		c.fail("the name has %d bytes: want 1 to %d, none of them zero", len(x.Name), maxXTName)
		return
	case len(x.Info) > maxXTInfo:
		c.fail("the structure has %d bytes: at most %d", len(x.Info), maxXTInfo)
		return
	}
	c.expression(x.kind(), func(e *encoder) {
		e.str(xtName, x.Name)
		e.u32(xtRev, x.Revision)
		e.bytes(xtInfo, alignXT(x.Info))
	})
}

// alignXT fills a structure up as the kernel does (XT_ALIGN).
func alignXT(info string) string {
	return info + strings.Repeat("\x00", -len(info)&7)
}

// xt reads a match or target of xtables.
func (d *decompiler) xt() int {
	e := &d.in[0]
	x := XT{Target: e.name == "target", Name: e.attrs[xtName], Revision: e.number(xtRev), Info: e.attrs[xtInfo]}
	if x.Name == "" || len(x.Name) > maxXTName || len(x.Info) > maxXTInfo || !e.has(xtRev) {
		return 0
	}
	d.emit(x)
	return 1
}

// compat writes which protocol a rule is about, which only modules of xtables
// want to know (NFTA_RULE_COMPAT). The kernel does not list it.
func (e *encoder) compat(statements []Statement) {
	proto, invert, hasXT := L4Proto(0), false, false
	for _, s := range statements {
		if _, ok := s.(XT); ok {
			hasXT = true
		} else if p, not := protoOf(s); p != 0 && proto == 0 {
			proto, invert = p, not
		}
	}
	if !hasXT {
		return
	}
	var flags uint32
	if invert {
		flags = unix.NFT_RULE_COMPAT_F_INV
	}
	compat := e.nest(unix.NFTA_RULE_COMPAT)
	e.u32(unix.NFTA_RULE_COMPAT_PROTO, uint32(proto))
	e.u32(unix.NFTA_RULE_COMPAT_FLAGS, flags)
	e.unnest(compat)
}

// protoOf tells which protocol a statement confines the rule to, or, with not,
// excludes; 0 if none.
func protoOf(s Statement) (p L4Proto, not bool) {
	if m, ok := s.(compare); ok && len(m.value) == 1 &&
		(m.f.src == MetaL4Proto.src || m.f.name == IPProtocol.name) && !isOrder(m.op) {
		return L4Proto(m.value[0]), m.op == expr.CmpOpNeq
	}
	for _, f := range fieldsOf(s) {
		if f.l4 != 0 {
			return f.l4, false
		}
	}
	return 0, false
}

// fieldsOf are the fields of the packet that a statement reads.
func fieldsOf(s Statement) []field {
	switch s := s.(type) {
	case compare:
		return s.f.fields()
	case between:
		return s.f.fields()
	case masked:
		return s.f.fields()
	case notPorts:
		return s.both().fields()
	case prefix:
		return s.f.fields()
	case lookup:
		return s.sel.fields()
	case vmap:
		return s.sel.fields()
	}
	return nil
}
