package bridge

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/seawall-net/seawall/nft"
)

// UseGateway makes an endpoint's network the way out of its container: the
// container's default route leads to the network's gateway from now on. Each
// family is switched in one step, in which packets take the one way or the
// other. Without families it is all that the endpoint has. Published ports are
// moved by [EndpointTx.MovePorts], best after this.
//
// ns is an open file on the container's network namespace, into which the
// endpoint was connected. What has no gateway is refused with a [*SpecError]: an
// internal network, and a family that the endpoint does not have. Default
// routes with a metric of their own (other than 0 for IPv4 and 1024 for IPv6) are
// not ours, and stay. If one family fails, the other is as before.
func (fw *Firewall) UseGateway(ctx context.Context, network, endpoint string, ns *os.File, families ...nft.Family) error {
	fw.mu.Lock()
	defer fw.mu.Unlock()
	err := fw.useGateway(ctx, network, endpoint, ns, families)
	if err != nil {
		return fmt.Errorf("bridge: gateway %s/%s: %w", network, endpoint, err)
	}
	return nil
}

func (fw *Firewall) useGateway(ctx context.Context, network, endpoint string, ns *os.File, families []nft.Family) error {
	e, err := fw.connectable(network, endpoint)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	object := "gateway of " + e.String()
	if ns == nil {
		return &SpecError{object, "NetNS", "is missing"}
	}
	gateways, err := e.gateways(families)
	if err != nil {
		return &SpecError{object, "families", err.Error()}
	}
	host, err := fw.links.find(e.Spec.HostIfName)
	if err == nil && host == nil {
		err = fmt.Errorf("the endpoint is not connected: %w", errNotExist)
	}
	if err != nil {
		return err
	}
	return inNamespace(ns, func() error { return switchDefaults(host, gateways) })
}

// gateways are the addresses that a container's default routes lead to.
func (e *Endpoint) gateways(families []nft.Family) (out []netip.Addr, err error) {
	asked := len(families) > 0
	if !asked {
		families = []nft.Family{nft.IPv4, nft.IPv6}
	}
	if e.Network.Spec.Internal {
		return nil, fmt.Errorf("network %s is internal: there is no way out of it", e.Network)
	}
	for _, f := range families {
		switch via := e.Network.gateway(f).Address; {
		case f != nft.IPv4 && f != nft.IPv6:
			return nil, fmt.Errorf("%s is neither IPv4 nor IPv6", f)
		case e.Addr(f).IsValid() && via.IsValid():
			out = append(out, via)
		case asked:
			return nil, fmt.Errorf("the endpoint has no address of family %s", f)
		}
	}
	return out, nil
}

// switchDefaults runs inside the container's namespace, where the other end of a
// veth pair is. It makes default routes lead to gateways behind it.
func switchDefaults(host netlink.Link, gateways []netip.Addr) error {
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer h.Close()
	// By index: the container may have given its end another name.
	eth, err := h.LinkByIndex(host.Attrs().ParentIndex)
	if err != nil || eth.Type() != "veth" || eth.Attrs().ParentIndex != host.Attrs().Index {
		return fmt.Errorf("the endpoint's interface is not in this namespace: %w", errNotExist)
	}
	var undo undoList
	for _, via := range gateways {
		back, err := switchDefault(h, eth, via)
		if err != nil {
			return errors.Join(fmt.Errorf("default route via %s: %w", via, err), undo.run())
		}
		undo = append(undo, back)
	}
	return nil
}

// switchDefault returns what switches back.
func switchDefault(h *netlink.Handle, eth netlink.Link, via netip.Addr) (back func() error, err error) {
	family, metric := unix.AF_INET, 0
	if via.Is6() {
		family, metric = unix.AF_INET6, 1024 // which the kernel takes for 0
	}
	before, err := h.RouteListFiltered(family, &netlink.Route{Dst: nil}, netlink.RT_FILTER_DST)
	if err != nil {
		return nil, fmt.Errorf("list routes: %w", err)
	}
	route := &netlink.Route{LinkIndex: eth.Attrs().Index, Gw: via.AsSlice(), Dst: ipNet(unspecified(via), 0), Priority: metric}
	back = func() error { return h.RouteDel(route) }
	for _, r := range before {
		if r.Priority == metric {
			back = func() error { return h.RouteReplace(&r) }
			break
		}
	}
	return back, h.RouteReplace(route)
}
