package nft

import (
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

// Attributes and flags that x/sys/unix does not name.
const (
	nftaHookDevs   = 4
	nftaChainFlags = 10
	nftChainBase   = 0x1
)

// decodeTable reads the attributes of a table. The handle and the number of
// users say nothing about what the table is; the owner's socket is told by
// [TableOwner].
func decodeTable(family Family, b []byte) (*Table, error) {
	t := &Table{Family: family}
	r := attrReader{rest: b}
	for r.next() {
		switch r.typ {
		case unix.NFTA_TABLE_NAME:
			t.Name = r.str()
		case unix.NFTA_TABLE_FLAGS:
			t.Flags = TableFlags(r.u32())
		case nftaTableUserdata:
			u := decodeUserdata(r.val, false)
			t.Comment, t.Userdata = u.Comment, u.Userdata
		}
	}
	if r.err != nil {
		return nil, fmt.Errorf("table %s: %w", t.Ref(), r.err)
	}
	return t, nil
}

// userdata notes what an object that is not a rule has no place for, except
// the types that nft keeps to list the object nicely.
func (n *foreignNotes) userdata(u udata, presentation ...byte) {
	if u.Key != "" || u.Rank != 0 {
		n.add("key %q rank %d", u.Key, u.Rank)
	}
	other := u.Other
	for len(other) >= 2 && len(other) >= 2+int(other[1]) {
		tlv := other[:2+int(other[1])]
		if !slices.Contains(presentation, tlv[0]) {
			n.add("userdata %x", tlv)
		}
		other = other[len(tlv):]
	}
	if other != "" {
		n.add("userdata %x", other)
	}
}

// decodeChain reads the attributes of a chain.
func decodeChain(family Family, b []byte) (*Chain, error) {
	c := &Chain{Table: TableRef{Family: family}}
	var notes foreignNotes
	var typ string
	var hook chainHook
	policy, hasPolicy := uint32(0), false
	r := attrReader{rest: b}
	for r.next() {
		switch r.typ {
		case unix.NFTA_CHAIN_TABLE:
			c.Table.Name = r.str()
		case unix.NFTA_CHAIN_NAME:
			c.Name = r.str()
		case unix.NFTA_CHAIN_TYPE:
			typ = r.str()
		case unix.NFTA_CHAIN_POLICY:
			policy, hasPolicy = r.u32(), true
		case unix.NFTA_CHAIN_HOOK:
			var err error
			hook, err = decodeHook(r.val)
			r.fail(err)
		case nftaChainFlags:
			if f := r.u32() &^ nftChainBase; f != 0 {
				notes.add("flags 0x%x", f)
			}
		case nftaChainUserdata:
			u := decodeUserdata(r.val, false)
			c.Comment, c.Userdata = u.Comment, u.Userdata
			notes.userdata(u)
		}
	}
	if r.err != nil {
		return nil, fmt.Errorf("chain %s: %w", c.Ref(), r.err)
	}
	if hook.present {
		c.setHook(hook, typ, &notes)
	} else if typ != "" {
		notes.add("type %q without a hook", typ)
	}
	switch {
	case !hasPolicy, policy == Accept().code():
	case policy == Drop().code():
		c.Policy = PolicyDrop
	default:
		notes.add("policy %d", policy)
	}
	c.foreign = string(notes)
	return c, nil
}

// A chainHook is where a base chain hangs, in the kernel's words.
type chainHook struct {
	present  bool
	number   uint32
	priority int32
	devices  bool
}

func decodeHook(b []byte) (chainHook, error) {
	h := chainHook{present: true}
	r := attrReader{rest: b}
	for r.next() {
		switch r.typ {
		case unix.NFTA_HOOK_HOOKNUM:
			h.number = r.u32()
		case unix.NFTA_HOOK_PRIORITY:
			h.priority = int32(r.u32())
		case unix.NFTA_HOOK_DEV, nftaHookDevs:
			h.devices = true
		}
	}
	return h, r.err
}

// setHook fills in what makes a base chain.
func (c *Chain) setHook(h chainHook, typ string, notes *foreignNotes) {
	c.Priority = h.priority
	named := c.Table.Family != ARP && c.Table.Family != Netdev && h.number <= Postrouting.number()
	if named && !h.devices {
		c.Hook = Hook(h.number + 1)
	} else {
		notes.add("hook %d", h.number)
		if h.devices {
			notes.add("devices")
		}
	}
	switch typ {
	case "filter":
		c.Type = FilterChain
	case "nat":
		c.Type = NATChain
	case "route":
		c.Type = RouteChain
	default:
		notes.add("type %q", typ)
	}
}
