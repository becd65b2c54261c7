package bridge_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/internal/netlab"
)

// addresses lists the addresses of a namespace's interface in one family.
func addresses(t *testing.T, ns *netlab.Namespace, ifName string, family int) (out []string) {
	t.Helper()
	link, err := ns.Netlink().LinkByName(ifName)
	if err != nil {
		t.Fatal(err)
	}
	addrs, err := ns.Netlink().AddrList(link, family)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		out = append(out, a.IPNet.String())
	}
	return out
}

// hostVeth is the host's end of a container's interface.
func (w *world) hostVeth(container string) netlink.Link {
	w.t.Helper()
	eth, err := w.spaces[container].Netlink().LinkByName("eth0")
	if err == nil {
		var host netlink.Link
		if host, err = w.host.Netlink().LinkByIndex(eth.Attrs().ParentIndex); err == nil {
			return host
		}
	}
	w.t.Fatal(err)
	return nil
}

// The MTU is the bridge's, with and without ports, and that of both ends of every link.
func TestMTU(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bridge.Config{})
	mtu := func(ns *netlab.Namespace, name string) int {
		t.Helper()
		link, err := ns.Netlink().LinkByName(name)
		if err != nil {
			t.Fatal(err)
		}
		return link.Attrs().MTU
	}
	for i, want := range []int{1400, 9000, 65535, 0} {
		name := fmt.Sprint("n", i)
		w.create(with(networkSpec(name, fmt.Sprintf("172.30.1%d.0/24", i), fmt.Sprintf("fd00:30:1%d::/64", i)),
			func(s *bridge.NetworkSpec) { s.MTU = want }))
		if want == 0 {
			want = 1500
		}
		container := fmt.Sprint("c", i)
		check := func(when string) {
			t.Helper()
			if got := mtu(w.host, "br-"+name); got != want {
				t.Errorf("%s: the bridge's MTU is %d, want %d", when, got, want)
			}
		}
		check("without a port")
		w.container(name, container, 2)
		check("with a port")
		if got := mtu(w.spaces[container], "eth0"); got != want {
			t.Errorf("the container's MTU is %d, want %d", got, want)
		}
		if got := w.hostVeth(container).Attrs().MTU; got != want {
			t.Errorf("the port's MTU is %d, want %d", got, want)
		}
		w.update(func(tx *bridge.Tx) { tx.Network(name).Detach(container) })
		check("without a port again")
	}
	// A bridge of the caller's own gets it, too.
	if err := w.host.Netlink().LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br-own"}}); err != nil {
		t.Fatal(err)
	}
	w.create(with(networkSpec("own", "172.30.20.0/24"), func(s *bridge.NetworkSpec) { s.MTU = 1300 }))
	if got := mtu(w.host, "br-own"); got != 1300 {
		t.Errorf("the MTU of the caller's bridge is %d, want 1300", got)
	}
}

// A bridge's hardware address is made from its address, and stays as ports come and go.
func TestBridgeMAC(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bridge.Config{})
	w.networkA()
	w.network("six", "fd00:30:6::/64")
	w.create(with(networkSpec("i", "172.30.3.0/24"), isolated))
	want := map[string]string{"a": "02:42:ac:1e:01:01", "six": "02:42:00:00:00:01", "i": "02:42:ac:1e:03:00"}
	check := func() {
		t.Helper()
		for network, mac := range want {
			if got := w.host.MAC("br-" + network).String(); got != mac {
				t.Errorf("br-%s has %s, want %s", network, got, mac)
			}
		}
	}
	check()
	w.container("a", "a1", 2)
	w.container("six", "six1", 2)
	check()
	if got := w.spaces["a1"].MAC("eth0").String(); got != "02:42:ac:1e:01:02" {
		t.Errorf("a1 has %s", got)
	}
	w.update(func(tx *bridge.Tx) { tx.Network("a").Detach("a1"); tx.Network("six").Detach("six1") })
	check()
}

func isolated(s *bridge.NetworkSpec) {
	s.Internal, s.IPv4.Mode, s.IPv6.Mode = true, bridge.Isolated, bridge.Isolated
}

// Where there is no IPv6, there is none at all: no address, and not a packet.
func TestNoIPv6OnIPv4Networks(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bridge.Config{})
	w.network("four", "172.30.4.0/24")
	w.create(with(networkSpec("i", "172.30.3.0/24"), isolated))
	w.networkA()
	for _, network := range []string{"four", "i", "a"} {
		first, second := network+"1", network+"2"
		w.container(network, first, 2)
		seen := w.spaces[first].Capture("eth0", func(f netlab.CapturedFrame) bool {
			return f.EtherType == unix.ETH_P_IPV6 || f.To.Addr().Is6()
		})
		w.container(network, second, 3)
		w.fates(fmt.Sprintf("%s tcp4 %s:80 %s sees %s", second, first, first, second))
		got := [][]string{
			addresses(t, w.host, "br-"+network, unix.AF_INET6),
			addresses(t, w.spaces[first], "eth0", unix.AF_INET6),
		}
		if network == "a" { // what the others are compared with
			if _, came := seen.Next(5 * time.Second); !came || len(got[0]) < 1 || len(got[1]) < 2 {
				t.Errorf("a network with IPv6: addresses %q, and IPv6 packets: %v", got, came)
			}
			continue
		}
		if frames := seen.Seen(); len(frames) > 0 {
			t.Errorf("%s: %d IPv6 packets: %v", network, len(frames), frames[0])
		}
		if len(got[0])+len(got[1]) > 0 {
			t.Errorf("%s: IPv6 addresses: bridge %q, container %q", network, got[0], got[1])
		}
	}
	// The host's end of a link never has an address.
	for _, c := range []string{"four1", "a1"} {
		if got := addresses(t, w.host, w.hostVeth(c).Attrs().Name, unix.AF_UNSPEC); len(got) > 0 {
			t.Errorf("the port of %s has %q", c, got)
		}
	}
}

// An isolated network has no address of the host in either family, and its containers have both.
func TestIsolatedDevices(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bridge.Config{})
	w.create(with(specA, isolated))
	w.container("a", "a1", 2, "8080:80")
	w.container("a", "a2", 3)
	if got := addresses(t, w.host, "br-a", unix.AF_UNSPEC); len(got) > 0 {
		t.Errorf("br-a has %q", got)
	}
	if got := w.host.Sysctl("net/ipv6/conf/br-a/disable_ipv6"); got != "1" {
		t.Errorf("disable_ipv6 is %s", got)
	}
	w.fates(`
		a1  tcp,udp       a2:80      a2 sees a1
		a1  icmp          a2         delivered
		a1  tcp,udp       ext:80     unreachable
		ext tcp,udp       host:8080  refused
	`)
	// Not by its link-local address either: it has none.
	for _, a := range addresses(t, w.spaces["a1"], "eth0", unix.AF_INET6) {
		if p := netip.MustParsePrefix(a); p.Addr().IsLinkLocalUnicast() {
			return
		}
	}
	t.Error("a1 has no link-local address: the test shows nothing of the bridge's")
}

// A network may leave its address to a router.
func TestInhibitAddress(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bridge.Config{})
	w.create(with(specA, func(s *bridge.NetworkSpec) { s.IPv4.InhibitAddress, s.IPv6.InhibitAddress = true, true }))
	w.container("a", "a1", 2)
	if got := withoutLocal(addresses(t, w.host, "br-a", unix.AF_UNSPEC)); len(got) > 0 {
		t.Errorf("br-a has %q", got)
	}
	if got := w.defaultRoutes("a1"); len(got) != 2 || !strings.HasPrefix(got[0], "172.30.1.1 ") || !strings.HasPrefix(got[1], "fd00:30:1::1 ") {
		t.Errorf("default routes are %q", got)
	}
	// The router is a container like others to the bridge.
	router := w.Namespace("router")
	w.spaces["router"] = router
	w.Veth(w.host, "to-router", router, "eth0")
	h := w.host.Netlink()
	port, err := h.LinkByName("to-router")
	if err == nil {
		err = h.LinkSetMasterByIndex(port, w.host.Index("br-a"))
	}
	if err != nil {
		t.Fatal(err)
	}
	router.Address("eth0", "172.30.1.1/24", "fd00:30:1::1/64")
	w.serve("router", 80)
	w.fates(`
		a1   tcp,udp  gw-a:80  router sees a1
		ext  tcp,udp  a1:80    silent
	`)
	w.reopen()
	if got := withoutLocal(addresses(t, w.host, "br-a", unix.AF_UNSPEC)); len(got) > 0 {
		t.Errorf("after opening again, br-a has %q", got)
	}
}

func withoutLocal(addrs []string) []string {
	return slices.DeleteFunc(addrs, func(a string) bool { return strings.HasPrefix(a, "fe80::") })
}

// A network may have IPv6 only. Its bridge and its containers have no IPv4 address.
func TestIPv6OnlyDevices(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bridge.Config{})
	w.network("six", "fd00:30:6::/64")
	w.container("six", "six1", 2, "8080:80", "8080:80/udp")
	for _, got := range [][]string{addresses(t, w.host, "br-six", unix.AF_INET), addresses(t, w.spaces["six1"], "eth0", unix.AF_INET)} {
		if len(got) > 0 {
			t.Errorf("IPv4 addresses %q", got)
		}
	}
	w.fates(`
		ext   tcp6,udp6  host:8080  six1 sees ext
		ext   tcp4,udp4  host:8080  refused
		six1  tcp6,udp6  ext:80     ext sees host
		six1  tcp4       ext:80     unreachable
		ext   tcp6       six1:80    silent
	`)
}

// An interface of a container has IPv6 where its endpoint has, whatever the container's default is.
func TestContainerWithIPv6OffByDefault(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bridge.Config{})
	w.networkA()
	w.spaces["a1"] = w.Namespace("a1")
	w.spaces["a1"].SetSysctl("net.ipv6.conf.default.disable_ipv6", "1")
	w.join("a", "a1", 2)
	w.serve("a1", 80)
	w.fates(`
		host  tcp  a1.a:80  a1 sees gw-a
	`)
}

// A container that advertises itself as a router is not believed by the host.
func TestRouterAdvertisement(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bridge.Config{})
	w.needsIPv6()
	w.networkA()
	// What it says is dropped where its name is checked: here that is not so.
	w.endpoint("a", "a1", 2, true, true, bridge.EndpointSpec{AllowSpoofing: true})
	routes := func() (n int) {
		t.Helper()
		all, err := w.host.Netlink().RouteList(nil, unix.AF_INET6)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range all {
			if r.Gw != nil || r.Dst != nil && r.Dst.String() == "2001:db8:bad::/64" {
				n++
			}
		}
		return n
	}
	arrived := w.host.Capture("br-a", func(f netlab.CapturedFrame) bool { return f.To.Addr() == allNodes && f.Proto == "icmp" })
	advertise := func() {
		t.Helper()
		mac := w.spaces["a1"].MAC("eth0")
		w.spaces["a1"].SendFrame("eth0", advertisement(mac))
		// A second frame behind it: when it is there, so is the first.
		if _, came := arrived.Next(5 * time.Second); !came {
			t.Fatal("the advertisement did not arrive")
		}
		w.fates(`a1 tcp gw-a:1 refused`)
	}
	advertise()
	if n := routes(); n != 0 {
		t.Errorf("the host has taken %d routes from a container", n)
	}
	if got := len(withoutLocal(addresses(t, w.host, "br-a", unix.AF_INET6))); got != 1 {
		t.Errorf("the bridge has %d addresses, want its own", got)
	}
	// With the sysctl as the kernel would have it on a router that listens, it is believed.
	w.host.SetSysctl("net/ipv6/conf/br-a/accept_ra", "2")
	advertise()
	if routes() == 0 {
		t.Error("the advertisement is not believed even where it should be: the test shows nothing")
	}
}

// advertisement is a router advertisement (RFC 4861) with a default route and a prefix to make addresses from.
func advertisement(mac net.HardwareAddr) []byte {
	var b bytes.Buffer
	b.Write([]byte{134, 0, 0, 0, 64, 0, 0x07, 0x08, 0, 0, 0, 0, 0, 0, 0, 0}) // lifetime 1800 s
	b.Write(append([]byte{1, 1}, mac...))
	b.Write([]byte{3, 4, 64, 0xc0, 0, 0, 0x0e, 0x10, 0, 0, 0x0e, 0x10, 0, 0, 0, 0})
	prefix := netip.MustParseAddr("2001:db8:bad::").As16()
	b.Write(prefix[:])
	icmp := b.Bytes()
	from := netip.MustParseAddr("fe80::bad")
	src, dst := from.As16(), allNodes.As16()
	pseudo := slices.Concat(src[:], dst[:], []byte{0, 0, 0, byte(len(icmp)), 0, 0, 0, 58}, icmp)
	sum := uint32(0)
	for i := 0; i+1 < len(pseudo); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(pseudo[i:]))
	}
	for sum > 0xffff {
		sum = sum&0xffff + sum>>16
	}
	binary.BigEndian.PutUint16(icmp[2:], ^uint16(sum))
	return netlab.Frame{
		Src: mac, Dst: net.HardwareAddr{0x33, 0x33, 0, 0, 0, 1},
		From: netip.AddrPortFrom(from, 0), To: netip.AddrPortFrom(allNodes, 0), Proto: "58", Payload: icmp,
	}.Marshal()
}

// A bridge of the caller's own keeps the addresses and settings that it has.
func TestOwnBridgeIsLeftAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bridge.Config{})
	h := w.host.Netlink()
	if err := h.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br-four"}}); err != nil {
		t.Fatal(err)
	}
	w.host.SetUp("br-four")
	w.host.Address("br-four", "198.51.100.1/24", "2001:db8:9::1/64")
	w.host.SetSysctl("net/ipv6/conf/br-four/accept_ra", "2")
	mac := w.host.MAC("br-four").String()
	for _, subnets := range [][]string{{"172.30.4.0/24"}, {"172.30.4.0/24", "fd00:30:4::/64"}} {
		w.network("four", subnets...)
		got := addresses(t, w.host, "br-four", unix.AF_UNSPEC)
		for _, want := range append([]string{"198.51.100.1/24", "2001:db8:9::1/64"}, "172.30.4.1/24") {
			if !slices.Contains(got, want) {
				t.Errorf("%q: the bridge has %q, want %s among them", subnets, got, want)
			}
		}
		if v := w.host.Sysctl("net/ipv6/conf/br-four/accept_ra"); v != "2" {
			t.Errorf("accept_ra is %s now", v)
		}
		w.update(func(tx *bridge.Tx) { tx.RemoveNetwork("four") })
		w.host.SetUp("br-four")
	}
	if got := w.host.MAC("br-four").String(); got != mac {
		t.Errorf("the bridge's hardware address is %s, was %s", got, mac)
	}
}

// Whether bridged packets pass the tables is the host's decision: nothing that a network asks for changes it.
func TestBridgeFilterIsRespected(t *testing.T) {
	t.Parallel()
	for _, filter := range bridgeFilters(t) {
		w := newWorld(t, bridge.Config{})
		w.filterBridges(filter)
		read := func() (out []string) {
			for _, key := range []string{"iptables", "ip6tables", "arptables"} {
				out = append(out, w.host.Sysctl("net.bridge.bridge-nf-call-"+key))
			}
			return out
		}
		before := read()
		w.create(with(specA, func(s *bridge.NetworkSpec) { s.DisableICC = true }))
		w.container("a", "a1", 2, "8080:80")
		if got := read(); !slices.Equal(got, before) {
			t.Errorf("%s: bridge-nf-call is %q, was %q", filter, got, before)
		}
	}
}
