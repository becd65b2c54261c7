package nft

import (
	"iter"
	"slices"
	"strings"
)

// A Batch is a list of operations that the kernel applies together or not at
// all, in order. It is a plain value: nothing happens until [Conn.Commit]. The
// zero value is empty. A Batch may be committed again and again, and by several
// goroutines, as long as nobody adds to it.
type Batch struct {
	// Generation is the ruleset's generation that the batch was made for: if
	// the kernel's is another, the commit fails with [ErrGeneration] and
	// nothing is applied. Zero commits whatever the generation.
	Generation uint32

	ops []op
}

type verb uint8

const (
	verbAdd verb = iota
	verbCreate
	verbInsert
	verbDelete
	verbDestroy
	verbFlush
	verbPolicy
)

func (v verb) String() string {
	return [...]string{"add", "create", "insert", "delete", "destroy", "flush", "chain"}[v]
}

// An op is one operation. Consecutive ones on elements of the same set are
// packed into few messages.
type op struct {
	verb     verb
	object   Object // nil when there are elements
	set      SetRef
	elements []*Element
	position uint64 // rules: the neighbour's handle
}

// Len returns the number of objects in the batch.
func (b *Batch) Len() int {
	n := 0
	for _, op := range b.ops {
		n += max(1, len(op.elements))
	}
	return n
}

// Objects iterates over the objects that the batch adds, deletes or flushes, in
// order.
func (b *Batch) Objects() iter.Seq[Object] {
	return func(yield func(Object) bool) {
		for _, op := range b.ops {
			if op.object != nil && !yield(op.object) {
				return
			}
			for _, e := range op.elements {
				if !yield(e) {
					return
				}
			}
		}
	}
}

// Append adds the operations of another batch.
func (b *Batch) Append(other Batch) { b.ops = append(b.ops, other.ops...) }

// Add adds objects. Tables, chains and sets that are there already with the
// same properties, and elements with the same data, are left as they are; a
// rule is appended to its chain each time.
func (b *Batch) Add(objects ...Object) { b.push(verbAdd, objects) }

// Create adds objects and fails with [ErrExist] if one is there already.
func (b *Batch) Create(objects ...Object) { b.push(verbCreate, objects) }

// Delete deletes objects and fails with [ErrNotExist] if one is not there.
// Rules need their Handle. A table goes with all that is in it; chains and sets
// must be empty and unused.
func (b *Batch) Delete(objects ...Object) { b.push(verbDelete, objects) }

// Destroy deletes objects where they are there (Linux 6.3).
func (b *Batch) Destroy(objects ...Object) { b.push(verbDestroy, objects) }

// Flush deletes all rules of a chain, or all elements of a set.
func (b *Batch) Flush(objects ...Object) {
	for _, o := range objects {
		b.ops = append(b.ops, op{verb: verbFlush, object: o})
	}
}

// SetPolicy gives a base chain that is there the policy of c, and changes nothing
// else of it.
func (b *Batch) SetPolicy(c *Chain) {
	b.ops = append(b.ops, op{verb: verbPolicy, object: c})
}

// InsertRule puts a rule before the rule with a handle, or at the head of the
// chain when the handle is zero.
func (b *Batch) InsertRule(r *Rule, before uint64) {
	b.ops = append(b.ops, op{verb: verbInsert, object: r, position: before})
}

// AddRule puts a rule behind the rule with a handle, or at the end of the chain
// when the handle is zero.
func (b *Batch) AddRule(r *Rule, after uint64) {
	b.ops = append(b.ops, op{verb: verbAdd, object: r, position: after})
}

// Exclusive returns a copy in which every addition of a table, chain, set or
// element fails with [ErrExist] if the object is there already, as Create does:
// all but [Table.Open] tables and [Chain.Shared] chains.
// Together with deletions, which fail by themselves, and with the handles of
// neighbours, that makes the commit fail if the kernel is not as assumed, even
// without a generation.
func (b Batch) Exclusive() Batch {
	b.ops = slices.Clone(b.ops)
	for i := range b.ops {
		if b.ops[i].verb == verbAdd && !mayBeThere(b.ops[i].object) {
			b.ops[i].verb = verbCreate
		}
	}
	return b
}

// mayBeThere tells whether an object's addition is right although it is there.
func mayBeThere(o Object) bool {
	switch o := o.(type) {
	case *Rule:
		return true
	case *Table:
		return o.Open
	case *Chain:
		return o.Shared
	}
	return false
}

func (b *Batch) push(v verb, objects []Object) {
	for _, o := range objects {
		e, ok := o.(*Element)
		if !ok {
			b.ops = append(b.ops, op{verb: v, object: o})
			continue
		}
		if n := len(b.ops); n > 0 && b.ops[n-1].verb == v && b.ops[n-1].set == e.Set && b.ops[n-1].object == nil {
			b.ops[n-1].elements = append(b.ops[n-1].elements, e)
			continue
		}
		b.ops = append(b.ops, op{verb: v, set: e.Set, elements: []*Element{e}})
	}
}

// describe makes an ObjectError of what went wrong with an op.
func (b *Batch) describe(o *op, element int, err error) *ObjectError {
	e := &ObjectError{Op: o.verb.String(), Err: err}
	switch {
	case o.object == nil && element < len(o.elements):
		el := o.elements[element]
		e.ID = el.ID()
		e.Object = "element " + o.set.String() + " { " + b.formatKey(el) + " }"
	case o.object == nil:
		e.ID = ID{Kind: KindSet, Table: o.set.Table(), Name: o.set.Name()}
		e.Object = "elements of " + o.set.String()
	default:
		e.ID = o.object.ID()
		e.Object = e.ID.String()
		if r, ok := o.object.(*Rule); ok && !strings.Contains(r.String(), "\n") {
			e.Object = "rule " + r.Chain.String() + " { " + r.String() + " }"
		}
	}
	return e
}

// formatKey writes an element's key with the type of its set, where the batch
// itself tells it, and as bytes otherwise.
func (b *Batch) formatKey(el *Element) string {
	for _, o := range b.ops {
		if s, ok := o.object.(*Set); ok && s.Ref() == el.Set {
			return formatRange(s.Key, el.Key, el.End)
		}
	}
	return formatRange(guessType(el.Key), el.Key, el.End)
}

// guessType returns the type that a value of its length most likely has.
func guessType(v Value) Type {
	switch len(v) {
	case 0:
		return 0
	case 1:
		return TypeInetProto
	case 2:
		return TypeInetService
	case 4:
		return TypeIPv4Addr
	case 6:
		return TypeEtherAddr
	case 8:
		if v[1]|v[2]|v[3] == 0 {
			return TypeOf(TypeInetProto, TypeInetService)
		}
		return TypeOf(TypeIPv4Addr, TypeInetService)
	case 12:
		return TypeOf(TypeIPv4Addr, TypeInetProto, TypeInetService)
	case 16:
		if v[15] == 0 && v[0] >= ' ' && v[0] < 0x7f {
			return TypeIFName
		}
		return TypeIPv6Addr
	case 20:
		return TypeOf(TypeIPv6Addr, TypeInetService)
	case 24:
		return TypeOf(TypeIPv6Addr, TypeInetProto, TypeInetService)
	}
	return TypeVerdict // which no key has: the value is written as a number
}
