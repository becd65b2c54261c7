package bridge_test

import (
	"context"
	"fmt"
	"net/netip"
	"testing"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/internal/netlab"
	"github.com/seawall-net/seawall/portmap"
)

// The tests run in a network namespace of their own, as root or not.
func TestMain(m *testing.M) { netlab.Main(m) }

// A world is a host with a firewall, and a neighbour on its LAN that has routes
// to every network of the host.
type world struct {
	*netlab.Lab
	t    testing.TB
	host *netlab.Namespace
	ext  *netlab.Namespace
	fw   *bridge.Firewall
}

// The addresses of host and neighbour on the LAN.
const (
	hostIPv4, hostIPv6 = "192.0.2.1", "2001:db8:1::1"
	extIPv4, extIPv6   = "192.0.2.2", "2001:db8:1::2"
)

func newWorld(t testing.TB, cfg bridge.Config) *world {
	t.Helper()
	netlab.CheckLeaks(t)
	lab := netlab.New(t)
	w := &world{Lab: lab, t: t, host: lab.Namespace("host"), ext: lab.Namespace("ext")}
	lan := lab.LAN("lan")
	lan.Plug(w.host, "eth0", hostIPv4+"/24", hostIPv6+"/64")
	lan.Plug(w.ext, "eth0", extIPv4+"/24", extIPv6+"/64")
	cfg.NetNS = w.host.File()
	fw, err := bridge.Open(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	w.fw = fw
	t.Cleanup(func() {
		if err := fw.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

func (w *world) update(f func(*bridge.Tx)) {
	w.t.Helper()
	if err := w.fw.Update(context.Background(), func(tx *bridge.Tx) error { f(tx); return nil }); err != nil {
		w.t.Fatal(err)
	}
}

// network creates network i, dual stack: 172.30.i.0/24 and fd00:30:i::/64.
func (w *world) network(name string, i int) {
	w.t.Helper()
	w.update(func(tx *bridge.Tx) {
		tx.CreateNetwork(bridge.NetworkSpec{
			Name: name, Bridge: "br-" + name,
			IPv4: bridge.Gateway{Subnet: netip.MustParsePrefix(fmt.Sprintf("172.30.%d.0/24", i))},
			IPv6: bridge.Gateway{Subnet: netip.MustParsePrefix(fmt.Sprintf("fd00:30:%d::/64", i))},
		})
	})
	w.ext.Route(fmt.Sprintf("172.30.%d.0/24", i), hostIPv4)
	w.ext.Route(fmt.Sprintf("fd00:30:%d::/64", i), hostIPv6)
}

// container attaches an endpoint with the host part h to network i and connects
// a namespace of its own.
func (w *world) container(network string, i, h int, name string, publish ...string) *netlab.Namespace {
	w.t.Helper()
	ns := w.Namespace(name)
	w.update(func(tx *bridge.Tx) {
		e := tx.Network(network).Attach(bridge.EndpointSpec{
			Name: name,
			IPv4: netip.MustParseAddr(fmt.Sprintf("172.30.%d.%d", i, h)),
			IPv6: netip.MustParseAddr(fmt.Sprintf("fd00:30:%d::%d", i, h)),
		})
		for _, p := range publish {
			e.Publish(portmap.MustParse(p))
		}
	})
	if err := w.fw.Connect(context.Background(), network, name, bridge.Link{NetNS: ns.File()}); err != nil {
		w.t.Fatal(err)
	}
	return ns
}
