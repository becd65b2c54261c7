package netlab

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"strconv"

	"golang.org/x/sys/unix"
)

// protocol returns the IP protocol's number.
func (f Frame) protocol() byte {
	switch f.Proto {
	case "tcp":
		return unix.IPPROTO_TCP
	case "udp":
		return unix.IPPROTO_UDP
	case "sctp":
		return unix.IPPROTO_SCTP
	case "icmp":
		if f.To.Addr().Is6() {
			return unix.IPPROTO_ICMPV6
		}
		return unix.IPPROTO_ICMP
	}
	number, err := strconv.ParseUint(f.Proto, 10, 8)
	if err != nil {
		panic(fmt.Sprintf("netlab: frame of unknown protocol %q", f.Proto))
	}
	return byte(number)
}

// protocolName is the inverse of protocol.
func protocolName(number byte, ipv4 bool) string {
	switch {
	case number == unix.IPPROTO_TCP:
		return "tcp"
	case number == unix.IPPROTO_UDP:
		return "udp"
	case number == unix.IPPROTO_SCTP:
		return "sctp"
	case number == unix.IPPROTO_ICMP && ipv4, number == unix.IPPROTO_ICMPV6 && !ipv4:
		return "icmp"
	}
	return strconv.Itoa(int(number))
}

// ParseFrame reads an Ethernet frame as far as it understands it: a fragment that is not the first, an IPv6 packet with
// extension headers, or a damaged header yields a Frame with what came before, and the rest as Payload. Checksums are
// not verified, except SCTP's, without which Seq and Ack stay 0: packets captured where they are sent may not have them
// yet.
func ParseFrame(b []byte) Frame {
	var f Frame
	if len(b) < 14 {
		f.Payload = b
		return f
	}
	f.Dst, f.Src = net.HardwareAddr(b[:6]), net.HardwareAddr(b[6:12])
	f.EtherType, b = binary.BigEndian.Uint16(b[12:]), b[14:]
	// A tag of 0 is none to a Frame: it stays part of the payload.
	if f.EtherType == unix.ETH_P_8021Q && len(b) >= 4 && b[0]|b[1] != 0 {
		f.VLAN, f.EtherType, b = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:]), b[4:]
	}
	f.Payload = b
	switch f.EtherType {
	case unix.ETH_P_ARP:
		f.parseARP(b)
	case unix.ETH_P_IP:
		f.parseIPv4(b)
	case unix.ETH_P_IPV6:
		f.parseIPv6(b)
	}
	return f
}

func (f *Frame) parseARP(b []byte) {
	if len(b) < 28 || b[2] != 8 || b[3] != 0 || b[4] != 6 || b[5] != 4 || b[6] != 0 || b[7] < 1 || b[7] > 2 {
		return
	}
	f.Proto = arpRequest
	if b[7] == 2 {
		f.Proto = arpReply
	}
	f.From = netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[14:18])), 0)
	f.To = netip.AddrPortFrom(netip.AddrFrom4([4]byte(b[24:28])), 0)
	f.Payload = nil
}

func (f *Frame) parseIPv4(b []byte) {
	if len(b) < 20 || b[0]>>4 != 4 {
		return
	}
	header, total := int(b[0]&15)*4, int(binary.BigEndian.Uint16(b[2:]))
	if header < 20 || total < header || total > len(b) {
		return
	}
	f.parseIP(netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20])), b[9], b[header:total],
		binary.BigEndian.Uint16(b[6:])&0x1fff != 0)
}

func (f *Frame) parseIPv6(b []byte) {
	if len(b) < 40 || b[0]>>4 != 6 {
		return
	}
	length := int(binary.BigEndian.Uint16(b[4:]))
	if 40+length > len(b) {
		return
	}
	f.parseIP(netip.AddrFrom16([16]byte(b[8:24])), netip.AddrFrom16([16]byte(b[24:40])), b[6], b[40:40+length], false)
}

func (f *Frame) parseIP(from, to netip.Addr, protocol byte, b []byte, fragment bool) {
	f.From, f.To = netip.AddrPortFrom(from, 0), netip.AddrPortFrom(to, 0)
	f.Proto, f.Payload = protocolName(protocol, from.Is4()), b
	if fragment {
		return
	}
	header := 0
	switch f.Proto {
	case "tcp":
		if len(b) < 20 || int(b[12]>>4)*4 < 20 || int(b[12]>>4)*4 > len(b) {
			return
		}
		header = int(b[12]>>4) * 4
		f.Seq, f.Ack, f.TCPFlags = binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:]), b[13]
	case "udp":
		header = 8
	case "sctp":
		header = 12
	default:
		return
	}
	if len(b) < header {
		return
	}
	f.From = netip.AddrPortFrom(from, binary.BigEndian.Uint16(b))
	f.To = netip.AddrPortFrom(to, binary.BigEndian.Uint16(b[2:]))
	f.Payload = b[header:]
	if f.Proto == "sctp" {
		if c, ok := parseSCTP(b); ok {
			f.Seq, f.Ack, f.Payload = c.initTag, c.tag, c.cookie
		}
	}
}
