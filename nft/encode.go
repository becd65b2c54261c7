package nft

import (
	"fmt"
	"strings"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// maxName is the longest name of a table, chain or set (NFT_NAME_MAXLEN - 1).
const maxName = 255

// checkName refuses names that the kernel would refuse.
func checkName(name string) error {
	if name == "" || len(name) > maxName {
		return fmt.Errorf("the name has %d bytes: want 1 to %d", len(name), maxName)
	}
	for i := range len(name) {
		if name[i] == 0 {
			return fmt.Errorf("the name has a NUL byte")
		}
	}
	return nil
}

// encode writes the table's attributes.
func (t *Table) encode(e *encoder, identify bool) error {
	if err := checkName(t.Name); err != nil {
		return err
	}
	e.str(unix.NFTA_TABLE_NAME, t.Name)
	if identify {
		return nil
	}
	e.u32(unix.NFTA_TABLE_FLAGS, uint32(t.Flags))
	return e.userdata(nftaTableUserdata, t.Comment, t.Userdata, maxUserdata)
}

// Attributes that x/sys/unix does not name.
const (
	nftaTableUserdata = 6
	nftaChainUserdata = 12

	nftaSetElemKeyEnd = 10

	nftSetConcat      = 0x80
	nftaSetExpr       = 17
	nftaSetDescConcat = 2
	nftaSetFieldLen   = 1
)

func (e *encoder) userdata(typ uint16, comment, opaque string, limit int) error {
	if comment == "" && opaque == "" {
		return nil
	}
	b := appendUserdata(nil, comment, opaque, "", 0)
	if err := checkUserdata(comment, opaque, len(b), limit); err != nil {
		return err
	}
	e.raw(typ, b)
	return nil
}

// encode writes the chain's attributes; identify leaves all but the name out.
func (c *Chain) encode(e *encoder, identify bool) error {
	if err := checkName(c.Name); err != nil {
		return err
	}
	e.str(unix.NFTA_CHAIN_TABLE, c.Table.Name)
	e.str(unix.NFTA_CHAIN_NAME, c.Name)
	if identify {
		return nil
	}
	if c.Hook != NoHook {
		hook := e.nest(unix.NFTA_CHAIN_HOOK)
		e.u32(unix.NFTA_HOOK_HOOKNUM, c.Hook.number())
		e.u32(unix.NFTA_HOOK_PRIORITY, uint32(c.Priority))
		e.unnest(hook)
		if !c.Shared {
			e.u32(unix.NFTA_CHAIN_POLICY, c.Policy.verdict().code())
		}
		e.str(unix.NFTA_CHAIN_TYPE, c.Type.String())
	} else if c.Type != 0 || c.Priority != 0 || c.Policy != 0 {
		return fmt.Errorf("a chain without a hook has no type, priority or policy")
	}
	return e.userdata(nftaChainUserdata, c.Comment, c.Userdata, maxUserdata)
}

// encode writes the set's attributes; identify leaves all but the name out.
func (s *Set) encode(e *encoder, identify bool, id uint32) error {
	if err := checkName(s.Name); err != nil {
		return err
	}
	e.str(unix.NFTA_SET_TABLE, s.Table.Name)
	e.str(unix.NFTA_SET_NAME, s.Name)
	if identify {
		return nil
	}
	if !s.Key.known() || s.Key == TypeVerdict {
		return fmt.Errorf("%s is not a type of keys", s.Key)
	}
	if s.foreign != "" {
		return fmt.Errorf("it was loaded with properties that this package cannot express")
	}
	parts := s.Key.parts()
	if s.Interval && len(parts) < 2 {
		// The kernel keeps these as starts and ends of intervals, which
		// Element cannot say.
		return fmt.Errorf("a set of intervals needs a concatenated key")
	}
	var flags uint32
	if s.Interval {
		flags |= unix.NFT_SET_INTERVAL
		if len(parts) > 1 {
			flags |= nftSetConcat
		}
	}
	if s.IsMap() {
		flags |= unix.NFT_SET_MAP
	}
	e.u32(unix.NFTA_SET_FLAGS, flags)
	e.u32(unix.NFTA_SET_KEY_TYPE, uint32(s.Key))
	e.u32(unix.NFTA_SET_KEY_LEN, uint32(s.Key.size()))
	if s.IsMap() {
		if !s.Data.known() {
			return fmt.Errorf("%s is not a type of data", s.Data)
		}
		e.u32(unix.NFTA_SET_DATA_TYPE, uint32(s.Data))
		e.u32(unix.NFTA_SET_DATA_LEN, uint32(s.Data.size()))
	}
	e.u32(unix.NFTA_SET_ID, id)
	if s.Size != 0 || s.Interval && len(parts) > 1 {
		desc := e.nest(unix.NFTA_SET_DESC)
		if s.Size != 0 {
			e.u32(unix.NFTA_SET_DESC_SIZE, s.Size)
		}
		if s.Interval && len(parts) > 1 {
			e.concatDesc(parts)
		}
		e.unnest(desc)
	}
	if s.Counter {
		counter, err := expr.Marshal(byte(s.Table.Family), &expr.Counter{})
		if err != nil {
			return err
		}
		e.raw(nftaSetExpr|unix.NLA_F_NESTED, counter)
	}
	b := s.userdata()
	if err := checkUserdata(s.Comment, s.Userdata, len(b), maxUserdata); err != nil {
		return err
	}
	e.raw(unix.NFTA_SET_USERDATA, b)
	return nil
}

// concatDesc tells the kernel where the parts of a ranged concatenation end.
func (e *encoder) concatDesc(parts []Type) {
	concat := e.nest(nftaSetDescConcat)
	for _, p := range parts {
		field := e.nest(unix.NFTA_LIST_ELEM)
		e.u32(nftaSetFieldLen, uint32(datatypes[p].size))
		e.unnest(field)
	}
	e.unnest(concat)
}

// encode writes the element as one entry of a list.
func (el *Element) encode(e *encoder, identify bool) error {
	if len(el.Key) == 0 && !(identify && strings.HasPrefix(el.foreign, catchAll)) {
		return fmt.Errorf("the key is empty")
	}
	if el.foreign != "" && !identify {
		return fmt.Errorf("it was loaded with properties that this package cannot express")
	}
	item := e.nest(unix.NFTA_LIST_ELEM)
	if len(el.Key) > 0 {
		e.value(unix.NFTA_SET_ELEM_KEY, el.Key)
	} else {
		e.u32(unix.NFTA_SET_ELEM_FLAGS, nftSetElemCatchall)
	}
	if el.End != "" {
		e.value(nftaSetElemKeyEnd, el.End)
	}
	if !identify {
		switch {
		case el.Verdict.Kind != NoVerdict:
			data := e.nest(unix.NFTA_SET_ELEM_DATA)
			verdict := e.nest(unix.NFTA_DATA_VERDICT)
			e.u32(unix.NFTA_VERDICT_CODE, el.Verdict.code())
			if el.Verdict.Chain != "" {
				e.str(unix.NFTA_VERDICT_CHAIN, el.Verdict.Chain)
			}
			e.unnest(verdict)
			e.unnest(data)
		case el.Data != "":
			e.value(unix.NFTA_SET_ELEM_DATA, el.Data)
		}
		if el.Comment != "" || el.Userdata != "" {
			if err := e.elementUserdata(el); err != nil {
				return err
			}
		}
		if el.Packets|el.Bytes != 0 {
			counter, err := expr.Marshal(byte(el.Set.Table().Family), &expr.Counter{Packets: el.Packets, Bytes: el.Bytes})
			if err != nil {
				return err
			}
			e.raw(unix.NFTA_SET_ELEM_EXPR|unix.NLA_F_NESTED, counter)
		}
	}
	e.unnest(item)
	return nil
}

// elementUserdata avoids an allocation: it is on the path of every port.
func (e *encoder) elementUserdata(el *Element) error {
	at := len(e.b)
	e.header(unix.NFTA_SET_ELEM_USERDATA, 0)
	e.b = appendUserdata(e.b, el.Comment, el.Userdata, "", 0)
	n := len(e.b) - at - 4
	if err := checkUserdata(el.Comment, el.Userdata, n, maxElemUserdata); err != nil {
		return err
	}
	e.unnest(at)
	e.b = append(e.b, padding[:pad4(n)-n]...)
	return nil
}

// value writes a nested data attribute with a value.
func (e *encoder) value(typ uint16, v Value) {
	at := e.nest(typ)
	e.bytes(unix.NFTA_DATA_VALUE, string(v))
	e.unnest(at)
}

// encode writes the rule's attributes; identify leaves all but the handle out.
// A position other than zero is the handle of the neighbour to stand beside.
func (r *Rule) encode(e *encoder, identify bool, position uint64) error {
	e.str(unix.NFTA_RULE_TABLE, r.Chain.Table.Name)
	e.str(unix.NFTA_RULE_CHAIN, r.Chain.Name)
	if identify {
		if r.Handle == 0 {
			return fmt.Errorf("the rule's handle is not known")
		}
		e.u64(unix.NFTA_RULE_HANDLE, r.Handle)
		return nil
	}
	exprs, err := r.compile()
	if err != nil {
		return err
	}
	list := e.nest(unix.NFTA_RULE_EXPRESSIONS)
	for _, x := range exprs {
		e.raw(unix.NFTA_LIST_ELEM|unix.NLA_F_NESTED, x)
	}
	e.unnest(list)
	e.compat(r.Statements)
	if position != 0 {
		e.u64(unix.NFTA_RULE_POSITION, position)
	}
	if len(r.Key) > maxKey {
		return fmt.Errorf("the key has %d bytes: at most %d", len(r.Key), maxKey)
	}
	if b := appendUserdata(nil, r.Comment, r.Userdata, r.Key, r.Rank); len(b) > 0 {
		if err := checkUserdata(r.Comment, r.Userdata, len(b), maxUserdata); err != nil {
			return err
		}
		e.raw(unix.NFTA_RULE_USERDATA, b)
	}
	return nil
}
