package bridge_test

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/nft"
	"github.com/seawall-net/seawall/portmap"
)

// refusals makes changes that must fail, and checks that nothing has changed.
func (w *world) refusals(all []refusal) {
	w.t.Helper()
	view, kernel, generation := facts(w.fw), w.snapshotWithSockets(), w.generation()
	for _, r := range all {
		err := w.try(func(tx *bridge.Tx) {
			// What comes before and after in the same Update is not applied either.
			tx.Network("n1").Endpoint("b").Publish(ports("7777:80")...)
			r.change(tx)
			tx.Network("n1").Endpoint("b").Publish(ports("7778:80")...)
		})
		r.check(w, err)
		if got := facts(w.fw); !slices.Equal(got, view) {
			w.t.Fatalf("%s: the view is %q, was %q", r.name, got, view)
		}
	}
	if g := w.generation(); g != generation {
		w.t.Errorf("refused updates made %d transactions", g-generation)
	}
	w.sameAs("refused", w.snapshotWithSockets(), kernel)
	// All is well with the firewall.
	w.publish("n1", "b", "7777:80", "7778:80")
	w.unpublish("n1", "b", "7777:80", "7778:80")
	w.sameAs("publish and unpublish", w.snapshotWithSockets(), kernel)
}

type refusal struct {
	name   string
	change func(*bridge.Tx)
	// One of: the field of a *bridge.SpecError or *portmap.SpecError, or an error that it must be and its text.
	field string
	is    error
	text  string // or a part of it
}

func (r refusal) check(w *world, err error) {
	w.t.Helper()
	if err == nil {
		w.t.Errorf("%s: was accepted", r.name)
		return
	}
	if r.field != "" {
		field := "no SpecError"
		var spec *bridge.SpecError
		var port *portmap.SpecError
		switch {
		case errors.As(err, &spec):
			field = spec.Field
		case errors.As(err, &port):
			field = port.Field
		}
		if field != r.field || !errors.Is(err, fs.ErrInvalid) {
			w.t.Errorf("%s: %v: names %q, want %q", r.name, err, field, r.field)
		}
	}
	if r.is != nil && !errors.Is(err, r.is) {
		w.t.Errorf("%s: %v: is no %v", r.name, err, r.is)
	}
	if !strings.Contains(err.Error(), r.text) {
		w.t.Errorf("%s: %v\nwant %s", r.name, err, r.text)
	}
}

// refusing is a host with networks n1, which has endpoints a and b, and n2.
func refusing(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, bridge.Config{})
	w.network("n1", "172.30.1.0/24", "fd00:30:1::/64")
	w.network("n2", "172.30.2.0/24")
	w.attach("n1", "a", 2, "8080:80", "192.0.2.1:8081:81", "9000-9009:9000-9009", "[::1]:8082:80", "127.0.0.1:8083:80")
	w.attach("n1", "b", 3)
	w.attach("n2", "c", 2)
	return w
}

func TestConflicts(t *testing.T) {
	t.Parallel()
	publish := func(spec string) func(*bridge.Tx) {
		return func(tx *bridge.Tx) { tx.Network("n1").Endpoint("b").Publish(ports(spec)...) }
	}
	w := refusing(t)
	w.needsIPv6()
	w.refusals([]refusal{
		{"the same port", publish("8080:81"), "", fs.ErrExist,
			"bridge: publish n1/b: portmap: 0.0.0.0:8080/tcp: already published by n1/a"},
		{"every address against one", publish("8081:80"), "", fs.ErrExist,
			"bridge: publish n1/b: portmap: 0.0.0.0:8081/tcp: already published as 192.0.2.1:8081/tcp by n1/a"},
		{"one address against every", publish("192.0.2.3:8080:80"), "", fs.ErrExist,
			"bridge: publish n1/b: portmap: 192.0.2.3:8080/tcp: already published as 0.0.0.0:8080/tcp by n1/a"},
		{"loopback against every", publish("[::1]:8080:80"), "", fs.ErrExist, "as [::]:8080/tcp by n1/a"},
		{"every address against loopback", publish("8082:80"), "", fs.ErrExist, "[::]:8082/tcp: already published as [::1]:8082/tcp by n1/a"},
		{"a port of a range", publish("9004:80"), "", fs.ErrExist, "as 0.0.0.0:9000-9009/tcp by n1/a"},
		{"the last port of a range", publish("9009:80"), "", fs.ErrExist, "n1/a"},
		{"a range over a port", publish("8070-8089:8070-8089"), "", fs.ErrExist, "n1/a"},
		{"overlapping ranges", publish("8995-9000:8995-9000"), "", fs.ErrExist, "n1/a"},
		{"twice in one Update", publish("7777:81"), "", fs.ErrExist, "0.0.0.0:7777/tcp: already published by n1/b"},
		{"the same binding again", func(tx *bridge.Tx) { tx.Network("n1").Endpoint("a").Publish(ports("8080:80")...) }, "", fs.ErrExist,
			"bridge: publish n1/a: portmap: 0.0.0.0:8080/tcp: already published by n1/a"},
		{"another network's endpoint", func(tx *bridge.Tx) { tx.Network("n2").Endpoint("c").Publish(ports("8080:80")...) }, "", fs.ErrExist,
			"bridge: publish n2/c: portmap: 0.0.0.0:8080/tcp: already published by n1/a"},
		{"a network's name", func(tx *bridge.Tx) { tx.CreateNetwork(networkSpec("n1", "172.30.9.0/24")) }, "", fs.ErrExist,
			"bridge: create network n1: file already exists"},
		{"an endpoint's name", func(tx *bridge.Tx) { tx.Network("n1").Attach(endpoint("a", "172.30.1.9", "")) }, "", fs.ErrExist,
			"bridge: attach n1/a: file already exists"},
		{"no such network", func(tx *bridge.Tx) { tx.Network("n9").Detach("a") }, "", fs.ErrNotExist, "network n9"},
		{"no such network to remove", func(tx *bridge.Tx) { tx.RemoveNetwork("n9") }, "", fs.ErrNotExist, "network n9"},
		{"no such endpoint", func(tx *bridge.Tx) { tx.Network("n1").Detach("z") }, "", fs.ErrNotExist, "n1/z"},
		{"no such port", func(tx *bridge.Tx) { tx.Network("n1").Endpoint("a").Unpublish(ports("8080:81")...) }, "", fs.ErrNotExist,
			"bridge: unpublish n1/a 8080:81"},
		{"a part of a range", func(tx *bridge.Tx) { tx.Network("n1").Endpoint("a").Unpublish(ports("9000:9000")...) }, "", fs.ErrNotExist, "9000:9000"},
	})
}

func endpoint(name, ipv4, ipv6 string) bridge.EndpointSpec {
	s := bridge.EndpointSpec{Name: name}
	if ipv4 != "" {
		s.IPv4 = netip.MustParseAddr(ipv4)
	}
	if ipv6 != "" {
		s.IPv6 = netip.MustParseAddr(ipv6)
	}
	return s
}

func TestBadNetworks(t *testing.T) {
	t.Parallel()
	var all []refusal
	for _, c := range []struct {
		name, field string
		spoil       func(*bridge.NetworkSpec)
	}{
		{"overlaps an IPv4 subnet", "IPv4.Subnet", func(s *bridge.NetworkSpec) { s.IPv4.Subnet = netip.MustParsePrefix("172.30.1.128/25") }},
		{"encloses IPv4 subnets", "IPv4.Subnet", func(s *bridge.NetworkSpec) { s.IPv4.Subnet = netip.MustParsePrefix("172.30.0.0/16") }},
		{"overlaps an IPv6 subnet", "IPv6.Subnet", func(s *bridge.NetworkSpec) { s.IPv6.Subnet = netip.MustParsePrefix("fd00:30:1::/80") }},
		{"another network's bridge", "Bridge", func(s *bridge.NetworkSpec) { s.Bridge = "br-n1" }},
		{"no subnet", "IPv4.Subnet", func(s *bridge.NetworkSpec) { s.IPv4, s.IPv6 = bridge.Gateway{}, bridge.Gateway{} }},
		{"families mixed up", "IPv4.Subnet", func(s *bridge.NetworkSpec) { s.IPv4 = s.IPv6 }},
		{"families mixed up", "IPv6.Subnet", func(s *bridge.NetworkSpec) { s.IPv6 = s.IPv4 }},
		{"host bits", "IPv4.Subnet", func(s *bridge.NetworkSpec) { s.IPv4.Subnet = netip.MustParsePrefix("172.30.9.1/24") }},
		{"no room", "IPv4.Subnet", func(s *bridge.NetworkSpec) { s.IPv4.Subnet = netip.MustParsePrefix("172.30.9.0/31") }},
		{"everything", "IPv6.Subnet", func(s *bridge.NetworkSpec) { s.IPv6.Subnet = netip.MustParsePrefix("::/0") }},
		{"loopback", "IPv4.Subnet", func(s *bridge.NetworkSpec) { s.IPv4.Subnet = netip.MustParsePrefix("127.0.0.0/24") }},
		{"multicast", "IPv4.Subnet", func(s *bridge.NetworkSpec) { s.IPv4.Subnet = netip.MustParsePrefix("224.1.0.0/24") }},
		{"link-local", "IPv6.Subnet", func(s *bridge.NetworkSpec) { s.IPv6.Subnet = netip.MustParsePrefix("fe80::/64") }},
		{"gateway outside", "IPv4.Address", func(s *bridge.NetworkSpec) { s.IPv4.Address = netip.MustParseAddr("172.30.8.1") }},
		{"gateway is the subnet", "IPv4.Address", func(s *bridge.NetworkSpec) { s.IPv4.Address = netip.MustParseAddr("172.30.9.0") }},
		{"gateway is the broadcast", "IPv4.Address", func(s *bridge.NetworkSpec) { s.IPv4.Address = netip.MustParseAddr("172.30.9.255") }},
		{"gateway of the other family", "IPv6.Address", func(s *bridge.NetworkSpec) { s.IPv6.Address = netip.MustParseAddr("172.30.9.1") }},
		{"gateway without a subnet", "IPv6.Address", func(s *bridge.NetworkSpec) {
			s.IPv6 = bridge.Gateway{Address: netip.MustParseAddr("fd00::1")}
		}},
		{"isolated, not internal", "IPv4.Mode", func(s *bridge.NetworkSpec) { s.IPv4.Mode = bridge.Isolated }},
		{"no such mode", "IPv6.Mode", func(s *bridge.NetworkSpec) { s.IPv6.Mode = 17 }},
		{"isolated, with a gateway", "IPv4.Address", func(s *bridge.NetworkSpec) {
			s.Internal, s.IPv4.Mode, s.IPv4.Address = true, bridge.Isolated, netip.MustParseAddr("172.30.9.1")
		}},
		{"SNAT of what is routed", "IPv4.SNAT", func(s *bridge.NetworkSpec) {
			s.IPv4.Mode, s.IPv4.SNAT = bridge.Routed, netip.MustParseAddr("192.0.2.1")
		}},
		{"SNAT of what is internal", "IPv4.SNAT", func(s *bridge.NetworkSpec) {
			s.Internal, s.IPv4.SNAT = true, netip.MustParseAddr("192.0.2.1")
		}},
		{"SNAT of the other family", "IPv6.SNAT", func(s *bridge.NetworkSpec) { s.IPv6.SNAT = netip.MustParseAddr("192.0.2.1") }},
		{"SNAT to loopback", "IPv4.SNAT", func(s *bridge.NetworkSpec) { s.IPv4.SNAT = netip.MustParseAddr("127.0.0.1") }},
		{"SNAT to nothing", "IPv6.SNAT", func(s *bridge.NetworkSpec) { s.IPv6.SNAT = netip.IPv6Unspecified() }},
		{"SNAT without a subnet", "IPv6.SNAT", func(s *bridge.NetworkSpec) { s.IPv6 = bridge.Gateway{SNAT: netip.MustParseAddr("2001:db8::1")} }},
		{"default address, routed", "IPv6.HostBinding", func(s *bridge.NetworkSpec) {
			s.IPv6.Mode, s.IPv6.HostBinding = bridge.Routed, netip.MustParseAddr("::1")
		}},
		{"default address of the other family", "IPv4.HostBinding", func(s *bridge.NetworkSpec) { s.IPv4.HostBinding = netip.MustParseAddr("::1") }},
		{"default address is multicast", "IPv4.HostBinding", func(s *bridge.NetworkSpec) { s.IPv4.HostBinding = netip.MustParseAddr("224.0.0.1") }},
		{"fwmark of nobody", "AcceptFwmark", func(s *bridge.NetworkSpec) { s.AcceptFwmark = bridge.Fwmark{Mask: 1} }},
		{"fwmark without a mask", "AcceptFwmark", func(s *bridge.NetworkSpec) { s.AcceptFwmark = bridge.Fwmark{Value: 1} }},
		{"fwmark outside its mask", "AcceptFwmark", func(s *bridge.NetworkSpec) { s.AcceptFwmark = bridge.Fwmark{Value: 2, Mask: 1} }},
		{"trusted nothing", "TrustedInterfaces", func(s *bridge.NetworkSpec) { s.TrustedInterfaces = []string{""} }},
		{"trusted wildcard", "TrustedInterfaces", func(s *bridge.NetworkSpec) { s.TrustedInterfaces = []string{"eth*"} }},
		{"trusts itself", "TrustedInterfaces", func(s *bridge.NetworkSpec) { s.TrustedInterfaces = []string{"eth1", "br-n9"} }},
		{"trusts too many", "TrustedInterfaces", func(s *bridge.NetworkSpec) { s.TrustedInterfaces = make([]string, 25) }},
		{"long prefix", "IfPrefix", func(s *bridge.NetworkSpec) { s.IfPrefix = "eleven-char" }},
		{"bad prefix", "IfPrefix", func(s *bridge.NetworkSpec) { s.IfPrefix = "e*" }},
		{"MTU", "MTU", func(s *bridge.NetworkSpec) { s.MTU = 67 }},
		{"MTU", "MTU", func(s *bridge.NetworkSpec) { s.MTU = 65536 }},
		{"MTU", "MTU", func(s *bridge.NetworkSpec) { s.MTU = 1279 }},
		{"MTU", "MTU", func(s *bridge.NetworkSpec) { s.MTU = -1 }},
	} {
		spec := networkSpec("n9", "172.30.9.0/24", "fd00:30:9::/64")
		c.spoil(&spec)
		all = append(all, refusal{name: c.name, field: c.field, change: func(tx *bridge.Tx) { tx.CreateNetwork(spec) }})
	}
	for _, name := range []string{"", " ", `a"b`, "a b", "a*", "a\nb", "a\x00b", "-a", ".", "a/b", "ä", strings.Repeat("n", 129)} {
		spec := networkSpec("n9", "172.30.9.0/24")
		spec.Name = name
		all = append(all, refusal{name: name, field: "Name", change: func(tx *bridge.Tx) { tx.CreateNetwork(spec) }})
	}
	for _, name := range []string{
		"sixteen-letters-", `br"x`, "br x", "br*", "br/x", "br:x", "br\n", "br\x00", ".", "..", "lo", "all", "default", "br%d", "bär",
	} {
		spec := networkSpec("n9", "172.30.9.0/24")
		spec.Bridge = name
		all = append(all, refusal{name: name, field: "Bridge", change: func(tx *bridge.Tx) { tx.CreateNetwork(spec) }})
	}
	refusing(t).refusals(all)
}

func TestBadEndpoints(t *testing.T) {
	t.Parallel()
	var all []refusal
	for _, c := range []struct {
		name, field string
		network     string
		spec        bridge.EndpointSpec
	}{
		{"no address", "IPv4", "n1", endpoint("e", "", "")},
		{"outside the subnet", "IPv4", "n1", endpoint("e", "172.30.2.9", "")},
		{"outside the subnet", "IPv6", "n1", endpoint("e", "", "fd00:30:2::9")},
		{"the gateway's", "IPv4", "n1", endpoint("e", "172.30.1.1", "")},
		{"the gateway's", "IPv6", "n1", endpoint("e", "172.30.1.9", "fd00:30:1::1")},
		{"broadcast", "IPv4", "n1", endpoint("e", "172.30.1.255", "")},
		{"the subnet's", "IPv4", "n1", endpoint("e", "172.30.1.0", "")},
		{"the subnet's", "IPv6", "n1", endpoint("e", "", "fd00:30:1::")},
		{"taken", "IPv4", "n1", endpoint("e", "172.30.1.2", "fd00:30:1::9")},
		{"taken", "IPv6", "n1", endpoint("e", "172.30.1.9", "fd00:30:1::2")},
		{"families mixed up", "IPv4", "n1", endpoint("e", "fd00:30:1::9", "")},
		{"an IPv4 address in IPv6 clothes", "IPv4", "n1", endpoint("e", "::ffff:172.30.1.9", "")},
		{"a zone", "IPv6", "n1", endpoint("e", "", "fd00:30:1::9%eth0")},
		{"no such family", "IPv6", "n2", endpoint("e", "172.30.2.9", "fd00:30:2::9")},
		{"short MAC", "MAC", "n1", withMAC(2, 0, 0)},
		{"group MAC", "MAC", "n1", withMAC(1, 0, 0, 0, 0, 1)},
		{"no MAC", "MAC", "n1", withMAC(0, 0, 0, 0, 0, 0)},
		{"an interface's name that is too long", "HostIfName", "n1", withHostIf("sixteen-letters-")},
		{"an interface's name with a quote", "HostIfName", "n1", withHostIf(`p"`)},
		{"an interface that nobody can have", "HostIfName", "n1", withHostIf("lo")},
		{"a bridge's name", "HostIfName", "n1", withHostIf("br-n2")},
		{"another endpoint's interface", "HostIfName", "n2", endpointOf("e", "172.30.2.9", hostIfOfA)},
		{"no name", "Name", "n1", endpoint("", "172.30.1.9", "")},
		{"quote", "Name", "n1", endpoint(`e"`, "172.30.1.9", "")},
		{"slash", "Name", "n1", endpoint("e/f", "172.30.1.9", "")},
		{"newline", "Name", "n1", endpoint("e\n", "172.30.1.9", "")},
		{"too long", "Name", "n1", endpoint(strings.Repeat("e", 129), "172.30.1.9", "")},
	} {
		all = append(all, refusal{name: c.name, field: c.field, change: func(tx *bridge.Tx) { tx.Network(c.network).Attach(c.spec) }})
	}
	w := refusing(t)
	w.needsIPv6()
	w.refusals(all)
}

// hostIfOfA is the interface of n1's endpoint a, as its names make it.
const hostIfOfA = "vethbe9213d1f6b"

func withHostIf(name string) bridge.EndpointSpec { return endpointOf("e", "172.30.1.9", name) }

func endpointOf(name, ipv4, hostIf string) bridge.EndpointSpec {
	s := endpoint(name, ipv4, "")
	s.HostIfName = hostIf
	return s
}

func withMAC(mac ...byte) bridge.EndpointSpec {
	s := endpoint("e", "172.30.1.9", "")
	s.MAC = net.HardwareAddr(mac)
	return s
}

func TestBadBindings(t *testing.T) {
	t.Parallel()
	some, range10 := portmap.Port(80), portmap.Ports{First: 80, Last: 89}
	var all []refusal
	for _, c := range []struct {
		name, field string
		binding     portmap.Binding
	}{
		{"no port", "container port", portmap.Binding{}},
		{"container port 0", "container port", portmap.Binding{Host: some}},
		{"range from 0", "host port", portmap.Binding{Host: portmap.Ports{First: 0, Last: 9}, Container: range10}},
		{"reversed", "host port", portmap.Binding{Host: portmap.Ports{First: 89, Last: 80}, Container: range10}},
		{"reversed", "container port", portmap.Binding{Host: range10, Container: portmap.Ports{First: 89, Last: 80}}},
		{"ranges of different lengths", "host port", portmap.Binding{Host: portmap.Ports{First: 80, Last: 88}, Container: range10}},
		{"one for many", "host port", portmap.Binding{Host: some, Container: range10}},
		{"protocol", "protocol", portmap.Binding{Host: some, Container: some, Proto: 7}},
		{"multicast", "host address", portmap.Binding{HostAddr: netip.MustParseAddr("224.0.0.1"), Host: some, Container: some}},
		{"multicast", "host address", portmap.Binding{HostAddr: netip.MustParseAddr("ff02::1"), Host: some, Container: some}},
		{"broadcast", "host address", portmap.Binding{HostAddr: netip.MustParseAddr("255.255.255.255"), Host: some, Container: some}},
		{"a zone", "host address", portmap.Binding{HostAddr: netip.MustParseAddr("fe80::1%eth0"), Host: some, Container: some}},
		{"in IPv6 clothes", "host address", portmap.Binding{HostAddr: netip.MustParseAddr("::ffff:192.0.2.1"), Host: some, Container: some}},
	} {
		all = append(all, refusal{name: c.name, field: c.field, change: func(tx *bridge.Tx) {
			tx.Network("n1").Endpoint("b").Publish(c.binding)
		}})
	}
	all = append(all,
		refusal{name: "IPv6 to a container without", field: "host address", text: "n2/c has no IPv6 address: between the families it takes a proxy",
			change: func(tx *bridge.Tx) { tx.Network("n2").Endpoint("c").Publish(ports("[::1]:80:80")...) }},
		refusal{name: "all of IPv6 to a container without", field: "host address", text: "n2/c has no IPv6 address",
			change: func(tx *bridge.Tx) { tx.Network("n2").Endpoint("c").Publish(ports("[::]::80")...) }},
		refusal{name: "IPv4 to a container without", field: "host address", text: "n1/six has no IPv4 address: between the families it takes a proxy",
			change: func(tx *bridge.Tx) {
				tx.Network("n1").Attach(endpoint("six", "", "fd00:30:1::6")).Publish(ports("127.0.0.1:80:80")...)
			}},
	)
	w := refusing(t)
	w.needsIPv6()
	w.refusals(all)

	// What cannot be said as a Binding is refused where it is read.
	for _, text := range []string{"0:80", "80:0", "65536:80", "80:65536", "8000-8010:80-89", "localhost:80:80", "1.2.3:80:80", "80:80/icmp", "a:80"} {
		var spec *portmap.SpecError
		if _, err := portmap.Parse(text); !errors.As(err, &spec) || spec.Field == "" {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// Whatever ends an Update early, nothing has happened.
func TestUpdateIsAllOrNothing(t *testing.T) {
	t.Parallel()
	w := refusing(t)
	var family nft.Family
	if userChain(nft.IPv4) != (nft.ChainRef{}) {
		family = w.userFamilies()[len(w.userFamilies())-1]
	}
	view, kernel := facts(w.fw), w.snapshotWithSockets()
	change := func(tx *bridge.Tx) {
		tx.Network("n1").Endpoint("b").Publish(ports("7777:80")...)
		tx.Network("n1").Detach("a")
		tx.RemoveNetwork("n2")
		tx.CreateNetwork(networkSpec("n3", "172.30.3.0/24")).Attach(endpoint("d", "172.30.3.2", ""))
	}
	own := errors.New("the caller's own")
	err := w.fw.Update(context.Background(), func(tx *bridge.Tx) error { change(tx); return own })
	if !errors.Is(err, own) {
		t.Errorf("the function's error: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	err = w.fw.Update(ctx, func(tx *bridge.Tx) error { change(tx); return nil })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("a context that is done: %v", err)
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic is lost")
			}
		}()
		_ = w.fw.Update(context.Background(), func(tx *bridge.Tx) error { change(tx); panic("the caller's own") })
	}()
	if family != 0 {
		w.kernelRefuses(change, family)
	}
	if got := facts(w.fw); !slices.Equal(got, view) {
		t.Errorf("the view is %q, was %q", got, view)
	}
	w.sameAs("nothing", w.snapshotWithSockets(), kernel)
	w.kernelIsDesired("nothing")
}

// kernelRefuses makes a change whose batch the kernel itself refuses, at its end: a rule can be deleted but once.
func (w *world) kernelRefuses(change func(*bridge.Tx), family nft.Family) {
	w.t.Helper()
	w.byHand(func(b *nft.Batch) { b.Add(&nft.Rule{Chain: userChain(family), Statements: []nft.Statement{accept}}) })
	rules, err := w.fw.UserRules(context.Background(), family)
	if err != nil || len(rules) != 1 {
		w.t.Fatal(rules, err)
	}
	w.byHand(func(b *nft.Batch) { b.Delete(rules[0]) })
	err = w.try(func(tx *bridge.Tx) { change(tx); tx.UserChain(family).Delete(rules[0]) })
	var refused *nft.ObjectError
	if !errors.Is(err, fs.ErrNotExist) || !errors.As(err, &refused) {
		w.t.Errorf("a rule that is gone: %v", err)
	}
}
