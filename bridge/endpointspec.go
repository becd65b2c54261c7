package bridge

import (
	"fmt"
	"net"
	"net/netip"
)

// An EndpointSpec describes a container's place in a network.
type EndpointSpec struct {
	// Name is unique in the network: the same rule as for networks.
	Name string
	// IPv4 and IPv6 are the endpoint's addresses: at least one, each in the
	// network's subnet of its family.
	IPv4, IPv6 netip.Addr
	// MAC is the endpoint's link-layer address, 6 bytes. Empty derives one
	// from the address, as Docker does.
	MAC net.HardwareAddr
	// HostIfName is the endpoint's interface on the host, a port of the
	// network's bridge, at most 15 bytes: unique on the host. Empty derives one
	// from the names.
	HostIfName string
	// AllowSpoofing lets the endpoint send frames with any source: MAC, IP and
	// ARP, VLAN tags, router advertisements, DHCP answers. Otherwise they are
	// its own, or dropped: a container with further addresses needs it.
	AllowSpoofing bool
}

// normalize refuses what is wrong in the endpoint itself or for its network.
func (s EndpointSpec) normalize(n *Network) (EndpointSpec, error) {
	object := fmt.Sprintf("endpoint %s/%s", n.Spec.Name, s.Name)
	refuse := func(field string, err error) (EndpointSpec, error) {
		return s, &SpecError{Object: object, Field: field, Reason: err.Error()}
	}
	if err := checkName(s.Name); err != nil {
		object = "endpoint of " + n.Spec.Name
		return refuse("Name", err)
	}
	if !s.IPv4.IsValid() && !s.IPv6.IsValid() {
		return refuse("IPv4", fmt.Errorf("is missing, and IPv6 too: an endpoint needs one of them"))
	}
	for _, f := range []struct {
		addr    netip.Addr
		gateway Gateway
		field   string
	}{{s.IPv4, n.Spec.IPv4, "IPv4"}, {s.IPv6, n.Spec.IPv6, "IPv6"}} {
		switch {
		case !f.addr.IsValid():
		case !f.gateway.exists():
			return refuse(f.field, fmt.Errorf("%s: the network has no such subnet", f.addr))
		case f.addr == f.gateway.Address:
			return refuse(f.field, fmt.Errorf("%s is the gateway's address", f.addr))
		default:
			if err := f.gateway.checkHost(f.addr); err != nil {
				return refuse(f.field, err)
			}
		}
	}
	if len(s.MAC) == 0 {
		s.MAC = macFor(s.IPv4, s.IPv6)
	}
	if len(s.MAC) != 6 || s.MAC[0]&1 != 0 || s.MAC.String() == "00:00:00:00:00:00" {
		return refuse("MAC", fmt.Errorf("%s is not a unicast Ethernet address", s.MAC))
	}
	if s.HostIfName == "" {
		s.HostIfName = vethName(n.Spec.Name, s.Name)
	}
	if err := checkIfName(s.HostIfName); err != nil {
		return refuse("HostIfName", err)
	}
	return s, nil
}

// macFor derives a link-layer address as Docker does: 02:42 and the IPv4
// address, or the end of the IPv6 address.
func macFor(v4, v6 netip.Addr) net.HardwareAddr {
	mac := net.HardwareAddr{0x02, 0x42, 0, 0, 0, 0}
	a := v4
	if !a.IsValid() {
		a = v6
	}
	b := a.AsSlice()
	copy(mac[2:], b[len(b)-4:])
	return mac
}
