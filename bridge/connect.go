package bridge

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// A Link says how an endpoint's container is connected to its network.
type Link struct {
	// NetNS is an open file on the container's network namespace.
	NetNS *os.File
	// IfName is the interface's name in the container. Empty is the network's
	// IfPrefix and the lowest number that is free: "eth0".
	IfName string
	// NoDefaultRoute leaves the container's default routes alone. Otherwise
	// they lead to the network's gateways, in each family that has none yet.
	NoDefaultRoute bool
}

// Connect gives an endpoint's container its interface: a veth pair between the
// bridge and the container's namespace, with the endpoint's addresses and a
// default route. The endpoint must have been attached: its rules are in force
// before the link exists. When Connect returns, packets pass. It waits for that
// until ctx is done, and no longer than five seconds: then it fails with
// os.ErrDeadlineExceeded, as it does where a bridge of the caller's own has
// spanning tree. A failure leaves nothing behind.
func (fw *Firewall) Connect(ctx context.Context, network, endpoint string, link Link) error {
	fw.mu.Lock()
	defer fw.mu.Unlock()
	e, err := fw.connectable(network, endpoint)
	if err == nil {
		err = ctx.Err()
	}
	if err == nil && link.NetNS == nil {
		err = &SpecError{"link of " + network + "/" + endpoint, "NetNS", "is missing"}
	}
	if err == nil && link.IfName == "" {
		link.IfName, err = freeIfName(link.NetNS, e.Network.Spec.IfPrefix)
	}
	if err == nil {
		if err := checkIfName(link.IfName); err != nil {
			return &SpecError{"link of " + network + "/" + endpoint, "IfName", err.Error()}
		}
		err = fw.links.connect(ctx, e, link)
	}
	if err != nil {
		return fmt.Errorf("bridge: connect %s/%s: %w", network, endpoint, err)
	}
	return nil
}

// Disconnect removes an endpoint's interface. It does nothing if there is none.
// Detaching the endpoint does it, too.
func (fw *Firewall) Disconnect(ctx context.Context, network, endpoint string) error {
	fw.mu.Lock()
	defer fw.mu.Unlock()
	e, err := fw.connectable(network, endpoint)
	if err == nil {
		err = ctx.Err()
	}
	if err == nil {
		err = fw.links.disconnect(e)
	}
	if err != nil {
		return fmt.Errorf("bridge: disconnect %s/%s: %w", network, endpoint, err)
	}
	return nil
}

func (fw *Firewall) connectable(network, endpoint string) (*Endpoint, error) {
	switch n := fw.state.networks[network]; {
	case fw.closed:
		return nil, ErrClosed
	case fw.links == nil:
		return nil, fmt.Errorf("the firewall keeps rules only")
	case n == nil || n.endpoints[endpoint] == nil:
		return nil, errNotExist
	default:
		return n.endpoints[endpoint].fact, nil
	}
}

func (l *links) disconnect(e *Endpoint) error { return l.removeLink(e.Spec.HostIfName) }

// suspend takes an endpoint's interface out of use, and resume puts it back. The
// container keeps its addresses and routes.
func (l *links) suspend(e *Endpoint) error { return l.setUp(e, l.h.LinkSetDown) }
func (l *links) resume(e *Endpoint) error  { return l.setUp(e, l.h.LinkSetUp) }

func (l *links) setUp(e *Endpoint, set func(netlink.Link) error) error {
	link, err := l.find(e.Spec.HostIfName)
	if err == nil && link != nil && link.Attrs().Alias == ownAlias {
		err = set(link)
	}
	if err != nil {
		return fmt.Errorf("bridge: endpoint %s: %w", e, err)
	}
	return nil
}

func (l *links) connect(ctx context.Context, e *Endpoint, link Link) error {
	bridge, err := l.find(e.Network.Spec.Bridge)
	if err != nil {
		return err
	}
	if bridge == nil {
		return fmt.Errorf("bridge %s: %w", e.Network.Spec.Bridge, errNotExist)
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU, attrs.MasterIndex = e.Spec.HostIfName, e.Network.Spec.MTU, bridge.Attrs().Index
	attrs.HardwareAddr = newMAC(attrs.Name)
	veth := &netlink.Veth{
		LinkAttrs: attrs, PeerName: link.IfName, PeerHardwareAddr: e.Spec.MAC,
		PeerNamespace: netlink.NsFd(link.NetNS.Fd()),
	}
	unlock, err := l.lock(ctx, false)
	if err != nil {
		return err
	}
	if err := l.h.LinkAdd(veth); err != nil {
		unlock()
		return fmt.Errorf("create %s and %s: %w", attrs.Name, link.IfName, err)
	}
	err = l.configure(e, link)
	unlock()
	if err == nil {
		err = l.awaitTraffic(ctx, e, link)
	}
	if err != nil {
		_ = l.h.LinkDel(veth)
	}
	return err
}

// configure sets both ends of a new veth pair up.
func (l *links) configure(e *Endpoint, link Link) error {
	host, err := l.find(e.Spec.HostIfName)
	if err != nil {
		return err
	}
	if err := l.silence(host); err != nil {
		return err
	}
	if err := l.h.LinkSetHairpin(host, e.Network.Host.hairpin()); err != nil {
		return fmt.Errorf("set hairpin mode: %w", err)
	}
	if err := inNamespace(link.NetNS, func() error { return configureContainer(e, link) }); err != nil {
		return fmt.Errorf("in the container: %w", err)
	}
	if err := l.h.LinkSetAlias(host, ownAlias); err != nil {
		return err
	}
	return l.h.LinkSetUp(host)
}

// noLinkLocal is the kernel's IN6_ADDR_GEN_MODE_NONE.
const noLinkLocal = 1

// silence keeps a bridge's port from speaking IPv6: it needs no address, and
// what it says to its neighbours is for a container to hear. Where sysctls are
// read-only it has no address at least.
func (l *links) silence(port netlink.Link) error {
	if inNamespace(l.ns, func() error { return disableIPv6(port.Attrs().Name) }) == nil {
		return nil
	}
	if err := l.h.LinkSetIP6AddrGenMode(port, noLinkLocal); err != nil && !errors.Is(err, unix.EAFNOSUPPORT) {
		return fmt.Errorf("disable link-local addresses of %s: %w", port.Attrs().Name, err)
	}
	return nil
}

func unspecified(a netip.Addr) netip.Addr {
	if a.Is4() {
		return netip.IPv4Unspecified()
	}
	return netip.IPv6Unspecified()
}
