package endurance

import (
	"context"
	"net/netip"
	"testing"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/compat"
	"github.com/seawall-net/seawall/internal/netlab"
	"github.com/seawall-net/seawall/portmap"
)

// A town is a host with a firewall, and those who live around it: ext on its LAN, which has routes to every network;
// web1 and web2 in one network, of which web1 publishes port 8080; db1 in another; and int1 in an internal one, which
// has a default route nonetheless.
type town struct {
	*netlab.Lab
	t      testing.TB
	spaces map[string]*netlab.Namespace
	cfg    bridge.Config
	fw     *bridge.Firewall
}

// pair is an IPv4 and an IPv6 address.
type pair [2]netip.Addr

var addrs = map[string]pair{
	"host":   parsePair("192.0.2.1", "2001:db8:1::1"),
	"ext":    parsePair("192.0.2.2", "2001:db8:1::2"),
	"web1":   parsePair("172.30.1.2", "fd00:30:1::2"),
	"web2":   parsePair("172.30.1.3", "fd00:30:1::3"),
	"db1":    parsePair("172.30.2.2", "fd00:30:2::2"),
	"gw-web": parsePair("172.30.1.1", "fd00:30:1::1"),
	"int1":   parsePair("172.30.3.2", "fd00:30:3::2"),
}

func parsePair(v4, v6 string) pair { return pair{netip.MustParseAddr(v4), netip.MustParseAddr(v6)} }

const (
	published = 8080 // of the host, and web1's
	secret    = 4321 // of everybody's own
	service   = 9000 // ext's
)

func newTown(t testing.TB) *town {
	t.Helper()
	layout, err := compat.LayoutNamed(*layoutName)
	if err != nil {
		t.Fatal(err)
	}
	lab := netlab.New(t)
	w := &town{Lab: lab, t: t, spaces: map[string]*netlab.Namespace{}}
	host, ext := lab.Namespace("host"), lab.Namespace("ext")
	w.spaces["host"], w.spaces["ext"] = host, ext
	lan := lab.LAN("lan")
	lan.Plug(host, "eth0", "192.0.2.1/24", "2001:db8:1::1/64")
	lan.Plug(ext, "eth0", "192.0.2.2/24", "2001:db8:1::2/64")
	for _, n := range []string{"172.30.0.0/16", "fd00:30::/32"} {
		p := netip.MustParsePrefix(n)
		via := addrs["host"][0]
		if p.Addr().Is6() {
			via = addrs["host"][1]
		}
		ext.Route(n, via.String())
	}
	w.cfg = bridge.Config{NetNS: host.File(), Layout: layout}
	w.open()
	t.Cleanup(func() {
		if err := w.fw.Close(); err != nil {
			t.Error(err)
		}
	})
	w.update(func(tx *bridge.Tx) error {
		web := tx.CreateNetwork(spec("web", 1))
		web.Attach(endpoint("web1")).Publish(portmap.MustParse("8080:8080/udp"), portmap.MustParse("8080:8080/tcp"))
		web.Attach(endpoint("web2"))
		tx.CreateNetwork(spec("db", 2)).Attach(endpoint("db1"))
		internal := spec("int", 3)
		internal.Internal = true
		tx.CreateNetwork(internal).Attach(endpoint("int1"))
		return nil
	})
	for _, c := range []struct{ network, name string }{{"web", "web1"}, {"web", "web2"}, {"db", "db1"}, {"int", "int1"}} {
		ns := lab.Namespace(c.name)
		w.spaces[c.name] = ns
		if err := w.fw.Connect(context.Background(), c.network, c.name, bridge.Link{NetNS: ns.File()}); err != nil {
			t.Fatal(err)
		}
	}
	w.spaces["int1"].Route("0.0.0.0/0", "172.30.3.1")
	w.spaces["int1"].Route("::/0", "fd00:30:3::1")
	return w
}

func spec(name string, n byte) bridge.NetworkSpec {
	v6 := [16]byte{0xfd, 0, 0, 0x30, 0, n}
	return bridge.NetworkSpec{
		Name: name, Bridge: "br-" + name,
		IPv4: bridge.Gateway{Subnet: netip.PrefixFrom(netip.AddrFrom4([4]byte{172, 30, n, 0}), 24)},
		IPv6: bridge.Gateway{Subnet: netip.PrefixFrom(netip.AddrFrom16(v6), 64)},
	}
}

func endpoint(name string) bridge.EndpointSpec {
	return bridge.EndpointSpec{Name: name, IPv4: addrs[name][0], IPv6: addrs[name][1]}
}

func (w *town) open() {
	w.t.Helper()
	fw, err := bridge.Open(context.Background(), w.cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	w.fw = fw
}

// restart closes the firewall and opens it again, as a new process would.
func (w *town) restart() {
	w.t.Helper()
	if err := w.fw.Close(); err != nil {
		w.t.Fatal(err)
	}
	w.open()
}

func (w *town) update(fn func(*bridge.Tx) error) {
	w.t.Helper()
	if err := w.fw.Update(context.Background(), fn); err != nil {
		w.t.Fatal(err)
	}
}
