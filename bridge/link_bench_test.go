package bridge_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seawall-net/seawall/bridge"
)

// BenchmarkFrame sends udp packets from one container to another of its network: what anti-spoofing costs each, and that
// it costs the same beside many other endpoints. free is without it; the difference is the price. The best of many
// batches is what counts: the rest is other work of the machine.
func BenchmarkFrame(b *testing.B) {
	for _, c := range []struct {
		name      string
		spec      bridge.EndpointSpec
		endpoints int
	}{
		{"free", bridge.EndpointSpec{AllowSpoofing: true}, 0},
		{"guarded", bridge.EndpointSpec{}, 0},
		{"guarded beside 2000", bridge.EndpointSpec{}, 2000},
	} {
		for i, family := range families {
			b.Run(fmt.Sprintf("%s/%s", c.name, family), func(b *testing.B) {
				w := newWorld(b, bridge.Config{})
				w.network("a", "172.30.0.0/16", "fd00:30:1::/64")
				w.filterBridges(filterOff)
				w.endpoint("a", "a1", 2, true, true, c.spec)
				w.endpoint("a", "a2", 3, true, true, c.spec)
				w.update(func(tx *bridge.Tx) {
					for n := range c.endpoints {
						tx.Network("a").Attach(bridge.EndpointSpec{
							Name: fmt.Sprintf("e%d", n), IPv4: nth(w.subnets["a"][0], 10+n), IPv6: nth(w.subnets["a"][1], 10+n),
						})
					}
				})
				w.udpSocket("a2", unix.Bind, netip.AddrPortFrom(w.addrs["a2"][i], 7)) // nobody reads
				fd := w.udpSocket("a1", unix.Connect, netip.AddrPortFrom(w.addrs["a2"][i], 7))
				payload := make([]byte, 64)
				const batch = 64
				best := time.Hour
				for b.Loop() {
					start := time.Now()
					for range batch {
						_, _ = unix.Write(fd, payload)
					}
					best = min(best, time.Since(start)/batch)
				}
				b.ReportMetric(float64(best.Nanoseconds()), "best-ns/frame")
			})
		}
	}
}

// udpSocket is a socket of a namespace, bound or connected to an address.
func (w *world) udpSocket(space string, do func(int, unix.Sockaddr) error, at netip.AddrPort) int {
	w.t.Helper()
	var fd int
	err := w.spaces[space].Do(func() (err error) {
		family, addr := unix.AF_INET, unix.Sockaddr(&unix.SockaddrInet4{Port: int(at.Port()), Addr: [4]byte(at.Addr().AsSlice()[:4])})
		if at.Addr().Is6() {
			family, addr = unix.AF_INET6, &unix.SockaddrInet6{Port: int(at.Port()), Addr: at.Addr().As16()}
		}
		if fd, err = unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0); err != nil {
			return err
		}
		return do(fd, addr)
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = unix.Close(fd) })
	return fd
}
