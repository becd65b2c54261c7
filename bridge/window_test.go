package bridge_test

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/internal/netlab"
)

// A flood sends frames without pause, out of an interface that may come and go.
type flood struct {
	stop atomic.Bool
	wg   sync.WaitGroup
}

func (f *flood) start(t *testing.T, ns *netlab.Namespace, ifname string, frames ...netlab.Frame) {
	var raw [][]byte
	for _, frame := range frames {
		raw = append(raw, frame.Marshal())
	}
	f.wg.Go(func() {
		err := ns.Do(func() error {
			fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				return err
			}
			defer func() { _ = unix.Close(fd) }()
			for !f.stop.Load() {
				link, err := net.InterfaceByName(ifname)
				if err != nil {
					continue // not yet, or not any more
				}
				for _, b := range raw {
					_ = unix.Sendto(fd, b, 0, &unix.SockaddrLinklayer{Ifindex: link.Index})
				}
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
}

func (f *flood) end() {
	f.stop.Store(true)
	f.wg.Wait()
}

// Whatever is done to networks, endpoints and publications, at no moment does a packet pass that should not: not while
// they come, while others change beside them, nor while they go.
func TestNoWindow(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bridge.Config{})
	w.networkB()
	w.container("b", "b1", 2)
	const secret, public = 4321, 80
	victim := w.Namespace("a1")
	w.spaces["a1"] = victim
	w.spaces["ext"].Route("172.30.1.0/24", "192.0.2.1")
	a1 := addrPair{netip.MustParseAddr("172.30.1.2"), netip.MustParseAddr("fd00:30:1::2")}

	// From outside, and from another network, to the endpoint's address, to a port that nobody publishes, and to the
	// one that is published, by the wrong address.
	seen := victim.Capture("", func(f netlab.CapturedFrame) bool {
		return !f.Outgoing && (f.To.Port() == secret || f.To.Port() == public && f.From.Port() == 6666)
	})
	// An internal network's container, to the world.
	leaked := w.ext.Capture("eth0", func(f netlab.CapturedFrame) bool { return !f.Outgoing && f.To.Port() == secret })
	crossed := w.spaces["b1"].Capture("eth0", func(f netlab.CapturedFrame) bool { return !f.Outgoing && f.To.Port() == secret })

	var all flood
	defer all.end()
	for _, attacker := range []string{"ext", "b1"} {
		var frames []netlab.Frame
		for i := range w.families() {
			for _, port := range []uint16{secret, public} {
				for _, proto := range []string{"tcp", "udp"} {
					frames = append(frames, netlab.Frame{
						Dst: w.hostMAC(attacker), Src: w.spaces[attacker].MAC("eth0"), Proto: proto, TCPFlags: netlab.SYN,
						From: netip.AddrPortFrom(w.addrs[attacker][i], 6666), To: netip.AddrPortFrom(a1[i], port),
					})
				}
			}
		}
		all.start(t, w.spaces[attacker], "eth0", frames...)
	}
	insider := w.Namespace("c1")
	w.spaces["c1"] = insider
	bridgeMAC, ownMAC := net.HardwareAddr{2, 0x42, 172, 30, 3, 1}, net.HardwareAddr{2, 0x42, 172, 30, 3, 2}
	var frames []netlab.Frame
	for i, from := range []string{"172.30.3.2", "fd00:30:3::2"}[:len(w.families())] {
		for _, to := range []string{"ext", "b1"} {
			frames = append(frames, netlab.Frame{
				Dst: bridgeMAC, Src: ownMAC, Proto: "udp",
				From: netip.AddrPortFrom(netip.MustParseAddr(from), 6666), To: netip.AddrPortFrom(w.addrs[to][i], secret),
			})
		}
	}
	all.start(t, insider, "eth0", frames...)

	w.name("a1", a1[0].String(), a1[1].String())
	w.name("gw-a", "172.30.1.1", "fd00:30:1::1")
	c1 := addrPair{netip.MustParseAddr("172.30.3.2"), netip.MustParseAddr("fd00:30:3::2")}
	if w.ipv4Only {
		a1[1], c1[1] = netip.Addr{}, netip.Addr{}
	}
	specC := with(networkSpec("c", "172.30.3.0/24", "fd00:30:3::/64"), internal)
	build := func() {
		w.update(func(tx *bridge.Tx) { tx.CreateNetwork(here(specA)); tx.CreateNetwork(here(specC)) })
		w.update(func(tx *bridge.Tx) {
			tx.Network("a").Attach(bridge.EndpointSpec{Name: "a1", IPv4: a1[0], IPv6: a1[1]})
			tx.Network("c").Attach(bridge.EndpointSpec{Name: "c1", IPv4: c1[0], IPv6: c1[1]})
		})
		for _, e := range []string{"a1", "c1"} {
			if err := w.fw.Connect(context.Background(), e[:1], e, bridge.Link{NetNS: w.spaces[e].File(), IfName: "eth0"}); err != nil {
				t.Fatal(err)
			}
		}
	}
	w.serve("a1", public)
	for round := range 6 {
		build()
		w.publish("a", "a1", "8080:80", "8080:80/udp")
		if round == 0 {
			w.fates(`
				# What may pass does, under fire.
				ext  tcp,udp  host:8080  a1 sees ext
				b1   tcp,udp  host:8080  a1 sees gw-a  [other-networks: silent]
			`)
		}
		w.publish("b", "b1", "8090:80")
		w.reopen()
		w.unpublish("a", "a1", "8080:80", "8080:80/udp")
		w.unpublish("b", "b1", "8090:80")
		if round%2 == 0 {
			w.update(func(tx *bridge.Tx) { tx.Network("a").Detach("a1"); tx.Network("c").Detach("c1") })
		}
		w.update(func(tx *bridge.Tx) { tx.RemoveNetwork("a"); tx.RemoveNetwork("c") })
	}
	for what, c := range map[string]*netlab.Capture{"into the endpoint": seen, "out of the internal network": leaked, "into another network": crossed} {
		for _, f := range c.Seen() {
			t.Errorf("%s: %v", what, f)
		}
	}
	if t.Failed() {
		return
	}
	// Where no rule forbids it, these very frames arrive.
	build()
	w.deleteTables()
	for what, c := range map[string]*netlab.Capture{"into the endpoint": seen, "out of the network": leaked, "into another network": crossed} {
		if _, ok := c.Next(0); !ok {
			t.Errorf("%s: nothing has passed where everything may: the test would not see it", what)
		}
	}
}
