package main

import (
	"fmt"
	"net/netip"
	"os"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/nft"
)

// sysctl is a setting of the thread's namespace: empty where there is none.
func sysctl(name string) string {
	if !strings.Contains(name, "/") { // names of interfaces may have dots
		name = strings.ReplaceAll(name, ".", "/")
	}
	text, err := os.ReadFile("/proc/sys/" + name)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// checkForwarding looks whether the host is a router in the families of its
// networks.
func (p *patient) checkForwarding() []finding {
	var out []finding
	for f, name := range map[nft.Family]string{nft.IPv4: "net.ipv4.ip_forward", nft.IPv6: "net.ipv6.conf.all.forwarding"} {
		for n := range p.view.Networks() {
			if n.Gateway(f).Subnet.IsValid() && !n.Spec.Internal && sysctl(name) == "0" {
				out = append(out, finding{problem, name, fmt.Sprintf("forwarding is off: network %s reaches nobody, and nobody its published ports", n), "sysctl -w " + name + "=1"})
				break
			}
		}
	}
	return out
}

// checkBridges looks whether the networks have their bridges.
func (p *patient) checkBridges() []finding {
	var out []finding
	for n := range p.view.Networks() {
		name := n.Spec.Bridge
		switch link, err := netlink.LinkByName(name); {
		case err != nil:
			out = append(out, finding{problem, "network " + n.Spec.Name, "its bridge " + name + " is missing",
				"seawallctl ls --json >/tmp/seawall.json && seawallctl down --links && seawallctl apply -f /tmp/seawall.json"})
		case link.Attrs().Flags&unix.IFF_UP == 0:
			out = append(out, finding{problem, "network " + n.Spec.Name, "its bridge " + name + " is down", "ip link set " + name + " up"})
		}
	}
	return out
}

// checkSubnets looks for addresses and routes of the host that overlap networks.
func (p *patient) checkSubnets() []finding {
	var out []finding
	links := map[int]string{}
	all, err := netlink.LinkList()
	if err != nil {
		return nil
	}
	for _, l := range all {
		links[l.Attrs().Index] = l.Attrs().Name
	}
	addrs, _ := netlink.AddrList(nil, netlink.FAMILY_ALL) // what cannot be listed does not clash
	routes, _ := netlink.RouteList(nil, netlink.FAMILY_ALL)
	for n := range p.view.Networks() {
		for _, g := range []bridge.Gateway{n.Spec.IPv4, n.Spec.IPv6} {
			if !g.Subnet.IsValid() {
				continue
			}
			for _, a := range addrs {
				addr, ok := netip.AddrFromSlice(a.IP)
				dev := links[a.LinkIndex]
				if addr = addr.Unmap(); ok && dev != n.Spec.Bridge && g.Subnet.Contains(addr) {
					out = append(out, finding{problem, "network " + n.Spec.Name, fmt.Sprintf("%s of %s is an address in its subnet %s", addr, dev, g.Subnet),
						fmt.Sprintf("ip address del %s dev %s", a.IPNet, dev)})
				}
			}
			for _, r := range routes {
				if r.Dst == nil {
					continue
				}
				addr, ok := netip.AddrFromSlice(r.Dst.IP)
				bits, _ := r.Dst.Mask.Size()
				to := netip.PrefixFrom(addr.Unmap(), bits)
				dev := links[r.LinkIndex]
				if ok && bits > 0 && dev != n.Spec.Bridge && to.Overlaps(g.Subnet) {
					out = append(out, finding{problem, "network " + n.Spec.Name, fmt.Sprintf("the host's route to %s by %s overlaps its subnet %s", to, orDash(dev), g.Subnet),
						strings.TrimSpace(fmt.Sprintf("ip route del %s dev %s", to, dev))})
				}
			}
		}
	}
	return out
}

// checkNetfilter tells what br_netfilter does.
func (p *patient) checkNetfilter() []finding {
	var out []finding
	if len(p.bridges()) == 0 {
		return nil
	}
	if name := "net.bridge.bridge-nf-call-iptables"; sysctl(name) == "1" {
		out = append(out, finding{note, "br_netfilter", "frames between containers of one network pass through the host's IPv4 rules, those of others too", "sysctl -w " + name + "=0"})
	}
	if name := "net.bridge.bridge-nf-call-ip6tables"; sysctl(name) == "1" {
		out = append(out, finding{note, "br_netfilter", "frames between containers of one network pass through the host's IPv6 rules; ports that are published on [::1] are not reached", "sysctl -w " + name + "=0"})
	}
	return out
}

// checkReversePath looks for strict reverse path filters on bridges.
func (p *patient) checkReversePath() []finding {
	var out []finding
	all := sysctl("net.ipv4.conf.all.rp_filter")
	for n := range p.view.Networks() {
		name := "net.ipv4.conf." + n.Spec.Bridge + ".rp_filter"
		own := sysctl("net/ipv4/conf/" + n.Spec.Bridge + "/rp_filter")
		if n.Spec.IPv4.Subnet.IsValid() && max(all, own) == "1" { // the greater of the two holds
			out = append(out, finding{note, "network " + n.Spec.Name,
				"rp_filter is strict: what a container in several networks sends by another one than it got the packet from is dropped", "sysctl -w " + name + "=2"})
		}
	}
	return out
}
