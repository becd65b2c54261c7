package bridge

import (
	"fmt"
	"slices"
)

// A NetworkSpec describes a network. At least one family needs a subnet; a
// family without one does not exist in the network. Zero values are Docker's
// defaults.
type NetworkSpec struct {
	// Name is unique on the host: a letter or digit, then letters, digits and
	// "_.-", at most 128 bytes.
	Name string
	// Bridge is the name of the Linux bridge, at most 15 bytes. Empty derives
	// one from Name.
	Bridge string
	// IPv4 and IPv6 are the network's addresses, and the way in and out.
	IPv4, IPv6 Gateway
	// MTU is the bridge's and its endpoints' largest packet in bytes; zero is
	// the kernel's default.
	MTU int
	// IfPrefix is what the names of interfaces in containers begin with, at
	// most 10 bytes. Empty is "eth".
	IfPrefix string

	// Internal cuts the network off: its endpoints reach each other, and the
	// host by the gateway's address, but nothing else; nothing but the host
	// reaches them. Published ports are accepted, but not published.
	Internal bool
	// DisableICC keeps the network's endpoints from each other, but for
	// published ports of the host.
	DisableICC bool
	// DisableHostAccess keeps the network's endpoints from the host itself.
	// They still answer the host, and reach ports that are published on it.
	DisableHostAccess bool
	// DisableMasquerade lets packets leave the network with their own source
	// addresses, for gateway modes NAT and NATUnprotected. Replies come back.
	DisableMasquerade bool
	// RandomMasquerade chooses the source ports of masqueraded packets at random.
	RandomMasquerade bool
	// TrustedInterfaces are interfaces of the host from which published ports
	// are reached by the endpoints' own addresses, too, for gateway mode NAT.
	// Each has at most 15 bytes; the order is of no meaning.
	TrustedInterfaces []string
	// AcceptFwmark lets packets with that mark reach every port of the
	// network's endpoints. The zero value is none.
	AcceptFwmark Fwmark
}

// normalize fills in defaults and refuses what is wrong in itself.
func (s NetworkSpec) normalize() (NetworkSpec, error) {
	object := "network " + s.Name
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
	if err := checkMTU(s.MTU); err != nil || s.IPv6.exists() && s.MTU != 0 && s.MTU < 1280 {
		return refuse("MTU", fmt.Errorf("%d: must be 68 to 65535, and at least 1280 with IPv6", s.MTU))
	}
	if s.IfPrefix == "" {
		s.IfPrefix = "eth"
	}
	if err := checkIfPrefix(s.IfPrefix); err != nil {
		return refuse("IfPrefix", err)
	}
	for _, g := range []struct {
		gateway *Gateway
		field   string
		bits    int
	}{{&s.IPv4, "IPv4", 32}, {&s.IPv6, "IPv6", 128}} {
		if field, err := g.gateway.normalize(g.bits, s.Internal); err != nil {
			return refuse(g.field+field, err)
		}
	}
	if err := s.AcceptFwmark.check(); err != nil {
		return refuse("AcceptFwmark", err)
	}
	trusted, err := normalizeTrusted(s.TrustedInterfaces, s.Bridge)
	if err != nil {
		return refuse("TrustedInterfaces", err)
	}
	s.TrustedInterfaces = trusted
	return s, nil
}

// checkMTU refuses what no link can have. Zero is the kernel's default.
func checkMTU(n int) error {
	if n != 0 && (n < 68 || n > 65535) {
		return fmt.Errorf("%d: must be 68 to 65535", n)
	}
	return nil
}

// maxTrusted is how many trusted interfaces a network can have, so that its
// record fits into the kernel.
const maxTrusted = 24

// normalizeTrusted sorts interfaces and refuses what cannot be one.
func normalizeTrusted(names []string, bridge string) ([]string, error) {
	if len(names) > maxTrusted {
		return nil, fmt.Errorf("are %d: at most %d", len(names), maxTrusted)
	}
	var out []string
	for _, name := range names {
		switch err := checkIfName(name); {
		case err != nil:
			return nil, err
		case name == bridge:
			return nil, fmt.Errorf("%q is the network's own bridge", name)
		}
		out = append(out, name)
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}
