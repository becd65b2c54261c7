package bridge

import (
	"fmt"
	"net/netip"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// freeIfName returns the first name with a prefix and a number that no interface
// of a namespace has.
func freeIfName(ns *os.File, prefix string) (string, error) {
	name := ""
	err := inNamespace(ns, func() error {
		h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
		if err != nil {
			return err
		}
		defer h.Close()
		all, err := h.LinkList()
		if err != nil {
			return fmt.Errorf("list interfaces: %w", err)
		}
		taken := map[string]bool{}
		for _, l := range all {
			taken[l.Attrs().Name] = true
		}
		for i := 0; name == "" || taken[name]; i++ {
			name = fmt.Sprint(prefix, i)
		}
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("in the container: %w", err)
	}
	return name, nil
}

// configureContainer runs inside the container's namespace.
func configureContainer(e *Endpoint, link Link) error {
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer h.Close()
	eth, err := h.LinkByName(link.IfName)
	if err != nil {
		return err
	}
	if lo, err := h.LinkByName("lo"); err == nil {
		if err := h.LinkSetUp(lo); err != nil {
			return fmt.Errorf("set lo up: %w", err)
		}
	}
	spec := e.Network.Spec
	if err := containerSysctls(e, link); err != nil {
		return err
	}
	for _, f := range []struct {
		addr    netip.Addr
		gateway Gateway
	}{{e.Spec.IPv4, spec.IPv4}, {e.Spec.IPv6, spec.IPv6}} {
		if !f.addr.IsValid() {
			continue
		}
		a := &netlink.Addr{IPNet: ipNet(f.addr, f.gateway.Subnet.Bits())}
		if f.addr.Is6() {
			a.Flags = unix.IFA_F_NODAD
		}
		if err := h.AddrAdd(eth, a); err != nil {
			return fmt.Errorf("add address %s: %w", a.IPNet, err)
		}
	}
	if err := h.LinkSetUp(eth); err != nil {
		return fmt.Errorf("set %s up: %w", link.IfName, err)
	}
	if link.NoDefaultRoute {
		return nil
	}
	for _, g := range []struct {
		addr netip.Addr
		via  Gateway
		fam  int
	}{{e.Spec.IPv4, spec.IPv4, unix.AF_INET}, {e.Spec.IPv6, spec.IPv6, unix.AF_INET6}} {
		// From an internal network there is no way out.
		if g.addr.IsValid() && g.via.Address.IsValid() && !spec.Internal {
			if err := defaultRoute(h, eth, g.via.Address, g.fam); err != nil {
				return err
			}
		}
	}
	return nil
}

// containerSysctls gives the interface the families of its endpoint: an
// endpoint without IPv6 has no link-local address either.
func containerSysctls(e *Endpoint, link Link) error {
	if !e.Spec.IPv6.IsValid() {
		return disableIPv6(link.IfName)
	}
	return setSysctl("net/ipv6/conf/"+link.IfName+"/disable_ipv6", "0")
}

// defaultRoute adds a default route, unless the family has one.
func defaultRoute(h *netlink.Handle, eth netlink.Link, via netip.Addr, family int) error {
	routes, err := h.RouteListFiltered(family, &netlink.Route{Dst: nil}, netlink.RT_FILTER_DST)
	if err != nil {
		return fmt.Errorf("list routes: %w", err)
	}
	if len(routes) > 0 {
		return nil
	}
	route := &netlink.Route{LinkIndex: eth.Attrs().Index, Gw: via.AsSlice(), Dst: ipNet(unspecified(via), 0)}
	if err := h.RouteAdd(route); err != nil {
		return fmt.Errorf("add default route via %s: %w", via, err)
	}
	return nil
}
