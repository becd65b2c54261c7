package document

import (
	"fmt"
	"io"
	"math"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/compat"
	"github.com/seawall-net/seawall/nft"
	"go.yaml.in/yaml/v3"
)

// Parse reads a document. The file's name is for errors, each of which is an
// [*Error]. What the library would refuse is left to [Document.Facts].
func Parse(file string, text io.Reader) (*Document, error) {
	r := reader{file}
	root, err := r.root(text)
	if err != nil {
		return nil, err
	}
	d := &Document{File: file, Layout: "native", UserRules: map[nft.Family]*UserRules{}}
	_, err = r.mapping(root, "the document", map[string]field{
		"firewall":   func(n *yaml.Node) error { return r.firewall(n, d) },
		"networks":   r.list("networks", func(n *yaml.Node) error { return r.network(n, d) }),
		"endpoints":  r.list("endpoints", func(n *yaml.Node) error { return r.endpoint(n, d) }),
		"user_rules": func(n *yaml.Node) error { return r.userRules(n, d) },
		"ingress":    r.ingress,
		"counters":   ignored,
		"generation": ignored,
	})
	if err != nil {
		return nil, err
	}
	return d, nil
}

func (r reader) firewall(n *yaml.Node, d *Document) (err error) {
	h := &d.Host
	d.firewall, err = r.mapping(n, "firewall", map[string]field{
		"layout": r.text("firewall: layout", func(s string) error {
			d.Layout = s
			_, err := compat.LayoutNamed(s)
			return err
		}),
		"userland_proxy":       r.bool("firewall: userland_proxy", &h.UserlandProxy),
		"allow_direct_routing": r.bool("firewall: allow_direct_routing", &h.AllowDirectRouting),
		"forward_policy": r.text("firewall: forward_policy", func(s string) error {
			h.DropForward = s == "drop"
			if s != "drop" && s != "accept" {
				return fmt.Errorf("%q: must be accept or drop", s)
			}
			return nil
		}),
		"ipv4":          r.not("firewall: ipv4", &h.DisableIPv4),
		"ipv6":          r.not("firewall: ipv6", &h.DisableIPv6),
		"wsl2_mirrored": r.bool("firewall: wsl2_mirrored", &h.WSL2Mirrored),
		"accounting":    r.bool("firewall: accounting", &d.Accounting),
		"log_drops":     func(n *yaml.Node) error { return r.logDrops(n, h) },
	})
	return err
}

// logDrops reads where dropped packets are told.
func (r reader) logDrops(n *yaml.Node, h *bridge.Host) error {
	var group, rate int
	if _, err := r.mapping(n, "firewall: log_drops", map[string]field{
		"group": r.int("firewall: log_drops.group", &group),
		"rate":  r.int("firewall: log_drops.rate", &rate),
	}); err != nil {
		return err
	}
	if group < 0 || group > math.MaxUint16 || rate < 0 || rate > math.MaxInt32 {
		return r.refuse(n, "firewall: log_drops: a group is 0 to 65535, and a rate a number of packets a second")
	}
	h.LogDrops = &bridge.DropLog{Group: uint16(group), Rate: uint32(rate)}
	return nil
}

// ingress refuses what there is not yet.
func (r reader) ingress(n *yaml.Node) error {
	return r.list("ingress", func(entry *yaml.Node) error {
		return r.refuse(entry, "ingress: this version publishes no services: leave it empty")
	})(n)
}
