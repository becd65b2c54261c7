package bridge

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// A hostLink is a link of the host.
type hostLink struct {
	index int
	kind  string // "bridge", "veth"
	own   bool   // this package has made it
	half  bool   // or was killed while it did
	up    bool
	// master is the bridge that it is a port of, hairpin the port's mode.
	master  int
	hairpin bool
	group   uint32
}

// list returns the host's links by name. All are read at once.
func (l *links) list() (map[string]hostLink, error) {
	all := map[string]hostLink{}
	err := inNamespace(l.ns, func() error {
		request := nl.NewNetlinkRequest(unix.RTM_GETLINK, unix.NLM_F_DUMP)
		request.AddData(nl.NewIfInfomsg(unix.AF_UNSPEC))
		answers, err := request.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWLINK)
		for _, answer := range answers {
			if len(answer) < unix.SizeofIfInfomsg {
				continue
			}
			head, attrs := nl.DeserializeIfInfomsg(answer), answer[unix.SizeofIfInfomsg:]
			link := hostLink{
				index: int(head.Index), up: head.Flags&unix.IFF_UP != 0,
				own:  text(attrs, unix.IFLA_IFALIAS) == ownAlias,
				kind: strings.TrimRight(string(attribute(attrs, []uint16{unix.IFLA_LINKINFO, nl.IFLA_INFO_KIND})), "\x00"),
			}
			if b := attribute(attrs, []uint16{unix.IFLA_MASTER}); len(b) == 4 {
				link.master = int(nl.NativeEndian().Uint32(b))
			}
			if b := attribute(attrs, []uint16{unix.IFLA_GROUP}); len(b) == 4 {
				link.group = nl.NativeEndian().Uint32(b)
			}
			if mode := attribute(attrs, []uint16{unix.IFLA_LINKINFO, nl.IFLA_INFO_SLAVE_DATA, nl.IFLA_BRPORT_MODE}); len(mode) == 1 {
				link.hairpin = mode[0] != 0
			}
			link.half = text(attrs, unix.IFLA_IFALIAS) == "" && (link.kind == "bridge" || link.kind == "veth") &&
				bytes.Equal(attribute(attrs, []uint16{unix.IFLA_ADDRESS}), newMAC(text(attrs, unix.IFLA_IFNAME)))
			all[text(attrs, unix.IFLA_IFNAME)] = link
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list links: %w", err)
	}
	return all, nil
}

// newMAC is the link-layer address that a link is made with. It tells that the link
// is ours until that can be written to it: the kernel takes no alias for a new one.
func newMAC(name string) net.HardwareAddr {
	sum := sha256.Sum256([]byte("seawall " + name))
	return net.HardwareAddr{sum[0]&^1 | 2, sum[1], sum[2], sum[3], sum[4], sum[5]}
}

// text returns an attribute that is a string.
func text(b []byte, typ uint16) string {
	return strings.TrimRight(string(attribute(b, []uint16{typ})), "\x00")
}

// linkAddr is an address on a link.
type linkAddr struct {
	index int
	addr  netip.Addr
}

// addrs returns the host's addresses. All are read at once.
func (l *links) addrs() (map[linkAddr]bool, error) {
	list, err := l.h.AddrList(nil, netlink.FAMILY_ALL)
	if err != nil {
		return nil, fmt.Errorf("list addresses: %w", err)
	}
	all := map[linkAddr]bool{}
	for _, a := range list {
		if addr, ok := netip.AddrFromSlice(a.IP); ok {
			all[linkAddr{a.LinkIndex, addr.Unmap()}] = true
		}
	}
	return all, nil
}
