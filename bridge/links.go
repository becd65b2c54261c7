package bridge

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// ownAlias marks the links that this package made, so that it deletes no others.
const ownAlias = "seawall"

// links makes bridges and their addresses in one network namespace.
type links struct {
	ns *os.File
	h  *netlink.Handle
	// mutex is the file of the lock: see linklock.go.
	mutex *os.File
	// patience is how long a new link may take until it carries traffic.
	patience time.Duration
}

func openLinks(ns *os.File) (*links, error) {
	var h *netlink.Handle
	err := inNamespace(ns, func() (err error) {
		h, err = netlink.NewHandle(unix.NETLINK_ROUTE)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open route socket: %w", err)
	}
	mutex, err := openLock(ns)
	if err != nil {
		h.Close()
		return nil, fmt.Errorf("open the network namespace: %w", err)
	}
	return &links{ns, h, mutex, carrierLimit}, nil
}

func (l *links) close() {
	l.h.Close()
	_ = l.mutex.Close()
}

// find returns the link with a name, or nil.
func (l *links) find(name string) (netlink.Link, error) {
	link, err := l.h.LinkByName(name)
	if errors.As(err, &netlink.LinkNotFoundError{}) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look up %s: %w", name, err)
	}
	return link, nil
}

// start brings a network's bridge up, with its addresses. What is there
// already and right is left as it is.
func (l *links) start(n *Network) error {
	if _, err := l.prepare(n); err != nil {
		return err
	}
	return l.activate(n)
}

// prepare makes a network's bridge, and leaves it down. A bridge that is there
// already is left as it is. undo deletes what prepare has made.
func (l *links) prepare(n *Network) (undo func() error, err error) {
	undo = func() error { return nil }
	link, err := l.find(n.Spec.Bridge)
	if err == nil && link != nil && link.Type() != "bridge" {
		err = fmt.Errorf("%s is there and is a %s, not a bridge", n.Spec.Bridge, link.Type())
	}
	if err == nil && link == nil {
		undo = func() error { return l.remove(n) }
		if link, err = l.create(n); err == nil {
			err = l.configureBridge(n, link)
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("bridge: network %s: %w", n, err), undo())
	}
	return undo, nil
}

// configureBridge gives a bridge its sysctls and addresses.
func (l *links) configureBridge(n *Network, link netlink.Link) error {
	if err := l.bridgeSysctls(n, link.Attrs().Alias == ownAlias); err != nil {
		return err
	}
	// Said outright: otherwise the bridge takes the least of its ports', and
	// goes back to the kernel's default when it loses the last.
	if mtu := n.Spec.MTU; mtu != 0 {
		if err := l.h.LinkSetMTU(link, mtu); err != nil {
			return fmt.Errorf("set MTU of %s to %d: %w", n.Spec.Bridge, mtu, err)
		}
	}
	for _, g := range []Gateway{n.Spec.IPv4, n.Spec.IPv6} {
		if !g.onBridge().IsValid() {
			continue
		}
		addr := &netlink.Addr{IPNet: ipNet(g.Address, g.Subnet.Bits())}
		if g.Address.Is6() {
			addr.Flags = unix.IFA_F_NODAD
		}
		if err := l.h.AddrReplace(link, addr); err != nil {
			return fmt.Errorf("add address %s to %s: %w", addr.IPNet, n.Spec.Bridge, err)
		}
	}
	return nil
}

// activate puts a network's bridge to use.
func (l *links) activate(n *Network) error {
	link, err := l.find(n.Spec.Bridge)
	if err == nil && link == nil {
		err = fmt.Errorf("%s: %w", n.Spec.Bridge, errNotExist)
	}
	if err == nil {
		// Again: it may have been there before, and IPv6 addresses go when a
		// link goes down.
		err = l.configureBridge(n, link)
	}
	if err == nil {
		if err = l.h.LinkSetUp(link); err != nil {
			err = fmt.Errorf("set %s up: %w", n.Spec.Bridge, err)
		}
	}
	if err != nil {
		return fmt.Errorf("bridge: network %s: %w", n, err)
	}
	return nil
}

func (l *links) create(n *Network) (netlink.Link, error) {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = n.Spec.Bridge
	attrs.HardwareAddr = newMAC(attrs.Name)
	if err := l.h.LinkAdd(&netlink.Bridge{LinkAttrs: attrs}); err != nil {
		return nil, fmt.Errorf("create bridge %s: %w", attrs.Name, err)
	}
	link, err := l.find(attrs.Name)
	if err == nil && link == nil {
		err = errNotExist
	}
	if err == nil {
		if err = l.h.LinkSetAlias(link, ownAlias); err != nil {
			err = errors.Join(err, l.h.LinkDel(link))
		} else {
			link.Attrs().Alias = ownAlias
		}
	}
	// A fixed address: otherwise the bridge takes the lowest of its ports' and
	// changes it as they come and go.
	if err == nil {
		if err = l.h.LinkSetHardwareAddr(link, bridgeMAC(n)); err != nil {
			err = errors.Join(err, l.h.LinkDel(link))
		}
	}
	if err != nil {
		return nil, fmt.Errorf("create bridge %s: %w", attrs.Name, err)
	}
	return link, nil
}

// bridgeMAC derives a bridge's link-layer address from the host's address on it,
// or from the subnet where the host has none.
func bridgeMAC(n *Network) net.HardwareAddr {
	v4, v6 := n.Spec.IPv4.Address, n.Spec.IPv6.Address
	if !v4.IsValid() && !v6.IsValid() {
		v4, v6 = n.Spec.IPv4.Subnet.Addr(), n.Spec.IPv6.Subnet.Addr()
	}
	return macFor(v4, v6)
}

// checkMAC refuses a bridge that has another address than the rules about links
// give to frames: what is sent there would not reach the host.
func (l *links) checkMAC(n *Network) error {
	link, err := l.find(n.Spec.Bridge)
	if err == nil && link == nil {
		err = fmt.Errorf("%s: %w", n.Spec.Bridge, errNotExist)
	}
	if want := bridgeMAC(n); err == nil && !bytes.Equal(link.Attrs().HardwareAddr, want) {
		err = fmt.Errorf("links without ICC need the MAC %s on %s, which has %s; set it by ip link set %s address %s: %w",
			want, n.Spec.Bridge, link.Attrs().HardwareAddr, n.Spec.Bridge, want, errInvalid)
	}
	if err != nil {
		return fmt.Errorf("bridge: network %s: %w", n, err)
	}
	return nil
}

// stop takes a network's bridge out of use, if it is ours.
func (l *links) stop(n *Network) error {
	link, err := l.find(n.Spec.Bridge)
	if err == nil && link != nil && link.Attrs().Alias == ownAlias {
		err = l.h.LinkSetDown(link)
	}
	if err != nil {
		return fmt.Errorf("bridge: network %s: %w", n, err)
	}
	return nil
}

// takeAddresses takes the addresses of a network from its bridge, if it is ours,
// that are not those of the network which has taken the bridge over.
func (l *links) takeAddresses(old, heir *Network) error {
	link, err := l.find(old.Spec.Bridge)
	if err != nil || link == nil || link.Attrs().Alias != ownAlias {
		return err
	}
	var errs []error
	for _, f := range []struct{ was, is Gateway }{{old.Spec.IPv4, heir.Spec.IPv4}, {old.Spec.IPv6, heir.Spec.IPv6}} {
		if !f.was.onBridge().IsValid() || f.was.Address == f.is.onBridge() && f.was.Subnet.Bits() == f.is.Subnet.Bits() {
			continue
		}
		addr := &netlink.Addr{IPNet: ipNet(f.was.Address, f.was.Subnet.Bits())}
		if err := l.h.AddrDel(link, addr); err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) {
			errs = append(errs, fmt.Errorf("bridge: network %s: delete address %s of %s: %w", old, addr.IPNet, old.Spec.Bridge, err))
		}
	}
	if mac := bridgeMAC(heir); !bytes.Equal(mac, link.Attrs().HardwareAddr) {
		errs = append(errs, l.h.LinkSetHardwareAddr(link, mac))
	}
	return errors.Join(errs...)
}

// remove deletes a network's bridge, if it is ours.
func (l *links) remove(n *Network) error {
	return l.removeLink(n.Spec.Bridge)
}

// removeLink deletes a link that is ours, if it is there.
func (l *links) removeLink(name string) error {
	link, err := l.find(name)
	if err == nil && link != nil && link.Attrs().Alias == ownAlias {
		err = l.h.LinkDel(link)
	}
	if err != nil {
		return fmt.Errorf("bridge: delete %s: %w", name, err)
	}
	return nil
}

func ipNet(a netip.Addr, bits int) *net.IPNet {
	return &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(bits, a.BitLen())}
}
