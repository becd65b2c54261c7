package nft

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Attributes and flags of elements that x/sys/unix does not name.
const (
	nftaSetElemExpressions = 11
	nftSetElemCatchall     = 0x2

	udataElementFlags = 1 // nft's: how it lists an open interval
)

// catchAll is how the element for all other keys is noted.
const catchAll = "catch-all"

// An elementDump is one entry of a listing of a set.
type elementDump struct {
	element *Element
	// end tells that the entry is no element but the first key behind an
	// interval: sets of intervals without concatenation keep those apart.
	end bool
}

// decodeElements appends the elements in one message of a listing of a set.
func decodeElements(s *Set, out []elementDump, b []byte) ([]elementDump, error) {
	ref := s.Ref()
	r := attrReader{rest: b}
	for r.next() {
		if r.typ != unix.NFTA_SET_ELEM_LIST_ELEMENTS {
			continue
		}
		list := attrReader{rest: r.val}
		for list.next() {
			el, err := decodeElement(s, ref, list.val)
			list.fail(err)
			out = append(out, el)
		}
		r.fail(list.err)
	}
	if r.err != nil {
		return nil, fmt.Errorf("elements of set %s: %w", ref, r.err)
	}
	return out, nil
}

// decodeElement reads one element. What an [Element] cannot express makes it
// foreign.
func decodeElement(s *Set, ref SetRef, b []byte) (elementDump, error) {
	el := &Element{Set: ref}
	d := elementDump{element: el}
	var notes foreignNotes
	r := attrReader{rest: b}
	for r.next() {
		switch r.typ {
		case unix.NFTA_SET_ELEM_KEY:
			el.Key = r.value()
		case nftaSetElemKeyEnd:
			el.End = r.value()
		case unix.NFTA_SET_ELEM_DATA:
			el.decodeData(&r, &notes)
		case unix.NFTA_SET_ELEM_FLAGS:
			flags := r.u32()
			d.end = flags&unix.NFT_SET_ELEM_INTERVAL_END != 0
			if flags &^= unix.NFT_SET_ELEM_INTERVAL_END; flags == nftSetElemCatchall {
				notes.add(catchAll)
			} else if flags != 0 {
				notes.add("flags 0x%x", flags)
			}
		case unix.NFTA_SET_ELEM_TIMEOUT:
			notes.add("timeout %d", r.u64())
		case unix.NFTA_SET_ELEM_EXPIRATION:
			notes.add("expires") // when, is different at every look
		case unix.NFTA_SET_ELEM_USERDATA:
			u := decodeUserdata(r.val, false)
			el.Comment, el.Userdata = u.Comment, u.Userdata
			notes.userdata(u, udataElementFlags)
		case unix.NFTA_SET_ELEM_EXPR:
			el.decodeCounter(s, decodeExpression(r.val), &notes)
		case nftaSetElemExpressions:
			list, err := decodeExpressions(r.val)
			r.fail(err)
			for _, e := range list {
				el.decodeCounter(s, e, &notes)
			}
		case unix.NFTA_SET_ELEM_OBJREF:
			notes.add("object %q", r.str())
		case unix.NFTA_SET_ELEM_PAD:
		default:
			notes.add("attribute %d %x", r.typ, r.val)
		}
	}
	if r.err != nil {
		return d, r.err
	}
	if el.End == el.Key {
		el.End = ""
	}
	if el.Key == "" && notes == "" {
		notes.add("no key")
	}
	el.foreign = string(notes)
	return d, nil
}

// value reads the current attribute as nested data that is a value.
func (r *attrReader) value() Value {
	data := attrReader{rest: r.val}
	var v []byte
	for data.next() {
		if data.typ != unix.NFTA_DATA_VALUE || v != nil {
			data.fail(fmt.Errorf("not a value"))
		}
		v = data.val
	}
	r.fail(data.err)
	return Value(v)
}

// decodeData reads what a map's element leads to.
func (el *Element) decodeData(r *attrReader, notes *foreignNotes) {
	data := attrReader{rest: r.val}
	for data.next() {
		switch data.typ {
		case unix.NFTA_DATA_VALUE:
			el.Data = Value(data.val)
		case unix.NFTA_DATA_VERDICT:
			code, chain, err := decodeVerdict(data.val)
			data.fail(err)
			v, ok := verdictFromCode(code, chain)
			if !ok {
				notes.add("verdict %d", int32(code))
			}
			el.Verdict = v
		default:
			notes.add("data %d %x", data.typ, data.val)
		}
	}
	r.fail(data.err)
}

// decodeVerdict reads a verdict's code and, of jump and goto, the chain.
func decodeVerdict(b []byte) (code uint32, chain string, err error) {
	r := attrReader{rest: b}
	hasCode := false
	for r.next() {
		switch r.typ {
		case unix.NFTA_VERDICT_CODE:
			code, hasCode = r.u32(), true
		case unix.NFTA_VERDICT_CHAIN:
			chain = r.str()
		default:
			r.fail(fmt.Errorf("unknown in a verdict"))
		}
	}
	if r.err == nil && !hasCode {
		r.err = fmt.Errorf("a verdict without a code")
	}
	return code, chain, r.err
}

// decodeCounter reads the counter that an element of a set with counters has.
func (el *Element) decodeCounter(s *Set, e expression, notes *foreignNotes) {
	if !s.Counter || !e.isCounter() {
		notes.add("expression %s", e.name)
		return
	}
	el.Packets, el.Bytes = e.packets, e.bytes
}
