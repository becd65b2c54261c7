package bridge_test

import (
	"context"
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
	"github.com/seawall-net/seawall/internal/netlab"
	"github.com/seawall-net/seawall/nft"
	"github.com/seawall-net/seawall/portmap"
)

// A flowWorld sends packets of new flows from a client through a host to a
// container's published port, and knows how many arrived.
type flowWorld struct {
	host, box *netlab.Namespace
	fd        int // packet socket of the client
	server    *net.UDPConn
	frame     []byte
	flow      int
	took      []time.Duration
}

// flowPort is the published port that the flows go to.
const flowPort = 5000

// newFlowWorld makes a host with networks and published ports; with none, it
// forwards to the container without any rules.
func newFlowWorld(b *testing.B, networks, ports int) *flowWorld {
	b.Helper()
	lab := netlab.New(b)
	w := &flowWorld{host: lab.Namespace("host"), box: lab.Namespace("box")}
	client := lab.Namespace("client")
	lab.Veth(client, "eth0", w.host, "eth0")
	w.host.Address("eth0", "192.0.2.1/24")
	client.Address("eth0", "192.0.2.2/24")
	w.host.Forward()

	h := w.host.Netlink()
	attrs := netlink.NewLinkAttrs()
	attrs.Name = "br-n0"
	if err := h.LinkAdd(&netlink.Bridge{LinkAttrs: attrs}); err != nil {
		b.Fatal(err)
	}
	lab.Veth(w.host, "port0", w.box, "eth0")
	br, err := h.LinkByName("br-n0")
	if err != nil {
		b.Fatal(err)
	}
	port, err := h.LinkByName("port0")
	if err != nil {
		b.Fatal(err)
	}
	if err := h.LinkSetMaster(port, br); err != nil {
		b.Fatal(err)
	}
	w.host.SetUp("br-n0")
	w.host.Address("br-n0", "10.0.0.1/24")
	w.box.Address("eth0", "10.0.0.2/24")
	w.box.Route("default", "10.0.0.1")

	to := netip.MustParseAddrPort("10.0.0.2:80")
	if networks > 0 {
		to = netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), flowPort)
		publishEverywhere(b, w.host, networks, ports)
	}
	w.open(b, client, to)
	return w
}

// publishEverywhere creates networks and publishes ports, evenly spread, the
// first of which is flowPort of the first network.
func publishEverywhere(b *testing.B, host *netlab.Namespace, networks, ports int) {
	b.Helper()
	fw, err := bridge.Open(context.Background(), bridge.Config{NetNS: host.File(), RulesOnly: true})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = fw.Close() })
	update(b, fw, func(tx *bridge.Tx) {
		for i := range networks {
			net := netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 0})
			e := tx.CreateNetwork(bridge.NetworkSpec{
				Name: fmt.Sprintf("n%d", i), Bridge: fmt.Sprintf("br-n%d", i),
				IPv4: bridge.Gateway{Subnet: netip.PrefixFrom(net, 24)},
			}).Attach(bridge.EndpointSpec{Name: "c", IPv4: net.Next().Next()})
			for p := i; p < ports; p += networks {
				e.Publish(portmap.Binding{Proto: portmap.UDP, Host: portmap.Port(uint16(flowPort + p)), Container: portmap.Port(80)})
			}
		}
	})
}

// open prepares client and container.
func (w *flowWorld) open(b *testing.B, client *netlab.Namespace, to netip.AddrPort) {
	b.Helper()
	frame := netlab.Frame{
		Dst: w.host.MAC("eth0"), Src: client.MAC("eth0"), Proto: "udp", From: netip.MustParseAddrPort("192.0.2.2:1024"), To: to,
	}
	w.frame = frame.Marshal()
	// Without a checksum, the ports can be changed in place.
	w.frame[14+20+6], w.frame[14+20+7] = 0, 0
	err := client.Do(func() (err error) {
		w.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		return unix.Bind(w.fd, &unix.SockaddrLinklayer{Ifindex: client.Index("eth0")})
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = unix.Close(w.fd) })
	// Somebody who listens, or the kernel answers each packet with an ICMP error.
	err = w.box.Do(func() error {
		c, err := net.ListenUDP("udp4", &net.UDPAddr{Port: 80})
		if err == nil {
			b.Cleanup(func() { _ = c.Close() })
			w.server = c
			err = c.SetReadBuffer(64 << 20)
		}
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	w.burst(b, 1) // the first waits for the neighbour's address
}

func (w *flowWorld) received(b *testing.B) uint64 {
	link, err := w.box.Netlink().LinkByName("eth0")
	if err != nil {
		b.Fatal(err)
	}
	return link.Attrs().Statistics.RxPackets
}

// burst sends one packet of each of n new flows, and waits until all have
// arrived.
func (w *flowWorld) burst(b *testing.B, n int) time.Duration {
	want := w.received(b) + uint64(n)
	const addr, port = 14 + 15, 14 + 20
	start := time.Now()
	for range n {
		w.flow++
		// The source: 200 addresses with 50,000 ports each. The IP checksum
		// is kept right by changing the identification field, too.
		host, sport := byte(2+w.flow/50_000%200), uint16(1024+w.flow%50_000)
		id := 0xffff - uint16(host)
		w.frame[14+4], w.frame[14+5] = byte(id>>8), byte(id)
		w.frame[addr], w.frame[port], w.frame[port+1] = host, byte(sport>>8), byte(sport)
		fixIPChecksum(w.frame[14 : 14+20])
		if _, err := unix.Write(w.fd, w.frame); err != nil {
			b.Fatal(err)
		}
	}
	for w.received(b) < want {
		if time.Since(start) > 10*time.Second {
			b.Fatalf("%d of %d packets did not arrive", want-w.received(b), n)
		}
		runtime.Gosched()
	}
	return time.Since(start)
}

func fixIPChecksum(header []byte) {
	header[10], header[11] = 0, 0
	var sum uint32
	for i := 0; i < len(header); i += 2 {
		sum += uint32(header[i])<<8 | uint32(header[i+1])
	}
	sum = sum>>16 + sum&0xffff
	sum = ^(sum>>16 + sum)
	header[10], header[11] = byte(sum>>8), byte(sum)
}

// forget empties the connection tracking tables.
func (w *flowWorld) forget(b *testing.B) {
	if err := w.host.Netlink().ConntrackTableFlush(netlink.ConntrackTable); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkNewFlow compares, turn by turn, the rate of new flows to a published
// port on a host with one network and one port, on one with 1,000 networks and
// 60,000 ports, and through a host that forwards without any rules.
func BenchmarkNewFlow(b *testing.B) {
	const burst = 2000
	small, large, none := newFlowWorld(b, 1, 1), newFlowWorld(b, 1000, 60_000), newFlowWorld(b, 0, 0)
	worlds := []*flowWorld{small, large, none}
	for b.Loop() {
		for _, w := range worlds {
			w.took = append(w.took, w.burst(b, burst)/burst)
		}
		b.StopTimer()
		small.forget(b)
		large.forget(b)
		b.StartTimer()
	}
	s, l, n := median(small.took), median(large.took), median(none.took)
	b.ReportMetric(s, "ns/flow@1")
	b.ReportMetric(l, "ns/flow@60000")
	b.ReportMetric(n, "ns/plain")
	b.ReportMetric(s/l, "rate-x@1")
	b.ReportMetric(l-n, "ns/rules@60000")
	b.ReportMetric(0, "ns/op")
}

// trafficRules are the rules that count each network's traffic.
func (w *flowWorld) trafficRules(b *testing.B, c *nft.Conn) (rules []*nft.Rule) {
	b.Helper()
	table := nft.TableRef{Family: nft.IPv4, Name: "seawall"}
	have, err := c.LoadChains(context.Background(), table)
	if err != nil {
		b.Fatal(err)
	}
	for _, r := range have.Rules(table.Chain("leave")) {
		if r.Key == "sent" || r.Key == "received" {
			rules = append(rules, r)
		}
	}
	return rules
}

// BenchmarkTrafficCounters compares, turn by turn, packets of new flows and of a known one on a host with 1,000 networks
// and 60,000 ports, with and without the rules that count each network's traffic.
func BenchmarkTrafficCounters(b *testing.B) {
	const burst = 300
	w := newFlowWorld(b, 1000, 60_000)
	c, err := nft.Dial(nft.Config{NetNS: w.host.File()})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	rules := w.trafficRules(b, c)
	if len(rules) != 2 {
		b.Fatalf("%d rules count traffic", len(rules))
	}
	var flow, packet [2][]time.Duration // without, and with
	turn := func(with int) {
		b.StopTimer()
		var batch nft.Batch
		if with == 0 {
			batch.Delete(rules[0], rules[1])
		} else if len(flow[0]) > 0 {
			batch.Add(rules[0], rules[1])
		}
		if _, err := c.Commit(context.Background(), batch); err != nil {
			b.Fatal(err)
		}
		if with == 1 {
			rules = w.trafficRules(b, c) // which have other handles now
		}
		w.forget(b)
		b.StartTimer()
		for range 5 {
			flow[with] = append(flow[with], w.burst(b, burst)/burst)
			packet[with] = append(packet[with], w.repeat(b, burst)/burst)
		}
	}
	for b.Loop() {
		turn(1)
		turn(0)
	}
	b.ReportMetric(fast(flow[1]), "ns/flow")
	b.ReportMetric(fast(flow[1])/fast(flow[0]), "x-new")
	b.ReportMetric(fast(packet[1]), "ns/packet")
	b.ReportMetric(fast(packet[1])/fast(packet[0]), "x-known")
	b.ReportMetric(fast(packet[1])-fast(packet[0]), "ns/counting")
	b.ReportMetric(0, "ns/op")
}

// fast is the lower decile: what it takes when nobody else is at work.
func fast(d []time.Duration) float64 {
	slices.Sort(d)
	return float64(d[len(d)/10].Nanoseconds())
}

// repeat sends packets of one flow that has been answered, and waits until all have arrived.
func (w *flowWorld) repeat(b *testing.B, n int) time.Duration {
	b.Helper()
	w.burst(b, 1)
	if err := w.answer(); err != nil {
		b.Fatal(err)
	}
	want := w.received(b) + uint64(n)
	start := time.Now()
	for range n {
		if _, err := unix.Write(w.fd, w.frame); err != nil {
			b.Fatal(err)
		}
	}
	for w.received(b) < want {
		if time.Since(start) > 10*time.Second {
			b.Fatalf("%d of %d packets did not arrive", want-w.received(b), n)
		}
		runtime.Gosched()
	}
	return time.Since(start)
}

// answer answers the last packet that the container got.
func (w *flowWorld) answer() error {
	_ = w.server.SetReadDeadline(time.Now().Add(10 * time.Second))
	last := netip.AddrPortFrom(netip.AddrFrom4([4]byte(w.frame[14+12:])), uint16(w.frame[14+20])<<8|uint16(w.frame[14+21]))
	buf := make([]byte, 1500)
	for {
		_, from, err := w.server.ReadFromUDPAddrPort(buf)
		if err != nil {
			return err
		}
		if from == last {
			_, err := w.server.WriteToUDPAddrPort([]byte("seen"), from)
			return err
		}
	}
}
