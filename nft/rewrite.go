package nft

import (
	"fmt"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// A MACField is an address in the Ethernet header that a rule can change. Together
// with [SetPacketType] a bridge can hand frames to its host that are for somebody
// else, as ebtables' redirect does.
type MACField struct{ Field[[6]byte] }

// Set gives the frame an address.
func (f MACField) Set(a [6]byte) Statement { return rewrite{f: f.field, value: MAC(a).value()} }

// SetMap gives the frame the address that the map holds for what the selector
// reads; without one the rule does not match. The map's data is an Ethernet
// address.
func (f MACField) SetMap(sel Selector, m Set) Statement {
	return rewriteMap{f: f.field, sel: sel, set: m.Name, key: m.Key, data: m.Data}
}

// rewrite changes a field of the packet to a value.
type rewrite struct {
	f     field
	value Value
}

func (s rewrite) String() string { return s.f.name + " set " + s.f.format(s.value) }

func (s rewrite) compile(c *compiler) {
	c.add(&expr.Immediate{Register: reg(0), Data: []byte(s.value)})
	c.write(s.f)
}

// rewriteMap changes a field of the packet to what a map holds.
type rewriteMap struct {
	f         field
	sel       Selector
	set       string
	key, data Type
}

func (s rewriteMap) String() string {
	return s.f.name + " set " + s.sel.String() + " map @" + s.set
}

func (s rewriteMap) compile(c *compiler) {
	if s.data != s.f.typ {
		c.fail("@%s leads to data of type %s, not %s", s.set, s.data, s.f.typ)
		return
	}
	c.setKey(s.sel, s.set, s.key)
	c.add(&expr.Lookup{SourceRegister: reg(0), DestRegister: reg(0), IsDestRegSet: true, SetName: s.set})
	c.write(s.f)
}

// write puts the first register into a field of a header that has no checksum.
func (c *compiler) write(f field) {
	c.depend(f)
	if f.src.kind != fromPayload {
		c.fail("the field is a zero value, not one of this package's fields")
		return
	}
	c.add(&expr.Payload{
		OperationType: expr.PayloadWrite, SourceRegister: reg(0),
		Base: expr.PayloadBase(f.src.key), Offset: f.src.offset, Len: uint32(f.size()),
	})
}

// A PacketType is what the kernel takes a received frame for, by the address that
// it had when it came in.
type PacketType uint8

// The packet types. Host is the zero value: for this host.
const (
	PacketHost PacketType = iota
	PacketBroadcast
	PacketMulticast
	// PacketOther is for another host: IP drops it.
	PacketOther
)

var packetTypes = [...]string{PacketHost: "host", PacketBroadcast: "broadcast", PacketMulticast: "multicast", PacketOther: "other"}

// String returns nft's word for the type.
func (t PacketType) String() string {
	if int(t) >= len(packetTypes) {
		return fmt.Sprintf("type(%d)", uint8(t))
	}
	return packetTypes[t]
}

// SetPacketType changes what the kernel takes the packet for. Only prerouting and
// ingress chains can.
func SetPacketType(t PacketType) Statement { return setPacketType{t} }

type setPacketType struct{ t PacketType }

func (s setPacketType) String() string { return "meta pkttype set " + s.t.String() }

func (s setPacketType) compile(c *compiler) {
	if int(s.t) >= len(packetTypes) {
		c.fail("want a packet type of at most %d", len(packetTypes)-1)
		return
	}
	c.add(&expr.Immediate{Register: reg(0), Data: []byte{byte(s.t)}},
		&expr.Meta{Key: expr.MetaKeyPKTTYPE, Register: reg(0), SourceRegister: true})
}

// rewrite reads a change to a value.
func (d *decompiler) rewrite() int {
	if len(d.in) < 2 {
		return 0
	}
	register := d.in[0].attrs[unix.NFTA_IMMEDIATE_DREG]
	v, ok := d.in[0].value(unix.NFTA_IMMEDIATE_DATA)
	if !ok || register == "" {
		return 0
	}
	e := &d.in[1]
	if f, ok := d.writes(e, register); ok && len(v) == f.size() {
		d.emit(rewrite{f: f, value: v}, f)
		return 2
	}
	if e.name == "meta" && !e.opaque && e.attrs[unix.NFTA_META_SREG] == register && !e.has(unix.NFTA_META_DREG) &&
		expr.MetaKey(e.number(unix.NFTA_META_KEY)) == expr.MetaKeyPKTTYPE && len(v) == 1 && int(v[0]) < len(packetTypes) {
		d.emit(setPacketType{PacketType(v[0])})
		return 2
	}
	return 0
}

// writes tells which field an expression changes to what is in a register.
func (d *decompiler) writes(e *expression, register string) (field, bool) {
	f := EtherDaddr.field
	ok := e.name == "payload" && !e.opaque && e.attrs[unix.NFTA_PAYLOAD_SREG] == register && !e.has(unix.NFTA_PAYLOAD_DREG) &&
		!e.has(unix.NFTA_PAYLOAD_CSUM_TYPE) && !e.has(unix.NFTA_PAYLOAD_CSUM_OFFSET) && !e.has(nftaPayloadCsumFlags) &&
		(d.family == Bridge || d.family == Netdev) &&
		e.payloadSource() == f.src && int(e.number(unix.NFTA_PAYLOAD_LEN)) == f.size()
	return f, ok
}
