package netlab

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// LAN is a layer-2 segment: a bridge alone in a namespace that has no addresses and filters nothing.
type LAN struct {
	lab    *Lab
	name   string
	ns     *Namespace
	bridge int
}

// segment is the bridge's name inside its namespace.
const segment = "lan"

// LAN adds a segment to plug namespaces into.
func (l *Lab) LAN(name string) *LAN {
	l.tb.Helper()
	lan := &LAN{lab: l, name: name, ns: l.Namespace(name)}
	l.step(func() error {
		// Neither addresses nor a br_netfilter that would defragment or consult rules.
		err := lan.ns.Do(func() error {
			if err := writeSysctl("net.ipv6.conf.default.disable_ipv6", "1"); err != nil {
				return err
			}
			for _, key := range []string{"iptables", "ip6tables", "arptables"} {
				_ = writeSysctl("net.bridge.bridge-nf-call-"+key, "0") // absent without br_netfilter
			}
			return nil
		})
		if err != nil {
			return err
		}
		snooping := false // neighbour discovery must not wait for group memberships
		bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: segment}, MulticastSnooping: &snooping}
		if err := lan.ns.handle.LinkAdd(bridge); err != nil {
			return fmt.Errorf("add bridge: %w", err)
		}
		link, err := lan.ns.handle.LinkByName(segment)
		if err != nil {
			return err
		}
		lan.bridge = link.Attrs().Index
		return lan.ns.handle.LinkSetUp(link)
	}, "LAN %s", name)
	return lan
}

// Plug gives ns an interface on the segment, up, with addresses such as "192.0.2.1/24" and "2001:db8::1/64".
func (lan *LAN) Plug(ns *Namespace, ifname string, prefixes ...string) {
	lan.lab.tb.Helper()
	lan.lab.step(func() error {
		port := &netlink.Veth{
			LinkAttrs: netlink.LinkAttrs{Name: lan.nextPort(), MasterIndex: lan.bridge, Flags: net.FlagUp},
			PeerName:  ifname, PeerNamespace: netlink.NsFd(int(ns.file.Fd())),
		}
		if err := lan.ns.handle.LinkAdd(port); err != nil {
			return fmt.Errorf("add veth: %w", err)
		}
		if err := ns.setLink(ifname, ns.handle.LinkSetUp); err != nil {
			return err
		}
		return errors.Join(ns.awaitCarrier(ifname), lan.ns.awaitCarrier(port.Name))
	}, "plug %s %s into LAN %s", ns.name, ifname, lan.name)
	ns.Address(ifname, prefixes...)
}

// nextPort returns a name that no other port in the lab has.
func (lan *LAN) nextPort() string {
	lan.lab.mu.Lock()
	defer lan.lab.mu.Unlock()
	lan.lab.ports++
	return fmt.Sprintf("port%d", lan.lab.ports)
}

// Veth joins two namespaces by a cable without a bridge between; both ends are up and have no addresses but link-local
// ones.
func (l *Lab) Veth(a *Namespace, ifnameA string, b *Namespace, ifnameB string) {
	l.tb.Helper()
	l.step(func() error {
		pair := &netlink.Veth{
			LinkAttrs: netlink.LinkAttrs{Name: ifnameA},
			PeerName:  ifnameB, PeerNamespace: netlink.NsFd(int(b.file.Fd())),
		}
		if err := a.handle.LinkAdd(pair); err != nil {
			return fmt.Errorf("add veth: %w", err)
		}
		if err := a.setLink(ifnameA, a.handle.LinkSetUp); err != nil {
			return err
		}
		if err := b.setLink(ifnameB, b.handle.LinkSetUp); err != nil {
			return err
		}
		return errors.Join(a.awaitCarrier(ifnameA), b.awaitCarrier(ifnameB))
	}, "join %s %s and %s %s", a.name, ifnameA, b.name, ifnameB)
}

// awaitCarrier waits until the kernel has noticed, in its own time, that the other end of a cable is up. Until then a
// bridge forwards nothing to it, and frames are lost.
func (ns *Namespace) awaitCarrier(ifname string) error {
	for range 5000 {
		link, err := ns.handle.LinkByName(ifname)
		if err != nil {
			return fmt.Errorf("interface %s: %w", ifname, err)
		}
		if link.Attrs().OperState == netlink.OperUp {
			return nil
		}
		time.Sleep(time.Millisecond)
	}
	return fmt.Errorf("interface %s: no carrier: %w", ifname, os.ErrDeadlineExceeded)
}

// Address adds addresses with their prefix lengths to an interface; they are usable at once.
func (ns *Namespace) Address(ifname string, prefixes ...string) {
	ns.lab.tb.Helper()
	for _, text := range prefixes {
		ns.lab.step(func() error {
			prefix, err := netip.ParsePrefix(text)
			if err != nil {
				return err
			}
			addr := &netlink.Addr{IPNet: ipNet(prefix)}
			if prefix.Addr().Is6() {
				addr.Flags = unix.IFA_F_NODAD
			}
			if err := ns.setLink(ifname, func(link netlink.Link) error { return ns.handle.AddrAdd(link, addr) }); err != nil {
				return err
			}
			if err := ns.awaitNeighbours(ifname, prefix.Addr()); err != nil {
				return err
			}
			return ns.awaitRoute(ifname, prefix.Addr())
		}, "%s: add address %s to %s", ns.name, text, ifname)
	}
}

// awaitNeighbours waits until the kernel has joined, in its own time, the group in which neighbours ask for an IPv6
// address. Until then nobody finds it.
func (ns *Namespace) awaitNeighbours(ifname string, addr netip.Addr) error {
	if addr.Is4() || ifname == "lo" {
		return nil
	}
	a := addr.As16()
	group := fmt.Sprintf(" ff0200000000000000000001ff%x ", a[13:])
	for range 5000 {
		var groups []byte
		err := ns.Do(func() (err error) {
			groups, err = os.ReadFile("/proc/thread-self/net/igmp6")
			return err
		})
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(groups)) {
			if f := strings.Fields(line); len(f) > 1 && f[1] == ifname && strings.Contains(line, group) {
				return nil
			}
		}
		time.Sleep(time.Millisecond)
	}
	return fmt.Errorf("interface %s: does not answer for %s: %w", ifname, addr, os.ErrDeadlineExceeded)
}

// awaitRoute waits until the kernel takes an IPv6 address for the namespace's own, which it does last. Until then the
// namespace looks for the address on the segment.
func (ns *Namespace) awaitRoute(ifname string, addr netip.Addr) error {
	if addr.Is4() || ifname == "lo" {
		return nil
	}
	own := &netlink.Route{Table: unix.RT_TABLE_LOCAL, Type: unix.RTN_LOCAL, Dst: ipNet(netip.PrefixFrom(addr, addr.BitLen()))}
	for range 5000 {
		routes, err := ns.handle.RouteListFiltered(netlink.FAMILY_V6, own,
			netlink.RT_FILTER_TABLE|netlink.RT_FILTER_TYPE|netlink.RT_FILTER_DST)
		if err != nil || len(routes) > 0 {
			return err
		}
		time.Sleep(time.Millisecond)
	}
	return fmt.Errorf("interface %s: no local route for %s: %w", ifname, addr, os.ErrDeadlineExceeded)
}

// Route sends a destination ("198.51.100.0/24", or "default" for via's family) to the neighbour via, or, if via is the
// name of an interface, out of that interface.
func (ns *Namespace) Route(destination, via string) {
	ns.lab.tb.Helper()
	ns.lab.step(func() error {
		route, err := ns.route(destination, via)
		if err != nil {
			return err
		}
		return ns.handle.RouteReplace(route)
	}, "%s: route %s via %s", ns.name, destination, via)
}

// Blackhole makes the namespace discard packets it would forward to a destination prefix, without a word. Its own
// packets there fail with EINVAL.
func (ns *Namespace) Blackhole(destination string) {
	ns.lab.tb.Helper()
	ns.lab.step(func() error {
		prefix, err := netip.ParsePrefix(destination)
		if err != nil {
			return err
		}
		return ns.handle.RouteReplace(&netlink.Route{Dst: ipNet(prefix.Masked()), Type: unix.RTN_BLACKHOLE})
	}, "%s: blackhole %s", ns.name, destination)
}

func (ns *Namespace) route(destination, via string) (*netlink.Route, error) {
	route := &netlink.Route{}
	gateway, err := netip.ParseAddr(via)
	if err == nil {
		route.Gw = gateway.WithZone("").AsSlice()
		via = gateway.Zone()
	}
	if via != "" {
		link, err := ns.handle.LinkByName(via)
		if err != nil {
			return nil, fmt.Errorf("interface %s: %w", via, err)
		}
		route.LinkIndex = link.Attrs().Index
	}
	if destination == "default" {
		if !gateway.IsValid() {
			return nil, fmt.Errorf("a default route needs the address of a gateway; write 0.0.0.0/0 or ::/0")
		}
		destination = "0.0.0.0/0"
		if gateway.Is6() {
			destination = "::/0"
		}
	}
	prefix, err := netip.ParsePrefix(destination)
	if err != nil {
		return nil, err
	}
	route.Dst = ipNet(prefix.Masked())
	return route, nil
}

// Neighbour makes the hardware address of a neighbour known once and for all, so that nobody is asked for it.
func (ns *Namespace) Neighbour(ifname, address string, mac net.HardwareAddr) {
	ns.lab.tb.Helper()
	ns.lab.step(func() error {
		addr, err := netip.ParseAddr(address)
		if err != nil {
			return err
		}
		return ns.setLink(ifname, func(link netlink.Link) error {
			return ns.handle.NeighSet(&netlink.Neigh{
				LinkIndex: link.Attrs().Index, State: netlink.NUD_PERMANENT, IP: addr.AsSlice(), HardwareAddr: mac,
			})
		})
	}, "%s: neighbour %s on %s", ns.name, address, ifname)
}

// MAC returns an interface's hardware address.
func (ns *Namespace) MAC(ifname string) net.HardwareAddr {
	return ns.attributes(ifname).HardwareAddr
}

// Index returns an interface's index, 0 if it could not be read.
func (ns *Namespace) Index(ifname string) int {
	return ns.attributes(ifname).Index
}

func (ns *Namespace) attributes(ifname string) (attributes netlink.LinkAttrs) {
	ns.lab.tb.Helper()
	ns.lab.step(func() error {
		return ns.setLink(ifname, func(link netlink.Link) error { attributes = *link.Attrs(); return nil })
	}, "%s: read %s", ns.name, ifname)
	return attributes
}

// SetUp brings an interface up.
func (ns *Namespace) SetUp(ifname string) {
	ns.lab.tb.Helper()
	ns.lab.step(func() error { return ns.setLink(ifname, ns.handle.LinkSetUp) }, "%s: set %s up", ns.name, ifname)
}

// SetDown brings an interface down; the kernel forgets its routes, and its IPv6 addresses.
func (ns *Namespace) SetDown(ifname string) {
	ns.lab.tb.Helper()
	ns.lab.step(func() error { return ns.setLink(ifname, ns.handle.LinkSetDown) }, "%s: set %s down", ns.name, ifname)
}

// setLink applies f to the interface of that name.
func (ns *Namespace) setLink(ifname string, f func(netlink.Link) error) error {
	link, err := ns.handle.LinkByName(ifname)
	if err != nil {
		return fmt.Errorf("interface %s: %w", ifname, err)
	}
	return f(link)
}

func ipNet(prefix netip.Prefix) *net.IPNet {
	return &net.IPNet{
		IP:   prefix.Addr().AsSlice(),
		Mask: net.CIDRMask(prefix.Bits(), prefix.Addr().BitLen()),
	}
}
