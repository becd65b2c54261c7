package compat

import (
	"errors"
	"io/fs"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/internal/netlab"
	"github.com/seawall-net/seawall/nft"
	"github.com/seawall-net/seawall/portmap"
)

// refusals are what layouts have not, and what the error names.
var refusals = []struct {
	name string
	// since is the first layout that has it, "" if none.
	since string
	cfg   bridge.Config
	spec  func(*bridge.NetworkSpec)
	// within and port are for a port of a container.
	within bridge.Scope
	port   string
	words  []string
}{
	{name: "internal", since: "docker-1.10", spec: internal, words: []string{"network n1", "Internal", "1.10"}},
	{name: "ipv6", since: "docker-18.05", spec: func(s *bridge.NetworkSpec) { s.IPv6 = subnet("fd00:30:1::/64") },
		words: []string{"network n1", "IPv6.Subnet", "20.10"}},
	{name: "ipv6 only", since: "docker-28", spec: func(s *bridge.NetworkSpec) { s.IPv4, s.IPv6 = bridge.Gateway{}, subnet("fd00:30:1::/64") },
		words: []string{"network n1", "IP"}},
	{name: "snat", since: "docker-18.05", spec: snat, words: []string{"network n1", "IPv4.SNAT", "20.10"}},
	{name: "inhibit", since: "docker-18.05", spec: func(s *bridge.NetworkSpec) { s.IPv4.InhibitAddress = true },
		words: []string{"network n1", "IPv4.InhibitAddress", "20.10"}},
	{name: "routed", since: "docker-28", spec: func(s *bridge.NetworkSpec) { s.IPv4.Mode = bridge.Routed },
		words: []string{"network n1", "IPv4.Mode", "routed", "27.0"}},
	{name: "unprotected", since: "docker-28", spec: func(s *bridge.NetworkSpec) { s.IPv4.Mode = bridge.NATUnprotected },
		words: []string{"network n1", "IPv4.Mode", "nat-unprotected", "28.0"}},
	{name: "isolated", since: "docker-28", spec: func(s *bridge.NetworkSpec) {
		s.Internal, s.IPv4 = true, bridge.Gateway{Subnet: s.IPv4.Subnet, Mode: bridge.Isolated}
	}, words: []string{"network n1"}},
	{name: "trusted", since: "docker-28", spec: func(s *bridge.NetworkSpec) { s.TrustedInterfaces = []string{"eth1"} },
		words: []string{"network n1", "TrustedInterfaces", "28.2"}},
	{name: "fwmark", since: "docker-28", spec: func(s *bridge.NetworkSpec) { s.AcceptFwmark = bridge.Fwmark{Value: 1, Mask: 1} },
		words: []string{"network n1", "AcceptFwmark", "29.0"}},
	{name: "host access", spec: func(s *bridge.NetworkSpec) { s.DisableHostAccess = true },
		words: []string{"network n1", "DisableHostAccess", "no version"}},
	{name: "random", spec: func(s *bridge.NetworkSpec) { s.RandomMasquerade = true },
		words: []string{"network n1", "RandomMasquerade", "no version"}},
	{name: "scope", port: "8080:80", within: bridge.Scope{From: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}},
		words: []string{"n1/c1", "8080:80", "scope", "no version"}},
	{name: "scope by interface", port: "8080:80", within: bridge.Scope{Interface: "eth1"}, words: []string{"n1/c1", "scope"}},
	{name: "sctp", since: "docker-18.05", port: "8080:80/sctp", words: []string{"n1/c1", "protocol", "SCTP", "18.03"}},
	{name: "direct routing", since: "docker-28", cfg: bridge.Config{AllowDirectRouting: true},
		words: []string{"host", "AllowDirectRouting", "28.2"}},
	{name: "wsl2", since: "docker-18.05", cfg: bridge.Config{WSL2Mirrored: true}, words: []string{"host", "WSL2Mirrored", "27.3"}},
}

// What a version of Docker had not is refused: the object, the option, the layout
// and the version that brought it are named, and nothing is done.
func TestRefusals(t *testing.T) {
	names := LayoutNames() // the newest first
	for _, l := range dockers() {
		for _, r := range refusals {
			t.Run(l.name+"/"+r.name, func(t *testing.T) {
				t.Parallel()
				has := r.since != "" && slices.Index(names, l.name) <= slices.Index(names, r.since)
				cfg := r.cfg
				cfg.Layout, cfg.RulesOnly, cfg.NetNS = l, true, netlab.New(t).Namespace("host").File()
				err := build(t, cfg, r.spec, r.within, r.port)
				if has {
					if err != nil {
						t.Error(err)
					}
					return
				}
				if !errors.Is(err, fs.ErrInvalid) {
					t.Fatalf("no refusal: %v", err)
				}
				for _, word := range append(r.words, l.name) {
					if !strings.Contains(err.Error(), word) {
						t.Errorf("%q does not name %q", err, word)
					}
				}
			})
		}
	}
}

// build makes a network with a container, in one update, in a host that is open
// for that only.
func build(t *testing.T, cfg bridge.Config, change func(*bridge.NetworkSpec), within bridge.Scope, port string) error {
	t.Helper()
	fw, err := bridge.Open(t.Context(), cfg)
	if err != nil {
		return err
	}
	defer func() {
		if err := fw.Close(); err != nil {
			t.Error(err)
		}
	}()
	return fw.Update(t.Context(), func(tx *bridge.Tx) error {
		n := tx.CreateNetwork(n1(change))
		if port != "" {
			n.Attach(endpoint("c1", "172.30.1.10", "")).PublishWithin(within, portmap.MustParse(port))
		}
		return nil
	})
}

// A link without IPv4 is refused: Docker's links are of IPv4.
func TestLinkOfIPv6(t *testing.T) {
	s := scenario{name: "link", cfg: proxied, build: func(s site) {
		s.network(bridge.NetworkSpec{Name: "n1", Bridge: "br-n1", IPv6: subnet("fd00:30:1::/64"), DisableICC: true})
		s.container("n1", "c1", "", "fd00:30:1::10")
		s.container("n1", "c2", "", "fd00:30:1::11")
		s.link("n1", "c1", "c2", "80")
	}}
	facts := onPaper(t, s).facts
	err := Docker28().Check(facts[len(facts)-1])
	if !errors.Is(err, fs.ErrInvalid) || !strings.Contains(err.Error(), "without IPv4") {
		t.Errorf("is %v", err)
	}
	if rules := linesOf(facts[len(facts)-1], nft.IPv6); len(rules) > 0 {
		t.Errorf("rules: %v", rules)
	}
}

func linesOf(f bridge.Fact, family nft.Family) (out []line) {
	Docker28().(docker).lines(f, sheet{family, func(l line) { out = append(out, l) }})
	return out
}
