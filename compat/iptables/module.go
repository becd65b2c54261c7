package iptables

import (
	"github.com/seawall-net/seawall/nft"
)

// A Module is an extension of iptables: a match (-m) or a target (-j). Modules
// are data, from which rules are parsed and the documentation is made; they are
// shared and must not be altered.
type Module struct {
	// Name is what follows -m or -j.
	Name string
	// XTName is the kernel's name of the module; empty if it is Name.
	XTName string
	// Target tells a target from a match.
	Target bool
	// Family is set for a module that exists in one family only.
	Family nft.Family
	// Protocols are those that a rule must name one of (-p) to use the module;
	// empty for a module that does not care. A match whose first protocol it is
	// named after is loaded by -p alone.
	Protocols []uint8
	// Tables are the tables of iptables in which the kernel has the module; empty
	// for all.
	Tables []string
	// Hooks are where the kernel has the module; empty for everywhere.
	Hooks []nft.Hook
	// Options are what the module takes, in the order of the manual.
	Options []Option
	// OneOf names options of which at least one must be given.
	OneOf []string

	// parse makes the value from the options. The options have been checked
	// against the table before. What it refuses, it tells a.
	parse func(a *arguments) extension
	// decode reads the kernel's structure, of any revision that the module knows,
	// and refuses others by d.fail.
	decode func(d *structure) extension
	// read makes the value of a statement of nf_tables that means the same, if the
	// module has such forms: the inverse of iptablesForm and nativeForm, statement
	// by statement. It may be nil.
	read func(s nft.Statement, r *Rule) (v extension, ok bool)
}

// A merger is an extension that several statements of nf_tables make. With ok
// false it cannot take in the other, which is of the same type.
type merger interface {
	merge(other extension) (merged extension, ok bool)
}

// An extension is what a match or target module was asked to do. Extensions are
// immutable and comparable values.
type extension interface {
	// format writes the options as `iptables -S` does.
	format(w *words)
	// xt is the kernel's form: the revision of the structure, and its bytes as
	// made by layout.
	xt(f nft.Family) (revision uint32, info []byte)
}

// An ownForm is an extension that iptables-nft does not program as a match or
// target of xtables in its own tables. With ok false it does, for this value.
type ownForm interface {
	iptablesForm(r *Rule) (s []nft.Statement, ok bool)
}

// A nativeForm is an extension for which nf_tables has statements of exactly
// the same meaning. They are used in tables that are not iptables' own. With ok
// false there are none for this value.
type nativeForm interface {
	nativeForm(r *Rule) (s []nft.Statement, ok bool)
}

// A checker is an extension that the kernel accepts in some rules only; Modules
// say what tables, hooks and protocols those must have, this is for the rest.
type checker interface {
	check(r *Rule, c Context) error
}

// A plainer extension has values that differ in the kernel's structure only, not
// in what they do: plain is the one that its text stands for.
type plainer interface{ plain() extension }

// plain is a value as its text says it.
func plain(v extension) extension {
	if p, ok := v.(plainer); ok {
		return p.plain()
	}
	if u, ok := v.(setUser); ok { // numbers of sets are names for now
		v, _ = u.mapSets(func(u *setUse) error {
			u.name, u.index, u.resolved = u.text(), 0, false
			return nil
		})
	}
	return v
}

// A dropped extension is a match of which iptables-nft programs nothing at all.
type dropped interface{ isDropped() bool }

// A Kind is what the value of an option looks like.
type Kind uint8

// The kinds of values.
const (
	// KindFlag has no value.
	KindFlag Kind = iota
	// KindText is any text, of Min to Max bytes if these are not zero.
	KindText
	// KindNumber is a number from Min to Max, in decimal, 0x hexadecimal or 0
	// octal.
	KindNumber
	// KindRange is one number or two with a colon between them, each at most Max;
	// a missing first is 0, a missing second Max.
	KindRange
	// KindPort is the number or the name of a port.
	KindPort
	// KindPortRange is one port or two with a colon between them; a missing first
	// is 0, a missing second 65535.
	KindPortRange
	// KindMark is a number of 32 bits and, behind a slash, a mask; without one it
	// is all bits.
	KindMark
	// KindAddress is an address of the rule's family.
	KindAddress
	// KindNetwork is an address and, behind a slash, the length of a prefix or a
	// mask; without one it is a single address.
	KindNetwork
	// KindPrefixLength is the length of a prefix of the family, or a mask.
	KindPrefixLength
	// KindProtocol is the number or the name of a protocol.
	KindProtocol
	// KindMAC is an Ethernet address.
	KindMAC
	// KindLogLevel is a level of syslog, by number or name.
	KindLogLevel
	// KindTOS is a number of 8 bits and, behind a slash, a mask, or a name.
	KindTOS
	// KindFloat is a decimal fraction from Min to Max.
	KindFloat
)

// An Option is one option of a module, or of every rule.
type Option struct {
	// Name is the long name without its dashes.
	Name string
	// Aliases are other long names for it.
	Aliases []string
	// Short is the letter of the short form; 0 for none. Modules have none.
	Short byte
	// Kind, Min and Max say what its value is. A Max of 0 is the largest number of
	// the kind (32 bits where nothing else is said).
	Kind     Kind
	Min, Max uint64
	// Words is how many further words belong to the value, as in --tcp-flags.
	Words int
	// Optional tells that the value may be left out; if not, it is attached to the
	// option: --wait=5.
	Optional bool
	// Invert tells that "!" may stand before it.
	Invert bool
	// Multi tells that it may be given more than once; the last one counts.
	Multi bool
	// Required tells that the module means nothing without it.
	Required bool
	// Excludes are options that cannot be given together with it, and Also those
	// that must be.
	Excludes, Also []string
	// Value is what the manual calls its value, such as "port[:port]".
	Value string
}

func (o *Option) hasName(name string) bool {
	if o.Name == name {
		return true
	}
	for _, a := range o.Aliases {
		if a == name {
			return true
		}
	}
	return false
}

// xtName is the kernel's name of the module.
func (m *Module) xtName() string {
	if m.XTName != "" {
		return m.XTName
	}
	return m.Name
}

// option finds an option of the module by its main name.
func (m *Module) option(name string) *Option {
	for i := range m.Options {
		if m.Options[i].Name == name {
			return &m.Options[i]
		}
	}
	return nil
}
