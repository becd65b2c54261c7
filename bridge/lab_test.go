package bridge_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"testing"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/internal/netlab"
	"github.com/seawall-net/seawall/nft"
	"github.com/seawall-net/seawall/portmap"
)

// The tests run in a network namespace of their own, as root or not.
func TestMain(m *testing.M) {
	beChild()
	// Most of the time they wait for silence, all at once. The command line's -parallel comes later, and wins.
	_ = flag.Set("test.parallel", "8")
	netlab.Main(m)
}

// A world is a host with a firewall, and a neighbour on its LAN, ext, that has routes to every network of the host.
// Namespaces and addresses have names, which the tables of fates_test.go use:
//
//	host, host2   the host, and its two addresses on the LAN
//	ext           the neighbour
//	loopback      127.0.0.1 and ::1
//	gw-NETWORK    the host's addresses on a network's bridge
//	CONTAINER     a container
type world struct {
	*netlab.Lab
	t         testing.TB
	host, ext *netlab.Namespace
	cfg       bridge.Config
	fw        *bridge.Firewall

	// ipv4Only says that the layout has no IPv6, or no DOCKER-USER for it: nothing is said about IPv6 then.
	ipv4Only bool

	spaces  map[string]*netlab.Namespace
	addrs   map[string]addrPair
	subnets map[string]prefixPair
}

// An addrPair is an IPv4 and an IPv6 address, a prefixPair likewise; either may be missing.
type (
	addrPair   [2]netip.Addr
	prefixPair [2]netip.Prefix
)

// families index the pairs.
var families = [2]nft.Family{nft.IPv4, nft.IPv6}

func newWorld(t testing.TB, cfg bridge.Config) *world {
	t.Helper()
	lab := netlab.New(t)
	w := &world{
		Lab: lab, t: t, host: lab.Namespace("host"), ext: lab.Namespace("ext"),
		addrs: map[string]addrPair{}, subnets: map[string]prefixPair{},
		ipv4Only: lacksIPv6(),
	}
	w.spaces = map[string]*netlab.Namespace{"host": w.host, "ext": w.ext}
	w.name("loopback", "127.0.0.1", "::1")
	w.name("host", "192.0.2.1", "2001:db8:1::1")
	w.name("ext", "192.0.2.2", "2001:db8:1::2")
	w.name("host2", "192.0.2.3", "2001:db8:1::3")
	lan := lab.LAN("lan")
	// The kernel prefers the first IPv4 address and the last IPv6 address as its source.
	lan.Plug(w.host, "eth0", "192.0.2.1/24", "192.0.2.3/24", "2001:db8:1::3/64", "2001:db8:1::1/64")
	lan.Plug(w.ext, "eth0", "192.0.2.2/24", "2001:db8:1::2/64")
	w.serve("ext", 80)
	cfg.NetNS = w.host.File()
	if cfg.Layout == nil {
		cfg.Layout = testedLayout()
	}
	w.cfg = cfg
	w.open()
	t.Cleanup(func() {
		if err := w.fw.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// open opens the firewall, for the first time or again.
func (w *world) open() {
	w.t.Helper()
	fw, err := bridge.Open(context.Background(), w.cfg)
	w.refused(err)
	if err != nil {
		w.t.Fatal(err)
	}
	w.fw = fw
}

// reopen closes the firewall and opens it again, as a new process would.
func (w *world) reopen() {
	w.t.Helper()
	if err := w.fw.Close(); err != nil {
		w.t.Fatal(err)
	}
	w.open()
}

// name gives addresses a name. An empty one is missing.
func (w *world) name(name, ipv4, ipv6 string) {
	var pair addrPair
	for i, text := range []string{ipv4, ipv6} {
		if text != "" {
			pair[i] = netip.MustParseAddr(text)
		}
	}
	w.addrs[name] = pair
}

// serve answers tcp, udp and sctp on ports of a namespace.
func (w *world) serve(space string, ports ...int) {
	w.t.Helper()
	for _, port := range ports {
		for _, proto := range []string{"tcp", "udp", "sctp"} {
			w.spaces[space].Listen(proto, fmt.Sprintf(":%d", port))
		}
	}
}

func (w *world) try(f func(*bridge.Tx)) error {
	return w.fw.Update(context.Background(), func(tx *bridge.Tx) error { f(tx); return nil })
}

func (w *world) update(f func(*bridge.Tx)) {
	w.t.Helper()
	err := w.try(f)
	w.refused(err)
	if err != nil {
		w.t.Fatal(err)
	}
}

// refused ends a test of what the layout's Docker did not have.
func (w *world) refused(err error) {
	w.t.Helper()
	if *layoutName != "native" && (errors.Is(err, errors.ErrUnsupported) || errors.Is(err, bridge.ErrNoUserChain)) {
		w.t.Skip(err)
	}
}

// network creates a network with the families of its prefixes.
func (w *world) network(name string, subnets ...string) {
	w.t.Helper()
	w.create(networkSpec(name, subnets...))
}

// with changes a specification.
func with(spec bridge.NetworkSpec, change func(*bridge.NetworkSpec)) bridge.NetworkSpec {
	change(&spec)
	return spec
}

// create creates a network, names the host's addresses on it, and tells the neighbour the way.
func (w *world) create(spec bridge.NetworkSpec) {
	w.t.Helper()
	spec = here(spec)
	name := spec.Name
	w.update(func(tx *bridge.Tx) { tx.CreateNetwork(spec) })
	pair := prefixPair{spec.IPv4.Subnet, spec.IPv6.Subnet}
	w.subnets[name] = pair
	var gateway addrPair
	for i, p := range pair {
		if p.IsValid() {
			gateway[i] = p.Addr().Next()
			w.ext.Route(p.String(), w.addrs["host"][i].String())
		}
	}
	w.addrs["gw-"+name] = gateway
}

func networkSpec(name string, subnets ...string) bridge.NetworkSpec {
	spec := bridge.NetworkSpec{Name: name, Bridge: "br-" + name}
	for _, s := range subnets {
		p := netip.MustParsePrefix(s)
		if p.Addr().Is4() {
			spec.IPv4.Subnet = p
		} else {
			spec.IPv6.Subnet = p
		}
	}
	return spec
}

// specA and specB are the two networks of most tests, networkA and networkB create them.
var (
	specA = networkSpec("a", "172.30.1.0/24", "fd00:30:1::/64")
	specB = networkSpec("b", "172.30.2.0/24", "fd00:30:2::/64")
)

func (w *world) networkA() { w.t.Helper(); w.create(specA) }
func (w *world) networkB() { w.t.Helper(); w.create(specB) }

// container attaches a container with a host part to a network, publishes ports, connects it, and answers on its ports
// 80 and 81.
func (w *world) container(network, name string, hostPart int, publish ...string) {
	w.t.Helper()
	w.attach(network, name, hostPart, publish...)
	w.connect(network, name)
	w.serve(name, 80, 81)
}

// attach makes an endpoint, without a link, and names its addresses.
func (w *world) attach(network, name string, hostPart int, publish ...string) {
	w.t.Helper()
	var pair addrPair
	for i, p := range w.subnets[network] {
		if p.IsValid() {
			pair[i] = nth(p, hostPart)
		}
	}
	w.addrs[name] = pair
	w.update(func(tx *bridge.Tx) {
		tx.Network(network).Attach(bridge.EndpointSpec{Name: name, IPv4: pair[0], IPv6: pair[1]}).Publish(ports(publish...)...)
	})
}

// nth is the address with a host part, or none of no subnet.
func nth(p netip.Prefix, n int) netip.Addr {
	if !p.IsValid() {
		return netip.Addr{}
	}
	a := p.Addr()
	for range n {
		a = a.Next()
	}
	return a
}

func ports(specs ...string) []portmap.Binding {
	var all []portmap.Binding
	for _, s := range specs {
		b := portmap.MustParse(s)
		if b.HostAddr.Is6() && lacksIPv6() || b.Proto == portmap.SCTP && lacksSCTP() {
			continue
		}
		all = append(all, b)
	}
	return all
}

func (w *world) publish(network, name string, specs ...string) {
	w.t.Helper()
	w.update(func(tx *bridge.Tx) { tx.Network(network).Endpoint(name).Publish(ports(specs...)...) })
}

func (w *world) unpublish(network, name string, specs ...string) {
	w.t.Helper()
	w.update(func(tx *bridge.Tx) { tx.Network(network).Endpoint(name).Unpublish(ports(specs...)...) })
}

// connect gives an endpoint a namespace.
func (w *world) connect(network, name string) {
	w.t.Helper()
	ns := w.Namespace(name)
	w.spaces[name] = ns
	if err := w.fw.Connect(context.Background(), network, name, bridge.Link{NetNS: ns.File()}); err != nil {
		w.t.Fatal(err)
	}
}
