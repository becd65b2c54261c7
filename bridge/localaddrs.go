package bridge

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// localAddrs returns the addresses that are the host's own, as the rules ask for
// them (`fib daddr type local`): the local routes of table local.
func localAddrs(ns *os.File) (prefixSet, error) {
	conn, err := netlink.Dial(unix.NETLINK_ROUTE, &netlink.Config{NetNS: int(ns.Fd())})
	if err != nil {
		return nil, fmt.Errorf("bridge: list the host's addresses: %w", err)
	}
	defer conn.Close()
	// The other tables may be those of a large router; before Linux 4.20 they are read, too.
	_ = conn.SetOption(netlink.GetStrictCheck, true)
	var own prefixSet
	for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
		answers, err := conn.Execute(netlink.Message{
			Header: netlink.Header{Type: unix.RTM_GETROUTE, Flags: netlink.Request | netlink.Dump},
			Data:   []byte{family, 0, 0, 0, unix.RT_TABLE_LOCAL, 0, 0, 0, 0, 0, 0, 0},
		})
		if err != nil {
			return nil, fmt.Errorf("bridge: list the host's addresses: %w", err)
		}
		for _, m := range answers {
			p, ok, err := decodeLocalRoute(m.Data)
			if err != nil {
				return nil, fmt.Errorf("bridge: list the host's addresses: %w", err)
			}
			if ok {
				own = append(own, p)
			}
		}
	}
	own.sort()
	return own, nil
}

// decodeLocalRoute reads a route (struct rtmsg and attributes). It is not ok if
// it is none of what is local.
func decodeLocalRoute(b []byte) (p netip.Prefix, ok bool, err error) {
	if len(b) < unix.SizeofRtMsg {
		return p, false, fmt.Errorf("a route of %d bytes", len(b))
	}
	family, bits, table, kind := b[0], int(b[1]), uint32(b[4]), b[7]
	attrs, err := netlink.NewAttributeDecoder(b[unix.SizeofRtMsg:])
	if err != nil {
		return p, false, err
	}
	var dst netip.Addr // without an address, all of them
	switch family {
	case unix.AF_INET:
		dst = netip.IPv4Unspecified()
	case unix.AF_INET6:
		dst = netip.IPv6Unspecified()
	default:
		return p, false, fmt.Errorf("a route of family %d", family)
	}
	for attrs.Next() {
		switch v := attrs.Bytes(); attrs.Type() {
		case unix.RTA_DST:
			if a, fits := netip.AddrFromSlice(v); fits && a.BitLen() == dst.BitLen() {
				dst = a
			} else {
				return p, false, fmt.Errorf("a route to an address of %d bytes", len(v))
			}
		case unix.RTA_TABLE:
			if len(v) == 4 {
				table = binary.NativeEndian.Uint32(v)
			}
		}
	}
	if err := attrs.Err(); err != nil {
		return p, false, err
	}
	if p, err = dst.Prefix(bits); err != nil {
		return p, false, err
	}
	return p, table == unix.RT_TABLE_LOCAL && kind == unix.RTN_LOCAL, nil
}
