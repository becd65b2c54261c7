package bridge

import (
	"fmt"
	"io/fs"
	"net"
	"net/netip"
)

// A NetworkSpec describes a network. At least one family needs a subnet; a
// family without one does not exist in the network.
type NetworkSpec struct {
	// Name is unique on the host: a letter or digit, then letters, digits and
	// "_.-", at most 128 bytes.
	Name string
	// Bridge is the name of the Linux bridge, at most 15 bytes. Empty derives
	// one from Name.
	Bridge string
	// IPv4 and IPv6 are the network's addresses.
	IPv4, IPv6 Gateway
	// MTU is the bridge's and its endpoints' largest packet in bytes; zero is
	// the kernel's default.
	MTU int
}

// A Gateway is a network's subnet in one family, and the host's address in it.
type Gateway struct {
	// Subnet holds the endpoints' addresses. The zero value leaves the family
	// out.
	Subnet netip.Prefix
	// Address is the host's address on the bridge. The zero value is the first
	// of the subnet.
	Address netip.Addr
}

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
}

// A SpecError says which field of a specification is wrong, and why. It matches
// fs.ErrInvalid.
type SpecError struct {
	// Object is what is specified: "network web", "endpoint web/c1".
	Object string
	// Field is the field at fault: "Bridge", "IPv4.Subnet".
	Field string
	// Reason says what is wrong with its value.
	Reason string
}

// Error names the object, the field and the reason.
func (e *SpecError) Error() string {
	return fmt.Sprintf("bridge: %s: %s: %s", e.Object, e.Field, e.Reason)
}

// Is matches fs.ErrInvalid.
func (e *SpecError) Is(target error) bool { return target == fs.ErrInvalid }

// normalize fills in defaults and refuses what is wrong in itself.
func (s NetworkSpec) normalize() (NetworkSpec, error) {
	object := fmt.Sprintf("network %s", s.Name)
	refuse := func(field string, err error) (NetworkSpec, error) {
		return s, &SpecError{Object: object, Field: field, Reason: err.Error()}
	}
	if err := checkName(s.Name); err != nil {
		object = "network"
		return refuse("Name", err)
	}
	if s.Bridge == "" {
		s.Bridge = bridgeName(s.Name)
	}
	if err := checkIfName(s.Bridge); err != nil {
		return refuse("Bridge", err)
	}
	if !s.IPv4.exists() && !s.IPv6.exists() {
		return refuse("IPv4.Subnet", fmt.Errorf("is missing, and IPv6.Subnet too: a network needs one of them"))
	}
	if s.MTU != 0 && (s.MTU < 68 || s.MTU > 65535) || s.IPv6.exists() && s.MTU != 0 && s.MTU < 1280 {
		return refuse("MTU", fmt.Errorf("%d: must be 68 to 65535, and at least 1280 with IPv6", s.MTU))
	}
	for _, g := range []struct {
		gateway *Gateway
		field   string
		bits    int
	}{{&s.IPv4, "IPv4", 32}, {&s.IPv6, "IPv6", 128}} {
		if field, err := g.gateway.normalize(g.bits); err != nil {
			return refuse(g.field+field, err)
		}
	}
	return s, nil
}

func (g Gateway) exists() bool { return g.Subnet.IsValid() }

// normalize returns the field at fault with the error.
func (g *Gateway) normalize(bits int) (string, error) {
	if !g.exists() {
		if g.Subnet != (netip.Prefix{}) {
			return ".Subnet", fmt.Errorf("is not a valid prefix")
		}
		if g.Address.IsValid() {
			return ".Address", fmt.Errorf("%s has no subnet", g.Address)
		}
		return "", nil
	}
	a := g.Subnet.Addr()
	switch {
	case a.BitLen() != bits || a.Is4In6():
		return ".Subnet", fmt.Errorf("%s is of the other family", g.Subnet)
	case g.Subnet != g.Subnet.Masked():
		return ".Subnet", fmt.Errorf("%s has bits behind the prefix: did you mean %s?", g.Subnet, g.Subnet.Masked())
	case bits-g.Subnet.Bits() < 2 || g.Subnet.Bits() == 0:
		return ".Subnet", fmt.Errorf("%s has no room for a gateway and endpoints: use /1 to /%d", g.Subnet, bits-2)
	case a.IsMulticast() || a.IsLoopback() || a.IsUnspecified() || a.IsLinkLocalUnicast() && a.Is6():
		return ".Subnet", fmt.Errorf("%s is not a range of unicast addresses", g.Subnet)
	}
	if !g.Address.IsValid() {
		g.Address = a.Next()
	}
	if err := g.checkHost(g.Address); err != nil {
		return ".Address", err
	}
	return "", nil
}

// checkHost refuses addresses that no host of the subnet can have.
func (g Gateway) checkHost(a netip.Addr) error {
	switch {
	case a.Zone() != "" || a.Is4In6() || a.BitLen() != g.Subnet.Addr().BitLen():
		return fmt.Errorf("%s is not a plain address of the subnet's family", a)
	case !g.Subnet.Contains(a):
		return fmt.Errorf("%s is outside the subnet %s", a, g.Subnet)
	case a == g.Subnet.Addr():
		return fmt.Errorf("%s is the subnet's own address", a)
	case a.Is4() && !g.Subnet.Contains(a.Next()):
		return fmt.Errorf("%s is the subnet's broadcast address", a)
	}
	return nil
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
