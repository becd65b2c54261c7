package nft

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"
)

// A Transaction is one commit, by whomever, as a [Monitor] hears of it.
type Transaction struct {
	// Generation is the ruleset's generation since this commit.
	Generation uint32
	// Port is the netlink port of the socket that committed: a [Conn] knows
	// its own commits by [Conn.Port].
	Port uint32
	// PID and Process are the number, in the initial process namespace, and
	// the name of the thread that committed.
	PID     uint32
	Process string
	// Events is what was done, in order. A table or chain that was deleted is
	// preceded by what was in it; elements are not listed when their set goes.
	Events []Event
}

// An Event is the addition, change or deletion of one object.
type Event struct {
	// Deleted tells a deletion from an addition or a change.
	Deleted bool
	// ID is the object's identity. The kind is [KindOther] for what this
	// package does not handle: flow tables and stateful objects. The key of a
	// rule is empty if it is somebody else's.
	ID ID
	// Handle is the kernel's number of a rule; zero for other objects.
	Handle uint64
}

// String describes the event for people: `delete rule ip t c "k" (handle 7)`.
func (e Event) String() string {
	verb := "add "
	if e.Deleted {
		verb = "delete "
	}
	if e.Handle != 0 {
		return fmt.Sprintf("%s%s (handle %d)", verb, e.ID, e.Handle)
	}
	return verb + e.ID.String()
}

// eventDecoder turns the kernel's notifications into transactions.
type eventDecoder struct {
	unread []byte
	// events of the commit whose end has not been read yet.
	events []Event
}

// reset forgets what was received.
func (d *eventDecoder) reset() { d.unread, d.events = nil, nil }

// next reads up to the end of a commit. It returns false when there is more to
// be received first.
func (d *eventDecoder) next() (Transaction, bool) {
	for m, rest := range messagesWithRest(d.unread) {
		d.unread = rest
		if m.typ>>8 != unix.NFNL_SUBSYS_NFTABLES || len(m.body) < 4 {
			continue
		}
		if m.typ&0xff != unix.NFT_MSG_NEWGEN {
			d.events = appendEvents(d.events, m)
			continue
		}
		t := Transaction{Port: m.port, Events: d.events}
		for typ, v := range attributes(m.payload()) {
			switch {
			case typ == unix.NFTA_GEN_ID && len(v) == 4:
				t.Generation = binary.BigEndian.Uint32(v)
			case typ == unix.NFTA_GEN_PROC_PID && len(v) == 4:
				t.PID = binary.BigEndian.Uint32(v)
			case typ == unix.NFTA_GEN_PROC_NAME:
				t.Process = unix.ByteSliceToString(v)
			}
		}
		d.events = nil
		return t, true
	}
	d.unread = nil
	return Transaction{}, false
}

// An eventLayout says which attributes of a notification hold what. Zero is
// none.
type eventLayout struct {
	kind                      Kind
	table, name, handle, data uint16
}

// layoutOf returns the layout of a kind of notification: they all number their
// attributes differently.
func layoutOf(typ uint16) (l eventLayout, deleted, ok bool) {
	switch typ {
	case unix.NFT_MSG_NEWTABLE, unix.NFT_MSG_DELTABLE, nftMsgDestroyTable:
		l = eventLayout{kind: KindTable, table: unix.NFTA_TABLE_NAME}
	case unix.NFT_MSG_NEWCHAIN, unix.NFT_MSG_DELCHAIN, nftMsgDestroyChain:
		l = eventLayout{kind: KindChain, table: unix.NFTA_CHAIN_TABLE, name: unix.NFTA_CHAIN_NAME}
	case unix.NFT_MSG_NEWRULE, unix.NFT_MSG_DELRULE, nftMsgDestroyRule:
		l = eventLayout{KindRule, unix.NFTA_RULE_TABLE, unix.NFTA_RULE_CHAIN, unix.NFTA_RULE_HANDLE, unix.NFTA_RULE_USERDATA}
	case unix.NFT_MSG_NEWSET, unix.NFT_MSG_DELSET, nftMsgDestroySet:
		l = eventLayout{kind: KindSet, table: unix.NFTA_SET_TABLE, name: unix.NFTA_SET_NAME}
	case unix.NFT_MSG_NEWSETELEM, unix.NFT_MSG_DELSETELEM, nftMsgDestroySetElem:
		l = eventLayout{KindElement, unix.NFTA_SET_ELEM_LIST_TABLE, unix.NFTA_SET_ELEM_LIST_SET, 0, unix.NFTA_SET_ELEM_LIST_ELEMENTS}
	case unix.NFT_MSG_NEWOBJ, unix.NFT_MSG_DELOBJ, nftMsgDestroyObj,
		unix.NFT_MSG_NEWFLOWTABLE, unix.NFT_MSG_DELFLOWTABLE, nftMsgDestroyFlowtable:
		// Both begin with the table's and their own name.
		l = eventLayout{kind: KindOther, table: unix.NFTA_OBJ_TABLE, name: unix.NFTA_OBJ_NAME}
	default:
		return l, false, false
	}
	switch typ {
	case unix.NFT_MSG_NEWTABLE, unix.NFT_MSG_NEWCHAIN, unix.NFT_MSG_NEWRULE, unix.NFT_MSG_NEWSET,
		unix.NFT_MSG_NEWSETELEM, unix.NFT_MSG_NEWOBJ, unix.NFT_MSG_NEWFLOWTABLE:
		return l, false, true
	}
	return l, true, true
}

// appendEvents decodes one notification.
func appendEvents(events []Event, m message) []Event {
	l, deleted, ok := layoutOf(m.typ & 0xff)
	if !ok {
		return events
	}
	e := Event{Deleted: deleted, ID: ID{Kind: l.kind, Table: TableRef{Family: Family(m.body[0])}}}
	var elements []byte
	for typ, v := range attributes(m.payload()) {
		switch {
		case typ == 0:
		case typ == l.table:
			e.ID.Table.Name = unix.ByteSliceToString(v)
		case typ == l.name:
			e.ID.Name = unix.ByteSliceToString(v)
		case typ == l.handle && len(v) == 8:
			e.Handle = binary.BigEndian.Uint64(v)
		case typ == l.data && l.kind == KindRule:
			e.ID.Key = decodeUserdata(v, false).Key
		case typ == l.data && l.kind == KindElement:
			elements = v
		}
	}
	if l.kind != KindElement {
		return append(events, e)
	}
	for _, v := range attributes(elements) {
		key, end := elementKey(v)
		if !end {
			e.ID.Key = string(key)
			events = append(events, e)
		}
	}
	return events
}

// More message types that x/sys/unix does not name (Linux 6.3).
const (
	nftMsgDestroyObj       = 31
	nftMsgDestroyFlowtable = 32
)

// elementKey reads the key of one element, empty for the one that stands for
// all others, and whether it only marks the end of an interval.
func elementKey(b []byte) (key Value, end bool) {
	for typ, v := range attributes(b) {
		switch typ {
		case unix.NFTA_SET_ELEM_KEY:
			for typ, v := range attributes(v) {
				if typ == unix.NFTA_DATA_VALUE {
					key = Value(v)
				}
			}
		case unix.NFTA_SET_ELEM_FLAGS:
			end = len(v) == 4 && binary.BigEndian.Uint32(v)&unix.NFT_SET_ELEM_INTERVAL_END != 0
		}
	}
	return key, end
}
