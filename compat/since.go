package compat

import (
	"fmt"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/nft"
	"github.com/seawall-net/seawall/portmap"
)

// version is a stage in Docker's history.
type version int

const (
	version19 version = iota
	version110
	version1706
	version1805
	version28
)

// families are those that the version filtered.
func (v version) families() []nft.Family {
	if v < version1805 {
		return families[:1]
	}
	return families[:]
}

// A lack is what a layout cannot do.
type lack struct {
	object, field string
	// asked is what was asked for, and since the version of Docker that could;
	// empty is none.
	asked, since string
}

// Error names the object, what is asked for, and which Docker can do it.
func (l *lack) error() error {
	reason := l.asked + ": no version of Docker has that: use layout native"
	if l.since != "" {
		reason = fmt.Sprintf("%s: Docker has that since %s: use a layout of that version, or native", l.asked, l.since)
	}
	return &bridge.SpecError{Object: l.object, Field: l.field, Reason: reason}
}

// check refuses what the version had not.
func (v version) check(f bridge.Fact) error {
	switch f := f.(type) {
	case *bridge.Host:
		return v.checkHost(f)
	case *bridge.Network:
		return v.checkNetwork(f)
	case *bridge.Binding:
		return v.checkBinding(f)
	case *bridge.ContainerLink:
		return v.checkLink(f)
	}
	return nil
}

// A demand is something that a fact may ask for.
type demand struct {
	asked bool
	field string
	what  string
	// from is the first layout that has it, since the first Docker; empty is none.
	from  version
	since string
}

// refuse returns an error for the first demand that the version cannot meet.
func (v version) refuse(object string, demands []demand) error {
	for _, d := range demands {
		if d.asked && (d.since == "" || v < d.from) {
			return (&lack{object, d.field, d.what, d.since}).error()
		}
	}
	return nil
}

func (v version) checkHost(h *bridge.Host) error {
	return v.refuse("host", []demand{
		{h.AllowDirectRouting, "AllowDirectRouting", "direct routing by an option", version28, "28.2"},
		{h.WSL2Mirrored, "WSL2Mirrored", "WSL 2 with mirrored networking", version1805, "27.3"},
	})
}

func (v version) checkNetwork(n *bridge.Network) error {
	s := n.Spec
	demands := []demand{
		{s.Internal, "Internal", "an internal network", version110, "1.10"},
		{s.IPv6.Subnet.IsValid(), "IPv6.Subnet", "rules for IPv6", version1805, "20.10"},
		{!s.IPv4.Subnet.IsValid(), "IPv4.Subnet", "a network without IPv4", version28, "28.0"},
		{s.DisableHostAccess, "DisableHostAccess", "keeping containers from the host", 0, ""},
		{s.RandomMasquerade, "RandomMasquerade", "random source ports", 0, ""},
		{len(s.TrustedInterfaces) > 0, "TrustedInterfaces", "trusted interfaces", version28, "28.2"},
		{s.AcceptFwmark != bridge.Fwmark{}, "AcceptFwmark", "accepting a mark", version28, "29.0"},
	}
	for _, g := range []struct {
		field string
		bridge.Gateway
	}{{"IPv4", s.IPv4}, {"IPv6", s.IPv6}} {
		since := map[bridge.GatewayMode]string{bridge.Routed: "27.0", bridge.NATUnprotected: "28.0", bridge.Isolated: "28.0"}
		snat, inhibit := "20.10", "20.10"
		if g.field == "IPv6" {
			snat, inhibit = "25.0", ""
		}
		demands = append(demands,
			demand{g.Mode != bridge.NAT, g.field + ".Mode", "gateway mode " + g.Mode.String(), version28, since[g.Mode]},
			demand{g.SNAT.IsValid(), g.field + ".SNAT", "a fixed source address", version1805, snat},
			demand{g.InhibitAddress, g.field + ".InhibitAddress", "a bridge without the gateway's address", version1805, inhibit},
		)
	}
	return v.refuse("network "+s.Name, demands)
}

func (v version) checkBinding(b *bridge.Binding) error {
	return v.refuse(fmt.Sprintf("endpoint %s, port %s", b.Endpoint, b.Port), []demand{
		{len(b.Scope().From) > 0 || b.Scope().Interface != "", "scope", "a port for some only", 0, ""},
		{b.Port.Proto == portmap.SCTP, "protocol", "SCTP", version1805, "18.03"},
	})
}

func (v version) checkLink(l *bridge.ContainerLink) error {
	v4 := l.From.Addr(nft.IPv4).IsValid() && l.To.Addr(nft.IPv4).IsValid()
	return v.refuse("link "+l.String(), []demand{
		{!v4, "addresses", "a link of endpoints without IPv4", 0, ""},
	})
}
