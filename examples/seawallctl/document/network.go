package document

import (
	"fmt"
	"maps"

	"github.com/seawall-net/seawall/bridge"
	"go.yaml.in/yaml/v3"
)

func (r reader) network(n *yaml.Node, d *Document) (err error) {
	out := &Network{}
	s := &out.Spec
	what := "network"
	options, optionLines := map[string]string{}, map[string]int{}
	lines := map[string]int{}
	gateway := func(name string, to *bridge.Gateway) field {
		return func(n *yaml.Node) error {
			p, err := r.gateway(n, what+": "+name, to)
			for k, line := range p.keys {
				lines[name+"."+k] = line
			}
			return err
		}
	}
	out.place, err = r.mapping(n, what, map[string]field{
		"name": r.text("network: name", func(name string) error {
			s.Name, what = name, fmt.Sprintf("network %s", printable(name))
			return nil
		}),
		"bridge":              r.string("network: bridge", &s.Bridge),
		"mtu":                 r.int("network: mtu", &s.MTU),
		"interface_prefix":    r.string("network: interface_prefix", &s.IfPrefix),
		"ipv4":                gateway("ipv4", &s.IPv4),
		"ipv6":                gateway("ipv6", &s.IPv6),
		"internal":            r.bool("network: internal", &s.Internal),
		"disable_icc":         r.bool("network: disable_icc", &s.DisableICC),
		"disable_host_access": r.bool("network: disable_host_access", &s.DisableHostAccess),
		"disable_masquerade":  r.bool("network: disable_masquerade", &s.DisableMasquerade),
		"random_masquerade":   r.bool("network: random_masquerade", &s.RandomMasquerade),
		"trusted_interfaces": r.list("network: trusted_interfaces", r.text("network: trusted_interfaces", func(name string) error {
			s.TrustedInterfaces = append(s.TrustedInterfaces, name)
			return nil
		})),
		"accept_fwmark": r.text("network: accept_fwmark", func(mark string) (err error) {
			s.AcceptFwmark, err = bridge.ParseFwmark(mark)
			return err
		}),
		"options":  func(n *yaml.Node) (err error) { optionLines, err = r.options(n, options); return err },
		"counters": ignored,
	})
	if err == nil {
		err = r.need(n, out.place, what, "name")
	}
	if err != nil {
		return err
	}
	maps.Copy(out.keys, lines)
	for name, line := range optionLines {
		out.keys["options."+name] = line
	}
	if len(options) > 0 {
		spec, err := s.WithOptions(options)
		if err != nil {
			return d.refused(out.place, err)
		}
		*s = spec
	}
	d.Networks = append(d.Networks, out)
	return nil
}

// options reads Docker's options, all of which are strings.
func (r reader) options(n *yaml.Node, to map[string]string) (map[string]int, error) {
	lines := map[string]int{}
	if n.Kind != yaml.MappingNode {
		return nil, r.refuse(n, "network: options must be a mapping, and is %s", kindOf(n))
	}
	for i := 0; i < len(n.Content); i += 2 {
		name, value := n.Content[i], n.Content[i+1]
		switch {
		case name.Kind != yaml.ScalarNode || value.Kind != yaml.ScalarNode || value.ShortTag() == "!!null":
			return nil, r.refuse(name, "network: option %s must be a string, and is %s", kindOf(name), kindOf(value))
		case lines[name.Value] != 0:
			return nil, r.refuse(name, "network: option %s is there twice, in line %d too", name.Value, lines[name.Value])
		}
		lines[name.Value], to[name.Value] = name.Line, value.Value
	}
	return lines, nil
}

func (r reader) gateway(n *yaml.Node, what string, to *bridge.Gateway) (place, error) {
	p, err := r.mapping(n, what, map[string]field{
		"subnet":  r.prefix(what+".subnet", &to.Subnet),
		"gateway": r.addr(what+".gateway", &to.Address),
		"mode": r.text(what+".mode", func(name string) (err error) {
			if to.Mode, err = bridge.ParseGatewayMode(name); err != nil {
				err = fmt.Errorf("%q: must be nat, nat-unprotected, routed or isolated", name)
			}
			return err
		}),
		"snat":            r.addr(what+".snat", &to.SNAT),
		"host_binding":    r.addr(what+".host_binding", &to.HostBinding),
		"inhibit_address": r.bool(what+".inhibit_address", &to.InhibitAddress),
		"explicit_only":   r.bool(what+".explicit_only", &to.ExplicitOnly),
	})
	if err == nil {
		err = r.need(n, p, what, "subnet")
	}
	return p, err
}

// printable is a name that may be hostile, for a message.
func printable(name string) string {
	if quoted := fmt.Sprintf("%q", name); quoted != `"`+name+`"` {
		return quoted
	}
	return name
}
