package nft

import "fmt"

// An Object is one of *[Table], *[Chain], *[Set], *[Rule] and *[Element].
// Objects handed to this package must not be changed afterwards.
type Object interface {
	// ID is the object's stable identity.
	ID() ID
	object()
}

// A Kind tells objects apart.
type Kind uint8

// KindOther is the kind of what this package does not handle: flow tables and
// stateful objects.
const KindOther Kind = 0

// The kinds of objects, in the order in which they can be added.
const (
	KindTable Kind = iota + 1
	KindChain
	KindSet
	KindElement
	KindRule
)

// String returns nft's word for the kind.
func (k Kind) String() string {
	switch k {
	case KindOther:
		return "object"
	case KindTable:
		return "table"
	case KindChain:
		return "chain"
	case KindSet:
		return "set"
	case KindElement:
		return "element"
	case KindRule:
		return "rule"
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// An ID identifies an object in a ruleset. IDs are comparable.
type ID struct {
	Kind  Kind
	Table TableRef
	// Name is the chain's or set's name; of rules and elements the name of
	// the chain or set they are in; empty for a table.
	Name string
	// Key is a rule's key or an element's key.
	Key string
}

// String describes the object for people: `rule ip seawall forward "dispatch"`.
func (id ID) String() string {
	switch id.Kind {
	case KindTable:
		return "table " + id.Table.String()
	case KindRule:
		return fmt.Sprintf("rule %s %s %q", id.Table, id.Name, id.Key)
	case KindElement:
		return fmt.Sprintf("element %s %s %x", id.Table, id.Name, id.Key)
	}
	return fmt.Sprintf("%s %s %s", id.Kind, id.Table, id.Name)
}

// ID returns the table's identity.
func (t *Table) ID() ID { return ID{Kind: KindTable, Table: t.Ref()} }

// ID returns the chain's identity.
func (c *Chain) ID() ID { return ID{Kind: KindChain, Table: c.Table, Name: c.Name} }

// ID returns the set's identity.
func (s *Set) ID() ID { return ID{Kind: KindSet, Table: s.Table, Name: s.Name} }

// ID returns the rule's identity; rules without a key have none of their own.
func (r *Rule) ID() ID {
	return ID{Kind: KindRule, Table: r.Chain.Table, Name: r.Chain.Name, Key: r.Key}
}

// ID returns the element's identity. An interval's first key identifies it:
// the kernel refuses overlapping ones.
func (e *Element) ID() ID {
	return ID{Kind: KindElement, Table: e.Set.Table(), Name: e.Set.Name(), Key: string(e.Key)}
}

func (*Table) object()   {}
func (*Chain) object()   {}
func (*Set) object()     {}
func (*Rule) object()    {}
func (*Element) object() {}
