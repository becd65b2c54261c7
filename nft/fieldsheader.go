package nft

import "strings"

// Fields of the IPv4 header.
var (
	// IPLength is the length of the packet with its header.
	IPLength = Field[uint16]{network("ip length", typeNumber, 2, IPv4).of(2)}
	// IPID numbers packets for those who put fragments together.
	IPID = Field[uint16]{network("ip id", typeNumber, 4, IPv4).of(2)}
	// IPFragOff is where a fragment belongs, in units of 8 bytes, in the lower 13
	// bits, and flags above (0x2000: more fragments, 0x4000: do not fragment).
	IPFragOff = MaskField[uint16]{Field[uint16]{network("ip frag-off", typeNumber, 6, IPv4).of(2)}}
	// IPTTL is how many routers may still forward the packet.
	IPTTL = Field[uint8]{network("ip ttl", typeNumber, 8, IPv4).of(1)}
	// IPProtocol is the transport protocol; [MetaL4Proto] says it for both families.
	IPProtocol = Field[L4Proto]{network("ip protocol", TypeInetProto, 9, IPv4)}
)

// Fields of the TCP header.
var (
	// TCPFlags are the flags of a TCP segment.
	TCPFlags = MaskField[TCPFlagBits]{Field[TCPFlagBits]{tcp("tcp flags", typeTCPFlags, 13).of(1)}}
	// TCPMaxSeg is the largest segment that the sender takes (MSS). A packet
	// without this option, or of another protocol, does not match.
	TCPMaxSeg = Field[uint16]{field{name: "tcp option maxseg size", typ: typeNumber, bytes: 2,
		src: source{kind: fromTCPOption, key: tcpOptionMaxSeg, offset: 2}}}
)

// tcpOptionMaxSeg is the option's kind (RFC 9293).
const tcpOptionMaxSeg = 2

// TCPFlagBits is a set of TCP flags, for [TCPFlags].
type TCPFlagBits uint8

// The TCP flags.
const (
	TCPFin TCPFlagBits = 1 << iota
	TCPSyn
	TCPRst
	TCPPsh
	TCPAck
	TCPUrg
	TCPEcn
	TCPCwr
)

// String lists the flags as nft does: "fin,syn"; none are "0x0".
func (b TCPFlagBits) String() string {
	var out []string
	for i, name := range []string{"fin", "syn", "rst", "psh", "ack", "urg", "ecn", "cwr"} {
		if b&(1<<i) != 0 {
			out = append(out, name)
		}
	}
	if out == nil {
		return "0x0"
	}
	return strings.Join(out, ",")
}

func tcp(name string, typ Type, offset uint32) field {
	f := transport(name, offset, TCP)
	f.typ = typ
	return f
}

// headerFields are the fields of this file.
func headerFields() []field {
	return []field{
		IPLength.field, IPID.field, IPFragOff.field, IPTTL.field, IPProtocol.field, TCPFlags.field, TCPMaxSeg.field,
	}
}
