package nft

import (
	"strings"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// A NameField is the name of an interface.
type NameField struct{ Field[string] }

// HasPrefix matches packets whose interface has a name that begins with the
// prefix, at most 15 bytes: nft's "br-*" and iptables' br-+. The empty prefix
// lets every packet pass, even one that has no such interface.
func (f NameField) HasPrefix(prefix string) Statement { return namePrefix{f: f.field, prefix: prefix} }

// NotPrefix matches packets whose interface has a name that begins otherwise.
func (f NameField) NotPrefix(prefix string) Statement {
	return namePrefix{f: f.field, prefix: prefix, invert: true}
}

// namePrefix compares the first bytes of a name.
type namePrefix struct {
	f      field
	prefix string
	invert bool
}

func (m namePrefix) String() string { return m.f.name + " " + bang(m.invert) + quote(m.prefix+"*") }

func (m namePrefix) compile(c *compiler) {
	switch {
	case len(m.prefix) > maxIfNameLen || strings.Contains(m.prefix, "\x00"):
		c.fail("the prefix has %d bytes: at most %d, none of them zero", len(m.prefix), maxIfNameLen)
	case m.prefix == "" && m.invert:
		c.fail("every name begins with the empty prefix")
	}
	c.one(m.f)
	op := expr.CmpOpEq
	if m.invert {
		op = expr.CmpOpNeq
	}
	if m.prefix != "" {
		c.add(&expr.Cmp{Op: op, Register: reg(0), Data: []byte(m.prefix)})
	}
}

// isNamePrefix tells a comparison with the beginning of a name from one with a
// whole name, which has a final zero byte.
func isNamePrefix(v Value) bool {
	return len(v) > 0 && len(v) <= maxIfNameLen && !strings.Contains(string(v), "\x00")
}

// forgets tells that an expression leaves unused what was read into a register
// before it. iptables reads a name and compares nothing for "-i +".
func (e *expression) forgets(register string) bool {
	switch e.name {
	case "counter", "match", "target", "limit", "log", "reject":
		return true
	case "immediate":
		_, ok := e.verdict()
		return ok
	case "meta", "payload", "ct", "fib", "exthdr": // the first attribute of each is where it loads to
		return !e.opaque && register != "" && e.attrs[unix.NFTA_META_DREG] == register
	}
	return false
}
