package netlab

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Frame describes an Ethernet frame. What Marshal builds from it, ParseFrame reads back; the zero value of a field
// leaves that part out or 0.
type Frame struct {
	Dst, Src net.HardwareAddr
	VLAN     uint16 // 802.1Q tag control information (priority and VLAN), 0 for none

	// Of an IP packet: the addresses, both of one family, and the protocol: "tcp", "udp", "sctp", "icmp", or another
	// one's number in decimal. Of ARP: the protocol addresses, and Proto is "arp request" or "arp reply".
	From, To netip.AddrPort
	Proto    string

	// TCPFlags are the bits of RFC 9293, such as SYN. Seq is TCP's sequence number, or an SCTP INIT's initiate tag. Ack
	// is TCP's acknowledgement number, or SCTP's verification tag.
	TCPFlags byte
	Seq, Ack uint32

	// Payload follows the TCP, UDP or ICMP header (for ICMP, its first four bytes), or the IP header of other protocols.
	// With SCTP it is the state cookie. Without a protocol it follows the Ethernet header, and EtherType is used.
	Payload   []byte
	EtherType uint16
}

// TCP flags.
const (
	FIN = 1 << iota
	SYN
	RST
	PSH
	ACK
)

const (
	arpRequest = "arp request"
	arpReply   = "arp reply"
)

// String returns a line such as "tcp 192.0.2.2:1000 > 192.0.2.1:80 flags 2 from 02:00:00:00:00:01 to 02:00:00:00:00:02".
func (f Frame) String() string {
	if f.Proto == "" {
		return fmt.Sprintf("ethertype %#04x from %s to %s", f.EtherType, f.Src, f.Dst)
	}
	return fmt.Sprintf("%s %s > %s flags %d from %s to %s", f.Proto, f.From, f.To, f.TCPFlags, f.Src, f.Dst)
}

// Marshal builds the frame with right lengths and checksums. Nothing is refused: what does not fit is cut off, as this
// is for attacks. Addresses of different families, and a protocol that is no number, are programming errors and panic.
func (f Frame) Marshal() []byte {
	etherType, payload := f.network()
	b := make([]byte, 12, 18+len(payload))
	copy(b[:6], f.Dst)
	copy(b[6:], f.Src)
	if f.VLAN != 0 {
		b = binary.BigEndian.AppendUint16(b, unix.ETH_P_8021Q)
		b = binary.BigEndian.AppendUint16(b, f.VLAN)
	}
	b = binary.BigEndian.AppendUint16(b, etherType)
	return append(b, payload...)
}

func (f Frame) network() (etherType uint16, payload []byte) {
	if f.Proto == "" {
		return f.EtherType, f.Payload
	}
	src, dst := f.From.Addr(), f.To.Addr()
	if src.Is4() != dst.Is4() {
		panic(fmt.Sprintf("netlab: frame from %s to %s: addresses of different families", src, dst))
	}
	if f.Proto == arpRequest || f.Proto == arpReply {
		return unix.ETH_P_ARP, f.arp()
	}
	segment := f.segment()
	if src.Is4() {
		b := make([]byte, 20, 20+len(segment))
		b[0], b[8], b[9] = 0x45, 64, f.protocol()
		binary.BigEndian.PutUint16(b[2:], uint16(20+len(segment)))
		copy(b[12:], src.AsSlice())
		copy(b[16:], dst.AsSlice())
		binary.BigEndian.PutUint16(b[10:], checksum(b))
		return unix.ETH_P_IP, append(b, segment...)
	}
	b := make([]byte, 40, 40+len(segment))
	b[0], b[6], b[7] = 0x60, f.protocol(), 255 // neighbour discovery demands a hop limit of 255
	binary.BigEndian.PutUint16(b[4:], uint16(len(segment)))
	copy(b[8:], src.AsSlice())
	copy(b[24:], dst.AsSlice())
	return unix.ETH_P_IPV6, append(b, segment...)
}

// arp is RFC 826's packet; a request does not know the target's hardware address.
func (f Frame) arp() []byte {
	b := make([]byte, 28)
	copy(b, []byte{0, 1, 8, 0, 6, 4, 0, 1})
	if f.Proto == arpReply {
		b[7] = 2
		copy(b[18:], f.Dst)
	}
	copy(b[8:14], f.Src)
	copy(b[14:18], f.From.Addr().AsSlice())
	copy(b[24:], f.To.Addr().AsSlice())
	return b
}

// segment builds the transport header and what follows.
func (f Frame) segment() []byte {
	var b []byte
	var sum int // where the checksum goes
	switch f.Proto {
	case "tcp":
		b = make([]byte, 20, 20+len(f.Payload))
		binary.BigEndian.PutUint32(b[4:], f.Seq)
		binary.BigEndian.PutUint32(b[8:], f.Ack)
		b[12], b[13] = 5<<4, f.TCPFlags
		binary.BigEndian.PutUint16(b[14:], 65535)
		sum = 16
	case "udp":
		b = make([]byte, 8, 8+len(f.Payload))
		binary.BigEndian.PutUint16(b[4:], uint16(8+len(f.Payload)))
		sum = 6
	case "sctp":
		kind := byte(sctpInit)
		if f.Ack != 0 {
			kind = sctpInitAck
		}
		return sctpChunk{
			sport: f.From.Port(), dport: f.To.Port(), tag: f.Ack, kind: kind, initTag: f.Seq, cookie: f.Payload,
		}.marshal()
	case "icmp":
		b = append(b, f.Payload...)
		for len(b) < 4 {
			b = append(b, 0)
		}
		binary.BigEndian.PutUint16(b[2:], 0)
		if f.From.Addr().Is4() {
			binary.BigEndian.PutUint16(b[2:], checksum(b))
		} else {
			binary.BigEndian.PutUint16(b[2:], f.checksum(b))
		}
		return b
	default:
		return f.Payload
	}
	binary.BigEndian.PutUint16(b, f.From.Port())
	binary.BigEndian.PutUint16(b[2:], f.To.Port())
	b = append(b, f.Payload...)
	value := f.checksum(b)
	if value == 0 && f.Proto == "udp" {
		value = 0xffff // 0 says that there is none
	}
	binary.BigEndian.PutUint16(b[sum:], value)
	return b
}

// checksum sums a segment and the pseudo header before it.
func (f Frame) checksum(segment []byte) uint16 {
	pseudo := append(f.From.Addr().AsSlice(), f.To.Addr().AsSlice()...)
	pseudo = binary.BigEndian.AppendUint32(pseudo, uint32(len(segment)))
	pseudo = append(pseudo, 0, 0, 0, f.protocol())
	return checksum(pseudo, segment)
}
