package nft

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// maxElements is how large a list of elements may get: an attribute's length is
// a 16-bit number.
const maxElements = 65000

// A wire is a batch as it is sent.
type wire struct {
	b    []byte
	base uint32 // sequence number of the opening message
	// index tells which op each message belongs to; the first message is the
	// one behind the opening one.
	index []wireIndex
}

type wireIndex struct {
	op     int32
	first  int32 // first element of the message
	offset int32 // of the message in b
}

// marshal encodes the batch. The sequence numbers count up from base.
func (b *Batch) marshal(base uint32) (*wire, error) {
	w := &wire{base: base}
	e := encoder{b: make([]byte, 0, 256+48*b.Len())}
	begin := e.message(unix.NFNL_MSG_BATCH_BEGIN, unix.NLM_F_REQUEST, base, 0, unix.NFNL_SUBSYS_NFTABLES)
	if b.Generation != 0 {
		e.u32(nfnlBatchGenID, b.Generation)
	}
	e.end(begin)
	last := begin
	for i := range b.ops {
		op := &b.ops[i]
		for first := 0; ; {
			at := len(e.b)
			w.index = append(w.index, wireIndex{int32(i), int32(first), int32(at)})
			n, err := op.encode(&e, base+uint32(len(w.index)), first)
			if err != nil {
				return nil, b.describe(op, n, err)
			}
			last = at
			if first = n; op.object != nil || first == len(op.elements) {
				break
			}
		}
	}
	// One acknowledgement is enough: the last message's.
	e.b[last+6] |= unix.NLM_F_ACK
	end := e.message(unix.NFNL_MSG_BATCH_END, unix.NLM_F_REQUEST, base+uint32(len(w.index))+1, 0, unix.NFNL_SUBSYS_NFTABLES)
	e.end(end)
	w.b = e.b
	return w, nil
}

// nfnlBatchGenID is the attribute of the opening message that holds the
// generation the batch was made for.
const nfnlBatchGenID = 1

// encode writes one message for the op. Elements are written from first on as
// long as they fit; it returns the index of the next one.
func (o *op) encode(e *encoder, seq uint32, first int) (int, error) {
	if o.object == nil {
		return o.encodeElements(e, seq, first)
	}
	del := o.verb == verbDelete || o.verb == verbDestroy
	family, typ := o.message()
	flags := uint16(unix.NLM_F_REQUEST)
	switch o.verb {
	case verbAdd:
		flags |= unix.NLM_F_CREATE
	case verbCreate:
		flags |= unix.NLM_F_CREATE | unix.NLM_F_EXCL
	case verbInsert:
		flags |= unix.NLM_F_CREATE
	}
	var err error
	switch x := o.object.(type) {
	case *Table:
		at := e.message(typ, flags, seq, family, 0)
		err = x.encode(e, del)
		e.end(at)
	case *Chain:
		at := e.message(typ, flags, seq, family, 0)
		switch o.verb {
		case verbFlush:
			e.str(unix.NFTA_RULE_TABLE, x.Table.Name)
			e.str(unix.NFTA_RULE_CHAIN, x.Name)
		case verbPolicy:
			err = x.encode(e, true)
			e.u32(unix.NFTA_CHAIN_POLICY, x.Policy.verdict().code())
		default:
			err = x.encode(e, del)
		}
		e.end(at)
	case *Set:
		at := e.message(typ, flags, seq, family, 0)
		if o.verb == verbFlush {
			e.str(unix.NFTA_SET_ELEM_LIST_TABLE, x.Table.Name)
			e.str(unix.NFTA_SET_ELEM_LIST_SET, x.Name)
		} else {
			err = x.encode(e, del, seq)
		}
		e.end(at)
	case *Rule:
		if !del {
			// The echo tells the new rule's handle.
			flags |= unix.NLM_F_ECHO
			if o.verb != verbInsert {
				flags |= unix.NLM_F_APPEND
			}
			flags &^= unix.NLM_F_EXCL
		}
		at := e.message(typ, flags, seq, family, 0)
		err = x.encode(e, del, o.position)
		e.end(at)
	default:
		err = fmt.Errorf("%T is not an object", x)
	}
	return 0, err
}

func (o *op) encodeElements(e *encoder, seq uint32, first int) (int, error) {
	typ, flags := uint16(unix.NFT_MSG_NEWSETELEM), uint16(unix.NLM_F_REQUEST|unix.NLM_F_CREATE)
	switch o.verb {
	case verbCreate:
		flags |= unix.NLM_F_EXCL
	case verbDelete:
		typ, flags = unix.NFT_MSG_DELSETELEM, unix.NLM_F_REQUEST
	case verbDestroy:
		typ, flags = nftMsgDestroySetElem, unix.NLM_F_REQUEST
	}
	del := o.verb == verbDelete || o.verb == verbDestroy
	at := e.message(nftables(typ), flags, seq, uint8(o.set.Table().Family), 0)
	e.str(unix.NFTA_SET_ELEM_LIST_TABLE, o.set.Table().Name)
	e.str(unix.NFTA_SET_ELEM_LIST_SET, o.set.Name())
	list := e.nest(unix.NFTA_SET_ELEM_LIST_ELEMENTS)
	i := first
	for ; i < len(o.elements); i++ {
		mark := len(e.b)
		if err := o.elements[i].encode(e, del); err != nil {
			return i, err
		}
		if len(e.b)-list > maxElements {
			e.b = e.b[:mark]
			break
		}
	}
	e.unnest(list)
	e.end(at)
	return i, nil
}

// Message types that x/sys/unix does not name (Linux 6.3).
const (
	nftMsgDestroyTable   = 26
	nftMsgDestroyChain   = 27
	nftMsgDestroyRule    = 28
	nftMsgDestroySet     = 29
	nftMsgDestroySetElem = 30
)

func nftables(msg uint16) uint16 { return unix.NFNL_SUBSYS_NFTABLES<<8 | msg }

// message returns the family and the message type of an op.
func (o *op) message() (uint8, uint16) {
	id := o.object.ID()
	pick := func(add, del, destroy uint16) uint16 {
		switch o.verb {
		case verbDelete:
			return nftables(del)
		case verbDestroy:
			return nftables(destroy)
		}
		return nftables(add)
	}
	var typ uint16
	switch o.object.(type) {
	case *Table:
		typ = pick(unix.NFT_MSG_NEWTABLE, unix.NFT_MSG_DELTABLE, nftMsgDestroyTable)
	case *Chain:
		typ = pick(unix.NFT_MSG_NEWCHAIN, unix.NFT_MSG_DELCHAIN, nftMsgDestroyChain)
		if o.verb == verbFlush {
			typ = nftables(unix.NFT_MSG_DELRULE)
		}
	case *Set:
		typ = pick(unix.NFT_MSG_NEWSET, unix.NFT_MSG_DELSET, nftMsgDestroySet)
		if o.verb == verbFlush {
			typ = nftables(unix.NFT_MSG_DELSETELEM)
		}
	case *Rule:
		typ = pick(unix.NFT_MSG_NEWRULE, unix.NFT_MSG_DELRULE, nftMsgDestroyRule)
	}
	return uint8(id.Table.Family), typ
}

// MarshalBinary returns the batch as the netlink messages that Commit would
// send, numbered from 1. Only the last operation asks for an acknowledgement.
func (b Batch) MarshalBinary() ([]byte, error) {
	w, err := b.marshal(1)
	if err != nil {
		return nil, err
	}
	return w.b, nil
}
