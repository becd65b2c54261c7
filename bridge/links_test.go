package bridge_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/seawall-net/seawall/bridge"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// A network has a bridge with its addresses as long as it exists.
func TestBridgeComesAndGoes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bridge.Config{})
	before := w.links()
	spec := here(specA)
	spec.MTU = 1400
	w.update(func(tx *bridge.Tx) { tx.CreateNetwork(spec) })
	link, err := w.host.Netlink().LinkByName("br-a")
	if err != nil {
		t.Fatal(err)
	}
	if link.Type() != "bridge" || link.Attrs().MTU != 1400 {
		t.Errorf("br-a is a %s with an MTU of %d", link.Type(), link.Attrs().MTU)
	}
	lines := w.links()
	want := []string{
		"address br-a 172.30.1.1/24",
		"/proc/sys/net/ipv4/conf/br-a/route_localnet 0",
		"/proc/sys/net/ipv4/ip_forward 1",
	}
	if w.ipv4Only {
		want = append(want, "/proc/sys/net/ipv6/conf/br-a/disable_ipv6 1", "/proc/sys/net/ipv6/conf/all/forwarding 0")
	} else {
		want = append(want,
			"address br-a fd00:30:1::1/64",
			"/proc/sys/net/ipv6/conf/br-a/accept_ra 0",
			"/proc/sys/net/ipv6/conf/br-a/disable_ipv6 0",
			"/proc/sys/net/ipv6/conf/all/forwarding 1",
		)
	}
	for _, want := range want {
		if !slices.Contains(lines, want) {
			t.Errorf("missing: %s", want)
		}
	}
	w.update(func(tx *bridge.Tx) { tx.RemoveNetwork("a") })
	w.sameAs("the network is gone", w.links(), before)
}

// A bridge that is there already is used, and stays.
func TestExistingBridge(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bridge.Config{})
	if err := w.host.Netlink().LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br-a"}}); err != nil {
		t.Fatal(err)
	}
	index := w.host.Index("br-a")
	w.networkA()
	w.container("a", "a1", 2, "8080:80")
	w.fates(`
		ext  tcp  host:8080  a1 sees ext
	`)
	w.update(func(tx *bridge.Tx) { tx.RemoveNetwork("a") })
	if got := w.host.Index("br-a"); got != index {
		t.Errorf("the bridge's index is %d, was %d", got, index)
	}
	w.networkA()
	if err := w.fw.Teardown(context.Background()); err != nil {
		t.Fatal(err)
	}
	if got := w.host.Index("br-a"); got != index {
		t.Errorf("after teardown the bridge's index is %d, was %d", got, index)
	}
}

// What has a bridge's name and is none is refused, and the ruleset is as before.
func TestNameOfAnotherLink(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bridge.Config{})
	w.networkA()
	before := w.snapshot()
	spec := networkSpec("b", "172.30.2.0/24")
	spec.Bridge = "eth0"
	err := w.try(func(tx *bridge.Tx) { tx.CreateNetwork(spec) })
	if err == nil || !strings.Contains(err.Error(), "network b: eth0 is there and is a veth, not a bridge") {
		t.Errorf("error: %v", err)
	}
	w.sameAs("refused", w.snapshot(), before)
	if w.fw.View().Network("b") != nil {
		t.Error("the network is in the view")
	}
	w.networkB()
	w.container("b", "b1", 2, "8080:80")
	w.fates(`
		ext  tcp  host:8080  b1 sees ext
	`)
}

// RulesOnly leaves links and sysctls alone.
func TestRulesOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bridge.Config{RulesOnly: true})
	before := w.links()
	w.networkA()
	w.attach("a", "a1", 2, "8080:80")
	w.sameAs("rules only", w.links(), before)
	err := w.fw.Connect(context.Background(), "a", "a1", bridge.Link{NetNS: w.ext.File()})
	if err == nil {
		t.Error("connect made a link")
	}
}

// Detaching an endpoint takes its link, and removing a network takes all.
func TestLinksGoWithTheirEndpoints(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bridge.Config{})
	before := w.links()
	w.networkA()
	empty := w.links()
	w.container("a", "a1", 2)
	if len(w.links()) == len(empty) {
		t.Fatal("connect made no link")
	}
	w.update(func(tx *bridge.Tx) { tx.Network("a").Detach("a1") })
	w.sameAs("detach", withoutLinkLocal(w.links()), withoutLinkLocal(empty))
	w.container("a", "a2", 3)
	w.update(func(tx *bridge.Tx) { tx.RemoveNetwork("a") })
	w.sameAs("remove the network", w.links(), before)
}

// withoutLinkLocal leaves out the addresses that the kernel gives a bridge once it has a port.
func withoutLinkLocal(lines []string) []string {
	return slices.DeleteFunc(slices.Clone(lines), func(s string) bool { return strings.Contains(s, " fe80::") })
}

func TestConnectRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bridge.Config{})
	w.networkA()
	w.attach("a", "a1", 2)
	ctx := context.Background()
	before := w.links()
	ns := w.Namespace("c")
	for _, c := range []struct {
		network, endpoint string
		link              bridge.Link
		want              error
		text              string
	}{
		{"b", "a1", bridge.Link{NetNS: ns.File()}, fs.ErrNotExist, "bridge: connect b/a1: "},
		{"a", "a2", bridge.Link{NetNS: ns.File()}, fs.ErrNotExist, "bridge: connect a/a2: "},
		{"a", "a1", bridge.Link{}, fs.ErrInvalid, "NetNS"},
		{"a", "a1", bridge.Link{NetNS: ns.File(), IfName: "a b"}, fs.ErrInvalid, "IfName"},
		{"a", "a1", bridge.Link{NetNS: ns.File(), IfName: "lo"}, fs.ErrInvalid, "IfName"},
	} {
		err := w.fw.Connect(ctx, c.network, c.endpoint, c.link)
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) {
			t.Errorf("connect %s/%s %+v: %v, want %v and %q", c.network, c.endpoint, c.link, err, c.want, c.text)
		}
	}
	w.sameAs("refused", w.links(), before)
	w.connect("a", "a1")
	if err := w.fw.Connect(ctx, "a", "a1", bridge.Link{NetNS: ns.File()}); !errors.Is(err, fs.ErrExist) {
		t.Errorf("connect twice: %v", err)
	}
}

// When Connect returns, the container's kernel takes both addresses for its own, which takes it a while for IPv6.
func TestConnectedContainersOwnTheirAddresses(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bridge.Config{})
	w.needsIPv6()
	w.networkA()
	for i := range 8 {
		name := fmt.Sprint("a", i)
		w.attach("a", name, 10+i)
		w.connect("a", name)
		routes, err := w.spaces[name].Netlink().RouteListFiltered(netlink.FAMILY_V6,
			&netlink.Route{Table: unix.RT_TABLE_LOCAL, Type: unix.RTN_LOCAL}, netlink.RT_FILTER_TABLE|netlink.RT_FILTER_TYPE)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(routes, func(r netlink.Route) bool { return r.Dst.IP.String() == w.addrs[name][1].String() }) {
			t.Errorf("%s is connected, and %s is not its own: %v", name, w.addrs[name][1], routes)
		}
	}
}
