package bridge_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"testing"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/nft"
)

// join gives a container a place in one more network: the endpoint has the container's name, and its addresses are
// called CONTAINER.NETWORK.
func (w *world) join(network, container string, hostPart int, publish ...string) {
	w.t.Helper()
	spec := w.endpointSpec(network, container, hostPart)
	w.addrs[container+"."+network] = addrPair{spec.IPv4, spec.IPv6}
	w.update(func(tx *bridge.Tx) { tx.Network(network).Attach(spec).Publish(ports(publish...)...) })
	if w.spaces[container] == nil {
		w.spaces[container] = w.Namespace(container)
	}
	if err := w.fw.Connect(context.Background(), network, container, bridge.Link{NetNS: w.spaces[container].File()}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) useGateway(network, container string, families ...nft.Family) {
	w.t.Helper()
	if err := w.fw.UseGateway(context.Background(), network, container, w.spaces[container].File(), families...); err != nil {
		w.t.Fatal(err)
	}
}

// movePorts moves a container's ports from one network to another, in one transaction.
func (w *world) movePorts(container, from, to string, families ...nft.Family) {
	w.t.Helper()
	before := w.generation()
	w.update(func(tx *bridge.Tx) {
		tx.Network(from).Endpoint(container).MovePorts(tx.Network(to).Endpoint(container), families...)
	})
	if n := w.generation() - before; n != 1 {
		w.t.Errorf("the move took %d transactions", n)
	}
	w.kernelIsDesired("ports moved")
}

// severalNetworks is a world in which c is in networks a, b and i, and its way out and its ports are in a. What leaves a
// has the address host, what leaves b has host2.
func severalNetworks(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, bridge.Config{})
	w.filterBridges(filterOff) // with it, [::1] is not published
	w.networkA()
	w.create(with(specB, func(s *bridge.NetworkSpec) {
		s.IPv4.SNAT, s.IPv6.SNAT = netip.MustParseAddr("192.0.2.3"), netip.MustParseAddr("2001:db8:1::3")
		s.IfPrefix = "back"
	}))
	w.create(with(networkSpec("i", "172.30.3.0/24", "fd00:30:3::/64"), internal))
	w.join("i", "c", 2)
	w.join("a", "c", 2, "8080:80", "8080:80/udp", "8080:80/sctp", "9000-9009:9000-9009", "9100-9102:9200-9202",
		"192.0.2.1:8082:82", "[2001:db8:1::1]:8082:82", "127.0.0.1:8083:80", "[::1]:8083:80")
	w.join("b", "c", 2)
	w.serve("c", 80, 82, 9005, 9201)
	w.container("a", "a2", 3)
	w.container("b", "b2", 3)
	w.container("i", "i2", 3)
	return w
}

// fromHost is what c sees of the host. Network b has a fixed source.
func fromHost(network string) string {
	if network == "b" {
		return "c sees gw-b [fixed-source-for-host: c sees host2]"
	}
	return "c sees gw-" + network
}

// atGateway is what is true of c where its gateway is in a network, for what a table's protocols say.
func (w *world) atGateway(network, source, tcp, udp, sctp string) {
	w.t.Helper()
	w.fates(fmt.Sprintf(`
		c     %[3]s,%[4]s,%[5]s  ext:80     ext sees %[2]s
		host  %[3]s,%[4]s        host:8080  %[6]s
		ext   %[3]s,%[4]s,%[5]s  host:8080  c sees ext
		ext   %[3]s              host:9005  c sees ext
		ext   %[3]s              host:9101  c sees ext
		ext   %[3]s              host:8082  c sees ext
		ext   %[3]s              host2:8082 refused
		a2    %[3]s,%[4]s        host:8080  c sees gw-%[1]s
		ext   %[3]s              host:9003  refused
		ext   %[3]s              c.a:80     silent
		ext   %[3]s              c.b:80     silent
		ext   %[3]s              c.i:80     silent
	`, network, source, tcp, udp, sctp, fromHost(network)))
}

func (w *world) loopbackAt(network string) {
	w.t.Helper()
	w.fates(fmt.Sprintf(`
		host  tcp  loopback:8083  %s
		ext   tcp  host:8083      refused
	`, fromHost(network)))
}

// Interfaces have the network's prefix and the first number that is free in the container.
func TestInterfaceNames(t *testing.T) {
	t.Parallel()
	w := severalNetworks(t)
	h := w.spaces["c"].Netlink()
	names := func() (out []string) {
		links, err := h.LinkList()
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range links {
			out = append(out, l.Attrs().Name)
		}
		slices.Sort(out)
		return out
	}
	if got, want := names(), []string{"back0", "eth0", "eth1", "lo"}; !slices.Equal(got, want) {
		t.Errorf("interfaces %q, want %q", got, want)
	}
	// The number that became free is used again.
	w.update(func(tx *bridge.Tx) { tx.Network("i").Detach("c") })
	w.create(networkSpec("d", "172.30.4.0/24"))
	w.join("d", "c", 2)
	if got, want := names(), []string{"back0", "eth0", "eth1", "lo"}; !slices.Equal(got, want) {
		t.Errorf("interfaces %q, want %q", got, want)
	}
	w.fates(`
		c  tcp4  gw-d:1  refused
	`)
}

// A container's way out and its published ports move from one of its networks to another, and back.
func TestGatewayMoves(t *testing.T) {
	t.Parallel()
	w := severalNetworks(t)
	before := facts(w.fw)
	w.atGateway("a", "host", "tcp", "udp", "sctp")
	w.loopbackAt("a")
	w.useGateway("b", "c")
	w.fates(`
		c     tcp,udp,sctp  ext:80     ext sees host2
	`)
	w.movePorts("c", "a", "b")
	for range 2 {
		w.atGateway("b", "host2", "tcp", "udp", "sctp")
		w.loopbackAt("b")
		// All networks are as near as ever.
		w.fates(`
			c    tcp,udp  a2:80   a2 sees c.a
			c    tcp,udp  b2:80   b2 sees c.b
			c    tcp,udp  i2:80   i2 sees c.i
			i2   tcp,udp  c.i:80  c sees i2
			a2   tcp,udp  c.a:81  refused
			a2   tcp      b2:80   silent
		`)
		want := facts(w.fw)
		w.reopen()
		w.sameAs("adopted", facts(w.fw), want)
	}
	w.useGateway("a", "c")
	w.movePorts("c", "b", "a")
	w.atGateway("a", "host", "tcp", "udp", "sctp")
	w.loopbackAt("a")
	if got := withoutOrder(facts(w.fw)); !slices.Equal(got, withoutOrder(before)) {
		t.Errorf("facts after moving there and back:\n%q\nbefore\n%q", got, withoutOrder(before))
	}
}

// withoutOrder leaves out when facts were made.
func withoutOrder(lines []string) (out []string) {
	for _, line := range lines {
		var order uint64
		var rest string
		if _, err := fmt.Sscanf(line, "%d", &order); err == nil {
			rest = line[len(fmt.Sprint(order)):]
		}
		out = append(out, rest)
	}
	slices.Sort(out)
	return out
}

// A container may leave by one network in IPv4 and by another in IPv6.
func TestGatewayOfEachFamily(t *testing.T) {
	t.Parallel()
	w := severalNetworks(t)
	w.useGateway("b", "c", nft.IPv6)
	w.movePorts("c", "a", "b", nft.IPv6)
	w.atGateway("a", "host", "tcp4", "udp4", "sctp4")
	w.atGateway("b", "host2", "tcp6", "udp6", "sctp6")
	w.fates(`
		host  tcp4  loopback:8083  c sees gw-a
		host  tcp6  loopback:8083  ` + fromHost("b") + `
	`)
	// Each half can be unpublished by itself.
	w.unpublish("a", "c", "0.0.0.0:8080:80")
	w.fates(`
		ext   tcp4  host:8080  refused
		ext   tcp6  host:8080  c sees ext
	`)
	w.publish("a", "c", "0.0.0.0:8080:80")
	// IPv4 follows, and everything is in one network again.
	w.useGateway("b", "c", nft.IPv4)
	w.movePorts("c", "a", "b", nft.IPv4)
	w.atGateway("b", "host2", "tcp", "udp", "sctp")
	w.loopbackAt("b")
	w.update(func(tx *bridge.Tx) { tx.Network("a").Detach("c") })
	w.kernelIsDesired("one network left")
	w.fates(`
		ext  tcp,udp  host:8080  c sees ext
		c    tcp,udp  ext:80     ext sees host2
	`)
}

// What has no way out never becomes a gateway, and what fails changes nothing.
func TestUseGatewayRefuses(t *testing.T) {
	t.Parallel()
	w := severalNetworks(t)
	w.network("four", "172.30.4.0/24")
	w.join("four", "c", 2)
	w.update(func(tx *bridge.Tx) { tx.Network("four").Attach(w.endpointSpec("four", "idle", 3)) })
	routes := w.defaultRoutes("c")
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	ctx, c := context.Background(), w.spaces["c"].File()
	for name, got := range map[string]struct {
		err  error
		want error
	}{
		"internal":             {w.fw.UseGateway(ctx, "i", "c", c), fs.ErrInvalid},
		"internal, one family": {w.fw.UseGateway(ctx, "i", "c", c, nft.IPv4), fs.ErrInvalid},
		"no such family":       {w.fw.UseGateway(ctx, "four", "c", c, nft.IPv6), fs.ErrInvalid},
		"one of two families":  {w.fw.UseGateway(ctx, "four", "c", c, nft.IPv4, nft.IPv6), fs.ErrInvalid},
		"not a family":         {w.fw.UseGateway(ctx, "b", "c", c, nft.INet), fs.ErrInvalid},
		"no namespace":         {w.fw.UseGateway(ctx, "b", "c", nil), fs.ErrInvalid},
		"another namespace":    {w.fw.UseGateway(ctx, "b", "c", w.spaces["a2"].File()), fs.ErrNotExist},
		"the host's namespace": {w.fw.UseGateway(ctx, "b", "c", w.host.File()), fs.ErrNotExist},
		"not connected":        {w.fw.UseGateway(ctx, "four", "idle", c), fs.ErrNotExist},
		"no such endpoint":     {w.fw.UseGateway(ctx, "b", "d", c), fs.ErrNotExist},
		"no such network":      {w.fw.UseGateway(ctx, "z", "c", c), fs.ErrNotExist},
		"canceled":             {w.fw.UseGateway(canceled, "b", "c", c), context.Canceled},
	} {
		if !errors.Is(got.err, got.want) {
			t.Errorf("%s: %v, want %v", name, got.err, got.want)
		}
	}
	// IPv6 fails on the way: no such route can be made while the interface has no IPv6.
	back := w.spaces["c"]
	back.SetSysctl("net.ipv6.conf.back0.disable_ipv6", "1")
	if err := w.fw.UseGateway(ctx, "b", "c", c); err == nil {
		t.Error("a gateway of an interface without IPv6")
	}
	if got := w.defaultRoutes("c"); !slices.Equal(got, routes) {
		t.Errorf("default routes are %q, were %q", got, routes)
	}
	w.fates(`
		c  tcp,udp  ext:80  ext sees host
	`)
	// The endpoint's only family is all of its families.
	w.useGateway("four", "c")
	w.fates(`
		c  tcp6     ext:80  ext sees host
	`)
	if got := w.defaultRoutes("c"); slices.Equal(got, routes) || len(got) != len(routes) {
		t.Errorf("default routes are %q, were %q", got, routes)
	}
}

// defaultRoutes lists a container's default routes.
func (w *world) defaultRoutes(container string) (out []string) {
	w.t.Helper()
	for _, family := range []int{2, 10} {
		routes, err := w.spaces[container].Netlink().RouteList(nil, family)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, r := range routes {
			if r.Gw != nil {
				out = append(out, fmt.Sprint(r.Gw, " ", r.LinkIndex, " ", r.Priority))
			}
		}
	}
	return out
}

// A container that was given a default route of its own, with a metric, keeps it.
func TestUseGatewayKeepsOtherRoutes(t *testing.T) {
	t.Parallel()
	w := severalNetworks(t)
	before := w.defaultRoutes("c")
	w.useGateway("b", "c")
	w.useGateway("b", "c")
	if got := w.defaultRoutes("c"); len(got) != len(before) || slices.Equal(got, before) {
		t.Errorf("default routes are %q, were %q", got, before)
	}
	w.useGateway("a", "c")
	if got := w.defaultRoutes("c"); !slices.Equal(got, before) {
		t.Errorf("default routes are %q, were %q", got, before)
	}
}

// A move that is refused moves nothing.
func TestMovePortsRefused(t *testing.T) {
	t.Parallel()
	w := severalNetworks(t)
	w.network("four", "172.30.4.0/24")
	w.join("four", "c", 2)
	w.create(with(networkSpec("e", "172.30.5.0/24", "fd00:30:5::/64"), dockerOptions(t, "bridge.host_binding_ipv4", "192.0.2.1")))
	w.join("e", "c", 2)
	want := facts(w.fw)
	move := func(to string, families ...nft.Family) func(*bridge.Tx) {
		return func(tx *bridge.Tx) {
			tx.Network("a").Endpoint("c").MovePorts(tx.Network(to).Endpoint("c"), families...)
		}
	}
	other := bridge.EndpointTx{}
	w.update(func(tx *bridge.Tx) { other = tx.Network("b").Endpoint("c") })
	for name, do := range map[string]func(*bridge.Tx){
		"a family that the other has not":        move("four", nft.IPv6),
		"addresses of one":                       move("four"),
		"a network that publishes explicit only": move("e", nft.IPv6),
		"no such endpoint":                       func(tx *bridge.Tx) { tx.Network("a").Endpoint("c").MovePorts(tx.Network("b").Endpoint("d")) },
		"an endpoint that is gone": func(tx *bridge.Tx) {
			e := tx.Network("b").Endpoint("c")
			tx.Network("b").Detach("c")
			tx.Network("a").Endpoint("c").MovePorts(e)
		},
		"an endpoint of another update": func(tx *bridge.Tx) { tx.Network("a").Endpoint("c").MovePorts(other) },
	} {
		if err := w.try(do); err == nil {
			t.Errorf("%s: no error", name)
		}
		w.sameAs(name, facts(w.fw), want)
	}
	generation := w.generation()
	w.update(move("a"))
	w.update(func(tx *bridge.Tx) {
		move("b")(tx)
		tx.Network("b").Endpoint("c").MovePorts(tx.Network("a").Endpoint("c"))
	})
	if n := w.generation() - generation; n > 1 {
		t.Errorf("moving to itself, and there and back: %d transactions", n)
	}
	w.update(move("four", nft.IPv4))
	// By another way than it came, an answer would have a foreign address.
	w.fates(`
		ext   tcp4  host:8080  silent
	`)
	w.useGateway("four", "c", nft.IPv4)
	w.fates(`
		ext   tcp4  host:8080  c sees ext
		host  tcp4  host:8080  c sees gw-four
		host  tcp6  host:8080  c sees gw-a
	`)
	// What was cut in two works as before when it is together again.
	w.update(func(tx *bridge.Tx) { tx.Network("four").Endpoint("c").MovePorts(tx.Network("a").Endpoint("c")) })
	w.useGateway("a", "c", nft.IPv4)
	w.atGateway("a", "host", "tcp", "udp", "sctp")
}
