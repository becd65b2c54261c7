package nft

import (
	"encoding/binary"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

// Attributes and flags of sets that x/sys/unix does not name.
const (
	nftSetExpr         = 0x100
	nftaSetExpressions = 18
	nftaSetCount       = 20
)

// What else nft keeps with a set, as in libnftnl/udata.h.
const (
	udataSetMerge        = 2
	udataSetKeyTypeof    = 3
	udataSetDataTypeof   = 4
	udataSetDataInterval = 6 // shows in the data's length too
)

// A setDump is what a listing says about a set.
type setDump struct {
	flags           uint32
	keyLen, dataLen uint32
	fields          []uint32 // the lengths of a concatenation's parts
	expressions     []expression
}

// decodeSet reads the attributes of a set or map. What a [Set] cannot express
// makes it foreign. Attributes that this code has never heard of do not: newer
// kernels add some that only inform, such as the backend's name.
func decodeSet(family Family, b []byte) (*Set, error) {
	s := &Set{Table: TableRef{Family: family}}
	var d setDump
	var notes foreignNotes
	r := attrReader{rest: b}
	for r.next() {
		switch r.typ {
		case unix.NFTA_SET_TABLE:
			s.Table.Name = r.str()
		case unix.NFTA_SET_NAME:
			s.Name = r.str()
		case unix.NFTA_SET_FLAGS:
			d.flags = r.u32()
		case unix.NFTA_SET_KEY_TYPE:
			s.Key = Type(r.u32())
		case unix.NFTA_SET_KEY_LEN:
			d.keyLen = r.u32()
		case unix.NFTA_SET_DATA_TYPE:
			s.Data = Type(r.u32())
		case unix.NFTA_SET_DATA_LEN:
			d.dataLen = r.u32()
		case unix.NFTA_SET_POLICY:
			if p := r.u32(); p != unix.NFT_SET_POL_PERFORMANCE {
				notes.add("policy %d", p)
			}
		case unix.NFTA_SET_DESC:
			r.fail(s.decodeDesc(r.val, &d))
		case unix.NFTA_SET_TIMEOUT:
			notes.add("timeout %d", r.u64())
		case unix.NFTA_SET_GC_INTERVAL:
			notes.add("gc-interval %d", r.u32())
		case unix.NFTA_SET_OBJ_TYPE:
			notes.add("objects %d", r.u32())
		case unix.NFTA_SET_USERDATA:
			u := decodeUserdata(r.val, true)
			s.Comment, s.Userdata = u.Comment, u.Userdata
			notes.userdata(u, udataSetMerge, udataSetKeyTypeof, udataSetDataTypeof, udataSetDataInterval)
		case nftaSetExpr:
			d.expressions = append(d.expressions, decodeExpression(r.val))
		case nftaSetExpressions:
			list, err := decodeExpressions(r.val)
			r.fail(err)
			d.expressions = append(d.expressions, list...)
		}
	}
	if r.err != nil {
		return nil, fmt.Errorf("set %s: %w", s.Ref(), r.err)
	}
	s.describe(d, &notes)
	s.foreign = string(notes)
	return s, nil
}

// decodeDesc reads a set's size and the lengths of its key's parts.
func (s *Set) decodeDesc(b []byte, d *setDump) error {
	r := attrReader{rest: b}
	for r.next() {
		switch r.typ {
		case unix.NFTA_SET_DESC_SIZE:
			s.Size = r.u32()
		case nftaSetDescConcat:
			list := attrReader{rest: r.val}
			for list.next() {
				field := attrReader{rest: list.val}
				for field.next() {
					if field.typ == nftaSetFieldLen {
						d.fields = append(d.fields, field.u32())
					}
				}
				list.fail(field.err)
			}
			r.fail(list.err)
		}
	}
	return r.err
}

// describe turns what was found into fields, or notes that it cannot be.
func (s *Set) describe(d setDump, notes *foreignNotes) {
	parts := s.Key.parts()
	s.Interval = d.flags&unix.NFT_SET_INTERVAL != 0
	s.anonymous = d.flags&unix.NFT_SET_ANONYMOUS != 0
	expected := uint32(unix.NFT_SET_INTERVAL | unix.NFT_SET_MAP)
	if s.Interval && len(parts) > 1 {
		expected |= nftSetConcat
		if d.flags&nftSetConcat == 0 {
			notes.add("not concatenated")
		}
		if d.fields != nil && !slices.Equal(d.fields, fieldLengths(parts)) {
			notes.add("fields %d", d.fields)
		}
	}
	if len(d.expressions) > 0 {
		expected |= nftSetExpr
	}
	if extra := d.flags &^ expected; extra != 0 {
		notes.add("flags 0x%x", extra)
	}
	if (d.flags&unix.NFT_SET_MAP != 0) != s.IsMap() {
		notes.add("map flag 0x%x", d.flags&unix.NFT_SET_MAP)
	}
	if !s.Key.known() || s.Key == TypeVerdict || int(d.keyLen) != s.Key.size() {
		notes.add("key type %d length %d", s.Key, d.keyLen)
	}
	// The length of a verdict is the kernel's own business.
	if s.IsMap() && s.Data != TypeVerdict && (!s.Data.known() || int(d.dataLen) != s.Data.size()) {
		notes.add("data type %d length %d", s.Data, d.dataLen)
	}
	for _, e := range d.expressions {
		if e.isCounter() && !s.Counter {
			s.Counter = true
		} else {
			notes.add("expression %s %x", e.name, e.raw)
		}
	}
}

// fieldLengths are the lengths that a ranged concatenation's parts must have.
func fieldLengths(parts []Type) []uint32 {
	var out []uint32
	for _, p := range parts {
		out = append(out, uint32(datatypes[p].size))
	}
	return out
}

// decodeSetCount reads how many elements a set has, where the kernel tells
// (Linux 6.16).
func decodeSetCount(b []byte) (uint32, bool) {
	r := attrReader{rest: b}
	for r.next() {
		if r.typ == nftaSetCount && len(r.val) == 4 {
			return binary.BigEndian.Uint32(r.val), true
		}
	}
	return 0, false
}
