package document

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/portmap"
	"go.yaml.in/yaml/v3"
)

func (r reader) endpoint(n *yaml.Node, d *Document) (err error) {
	e := &Endpoint{}
	s := &e.Spec
	e.place, err = r.mapping(n, "endpoint", map[string]field{
		"name":    r.string("endpoint: name", &s.Name),
		"network": r.string("endpoint: network", &e.Network),
		"ipv4":    r.addr("endpoint: ipv4", &s.IPv4),
		"ipv6":    r.addr("endpoint: ipv6", &s.IPv6),
		"mac": r.text("endpoint: mac", func(text string) (err error) {
			if text == "" {
				return nil
			}
			if s.MAC, err = net.ParseMAC(text); err != nil {
				return fmt.Errorf("%q is not a MAC address such as 02:42:ac:12:00:02", text)
			}
			return nil
		}),
		"host_interface": r.string("endpoint: host_interface", &s.HostIfName),
		"allow_spoofing": r.bool("endpoint: allow_spoofing", &s.AllowSpoofing),
		"publish":        r.list("endpoint: publish", func(n *yaml.Node) error { return r.publication(n, e) }),
		"links":          r.list("endpoint: links", func(n *yaml.Node) error { return r.link(n, e) }),
		"counters":       ignored,
	})
	if err == nil {
		err = r.need(n, e.place, "endpoint", "name", "network")
	}
	if err == nil {
		d.Endpoints = append(d.Endpoints, e)
	}
	return err
}

// publication reads what an endpoint publishes: Docker's notation, by itself or
// with who reaches it.
func (r reader) publication(n *yaml.Node, e *Endpoint) (err error) {
	p := Publication{place: place{line: n.Line}}
	spec := r.text("publish", func(text string) (err error) {
		p.Port, err = portmap.Parse(text)
		return err
	})
	if n.Kind != yaml.MappingNode {
		err = spec(n)
	} else {
		p.place, err = r.mapping(n, "publish", map[string]field{
			"spec": spec,
			"from": r.list("publish: from", func(n *yaml.Node) error {
				var from netip.Prefix
				err := r.prefix("publish: from", &from)(n)
				p.Scope.From = append(p.Scope.From, from)
				return err
			}),
			"interface": r.string("publish: interface", &p.Scope.Interface),
			"published": ignored,
			"counters":  ignored,
		})
		if err == nil {
			err = r.need(n, p.place, "publish", "spec")
		}
	}
	e.Publish = append(e.Publish, p)
	return err
}

func (r reader) link(n *yaml.Node, e *Endpoint) (err error) {
	l := Link{}
	l.place, err = r.mapping(n, "link", map[string]field{
		"to": r.string("link: to", &l.To),
		"ports": r.list("link: ports", r.text("link: ports", func(text string) error {
			p, err := bridge.ParseLinkPort(text)
			l.Ports = append(l.Ports, p)
			return err
		})),
	})
	if err == nil {
		err = r.need(n, l.place, "link", "to", "ports")
	}
	e.Links = append(e.Links, l)
	return err
}
