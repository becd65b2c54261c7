package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"

	"github.com/seawall-net/seawall/bridge"
)

func attachCommand() *command {
	c := newCommand("attach", "attach --network N --endpoint E --container-netns PATH [--ifname eth0] [--ipv4 A] [--ipv6 A] [--mac M]",
		"connect a container: interface, addresses and default route",
		"seawallctl attach --network web --endpoint c1 --container-netns /run/netns/c1",
		"seawallctl attach --network web --endpoint c9 --container-netns /proc/4711/ns/net --ipv4 172.18.0.9",
		"# an endpoint of the document has its addresses there; a new one without any gets the lowest that are free")
	network := c.flags.String("network", "", "the network's `name`")
	endpoint := c.flags.String("endpoint", "", "the endpoint's `name`: if there is none, it is made")
	container := c.flags.String("container-netns", "", "the container's network namespace: a `path`")
	ifname := c.flags.String("ifname", "", "the interface's `name` in the container (eth0, or the next that is free)")
	ipv4 := c.flags.String("ipv4", "", "IPv4 `address`")
	ipv6 := c.flags.String("ipv6", "", "IPv6 `address`")
	mac := c.flags.String("mac", "", "link-layer `address`")
	c.run = func(ctx context.Context, s *session) error {
		if err := s.none(); err != nil {
			return err
		}
		if *network == "" || *endpoint == "" || *container == "" {
			return s.usage("--network, --endpoint and --container-netns are needed")
		}
		spec := bridge.EndpointSpec{Name: *endpoint}
		if err := s.addresses(&spec, *ipv4, *ipv6, *mac); err != nil {
			return err
		}
		ns, err := os.Open(*container)
		if err != nil {
			return err
		}
		defer ns.Close()
		return s.with(ctx, func(fw *bridge.Firewall) error {
			return s.attach(ctx, fw, *network, spec, bridge.Link{NetNS: ns, IfName: *ifname})
		})
	}
	return c
}

// addresses reads the flags that are addresses.
func (s *session) addresses(spec *bridge.EndpointSpec, ipv4, ipv6, mac string) error {
	for _, a := range []struct {
		flag, text string
		to         *netip.Addr
		is6        bool
	}{{"--ipv4", ipv4, &spec.IPv4, false}, {"--ipv6", ipv6, &spec.IPv6, true}} {
		if a.text == "" {
			continue
		}
		addr, err := netip.ParseAddr(a.text)
		if err != nil || addr.Is6() != a.is6 || addr.Zone() != "" {
			return s.usage("%s: %q is not such an address", a.flag, a.text)
		}
		*a.to = addr
	}
	if mac != "" {
		addr, err := net.ParseMAC(mac)
		if err != nil {
			return s.usage("--mac: %q is not a MAC address", mac)
		}
		spec.MAC = addr
	}
	return nil
}

// attach makes the endpoint, unless it is there, and its link. An endpoint whose
// link fails is not left behind.
func (s *session) attach(ctx context.Context, fw *bridge.Firewall, network string, spec bridge.EndpointSpec, link bridge.Link) error {
	made := false
	err := fw.Update(ctx, func(tx *bridge.Tx) error {
		made = false
		v := tx.View()
		n := tx.Network(network)
		if err := tx.Err(); err != nil {
			return err
		}
		if there := v.Endpoint(network, spec.Name); there != nil {
			return s.agrees(there, spec)
		}
		made = true
		full := spec
		if !full.IPv4.IsValid() && !full.IPv6.IsValid() {
			full.IPv4, full.IPv6 = freeAddr(v, v.Network(network), 4), freeAddr(v, v.Network(network), 6)
		}
		n.Attach(full)
		return tx.Err()
	})
	if err != nil {
		return err
	}
	if err := fw.Connect(ctx, network, spec.Name, link); err != nil {
		if made {
			err = errors.Join(err, fw.Update(context.Background(), func(tx *bridge.Tx) error {
				tx.Network(network).Detach(spec.Name)
				return nil
			}))
		}
		return err
	}
	e := fw.View().Endpoint(network, spec.Name)
	if s.json {
		return s.printJSON(map[string]any{
			"network": network, "endpoint": spec.Name, "ipv4": e.Spec.IPv4, "ipv6": e.Spec.IPv6,
			"mac": e.Spec.MAC.String(), "host_interface": e.Spec.HostIfName,
		})
	}
	_, err = fmt.Fprintln(s.stdout, e, orDash(addr(e.Spec.IPv4)), orDash(addr(e.Spec.IPv6)), e.Spec.HostIfName)
	return err
}

// agrees refuses flags that contradict the endpoint that is there.
func (s *session) agrees(e *bridge.Endpoint, spec bridge.EndpointSpec) error {
	for _, a := range []struct{ flag, asked, is string }{
		{"--ipv4", addr(spec.IPv4), addr(e.Spec.IPv4)},
		{"--ipv6", addr(spec.IPv6), addr(e.Spec.IPv6)},
		{"--mac", spec.MAC.String(), e.Spec.MAC.String()},
	} {
		if a.asked != "" && a.asked != a.is {
			return s.usage("%s %s: endpoint %s is there, with %s", a.flag, a.asked, e, orDash(a.is))
		}
	}
	return nil
}

// freeAddr returns the lowest address of a network's family that nobody has, or
// the zero Addr.
func freeAddr(v *bridge.View, n *bridge.Network, family int) netip.Addr {
	g := n.Spec.IPv4
	if family == 6 {
		g = n.Spec.IPv6
	}
	taken := map[netip.Addr]bool{g.Address: true}
	for e := range v.Endpoints(n) {
		taken[e.Spec.IPv4], taken[e.Spec.IPv6] = true, true
	}
	if !g.Subnet.IsValid() {
		return netip.Addr{}
	}
	for a := g.Subnet.Addr().Next(); g.Subnet.Contains(a); a = a.Next() {
		last := a.Is4() && !g.Subnet.Contains(a.Next()) // the broadcast address
		if !taken[a] && !last {
			return a
		}
	}
	return netip.Addr{}
}
