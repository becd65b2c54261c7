package compat_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/compat"
	"github.com/seawall-net/seawall/internal/netlab"
	"github.com/seawall-net/seawall/portmap"
)

// A flowSide is a host with networks and published ports, a client that sends packets of new flows to one of them, and
// the container that gets them.
type flowSide struct {
	b         *testing.B
	host, box *netlab.Namespace
	fd        int // packet socket of the client
	frame     []byte
	flow      int
	took      []time.Duration
}

const flowPort = 5000

func newFlowSide(b *testing.B, layout bridge.Layout, networks, ports int) *flowSide {
	b.Helper()
	lab := netlab.New(b)
	s := &flowSide{b: b, host: lab.Namespace("host"), box: lab.Namespace("box")}
	client := lab.Namespace("client")
	lab.Veth(client, "eth0", s.host, "eth0")
	s.host.Address("eth0", "192.0.2.1/24")
	client.Address("eth0", "192.0.2.2/24")
	s.host.Forward()
	fw, err := bridge.Open(context.Background(), bridge.Config{NetNS: s.host.File(), Layout: layout, UnheldPorts: true})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = fw.Close() })
	err = fw.Update(context.Background(), func(tx *bridge.Tx) error {
		for i := range networks {
			net := netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 0})
			e := tx.CreateNetwork(bridge.NetworkSpec{
				Name: fmt.Sprint("n", i), IPv4: bridge.Gateway{Subnet: netip.PrefixFrom(net, 24)},
			}).Attach(bridge.EndpointSpec{Name: "c", IPv4: net.Next().Next()})
			for p := i; p < ports; p += networks {
				e.Publish(portmap.Binding{Proto: portmap.UDP, Host: portmap.Port(uint16(flowPort + p)), Container: portmap.Port(80)})
			}
		}
		return nil
	})
	if err == nil {
		err = fw.Connect(context.Background(), "n0", "c", bridge.Link{NetNS: s.box.File()})
	}
	if err != nil {
		b.Fatal(err)
	}
	s.open(client)
	return s
}

// open prepares client and container.
func (s *flowSide) open(client *netlab.Namespace) {
	s.b.Helper()
	s.frame = netlab.Frame{
		Dst: s.host.MAC("eth0"), Src: client.MAC("eth0"), Proto: "udp",
		From: netip.MustParseAddrPort("192.0.2.2:1024"), To: netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), flowPort),
	}.Marshal()
	s.frame[14+20+6], s.frame[14+20+7] = 0, 0 // without a checksum, the ports can be changed in place
	err := client.Do(func() (err error) {
		if s.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0); err != nil {
			return err
		}
		return unix.Bind(s.fd, &unix.SockaddrLinklayer{Ifindex: client.Index("eth0")})
	})
	if err != nil {
		s.b.Fatal(err)
	}
	s.b.Cleanup(func() { _ = unix.Close(s.fd) })
	// Somebody who listens, or the kernel answers each packet with an ICMP error.
	err = s.box.Do(func() error {
		c, err := net.ListenUDP("udp4", &net.UDPAddr{Port: 80})
		if err == nil {
			s.b.Cleanup(func() { _ = c.Close() })
		}
		return err
	})
	if err != nil {
		s.b.Fatal(err)
	}
	s.burst(1) // the first waits for the neighbour's address
}

func (s *flowSide) received() uint64 {
	link, err := s.box.Netlink().LinkByName("eth0")
	if err != nil {
		s.b.Fatal(err)
	}
	return link.Attrs().Statistics.RxPackets
}

// burst sends one packet of each of n new flows, and waits until all have arrived.
func (s *flowSide) burst(n int) {
	want := s.received() + uint64(n)
	start := time.Now()
	for range n {
		s.flow++
		s.frame[14+15] = byte(2 + s.flow/50_000%200)
		binary.BigEndian.PutUint16(s.frame[14+20:], uint16(1024+s.flow%50_000))
		fixChecksum(s.frame[14 : 14+20])
		if _, err := unix.Write(s.fd, s.frame); err != nil {
			s.b.Fatal(err)
		}
	}
	for s.received() < want {
		if time.Since(start) > 10*time.Second {
			s.b.Fatalf("not all of %d packets have arrived", n)
		}
		runtime.Gosched()
	}
	s.took = append(s.took, time.Since(start)/time.Duration(n))
}

func fixChecksum(header []byte) {
	header[10], header[11] = 0, 0
	var sum uint32
	for i := 0; i < len(header); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(header[i:]))
	}
	sum = sum>>16 + sum&0xffff
	binary.BigEndian.PutUint16(header[10:], ^uint16(sum>>16+sum))
}

func median(d []time.Duration) float64 {
	slices.Sort(d)
	return float64(d[len(d)/2])
}

// BenchmarkHybridNewFlow compares, turn by turn, the rate of new flows to a published port in the hybrid layout, with one
// port and with 60,000 in 100 networks, and in the native layout with as many.
func BenchmarkHybridNewFlow(b *testing.B) {
	const burst, networks, ports = 2000, 100, 60_000
	hybrid := compat.Hybrid(compat.HybridOptions{})
	one, many, native := newFlowSide(b, hybrid, 1, 1), newFlowSide(b, hybrid, networks, ports), newFlowSide(b, bridge.Native(), networks, ports)
	for b.Loop() {
		for _, s := range []*flowSide{one, many, native} {
			s.burst(burst)
		}
		b.StopTimer()
		for _, s := range []*flowSide{one, many, native} {
			if err := s.host.Netlink().ConntrackTableFlush(netlink.ConntrackTable); err != nil {
				b.Fatal(err)
			}
		}
		b.StartTimer()
	}
	at1, at60k, of := median(one.took), median(many.took), median(native.took)
	b.ReportMetric(at1, "ns/flow@1")
	b.ReportMetric(at60k, "ns/flow@60000")
	b.ReportMetric(of, "ns/native@60000")
	b.ReportMetric(at60k/at1, "x@1")
	b.ReportMetric(at60k/of, "x-native")
	b.ReportMetric(0, "ns/op")
}
