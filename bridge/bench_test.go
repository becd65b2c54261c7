package bridge_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/internal/netns"
	"github.com/seawall-net/seawall/nft"
	"github.com/seawall-net/seawall/portmap"
)

// In the benchmarks, each endpoint publishes that many ports of the host, on
// all addresses.
const portsPerEndpoint = 30_000

func benchFirewall(b testing.TB) (*bridge.Firewall, *os.File) {
	b.Helper()
	fw, ns, done := shortFirewall(b)
	b.Cleanup(done)
	return fw, ns
}

// shortFirewall makes a firewall that lives until done is called.
func shortFirewall(b testing.TB) (fw *bridge.Firewall, ns *os.File, done func()) {
	b.Helper()
	ns, err := netns.New()
	if err != nil {
		b.Fatal(err)
	}
	fw, err = bridge.Open(context.Background(), bridge.Config{NetNS: ns, RulesOnly: true, Watch: impatient.Watch})
	if err != nil {
		b.Fatal(err)
	}
	update(b, fw, func(tx *bridge.Tx) {
		n := tx.CreateNetwork(bridge.NetworkSpec{Name: "n", IPv4: bridge.Gateway{Subnet: netip.MustParsePrefix("172.30.0.0/16")}})
		for i := range 3 {
			n.Attach(bridge.EndpointSpec{Name: fmt.Sprintf("c%d", i), IPv4: netip.AddrFrom4([4]byte{172, 30, 1, byte(i)})})
		}
	})
	return fw, ns, func() {
		_ = fw.Close()
		_ = ns.Close()
	}
}

func update(b testing.TB, fw *bridge.Firewall, f func(*bridge.Tx)) {
	b.Helper()
	if err := fw.Update(context.Background(), func(tx *bridge.Tx) error { f(tx); return nil }); err != nil {
		b.Fatal(err)
	}
}

// benchPort is the i-th published port.
func benchPort(i int) portmap.Binding {
	return portmap.Binding{Host: portmap.Port(uint16(i + 1)), Container: portmap.Port(uint16(i%portsPerEndpoint + 1))}
}

// publish publishes n ports in one Update.
func publish(b testing.TB, fw *bridge.Firewall, n int) {
	b.Helper()
	update(b, fw, func(tx *bridge.Tx) {
		for first := 0; first < n; first += portsPerEndpoint {
			e := tx.Network("n").Endpoint(fmt.Sprintf("c%d", first/portsPerEndpoint))
			for i := first; i < min(n, first+portsPerEndpoint); i++ {
				e.Publish(benchPort(i))
			}
		}
	})
}

// A rawSocket sends batches that were marshalled beforehand: what the kernel
// costs, and nothing else.
type rawSocket struct {
	fd  int
	buf []byte
}

func newRawSocket(b testing.TB, ns *os.File) *rawSocket {
	b.Helper()
	s := &rawSocket{buf: make([]byte, 1<<16)}
	err := netns.Do(ns, func() (err error) {
		s.fd, err = unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	if unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, 64<<20) != nil {
		_ = unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_SNDBUF, 64<<20)
	}
	_ = unix.SetsockoptInt(s.fd, unix.SOL_NETLINK, unix.NETLINK_CAP_ACK, 1)
	b.Cleanup(func() { _ = unix.Close(s.fd) })
	return s
}

func (s *rawSocket) send(b testing.TB, batch []byte) {
	if _, err := unix.Write(s.fd, batch); err != nil {
		b.Fatal(err)
	}
	for { // rules are echoed before the answer
		n, err := unix.Read(s.fd, s.buf)
		if err != nil || n < 20 {
			b.Fatal(n, err)
		}
		if binary.NativeEndian.Uint16(s.buf[4:]) == unix.NLMSG_ERROR {
			break
		}
	}
	if errno := int32(s.buf[16]) | int32(s.buf[17])<<8; errno != 0 {
		b.Fatalf("the kernel refused: %v", unix.Errno(-int16(errno)))
	}
}

// bindingBatches are the bytes that publish a firewall's bindings, each by
// itself, and those that take them back.
func bindingBatch(b testing.TB, facts []*bridge.Binding, del bool) []byte {
	b.Helper()
	var batch nft.Batch
	var objects []nft.Object
	for _, f := range facts {
		bridge.Native().Compile(f, func(o nft.Object) { objects = append(objects, o) })
	}
	// As Update does: the elements of one set after the other.
	slices.SortStableFunc(objects, func(x, y nft.Object) int {
		return len(x.ID().Name) - len(y.ID().Name)
	})
	if del {
		batch.Delete(objects...)
	} else {
		batch.Add(objects...)
	}
	bytes, err := batch.MarshalBinary()
	if err != nil {
		b.Fatal(err)
	}
	return bytes
}

func bindings(fw *bridge.Firewall) []*bridge.Binding {
	var out []*bridge.Binding
	v := fw.View()
	for n := range v.Networks() {
		for e := range v.Endpoints(n) {
			out = slices.AppendSeq(out, v.Bindings(e))
		}
	}
	return out
}

func median(d []time.Duration) float64 {
	slices.Sort(d)
	return float64(d[len(d)/2])
}

// BenchmarkPublishOne compares, turn by turn, the Update that publishes one
// port on an empty host and on one with 60,000 published, with the floor: the
// same bytes sent to the kernel on an equal ruleset.
func BenchmarkPublishOne(b *testing.B) {
	const many, burst = 60_000, 100
	type side struct {
		fw    *bridge.Firewall
		raw   *rawSocket
		first int
		add   [][]byte
		del   [][]byte
		took  []time.Duration
		floor []time.Duration
	}
	sides := [2]*side{{first: many}, {first: many}}
	for i, s := range sides {
		var ns *os.File
		s.fw, _ = benchFirewall(b)
		raw, rns := benchFirewall(b)
		ns = rns
		s.raw = newRawSocket(b, ns)
		if i == 1 {
			publish(b, s.fw, many)
			publish(b, raw, many)
		}
		update(b, s.fw, func(tx *bridge.Tx) {
			for j := range burst {
				tx.Network("n").Endpoint("c2").Publish(benchPort(many + j))
			}
		})
		for _, f := range bindings(s.fw)[i*many:] {
			s.add = append(s.add, bindingBatch(b, []*bridge.Binding{f}, false))
			s.del = append(s.del, bindingBatch(b, []*bridge.Binding{f}, true))
		}
		update(b, s.fw, func(tx *bridge.Tx) {
			for j := range burst {
				tx.Network("n").Endpoint("c2").Unpublish(benchPort(many + j))
			}
		})
	}
	ctx := context.Background()
	runtime.GC()
	for b.Loop() {
		for _, s := range sides {
			start := time.Now()
			for j := range burst {
				p := benchPort(many + j)
				err := s.fw.Update(ctx, func(tx *bridge.Tx) error {
					tx.Network("n").Endpoint("c2").Publish(p)
					return nil
				})
				if err != nil {
					b.Fatal(err)
				}
			}
			s.took = append(s.took, time.Since(start)/burst)
			for j := range burst {
				update(b, s.fw, func(tx *bridge.Tx) { tx.Network("n").Endpoint("c2").Unpublish(benchPort(many + j)) })
			}
			start = time.Now()
			for j := range burst {
				s.raw.send(b, s.add[j])
			}
			s.floor = append(s.floor, time.Since(start)/burst)
			for j := range burst {
				s.raw.send(b, s.del[j])
			}
		}
	}
	at0, at60k, floor := median(sides[0].took), median(sides[1].took), median(sides[1].floor)
	b.ReportMetric(at0, "ns/port@0")
	b.ReportMetric(at60k, "ns/port@60000")
	b.ReportMetric(median(sides[0].floor), "ns/floor@0")
	b.ReportMetric(floor, "ns/floor@60000")
	b.ReportMetric(at60k/at0, "x@0")
	b.ReportMetric(at60k/floor, "x-floor")
}

// settle gives the kernel time to take a namespace apart, which it does in the
// background, and which would otherwise be done beside the next measurement.
func settle() { time.Sleep(300 * time.Millisecond) }

// BenchmarkPublishMany compares, turn by turn, an Update that publishes 60,000
// ports with the floor.
func BenchmarkPublishMany(b *testing.B) {
	const many = 60_000
	var took, floors []time.Duration
	var add []byte
	for b.Loop() {
		fw, _, done := shortFirewall(b)
		runtime.GC()
		start := time.Now()
		publish(b, fw, many)
		took = append(took, time.Since(start))
		if add == nil {
			add = bindingBatch(b, bindings(fw), false)
		}
		done()
		settle()
		_, ns, done := shortFirewall(b)
		raw := newRawSocket(b, ns)
		runtime.GC()
		start = time.Now()
		raw.send(b, add)
		floors = append(floors, time.Since(start))
		done()
		settle()
	}
	b.ReportMetric(median(took)/many, "ns/port")
	b.ReportMetric(median(floors)/many, "ns/floor")
	b.ReportMetric(median(took)/median(floors), "x-floor")
}
