package compat_test

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/compat"
	"github.com/seawall-net/seawall/internal/netlab"
	"github.com/seawall-net/seawall/portmap"
)

// A publisher publishes ports of a host without containers, and knows what the last update sent.
type publisher struct {
	tb   testing.TB
	fw   *bridge.Firewall
	last bridge.Transaction
}

func newPublisher(tb testing.TB, layout bridge.Layout) *publisher {
	tb.Helper()
	p := &publisher{tb: tb}
	ns := netlab.New(tb).Namespace("host")
	fw, err := bridge.Open(context.Background(), bridge.Config{
		NetNS: ns.File(), RulesOnly: true, Layout: layout, Trace: func(t bridge.Transaction) { p.last = t },
	})
	if err != nil {
		tb.Fatal(err)
	}
	p.fw = fw
	tb.Cleanup(func() { _ = fw.Close() })
	p.update(func(tx *bridge.Tx) {
		n := tx.CreateNetwork(bridge.NetworkSpec{
			Name: "n", IPv4: bridge.Gateway{Subnet: netip.MustParsePrefix("172.30.0.0/16")},
			IPv6: bridge.Gateway{Subnet: netip.MustParsePrefix("fd00:30::/64")},
		})
		for i := range 3 {
			n.Attach(bridge.EndpointSpec{
				Name: fmt.Sprint("c", i), IPv4: netip.AddrFrom4([4]byte{172, 30, 1, byte(i)}),
				IPv6: netip.AddrFrom16([16]byte{0xfd, 0, 0, 0x30, 14: 1, 15: byte(i)}),
			})
		}
	})
	return p
}

func (p *publisher) update(f func(*bridge.Tx)) {
	p.tb.Helper()
	if err := p.fw.Update(context.Background(), func(tx *bridge.Tx) error { f(tx); return nil }); err != nil {
		p.tb.Fatal(err)
	}
}

// publish publishes the host's ports from first to last, a few at a time: how much goes into one update is up to the
// system.
func (p *publisher) publish(first, last int) {
	p.tb.Helper()
	for ; first <= last; first += 500 {
		p.update(func(tx *bridge.Tx) {
			for i := first; i <= min(last, first+499); i++ {
				tx.Network("n").Endpoint(fmt.Sprint("c", i/30_000)).Publish(port(i))
			}
		})
	}
}

func (p *publisher) unpublish(i int) {
	p.tb.Helper()
	p.update(func(tx *bridge.Tx) { tx.Network("n").Endpoint(fmt.Sprint("c", i/30_000)).Unpublish(port(i)) })
}

func port(i int) portmap.Binding {
	return portmap.Binding{Host: portmap.Port(uint16(i)), Container: portmap.Port(uint16(i%30_000 + 1))}
}

// One more port is as many messages and bytes beside 60,000 others as alone, and no more than in the native layout.
func TestHybridPublishingIsFlat(t *testing.T) {
	t.Parallel()
	native := newPublisher(t, bridge.Native())
	native.publish(60_001, 60_001)
	p := newPublisher(t, compat.Hybrid(compat.HybridOptions{}))
	p.publish(60_001, 60_001)
	alone := p.last
	p.unpublish(60_001)
	p.publish(1, 60_000)
	p.publish(60_001, 60_001)
	for i, was := range []bridge.Transaction{alone, native.last} {
		if p.last.Messages != was.Messages || p.last.Bytes != was.Bytes || p.last.Objects != was.Objects {
			t.Errorf("one more was %d objects in %d messages of %d bytes; %s it was %d, %d and %d",
				p.last.Objects, p.last.Messages, p.last.Bytes, []string{"alone", "in the native layout"}[i], was.Objects, was.Messages, was.Bytes)
		}
	}
}

// BenchmarkHybridPublishOne compares, turn by turn, the update that publishes one port on an empty host and on one with
// 60,000 published.
func BenchmarkHybridPublishOne(b *testing.B) {
	const many, burst = 60_000, 100
	sides := [2]*publisher{newPublisher(b, compat.Hybrid(compat.HybridOptions{})), newPublisher(b, compat.Hybrid(compat.HybridOptions{}))}
	sides[1].publish(1, many)
	var took [2][]time.Duration
	for b.Loop() {
		for i, p := range sides {
			start := time.Now()
			for j := range burst {
				p.publish(many+1+j, many+1+j)
			}
			took[i] = append(took[i], time.Since(start)/burst)
			for j := range burst {
				p.unpublish(many + 1 + j)
			}
		}
	}
	sides[0].publish(many+1, many+1)
	sides[1].publish(many+1, many+1)
	at0, at60k := median(took[0]), median(took[1])
	b.ReportMetric(at0, "ns/port@0")
	b.ReportMetric(at60k, "ns/port@60000")
	b.ReportMetric(at60k/at0, "x@0")
	b.ReportMetric(float64(sides[0].last.Messages), "messages@0")
	b.ReportMetric(float64(sides[1].last.Messages), "messages@60000")
	b.ReportMetric(float64(sides[0].last.Bytes), "bytes@0")
	b.ReportMetric(float64(sides[1].last.Bytes), "bytes@60000")
	b.ReportMetric(0, "ns/op")
}
