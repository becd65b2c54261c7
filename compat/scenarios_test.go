package compat

import (
	"net/netip"

	"github.com/seawall-net/seawall/bridge"
)

// Layouts by what they have.
var (
	withInternal = []string{"docker-1.10", "docker-17.06", "docker-18.05", "docker-28"}
	withIPv6     = []string{"docker-18.05", "docker-28"}
	only28       = []string{"docker-28"}
)

// proxied is Docker's default: a userland proxy.
var proxied = bridge.Config{UserlandProxy: true}

// defaultBridge is the network that Docker always has.
func defaultBridge(s site) {
	s.network(bridge.NetworkSpec{Name: "bridge", Bridge: "docker0", IPv4: subnet("172.17.0.0/16")})
}

func n1(change func(*bridge.NetworkSpec)) bridge.NetworkSpec {
	spec := bridge.NetworkSpec{Name: "n1", Bridge: "br-n1", IPv4: subnet("172.30.1.0/24")}
	if change != nil {
		change(&spec)
	}
	return spec
}

func n2() bridge.NetworkSpec {
	return bridge.NetworkSpec{Name: "n2", Bridge: "br-n2", IPv4: subnet("172.30.2.0/24")}
}

// inN1 makes the default bridge, n1, and a container there that publishes ports.
func inN1(change func(*bridge.NetworkSpec), ports ...string) func(site) {
	return func(s site) {
		defaultBridge(s)
		s.network(n1(change))
		s.container("n1", "c1", "172.30.1.10", "")
		s.publish("n1", "c1", ports...)
	}
}

// dualStack is like inN1, with IPv6.
func dualStack(change func(*bridge.NetworkSpec), ports ...string) func(site) {
	return func(s site) {
		defaultBridge(s)
		s.network(n1(func(spec *bridge.NetworkSpec) {
			spec.IPv6 = subnet("fd00:30:1::/64")
			if change != nil {
				change(spec)
			}
		}))
		s.container("n1", "c1", "172.30.1.10", "fd00:30:1::10")
		s.publish("n1", "c1", ports...)
	}
}

func internal(spec *bridge.NetworkSpec) { spec.Internal = true }

func withoutICC(spec *bridge.NetworkSpec) { spec.DisableICC = true }

// captured are the scenarios of which there is output of a real Docker.
var captured = []scenario{
	{"01-fresh", proxied, defaultBridge, nil},
	{"02-usernet", proxied, func(s site) { defaultBridge(s); s.network(n1(nil)) }, nil},
	{"03-default-p8080", proxied, func(s site) {
		defaultBridge(s)
		s.container("bridge", "c1", "172.17.0.2", "")
		s.publish("bridge", "c1", "8080:80")
	}, nil},
	{"04-two-nets", proxied, func(s site) {
		defaultBridge(s)
		s.network(n1(nil))
		s.network(n2())
		s.container("n1", "c1", "172.30.1.10", "")
		s.publish("n1", "c1", "8080:80")
		s.container("n2", "c2", "172.30.2.10", "")
	}, nil},
	{"05-internal", proxied, inN1(internal), withInternal},
	{"06-icc-false", proxied, inN1(withoutICC, "8080:80"), nil},
	{"07-loopback", proxied, inN1(nil, "127.0.0.1:8080:80"), nil},
	{"09-range", proxied, inN1(nil, "9000-9009:9000-9009"), nil},
	{"11-gwmode-isolated", proxied, inN1(func(spec *bridge.NetworkSpec) {
		spec.Internal, spec.IPv4 = true, mode("172.30.1.0/24", bridge.Isolated)
	}), only28},
	{"11-gwmode-routed", proxied, inN1(func(spec *bridge.NetworkSpec) {
		spec.IPv4 = mode("172.30.1.0/24", bridge.Routed)
	}, "8080:80"), only28},
	{"12-dualstack", proxied, dualStack(nil, "8080:80"), withIPv6},
	{"15-link-fresh", proxied, func(s site) {
		s.network(bridge.NetworkSpec{Name: "bridge", Bridge: "docker0", IPv4: subnet("172.17.0.0/16"), DisableICC: true})
	}, nil},
	// With the rules of a user, which are made before n1 in the one and behind it in the other.
	{"18-docker-user-before-restart", proxied, inN1(nil, "8080:80"), nil},
	{"18-docker-user-after-restart", proxied, func(s site) {
		s.network(n1(nil)) // a Docker that starts makes networks in no order
		defaultBridge(s)
		s.container("n1", "c1", "172.30.1.10", "")
		s.publish("n1", "c1", "8080:80")
	}, nil},
}

// others are scenarios without.
var others = []scenario{
	{"several", proxied, inN1(nil, "8080:80", "198.18.0.2:8443:443", "5353:53/udp", "8081:80", "127.0.0.2:9000-9001:7000-7001/udp"), nil},
	{"two-containers", proxied, func(s site) {
		inN1(nil, "8080:80")(s)
		s.container("n1", "c2", "172.30.1.11", "")
		s.publish("n1", "c2", "8082:80")
	}, nil},
	{"in-two-networks", proxied, func(s site) {
		defaultBridge(s)
		s.network(n1(nil))
		s.network(n2())
		s.container("n1", "c1", "172.30.1.10", "")
		s.container("n2", "c1", "172.30.2.10", "")
		s.publish("n2", "c1", "8080:80")
	}, nil},
	{"no-proxy", bridge.Config{}, inN1(nil, "8080:80", "127.0.0.1:8081:81"), nil},
	{"no-proxy-dualstack", bridge.Config{}, dualStack(nil, "8080:80", "[2001:db8::1]:8081:81"), withIPv6},
	{"link", proxied, links, nil},
	{"internal-icc-false", proxied, inN1(func(spec *bridge.NetworkSpec) { internal(spec); withoutICC(spec) }), withInternal},
	{"internal-dualstack", proxied, dualStack(internal, "8080:80"), withIPv6},
	{"two-internal", proxied, func(s site) {
		defaultBridge(s)
		s.network(n1(internal))
		spec := n2()
		spec.Internal = true
		s.network(spec)
		s.network(bridge.NetworkSpec{Name: "n3", Bridge: "br-n3", IPv4: subnet("172.30.3.0/24")})
	}, withInternal},
	{"icc-false-dualstack", proxied, dualStack(withoutICC, "8080:80"), withIPv6},
	{"masquerade-off", proxied, inN1(func(spec *bridge.NetworkSpec) { spec.DisableMasquerade = true }, "8080:80"), nil},
	{"masquerade-off-no-proxy", bridge.Config{}, inN1(func(spec *bridge.NetworkSpec) { spec.DisableMasquerade = true }, "8080:80"), nil},
	{"snat", proxied, inN1(snat, "8080:80"), withIPv6},
	{"snat-no-proxy-dualstack", bridge.Config{}, dualStack(func(spec *bridge.NetworkSpec) {
		snat(spec)
		spec.IPv6.SNAT = netip.MustParseAddr("2001:db8::9")
	}, "8080:80"), withIPv6},
	{"sctp", proxied, inN1(nil, "3868:3868/sctp"), withIPv6},
	{"wsl2", bridge.Config{UserlandProxy: true, WSL2Mirrored: true}, inN1(nil, "127.0.0.1:8080:80", "8081:81"), withIPv6},
	{"no-iptables", bridge.Config{UserlandProxy: true, DisableIPv4: true}, dualStack(nil, "8080:80"), withIPv6},
	{"no-ip6tables", bridge.Config{UserlandProxy: true, DisableIPv6: true}, dualStack(nil, "8080:80"), withIPv6},
	{"nat-unprotected", proxied, dualStack(func(spec *bridge.NetworkSpec) {
		spec.IPv4 = mode("172.30.1.0/24", bridge.NATUnprotected)
		spec.IPv6 = mode("fd00:30:1::/64", bridge.NATUnprotected)
	}, "8080:80", "127.0.0.1:8081:81"), only28},
	{"routed-dualstack", proxied, dualStack(func(spec *bridge.NetworkSpec) {
		spec.IPv4 = mode("172.30.1.0/24", bridge.Routed)
		spec.IPv6 = mode("fd00:30:1::/64", bridge.Routed)
	}, "8080:80", "8081-8082:81-82/udp"), only28},
	{"routed-ipv6-no-proxy", bridge.Config{}, dualStack(func(spec *bridge.NetworkSpec) {
		spec.IPv6 = mode("fd00:30:1::/64", bridge.Routed)
	}, "8080:80"), only28},
	{"ipv6-only", proxied, func(s site) {
		defaultBridge(s)
		s.network(bridge.NetworkSpec{Name: "n1", Bridge: "br-n1", IPv6: subnet("fd00:30:1::/64")})
		s.container("n1", "c1", "", "fd00:30:1::10")
		s.publish("n1", "c1", "8080:80")
	}, only28},
	{"trusted", proxied, dualStack(func(spec *bridge.NetworkSpec) { spec.TrustedInterfaces = []string{"eth1", "eth2"} }, "8080:80"), only28},
	{"direct-routing", bridge.Config{UserlandProxy: true, AllowDirectRouting: true}, dualStack(nil, "8080:80"), only28},
	{"fwmark", proxied, func(s site) {
		defaultBridge(s)
		s.network(n1(func(spec *bridge.NetworkSpec) { spec.AcceptFwmark = bridge.Fwmark{Value: 2, Mask: 3} }))
		spec := n2()
		spec.AcceptFwmark = bridge.Fwmark{Value: 2, Mask: 3}
		s.network(spec)
		s.network(bridge.NetworkSpec{
			Name: "n3", Bridge: "br-n3", IPv4: subnet("172.30.3.0/24"), AcceptFwmark: bridge.Fwmark{Value: 0x10, Mask: 1<<32 - 1},
		})
	}, only28},
}

func snat(spec *bridge.NetworkSpec) { spec.IPv4.SNAT = netip.MustParseAddr("198.18.0.3") }

// links: in n1 without ICC, where they count, and in n2, where they change nothing.
func links(s site) {
	defaultBridge(s)
	s.network(n1(withoutICC))
	s.network(n2())
	s.container("n1", "db", "172.30.1.10", "")
	s.container("n1", "web", "172.30.1.11", "")
	s.publish("n1", "web", "8080:80")
	s.link("n1", "web", "db", "5432")
	s.link("n1", "web", "db", "6000-6001/udp")
	s.container("n2", "db", "172.30.2.10", "")
	s.container("n2", "web", "172.30.2.11", "")
	s.link("n2", "web", "db", "5432")
}
