package iptables

import (
	"strconv"
	"strings"
)

// protocolNames are the names of the protocols as iptables writes them, which
// has them from Debian's /etc/protocols: that file is not read, what a rule means would depend
// on the host.
var protocolNames = map[uint8]string{
	1:   "icmp",
	2:   "igmp",
	3:   "ggp",
	4:   "ipencap",
	5:   "st",
	6:   "tcp",
	8:   "egp",
	9:   "igp",
	12:  "pup",
	17:  "udp",
	20:  "hmp",
	22:  "xns-idp",
	27:  "rdp",
	29:  "iso-tp4",
	33:  "dccp",
	36:  "xtp",
	37:  "ddp",
	38:  "idpr-cmtp",
	41:  "ipv6",
	43:  "ipv6-route",
	44:  "ipv6-frag",
	45:  "idrp",
	46:  "rsvp",
	47:  "gre",
	50:  "esp",
	51:  "ah",
	57:  "skip",
	58:  "ipv6-icmp",
	59:  "ipv6-nonxt",
	60:  "ipv6-opts",
	73:  "rspf",
	81:  "vmtp",
	88:  "eigrp",
	89:  "ospf",
	93:  "ax.25",
	94:  "ipip",
	97:  "etherip",
	98:  "encap",
	103: "pim",
	108: "ipcomp",
	112: "vrrp",
	115: "l2tp",
	124: "isis",
	132: "sctp",
	133: "fc",
	135: "mobility-header",
	136: "udplite",
	137: "mpls-in-ip",
	138: "manet",
	139: "hip",
	140: "shim6",
	141: "wesp",
	142: "rohc",
	143: "ethernet",
}

// protocolNumber reads the number or the name of a protocol; 0 is all of them.
func protocolNumber(text string) (uint8, bool) {
	if n, ok := wholeNumber(text, 0, 255); ok {
		return uint8(n), true
	}
	// iptables lower-cases the names and knows some that are nowhere else.
	text = strings.ToLower(text)
	switch text {
	case "all", "ip":
		return 0, true
	case "hopopt":
		return 0, true
	case "icmpv6":
		return protoICMPv6, true
	case "mh", "ipv6-mh":
		return 135, true
	}
	for n, name := range protocolNames {
		if name == text {
			return n, true
		}
	}
	return 0, false
}

// protocolName is how iptables writes a protocol.
func protocolName(n uint8) string {
	if name, ok := protocolNames[n]; ok {
		return name
	}
	return strconv.Itoa(int(n))
}

// The protocols that something depends on.
const (
	protoICMP    = 1
	protoTCP     = 6
	protoUDP     = 17
	protoDCCP    = 33
	protoICMPv6  = 58
	protoSCTP    = 132
	protoUDPLite = 136
)
