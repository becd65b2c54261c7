package bridge

import (
	"fmt"
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
	up    bool
	// master is the bridge that it is a port of, hairpin the port's mode.
	master  int
	hairpin bool
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
			if mode := attribute(attrs, []uint16{unix.IFLA_LINKINFO, nl.IFLA_INFO_SLAVE_DATA, nl.IFLA_BRPORT_MODE}); len(mode) == 1 {
				link.hairpin = mode[0] != 0
			}
			all[text(attrs, unix.IFLA_IFNAME)] = link
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list links: %w", err)
	}
	return all, nil
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
