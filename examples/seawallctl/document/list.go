package document

import (
	"encoding/json"
	"io"
	"net/netip"

	"github.com/seawall-net/seawall/bridge"
)

// A Listing is what is on a host, in the shape of the document, with all defaults
// filled in: Parse reads it, and passes over what has been counted.
type Listing struct {
	Firewall   *ListedFirewall  `json:"firewall,omitempty"`
	Networks   []ListedNetwork  `json:"networks"`
	Endpoints  []ListedEndpoint `json:"endpoints"`
	UserRules  *ListedUserRules `json:"user_rules,omitempty"`
	Counters   any              `json:"counters,omitempty"`
	Generation uint32           `json:"generation,omitempty"`
}

// A ListedFirewall is the options of the host.
type ListedFirewall struct {
	Layout             string         `json:"layout"`
	UserlandProxy      bool           `json:"userland_proxy"`
	AllowDirectRouting bool           `json:"allow_direct_routing"`
	ForwardPolicy      string         `json:"forward_policy"`
	IPv4               bool           `json:"ipv4"`
	IPv6               bool           `json:"ipv6"`
	WSL2Mirrored       bool           `json:"wsl2_mirrored"`
	Accounting         bool           `json:"accounting,omitempty"`
	LogDrops           *ListedDropLog `json:"log_drops,omitempty"`
}

// A ListedDropLog is where dropped packets are told.
type ListedDropLog struct {
	Group uint16 `json:"group"`
	Rate  uint32 `json:"rate"`
}

// A ListedNetwork is an entry of "networks".
type ListedNetwork struct {
	Name              string         `json:"name"`
	Bridge            string         `json:"bridge"`
	MTU               int            `json:"mtu,omitempty"`
	InterfacePrefix   string         `json:"interface_prefix"`
	IPv4              *ListedGateway `json:"ipv4,omitempty"`
	IPv6              *ListedGateway `json:"ipv6,omitempty"`
	Internal          bool           `json:"internal"`
	DisableICC        bool           `json:"disable_icc"`
	DisableHostAccess bool           `json:"disable_host_access"`
	DisableMasquerade bool           `json:"disable_masquerade"`
	RandomMasquerade  bool           `json:"random_masquerade"`
	TrustedInterfaces []string       `json:"trusted_interfaces"`
	AcceptFwmark      string         `json:"accept_fwmark"`
	Counters          any            `json:"counters,omitempty"`
}

// A ListedGateway is a network's family.
type ListedGateway struct {
	Subnet         netip.Prefix       `json:"subnet"`
	Gateway        netip.Addr         `json:"gateway"`
	Mode           bridge.GatewayMode `json:"mode"`
	SNAT           netip.Addr         `json:"snat"`
	HostBinding    netip.Addr         `json:"host_binding"`
	InhibitAddress bool               `json:"inhibit_address"`
	ExplicitOnly   bool               `json:"explicit_only"`
}

// A ListedEndpoint is an entry of "endpoints".
type ListedEndpoint struct {
	Name          string              `json:"name"`
	Network       string              `json:"network"`
	IPv4          netip.Addr          `json:"ipv4"`
	IPv6          netip.Addr          `json:"ipv6"`
	MAC           string              `json:"mac"`
	HostInterface string              `json:"host_interface"`
	AllowSpoofing bool                `json:"allow_spoofing"`
	Publish       []ListedPublication `json:"publish"`
	Links         []ListedLink        `json:"links"`
}

// A ListedPublication is an entry of "publish".
type ListedPublication struct {
	Spec string `json:"spec"`
	// Published is where, as `docker ps` shows it.
	Published string         `json:"published"`
	From      []netip.Prefix `json:"from,omitempty"`
	Interface string         `json:"interface,omitempty"`
	Counters  any            `json:"counters,omitempty"`
}

// A ListedLink is an entry of "links".
type ListedLink struct {
	To    string   `json:"to"`
	Ports []string `json:"ports"`
}

// ListedUserRules are the lists of "user_rules". One that is missing is not
// known.
type ListedUserRules struct {
	IPv4 *[]string `json:"ipv4,omitempty"`
	IPv6 *[]string `json:"ipv6,omitempty"`
}

// A Counted is what has been counted, for List: each function may return nil.
type Counted struct {
	Network func(*bridge.Network) any
	Binding func(*bridge.Binding) any
}

// List puts facts into the shape of a document.
func List(layout string, host *bridge.Host, v *bridge.View, counted Counted) *Listing {
	l := &Listing{Firewall: ListHost(layout, host), Networks: []ListedNetwork{}, Endpoints: []ListedEndpoint{}}
	for n := range v.Networks() {
		network := ListNetwork(n)
		if counted.Network != nil {
			network.Counters = counted.Network(n)
		}
		l.Networks = append(l.Networks, network)
		for e := range v.Endpoints(n) {
			l.Endpoints = append(l.Endpoints, listEndpoint(v, e, counted))
		}
	}
	return l
}

// Write writes the listing as JSON.
func (l *Listing) Write(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(l)
}

// ListHost is the options of a host.
func ListHost(layout string, h *bridge.Host) *ListedFirewall {
	l := &ListedFirewall{
		Layout: layout, UserlandProxy: h.UserlandProxy, AllowDirectRouting: h.AllowDirectRouting,
		ForwardPolicy: "accept", IPv4: !h.DisableIPv4, IPv6: !h.DisableIPv6, WSL2Mirrored: h.WSL2Mirrored,
	}
	if h.DropForward {
		l.ForwardPolicy = "drop"
	}
	if log := h.LogDrops; log != nil {
		l.LogDrops = &ListedDropLog{log.Group, log.Rate}
	}
	return l
}

// ListNetwork is one network, without what was counted.
func ListNetwork(n *bridge.Network) ListedNetwork {
	s := n.Spec
	return ListedNetwork{
		Name: s.Name, Bridge: s.Bridge, MTU: s.MTU, InterfacePrefix: s.IfPrefix,
		IPv4: listGateway(s.IPv4), IPv6: listGateway(s.IPv6),
		Internal: s.Internal, DisableICC: s.DisableICC, DisableHostAccess: s.DisableHostAccess,
		DisableMasquerade: s.DisableMasquerade, RandomMasquerade: s.RandomMasquerade,
		TrustedInterfaces: append([]string{}, s.TrustedInterfaces...), AcceptFwmark: s.AcceptFwmark.String(),
	}
}

func listGateway(g bridge.Gateway) *ListedGateway {
	if !g.Subnet.IsValid() {
		return nil
	}
	return &ListedGateway{
		Subnet: g.Subnet, Gateway: g.Address, Mode: g.Mode, SNAT: g.SNAT, HostBinding: g.HostBinding,
		InhibitAddress: g.InhibitAddress, ExplicitOnly: g.ExplicitOnly,
	}
}

func listEndpoint(v *bridge.View, e *bridge.Endpoint, counted Counted) ListedEndpoint {
	s := e.Spec
	l := ListedEndpoint{
		Name: s.Name, Network: e.Network.Spec.Name, IPv4: s.IPv4, IPv6: s.IPv6, MAC: s.MAC.String(),
		HostInterface: s.HostIfName, AllowSpoofing: s.AllowSpoofing,
		Publish: []ListedPublication{}, Links: []ListedLink{},
	}
	for b := range v.Bindings(e) {
		scope := b.Scope()
		p := ListedPublication{Spec: b.Port.String(), Published: b.String(), From: scope.From, Interface: scope.Interface}
		if counted.Binding != nil {
			p.Counters = counted.Binding(b)
		}
		l.Publish = append(l.Publish, p)
	}
	for link := range v.Links(e) {
		if to := link.To.Spec.Name; len(l.Links) == 0 || l.Links[len(l.Links)-1].To != to {
			l.Links = append(l.Links, ListedLink{To: to})
		}
		last := &l.Links[len(l.Links)-1]
		last.Ports = append(last.Ports, link.Port.String())
	}
	return l
}
