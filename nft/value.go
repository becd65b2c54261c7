package nft

import (
	"encoding/binary"
	"net/netip"
)

// A Value is the key or the data of an element, as the kernel's registers hold
// it. Values are immutable and comparable. Make them with [Key].
type Value string

// A Datum is one part of a [Value]: an address, a port, a name. It is made by
// [Addr], [Port], [Proto], [Byte], [EtherTypeValue], [Name], [MarkValue] and [MAC].
type Datum struct {
	b [16]byte
	n uint8
}

// Key makes a value of one datum or, of several, the concatenation.
func Key(parts ...Datum) Value {
	if len(parts) == 1 {
		return Value(parts[0].b[:parts[0].n])
	}
	var buf [5 * 16]byte
	n := 0
	for i := range parts {
		copy(buf[n:], parts[i].b[:parts[i].n])
		n += pad4(int(parts[i].n))
	}
	return Value(buf[:n])
}

// Addr is an IPv4 or IPv6 address (ipv4_addr, ipv6_addr).
func Addr(a netip.Addr) Datum {
	if a.Is4() {
		d := Datum{n: 4}
		v4 := a.As4()
		copy(d.b[:], v4[:])
		return d
	}
	return Datum{b: a.As16(), n: 16}
}

// Port is a transport port (inet_service).
func Port(p uint16) Datum {
	d := Datum{n: 2}
	binary.BigEndian.PutUint16(d.b[:], p)
	return d
}

// Proto is an IP protocol number (inet_proto).
func Proto(p L4Proto) Datum { return Datum{b: [16]byte{byte(p)}, n: 1} }

// Byte is a number of one byte (icmp_type, icmpv6_type).
func Byte(v uint8) Datum { return Datum{b: [16]byte{v}, n: 1} }

// EtherTypeValue is an EtherType (ether_type).
func EtherTypeValue(v uint16) Datum { return Port(v) }

// Name is an interface name (ifname), at most 15 bytes; longer ones are cut.
func Name(ifname string) Datum {
	d := Datum{n: 16}
	copy(d.b[:15], ifname)
	return d
}

// MarkValue is a packet or connection mark (mark).
func MarkValue(m uint32) Datum {
	d := Datum{n: 4}
	binary.NativeEndian.PutUint32(d.b[:], m)
	return d
}

// MAC is an Ethernet address (ether_addr).
func MAC(a [6]byte) Datum {
	d := Datum{n: 6}
	copy(d.b[:], a[:])
	return d
}
