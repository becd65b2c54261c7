package bridge

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Who looks for the neighbour with an IPv6 address asks a group that the address
// belongs to. The kernel joins it in its own time: on a busy machine, long after
// the address is there and everything is up. Until then nobody answers, and
// neighbours ask again after a second.

// A groupReader tells the groups of interfaces in the namespace that it was
// opened in.
type groupReader struct{ socket *nl.NetlinkSocket }

// openGroups opens a reader in the namespace of the calling thread.
func openGroups() (groupReader, error) {
	s, err := nl.Subscribe(unix.NETLINK_ROUTE)
	if err != nil {
		return groupReader{}, fmt.Errorf("open route socket: %w", err)
	}
	// The kernel tells of one interface, however many there are. Those before
	// 4.20 tell of all.
	_ = unix.SetsockoptInt(s.GetFd(), unix.SOL_NETLINK, unix.NETLINK_GET_STRICT_CHK, 1)
	return groupReader{s}, nil
}

func (r groupReader) close() { r.socket.Close() }

// answers tells whether the interface answers who looks for an address of its.
func (r groupReader) answers(link netlink.Link, a netip.Addr) (ok bool, err error) {
	index, want := link.Attrs().Index, solicitedNode(a)
	request := nl.NewNetlinkRequest(unix.RTM_GETMULTICAST, unix.NLM_F_DUMP)
	request.Sockets = map[int]*nl.SocketHandle{unix.NETLINK_ROUTE: {Socket: r.socket}}
	msg := nl.NewIfAddrmsg(unix.AF_INET6)
	msg.Index = uint32(index)
	request.AddData(msg)
	answers, err := request.Execute(unix.NETLINK_ROUTE, unix.RTM_GETMULTICAST)
	if err != nil {
		return false, fmt.Errorf("list the groups of %s: %w", link.Attrs().Name, err)
	}
	for _, b := range answers {
		if len(b) < unix.SizeofIfAddrmsg || binary.NativeEndian.Uint32(b[4:]) != uint32(index) {
			continue
		}
		group, _ := netip.AddrFromSlice(attribute(b[unix.SizeofIfAddrmsg:], []uint16{unix.IFA_MULTICAST}))
		ok = ok || group == want
	}
	return ok, nil
}

// solicitedNode is the group of an address (RFC 4291, 2.7.1).
func solicitedNode(a netip.Addr) netip.Addr {
	b := [16]byte{0: 0xff, 1: 2, 11: 1, 12: 0xff}
	full := a.As16()
	copy(b[13:], full[13:])
	return netip.AddrFrom16(b)
}
