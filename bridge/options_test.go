package bridge

import (
	"errors"
	"net/netip"
	"reflect"
	"strings"
	"testing"
)

const dn = "com.docker.network."

// optionSpec is what options are applied to: a network of both families.
func optionSpec() NetworkSpec {
	return NetworkSpec{
		Name: "n",
		IPv4: Gateway{Subnet: netip.MustParsePrefix("172.30.1.0/24")},
		IPv6: Gateway{Subnet: netip.MustParsePrefix("fd00:30:1::/64")},
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		key, value string
		want       func(*NetworkSpec)
	}{
		{"bridge.name", "br-x", func(s *NetworkSpec) { s.Bridge = "br-x" }},
		{"bridge.default_bridge", "true", func(s *NetworkSpec) { s.Bridge = "docker0" }},
		{"bridge.default_bridge", "false", func(*NetworkSpec) {}},
		{"bridge.enable_icc", "false", func(s *NetworkSpec) { s.DisableICC = true }},
		{"bridge.enable_icc", "true", func(*NetworkSpec) {}},
		{"bridge.enable_icc", "0", func(s *NetworkSpec) { s.DisableICC = true }},
		{"bridge.enable_ip_masquerade", "F", func(s *NetworkSpec) { s.DisableMasquerade = true }},
		{"bridge.enable_ip_masquerade", "1", func(*NetworkSpec) {}},
		{"bridge.gateway_mode_ipv4", "nat", func(*NetworkSpec) {}},
		{"bridge.gateway_mode_ipv4", "nat-unprotected", func(s *NetworkSpec) { s.IPv4.Mode = NATUnprotected }},
		{"bridge.gateway_mode_ipv6", "routed", func(s *NetworkSpec) { s.IPv6.Mode = Routed }},
		{"bridge.gateway_mode_ipv6", "isolated", func(s *NetworkSpec) { s.IPv6.Mode = Isolated }},
		{"bridge.host_binding_ipv4", "192.0.2.1", func(s *NetworkSpec) {
			s.IPv4.HostBinding, s.IPv6.ExplicitOnly = netip.MustParseAddr("192.0.2.1"), true
		}},
		{"bridge.host_binding_ipv4", "::ffff:192.0.2.1", func(s *NetworkSpec) {
			s.IPv4.HostBinding, s.IPv6.ExplicitOnly = netip.MustParseAddr("192.0.2.1"), true
		}},
		{"bridge.host_binding_ipv4", "2001:db8::1", func(s *NetworkSpec) {
			s.IPv6.HostBinding, s.IPv4.ExplicitOnly = netip.MustParseAddr("2001:db8::1"), true
		}},
		{"bridge.host_binding_ipv4", "0.0.0.0", func(*NetworkSpec) {}},
		{"bridge.host_binding_ipv4", "::", func(s *NetworkSpec) { s.IPv4.ExplicitOnly = true }},
		{"bridge.inhibit_ipv4", "true", func(s *NetworkSpec) { s.IPv4.InhibitAddress = true }},
		{"bridge.trusted_host_interfaces", "eth1:eth0::eth1:", func(s *NetworkSpec) { s.TrustedInterfaces = []string{"eth0", "eth1"} }},
		{"bridge.trusted_host_interfaces", "", func(*NetworkSpec) {}},
		{"container_iface_prefix", "net", func(s *NetworkSpec) { s.IfPrefix = "net" }},
		{"container_iface_prefix", "", func(*NetworkSpec) {}},
		{"driver.mtu", "1400", func(s *NetworkSpec) { s.MTU = 1400 }},
		{"driver.mtu", "0", func(*NetworkSpec) {}},
		{"enable_ipv4", "true", func(*NetworkSpec) {}},
		{"enable_ipv6", "T", func(*NetworkSpec) {}},
		{"host_ipv4", "192.0.2.3", func(s *NetworkSpec) { s.IPv4.SNAT = netip.MustParseAddr("192.0.2.3") }},
		{"host_ipv6", "2001:db8::3", func(s *NetworkSpec) { s.IPv6.SNAT = netip.MustParseAddr("2001:db8::3") }},
		{"advertise_addr_nmsgs", "0", func(*NetworkSpec) {}},
	} {
		want := optionSpec()
		c.want(&want)
		got, err := optionSpec().WithOptions(map[string]string{dn + c.key: c.value})
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s=%s: %+v, %v\nwant %+v", c.key, c.value, got, err, want)
		}
		// What is set already may be said again.
		if again, err := got.WithOptions(map[string]string{dn + c.key: c.value}); err != nil || !reflect.DeepEqual(again, want) {
			t.Errorf("%s=%s again: %+v, %v", c.key, c.value, again, err)
		}
	}
}

func TestOptionsTogether(t *testing.T) {
	t.Parallel()
	want := optionSpec()
	want.Bridge, want.MTU, want.DisableICC, want.IPv6.Mode = "br-x", 9000, true, Routed
	got, err := optionSpec().WithOptions(map[string]string{
		dn + "bridge.name": "br-x", dn + "bridge.default_bridge": "true", dn + "driver.mtu": "9000",
		dn + "bridge.enable_icc": "false", dn + "bridge.gateway_mode_ipv6": "routed", dn + "enable_ipv6": "true",
	})
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v\nwant %+v", got, err, want)
	}
	if got, err := optionSpec().WithOptions(nil); err != nil || !reflect.DeepEqual(got, optionSpec()) {
		t.Errorf("no options: %+v, %v", got, err)
	}
}

func TestOptionsRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		key, value string
		set        func(*NetworkSpec)
		text       string
	}{
		{"bridge.name", "", nil, "is missing"},
		{"bridge.name", "sixteen-bytes-xx", nil, "at most 15"},
		{"bridge.name", "a b", nil, `"a b"`},
		{"bridge.name", "br-x", func(s *NetworkSpec) { s.Bridge = "br-y" }, "br-x contradicts the specification, which says br-y"},
		{"bridge.default_bridge", "yes", nil, `"yes" is neither true nor false`},
		{"bridge.enable_icc", "", nil, "neither true nor false"},
		{"bridge.enable_icc", "on", nil, "neither true nor false"},
		{"bridge.enable_icc", "true", func(s *NetworkSpec) { s.DisableICC = true }, "contradicts"},
		{"bridge.enable_ip_masquerade", "tRUE", nil, "neither true nor false"},
		{"bridge.enable_ip_masquerade", "true", func(s *NetworkSpec) { s.DisableMasquerade = true }, "contradicts"},
		{"bridge.gateway_mode_ipv4", "", nil, "must be nat, nat-unprotected, routed or isolated"},
		{"bridge.gateway_mode_ipv4", "NAT", nil, `"NAT"`},
		{"bridge.gateway_mode_ipv4", "nat", func(s *NetworkSpec) { s.IPv4.Mode = Routed }, "nat contradicts the specification, which says routed"},
		{"bridge.gateway_mode_ipv6", "bridged", nil, `"bridged"`},
		{"bridge.host_binding_ipv4", "", nil, "is not an IP address"},
		{"bridge.host_binding_ipv4", "host", nil, "is not an IP address"},
		{"bridge.host_binding_ipv4", "fe80::1%eth0", nil, "is not an IP address"},
		{"bridge.host_binding_ipv4", "192.0.2.01", nil, "is not an IP address"},
		{"bridge.host_binding_ipv4", "192.0.2.1", func(s *NetworkSpec) { s.IPv4.HostBinding = netip.MustParseAddr("192.0.2.2") }, "contradicts"},
		{"bridge.host_binding_ipv4", "0.0.0.0", func(s *NetworkSpec) { s.IPv4.HostBinding = netip.MustParseAddr("192.0.2.2") }, "contradicts"},
		{"bridge.host_binding_ipv4", "192.0.2.1", func(s *NetworkSpec) { s.IPv6.HostBinding = netip.MustParseAddr("2001:db8::1") }, "would be the only address"},
		{"bridge.inhibit_ipv4", "2", nil, "neither true nor false"},
		{"bridge.inhibit_ipv4", "false", func(s *NetworkSpec) { s.IPv4.InhibitAddress = true }, "contradicts"},
		{"bridge.trusted_host_interfaces", "eth0,eth1", nil, `"eth0,eth1"`},
		{"bridge.trusted_host_interfaces", "lo", nil, "lo"},
		{"bridge.trusted_host_interfaces", "eth0", func(s *NetworkSpec) { s.TrustedInterfaces = []string{"eth1"} }, "contradicts"},
		{"bridge.trusted_host_interfaces", strings.Repeat("a:b:c:d:e:", 1) + strings.Join(manyNames(), ":"), nil, "at most 24"},
		{"container_iface_prefix", "eleven-byte", nil, "at most 10"},
		{"container_iface_prefix", "net", func(s *NetworkSpec) { s.IfPrefix = "eth" }, "contradicts"},
		{"driver.mtu", "", nil, "is not a number"},
		{"driver.mtu", "1500x", nil, "is not a number"},
		{"driver.mtu", "-1", nil, "68 to 65535"},
		{"driver.mtu", "99999999999999999999", nil, "is not a number"},
		{"driver.mtu", "0", func(s *NetworkSpec) { s.MTU = 1400 }, "contradicts"},
		{"driver.mtu", "1500", func(s *NetworkSpec) { s.MTU = 1400 }, "contradicts"},
		{"enable_ipv4", "false", nil, "contradicts IPv4.Subnet, which is 172.30.1.0/24"},
		{"enable_ipv6", "true", func(s *NetworkSpec) { s.IPv6 = Gateway{} }, "there is no IPv6.Subnet"},
		{"enable_ipv6", "maybe", nil, "neither true nor false"},
		{"host_ipv4", "2001:db8::1", nil, "other family"},
		{"host_ipv6", "192.0.2.1", nil, "other family"},
		{"host_ipv6", "fe80::1%eth0", nil, "is not an IP address"},
		{"host_ipv4", "192.0.2.1", func(s *NetworkSpec) { s.IPv4.SNAT = netip.MustParseAddr("192.0.2.2") }, "contradicts"},
		{"advertise_addr_nmsgs", "3", nil, "not advertised"},
		{"advertise_addr_nmsgs", "none", nil, "not advertised"},
		{"advertise_addr_ms", "1000", nil, "not advertised"},
		{"internal", "true", nil, "set Internal"},
		{"endpoint.ifname", "eth7", nil, "belongs to an endpoint"},
		{"generic", "x", nil, "not an option"},
		{"driver.overlay.vxlanid_list", "1", nil, "overlay"},
		{"bridge.enable_Icc", "true", nil, "is not an option of Docker's bridge networks"},
		{"", "", nil, "is not an option"},
	} {
		spec := optionSpec()
		if c.set != nil {
			c.set(&spec)
		}
		got, err := spec.WithOptions(map[string]string{dn + c.key: c.value})
		var wrong *SpecError
		if !errors.As(err, &wrong) || wrong.Field != dn+c.key || wrong.Object != "network n" || !strings.Contains(wrong.Reason, c.text) {
			t.Errorf("%s=%s: %v, want %q", c.key, c.value, err, c.text)
		}
		if !reflect.DeepEqual(got, spec) {
			t.Errorf("%s=%s: refused, and the specification is %+v", c.key, c.value, got)
		}
	}
	// Of many errors, always the same; and no name can garble a log.
	for range 20 {
		_, err := optionSpec().WithOptions(map[string]string{"z": "", "y": "", "parent": "eth0", "\x1b[31m": "", dn + "bridge.name": ""})
		if want := `bridge: network n: "\x1b[31m": is not an option of Docker's bridge networks`; err == nil || err.Error() != want {
			t.Fatalf("%v, want %s", err, want)
		}
	}
	if _, err := optionSpec().WithOptions(map[string]string{"parent": "eth0"}); err == nil || !strings.Contains(err.Error(), "macvlan") {
		t.Errorf("parent: %v", err)
	}
}

func manyNames() (names []string) {
	for i := range maxTrusted {
		names = append(names, "eth"+string(rune('a'+i)))
	}
	return names
}

// WithOptions leaves what it was given alone, whoever else refers to it.
func TestOptionsChangeNothing(t *testing.T) {
	t.Parallel()
	spec := optionSpec()
	spec.TrustedInterfaces = []string{"eth1", "eth0"}
	if _, err := spec.WithOptions(map[string]string{dn + "bridge.trusted_host_interfaces": "eth0:eth1"}); err != nil {
		t.Fatal(err)
	}
	if got := spec.TrustedInterfaces; got[0] != "eth1" {
		t.Errorf("the interfaces are %q now", got)
	}
}

// Whatever the options are, nothing panics; what is accepted is accepted again, and is a network or refused for a reason.
func FuzzOptions(f *testing.F) {
	f.Add("bridge.name=br-x\nbridge.gateway_mode_ipv6=routed\ndriver.mtu=1400", uint8(3))
	f.Add("bridge.host_binding_ipv4=::ffff:1.2.3.4\nhost_ipv4=1.2.3.4\nenable_ipv6=1", uint8(1))
	f.Add("bridge.trusted_host_interfaces=a:b::c\nbridge.inhibit_ipv4=T\ncontainer_iface_prefix=e", uint8(7))
	f.Add("bridge.gateway_mode_ipv4=isolated\nbridge.default_bridge=t\nadvertise_addr_nmsgs=0\nbridge.enable_icc=f", uint8(7))
	f.Fuzz(func(t *testing.T, text string, kind uint8) {
		spec := optionSpec()
		if kind&1 == 0 {
			spec.IPv6 = Gateway{}
		}
		if kind&2 == 0 {
			spec.IPv4 = Gateway{}
		}
		spec.Internal = kind&4 != 0
		options := map[string]string{}
		for line := range strings.SplitSeq(text, "\n") {
			key, value, _ := strings.Cut(line, "=")
			options[dn+key] = value
		}
		got, err := spec.WithOptions(options)
		var wrong *SpecError
		if err != nil {
			if !errors.As(err, &wrong) || wrong.Field == "" || wrong.Reason == "" {
				t.Fatalf("%v is no SpecError", err)
			}
			return
		}
		if again, err := got.WithOptions(options); err != nil || !reflect.DeepEqual(again, got) {
			t.Fatalf("%+v, again %+v, %v", got, again, err)
		}
		if n, err := got.normalize(); err != nil && !errors.As(err, &wrong) {
			t.Fatalf("%+v: %v", n, err)
		}
	})
}
