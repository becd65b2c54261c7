package bridge

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// WithOptions returns the specification with the options of `docker network
// create -o KEY=VALUE` (and "driver_opts" of a compose file), in Docker's own
// notation. Names and subnets have to be in s already. The options are:
//
//	com.docker.network.bridge.name                     Bridge
//	com.docker.network.bridge.default_bridge           Bridge, if nothing else names it: "docker0"
//	com.docker.network.bridge.enable_icc               not DisableICC
//	com.docker.network.bridge.enable_ip_masquerade     not DisableMasquerade
//	com.docker.network.bridge.gateway_mode_ipv4, _ipv6 Mode of IPv4, of IPv6
//	com.docker.network.bridge.host_binding_ipv4        HostBinding of its family, and ExplicitOnly of the other
//	com.docker.network.bridge.inhibit_ipv4             IPv4.InhibitAddress
//	com.docker.network.bridge.trusted_host_interfaces  TrustedInterfaces, with colons between
//	com.docker.network.container_iface_prefix          IfPrefix
//	com.docker.network.driver.mtu                      MTU
//	com.docker.network.enable_ipv4, enable_ipv6        must agree with the subnets
//	com.docker.network.host_ipv4, host_ipv6            SNAT of IPv4, of IPv6
//	com.docker.network.advertise_addr_nmsgs            must be 0: nothing is advertised
//
// Every other option, a value that Docker would not read, and a value that
// contradicts a field which is set already, is refused with a [*SpecError] whose
// Field is the option. Docker ignores options that it does not know, and then
// the network is not what was asked for. Of several errors the first in the
// order of the options' names is returned. What concerns several fields
// together is for [Tx.CreateNetwork] to refuse. WithOptions changes nothing that
// s refers to.
func (s NetworkSpec) WithOptions(options map[string]string) (NetworkSpec, error) {
	setters := optionSetters()
	before := s
	for _, key := range slices.Sorted(maps.Keys(options)) {
		set, known := setters[key]
		var err error
		if known {
			err = set(&s, options[key])
		} else {
			err = unknownOption(key)
		}
		if err != nil {
			field := key
			if quoted := strconv.Quote(key); quoted != `"`+key+`"` {
				field = quoted
			}
			return before, &SpecError{Object: "network " + s.Name, Field: field, Reason: err.Error()}
		}
	}
	if s.Bridge == "" && isTrue(options["com.docker.network.bridge.default_bridge"]) {
		s.Bridge = "docker0"
	}
	return s, nil
}

type optionSetter func(*NetworkSpec, string) error

func optionSetters() map[string]optionSetter {
	return map[string]optionSetter{
		"com.docker.network.bridge.name": func(s *NetworkSpec, v string) error {
			if err := checkIfName(v); err != nil {
				return err
			}
			return setField(&s.Bridge, v)
		},
		"com.docker.network.bridge.default_bridge": func(_ *NetworkSpec, v string) error {
			_, err := parseBool(v)
			return err
		},
		"com.docker.network.bridge.enable_icc":           negated(func(s *NetworkSpec) *bool { return &s.DisableICC }),
		"com.docker.network.bridge.enable_ip_masquerade": negated(func(s *NetworkSpec) *bool { return &s.DisableMasquerade }),
		"com.docker.network.bridge.gateway_mode_ipv4":    modeOption(func(s *NetworkSpec) *Gateway { return &s.IPv4 }),
		"com.docker.network.bridge.gateway_mode_ipv6":    modeOption(func(s *NetworkSpec) *Gateway { return &s.IPv6 }),
		"com.docker.network.bridge.host_binding_ipv4":    setHostBinding,
		"com.docker.network.bridge.inhibit_ipv4": func(s *NetworkSpec, v string) error {
			on, err := parseBool(v)
			if err != nil {
				return err
			}
			return setField(&s.IPv4.InhibitAddress, on)
		},
		"com.docker.network.bridge.trusted_host_interfaces": setTrusted,
		"com.docker.network.container_iface_prefix": func(s *NetworkSpec, v string) error {
			if err := checkIfPrefix(v); err != nil {
				return err
			}
			return setField(&s.IfPrefix, v)
		},
		"com.docker.network.driver.mtu":           setMTU,
		"com.docker.network.enable_ipv4":          familyOption(func(s *NetworkSpec) *Gateway { return &s.IPv4 }, "IPv4.Subnet"),
		"com.docker.network.enable_ipv6":          familyOption(func(s *NetworkSpec) *Gateway { return &s.IPv6 }, "IPv6.Subnet"),
		"com.docker.network.host_ipv4":            snatOption(func(s *NetworkSpec) *Gateway { return &s.IPv4 }, 32),
		"com.docker.network.host_ipv6":            snatOption(func(s *NetworkSpec) *Gateway { return &s.IPv6 }, 128),
		"com.docker.network.advertise_addr_nmsgs": advertiseNothing,
	}
}

// unknownOption says why an option is refused that has no setter.
func unknownOption(key string) error {
	rest, docker := strings.CutPrefix(key, "com.docker.network.")
	switch {
	case key == "com.docker.network.advertise_addr_ms":
		return fmt.Errorf("addresses are not advertised, so there is no interval between advertisements")
	case key == "com.docker.network.internal":
		return fmt.Errorf("is not an option but `--internal`: set Internal")
	case docker && strings.HasPrefix(rest, "endpoint."):
		return fmt.Errorf("belongs to an endpoint, not to a network: see Link and EndpointSpec")
	case key == "com.docker.network.generic" || key == "com.docker.network.gateway" || key == "com.docker.network.portmap":
		return fmt.Errorf("is what Docker's own parts hand to each other, not an option")
	case docker && strings.HasPrefix(rest, "driver.overlay."):
		return fmt.Errorf("belongs to overlay networks")
	case key == "parent" || key == "macvlan_mode" || key == "ipvlan_mode" || key == "ipvlan_flag":
		return fmt.Errorf("belongs to macvlan and ipvlan networks")
	}
	return fmt.Errorf("is not an option of Docker's bridge networks")
}

// setField sets a field, unless it has another value already.
func setField[T comparable](field *T, v T) error {
	var zero T
	if *field != zero && *field != v {
		return fmt.Errorf("%v contradicts the specification, which says %v", v, *field)
	}
	*field = v
	return nil
}

// parseBool reads what Docker reads: 1, t, T, TRUE, true, True, and their
// opposites.
func parseBool(v string) (bool, error) {
	on, err := strconv.ParseBool(v)
	if err != nil {
		return false, fmt.Errorf("%q is neither true nor false", v)
	}
	return on, nil
}

func isTrue(v string) bool { on, err := parseBool(v); return err == nil && on }

// negated is an option that says the opposite of a field.
func negated(field func(*NetworkSpec) *bool) optionSetter {
	return func(s *NetworkSpec, v string) error {
		on, err := parseBool(v)
		if err == nil && on && *field(s) {
			err = fmt.Errorf("%s contradicts the specification, which disables it", v)
		}
		if err == nil {
			*field(s) = !on
		}
		return err
	}
}

func modeOption(gateway func(*NetworkSpec) *Gateway) optionSetter {
	return func(s *NetworkSpec, v string) error {
		mode, err := ParseGatewayMode(v)
		if err != nil {
			return fmt.Errorf("%q: must be nat, nat-unprotected, routed or isolated", v)
		}
		return setField(&gateway(s).Mode, mode)
	}
}

// familyOption is for what the caller has said by giving a subnet, or none.
func familyOption(gateway func(*NetworkSpec) *Gateway, field string) optionSetter {
	return func(s *NetworkSpec, v string) error {
		on, err := parseBool(v)
		switch {
		case err != nil:
			return err
		case on && !gateway(s).exists():
			return fmt.Errorf("%s, but there is no %s", v, field)
		case !on && gateway(s).exists():
			return fmt.Errorf("%s contradicts %s, which is %s", v, field, gateway(s).Subnet)
		}
		return nil
	}
}

func snatOption(gateway func(*NetworkSpec) *Gateway, bits int) optionSetter {
	return func(s *NetworkSpec, v string) error {
		a, err := parseAddr(v)
		if err == nil && a.BitLen() != bits {
			err = fmt.Errorf("%s is an address of the other family", a)
		}
		if err != nil {
			return err
		}
		return setField(&gateway(s).SNAT, a)
	}
}

// parseAddr reads what Docker reads: an address without a zone. An IPv4 address
// in IPv6 clothes is taken out of them.
func parseAddr(v string) (netip.Addr, error) {
	a, err := netip.ParseAddr(v)
	if err != nil || a.Zone() != "" {
		return netip.Addr{}, fmt.Errorf("%q is not an IP address", v)
	}
	return a.Unmap(), nil
}

// setHostBinding follows Docker: an address of one family is the only one, so
// that in the other family no port is published that names no address. But
// 0.0.0.0 is both families' default.
func setHostBinding(s *NetworkSpec, v string) error {
	a, err := parseAddr(v)
	if err != nil {
		return err
	}
	own, other := &s.IPv4, &s.IPv6
	if a.Is6() {
		own, other = other, own
	}
	if !a.IsUnspecified() || own.HostBinding.IsValid() { // unspecified says the same as none
		if err := setField(&own.HostBinding, a); err != nil {
			return err
		}
	}
	if a == netip.IPv4Unspecified() {
		return nil
	}
	if other.HostBinding.IsValid() {
		return fmt.Errorf("%s would be the only address, which contradicts the specification's %s", a, other.HostBinding)
	}
	return setField(&other.ExplicitOnly, true)
}

// setTrusted ignores empty names, as Docker does.
func setTrusted(s *NetworkSpec, v string) error {
	names := strings.FieldsFunc(v, func(c rune) bool { return c == ':' })
	names, err := normalizeTrusted(names, "")
	if err != nil {
		return err
	}
	before, err := normalizeTrusted(s.TrustedInterfaces, "")
	if err == nil && len(before) > 0 && !slices.Equal(before, names) {
		err = fmt.Errorf("%q contradicts the specification, which has %q", names, before)
	}
	if err == nil {
		s.TrustedInterfaces = names
	}
	return err
}

func setMTU(s *NetworkSpec, v string) error {
	n, err := strconv.Atoi(v)
	if err != nil {
		return fmt.Errorf("%q is not a number", v)
	}
	if err := checkMTU(n); err != nil {
		return err
	}
	if n == 0 && s.MTU != 0 {
		return fmt.Errorf("0, the kernel's default, contradicts the specification, which says %d", s.MTU)
	}
	return setField(&s.MTU, n)
}

func advertiseNothing(_ *NetworkSpec, v string) error {
	if n, err := strconv.Atoi(v); err != nil || n != 0 {
		return fmt.Errorf("%q: addresses are not advertised, so the only number is 0", v)
	}
	return nil
}
