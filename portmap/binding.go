package portmap

import (
	"fmt"
	"net/netip"
)

// Binding says that ports of the host lead to ports of a container. Two
// bindings are the same if and only if they are ==.
//
// The zero value is not a valid binding: a container port is needed.
type Binding struct {
	// HostAddr is the host's address to publish on. The zero value is every
	// local address of each family the endpoint has, as Docker's "8080:80";
	// netip.IPv4Unspecified() is every local IPv4 address and
	// netip.IPv6Unspecified() every local IPv6 address.
	HostAddr netip.Addr

	// Host are the ports of the host. The zero value asks for free ports out of
	// the ephemeral range, consecutive if there are several. As many as Container are mapped one to one, in
	// order. Several for a single container port ask for one free port out of
	// these.
	Host Ports

	// Container are the ports of the container, at least one.
	Container Ports

	// Proto is the protocol of both sides. The zero value is TCP.
	Proto Proto
}

// Dynamic reports whether the host port is still to be chosen: none is given, or
// several for a single container port.
func (b Binding) Dynamic() bool { return b.Host.Len() != b.Container.Len() }

// Validate returns nil or a *SpecError that names the field and the reason.
func (b Binding) Validate() error {
	if !b.Proto.valid() {
		return b.Proto.invalid(b.String())
	}
	if err := b.validateAddr(); err != nil {
		return err
	}
	if reason := b.Container.problem(); reason != "" {
		return b.refuse("container port", b.Container.String(), reason)
	}
	if b.Host.IsZero() {
		return nil
	}
	if reason := b.Host.problem(); reason != "" {
		return b.refuse("host port", b.Host.String(), reason)
	}
	if b.Container.Len() > 1 && b.Host.Len() != b.Container.Len() {
		return b.refuse("host port", b.Host.String(), fmt.Sprintf(
			"%d for the %d container ports %v: must be as many (only a single container port can have a choice of host ports)",
			b.Host.Len(), b.Container.Len(), b.Container))
	}
	return nil
}

func (b Binding) validateAddr() error {
	if !b.HostAddr.IsValid() {
		return nil
	}
	if reason := addrProblem(b.HostAddr); reason != "" {
		return b.refuse("host address", b.HostAddr.String(), reason)
	}
	return nil
}

// addrProblem says why a host cannot publish on a, or "".
func addrProblem(a netip.Addr) string {
	switch {
	case a.Is4In6():
		return fmt.Sprintf("is an IPv4 address written as IPv6: write %v", a.Unmap().WithZone(""))
	case a.Zone() != "":
		return "a zone is not supported: publish on an address that needs none"
	case a.IsMulticast():
		return "is a multicast address, which no host has as its own"
	case a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return "is the broadcast address, which no host has as its own"
	}
	return ""
}

func (b Binding) refuse(field, value, reason string) error {
	return &SpecError{Spec: b.String(), Field: field, Value: value, Reason: reason}
}

// String returns the shortest form of Docker's -p, which Parse reads back as
// the same binding: "80", "8080:80/udp", "127.0.0.1::80",
// "[::1]:8000-8009:80". The protocol is left out for TCP, and so is what is not
// given.
func (b Binding) String() string {
	s := b.Container.String()
	if !b.Host.IsZero() || b.HostAddr.IsValid() {
		s = b.Host.String() + ":" + s
	}
	if b.HostAddr.IsValid() {
		s = hostString(b.HostAddr) + ":" + s
	}
	if b.Proto != TCP {
		s += "/" + b.Proto.String()
	}
	return s
}

// hostString is the address as it stands before a colon.
func hostString(a netip.Addr) string {
	if a.Is6() {
		return "[" + a.String() + "]"
	}
	return a.String()
}
