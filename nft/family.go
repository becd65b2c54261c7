package nft

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// A Family is the address family of a table: it decides which packets the
// table's chains see. There is no zero family; a zero Family is refused.
type Family uint8

// The families of nf_tables, with the numbers of the kernel's NFPROTO_*.
const (
	INet   Family = unix.NFPROTO_INET
	IPv4   Family = unix.NFPROTO_IPV4
	ARP    Family = unix.NFPROTO_ARP
	Netdev Family = unix.NFPROTO_NETDEV
	Bridge Family = unix.NFPROTO_BRIDGE
	IPv6   Family = unix.NFPROTO_IPV6
)

// String returns nft's word for the family: ip, ip6, inet, arp, bridge, netdev.
func (f Family) String() string {
	switch f {
	case INet:
		return "inet"
	case IPv4:
		return "ip"
	case ARP:
		return "arp"
	case Netdev:
		return "netdev"
	case Bridge:
		return "bridge"
	case IPv6:
		return "ip6"
	}
	return fmt.Sprintf("family(%d)", uint8(f))
}
