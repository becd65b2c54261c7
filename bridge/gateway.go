package bridge

import (
	"fmt"
	"net/netip"
)

// A Gateway is a network's subnet in one family, and how its endpoints are
// connected with the world.
type Gateway struct {
	// Subnet holds the endpoints' addresses. The zero value leaves the family
	// out.
	Subnet netip.Prefix
	// Address is the host's address on the bridge. The zero value is the first
	// of the subnet. With mode Isolated there is none.
	Address netip.Addr
	// Mode says what the world sees of the network. The zero value is NAT.
	Mode GatewayMode
	// InhibitAddress leaves Address off the bridge: it belongs to a router that
	// the caller has connected to the bridge.
	InhibitAddress bool
	// SNAT is the source address of what leaves the network, instead of that of
	// the interface it leaves by: for modes NAT and NATUnprotected. The zero
	// value masquerades.
	SNAT netip.Addr
	// HostBinding is the address of the host on which ports are published
	// that name none: for modes NAT and NATUnprotected. The zero value is all.
	HostBinding netip.Addr
	// ExplicitOnly publishes no port in this family that names no address of the
	// host: where HostBinding of the other family is to be the only address.
	// Not together with HostBinding.
	ExplicitOnly bool
}

func (g Gateway) exists() bool { return g.Subnet.IsValid() }

// translates tells whether the host's ports lead into the network.
func (g *Gateway) translates() bool {
	return g.exists() && (g.Mode == NAT || g.Mode == NATUnprotected)
}

// onBridge returns the address that the bridge has, or the zero Addr.
func (g Gateway) onBridge() netip.Addr {
	if g.InhibitAddress {
		return netip.Addr{}
	}
	return g.Address
}

// normalize fills in defaults. It returns the field at fault with the error.
func (g *Gateway) normalize(bits int, internal bool) (string, error) {
	if !g.exists() {
		return g.normalizeAbsent()
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
	case !g.Mode.valid():
		return ".Mode", fmt.Errorf("%s: use NAT, NATUnprotected, Routed or Isolated", g.Mode)
	case g.Mode == Isolated && !internal:
		return ".Mode", fmt.Errorf("isolated is for internal networks: set Internal, too")
	}
	if field, err := g.normalizeAddress(); err != nil {
		return field, err
	}
	return g.checkNAT(bits, internal)
}

func (g *Gateway) normalizeAbsent() (string, error) {
	if g.Subnet != (netip.Prefix{}) {
		return ".Subnet", fmt.Errorf("is not a valid prefix")
	}
	for _, a := range []struct {
		addr  netip.Addr
		field string
	}{{g.Address, ".Address"}, {g.SNAT, ".SNAT"}, {g.HostBinding, ".HostBinding"}} {
		if a.addr.IsValid() {
			return a.field, fmt.Errorf("%s has no subnet", a.addr)
		}
	}
	*g = Gateway{} // the mode of a family that is not there
	return "", nil
}

func (g *Gateway) normalizeAddress() (string, error) {
	if g.Mode == Isolated {
		if g.Address.IsValid() {
			return ".Address", fmt.Errorf("%s: an isolated network has no address of the host", g.Address)
		}
		g.InhibitAddress = false
		return "", nil
	}
	if !g.Address.IsValid() {
		g.Address = g.Subnet.Addr().Next()
	}
	return ".Address", g.checkHost(g.Address)
}

// checkNAT refuses what is for translation only where nothing is translated.
func (g *Gateway) checkNAT(bits int, internal bool) (string, error) {
	for _, a := range []struct {
		addr  netip.Addr
		field string
	}{{g.SNAT, ".SNAT"}, {g.HostBinding, ".HostBinding"}} {
		switch {
		case !a.addr.IsValid():
		case internal:
			return a.field, fmt.Errorf("%s: nothing of an internal network is translated", a.addr)
		case !g.translates():
			return a.field, fmt.Errorf("%s: nothing is translated with gateway mode %s", a.addr, g.Mode)
		case a.addr.BitLen() != bits || a.addr.Is4In6() || a.addr.Zone() != "":
			return a.field, fmt.Errorf("%s is not a plain address of the subnet's family", a.addr)
		case a.addr.IsMulticast() || a.field == ".SNAT" && (a.addr.IsUnspecified() || a.addr.IsLoopback()):
			return a.field, fmt.Errorf("%s is no address that a packet can come from", a.addr)
		}
	}
	if g.ExplicitOnly && g.HostBinding.IsValid() {
		return ".ExplicitOnly", fmt.Errorf("contradicts HostBinding, which is %s", g.HostBinding)
	}
	if g.HostBinding.IsValid() && g.HostBinding.IsUnspecified() {
		g.HostBinding = netip.Addr{} // it says the same
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
