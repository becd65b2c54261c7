package main

import (
	"errors"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/examples/seawallctl/plan"
	"github.com/seawall-net/seawall/portmap"
)

// The program ends, so it holds no ports; but it publishes none that another
// program has. It finds out by taking them for a moment.

// checkPorts returns a check for ports that are not published in a view yet.
// What is published there is ours, whoever holds it. Addresses of the networks
// that will be there are the host's, too.
func checkPorts(have, want *bridge.View) plan.Check {
	ours := map[portmap.Claim]bool{}
	for n := range have.Networks() {
		for e := range have.Endpoints(n) {
			for b := range have.Bindings(e) {
				for _, c := range b.Claims() {
					for port := range each(c) {
						ours[port] = true
					}
				}
			}
		}
	}
	future := map[netip.Addr]bool{}
	for n := range want.Networks() {
		future[n.Spec.IPv4.Address], future[n.Spec.IPv6.Address] = true, true
	}
	return func(c portmap.Claim) error {
		for port := range each(c) {
			if ours[port] {
				continue
			}
			if err := take(port, future[port.Addr]); err != nil {
				return &bridge.PortError{Claim: port, Err: err}
			}
		}
		return nil
	}
}

// each yields the ports of a claim one by one.
func each(c portmap.Claim) func(yield func(portmap.Claim) bool) {
	return func(yield func(portmap.Claim) bool) {
		for p := int(c.Ports.First); p <= int(c.Ports.Last); p++ {
			if !yield(portmap.Claim{Addr: c.Addr, Ports: portmap.Port(uint16(p)), Proto: c.Proto}) {
				return
			}
		}
	}
}

// take takes a port and gives it back. It has to run on the thread that is in the
// namespace. freebind is for addresses that the host does not have yet.
func take(c portmap.Claim, freebind bool) error {
	family, kind := unix.AF_INET, unix.SOCK_STREAM
	var to unix.Sockaddr = &unix.SockaddrInet4{Addr: [4]byte(c.Addr.AsSlice()[:4]), Port: int(c.Ports.First)}
	if c.Addr.Is6() {
		family, to = unix.AF_INET6, &unix.SockaddrInet6{Addr: c.Addr.As16(), Port: int(c.Ports.First)}
	}
	if c.Proto == portmap.UDP {
		kind = unix.SOCK_DGRAM
	}
	fd, err := unix.Socket(family, kind|unix.SOCK_CLOEXEC, int(c.Proto.Number()))
	switch {
	case errors.Is(err, unix.EPROTONOSUPPORT), errors.Is(err, unix.ESOCKTNOSUPPORT), errors.Is(err, unix.EAFNOSUPPORT):
		return nil // then no program has it either
	case err != nil:
		return os.NewSyscallError("socket", err)
	}
	defer unix.Close(fd)
	type option struct{ level, name int }
	var options []option
	if c.Proto == portmap.TCP {
		options = append(options, option{unix.SOL_SOCKET, unix.SO_REUSEADDR}) // for what lingers in TIME_WAIT
	}
	if c.Addr.Is6() {
		options = append(options, option{unix.IPPROTO_IPV6, unix.IPV6_V6ONLY})
	}
	switch {
	case freebind && c.Addr.Is6():
		options = append(options, option{unix.IPPROTO_IPV6, unix.IPV6_FREEBIND})
	case freebind:
		options = append(options, option{unix.IPPROTO_IP, unix.IP_FREEBIND})
	}
	for _, o := range options {
		if err := unix.SetsockoptInt(fd, o.level, o.name, 1); err != nil {
			return os.NewSyscallError("setsockopt", err)
		}
	}
	return os.NewSyscallError("bind", unix.Bind(fd, to))
}
