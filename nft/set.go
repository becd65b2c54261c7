package nft

import "unique"

// A SetRef names a set, map or verdict map. [TableRef.Set] and [Set.Ref] make
// one, which takes some time; it is as small as a pointer, since every element
// has one. SetRefs are comparable. The zero value names none.
type SetRef struct{ name unique.Handle[setName] }

type setName struct {
	table TableRef
	name  string
}

func newSetRef(t TableRef, name string) SetRef { return SetRef{unique.Make(setName{t, name})} }

// Table returns the reference of the set's table.
func (s SetRef) Table() TableRef { return s.value().table }

// Name returns the set's name.
func (s SetRef) Name() string { return s.value().name }

func (s SetRef) value() setName {
	if s == (SetRef{}) {
		return setName{}
	}
	return s.name.Value()
}

// String returns the reference as nft writes it: "ip seawall published".
func (s SetRef) String() string { return s.Table().String() + " " + s.Name() }

// A Set is a collection of elements that rules look values up in. With Data it
// is a map; with Data [TypeVerdict], a verdict map. It is a comparable value.
type Set struct {
	Table TableRef
	Name  string
	// Key is the type of the elements' keys.
	Key Type
	// Data is the type of what a map's elements lead to; zero for a plain set.
	Data Type
	// Interval lets elements stand for ranges of keys.
	Interval bool
	// Counter gives every element a packet and byte counter.
	Counter bool
	// Size is the greatest number of elements; zero means no limit. A limit
	// makes filling a large set faster (no rehashing) and costs memory.
	Size uint32
	// Comment is shown by nft; at most 128 bytes. Comment and Userdata share
	// about 200 bytes with what nft itself stores about the set's types.
	Comment  string
	Userdata string

	// foreign holds flags and attributes that Load found in the kernel and
	// that this type cannot express; such a set equals no other.
	foreign string
	// anonymous tells that the set was written into a rule: it goes with that
	// rule and cannot be deleted by itself.
	anonymous bool
}

// Ref returns the set's reference.
func (s Set) Ref() SetRef { return newSetRef(s.Table, s.Name) }

// Anonymous reports whether the set was written into a rule: it goes with that
// rule.
func (s Set) Anonymous() bool { return s.anonymous }

// IsMap reports whether elements carry data or a verdict.
func (s Set) IsMap() bool { return s.Data != 0 }
