package conntrack

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/seawall-net/seawall/nft"
	"golang.org/x/sys/unix"
)

// many returns n entries of clients of port 53.
func many(n int) []Flow {
	var all []Flow
	for i := range n {
		client := netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i >> 14)}), uint16(i%(1<<14)+1024))
		f := flow(unix.IPPROTO_UDP, client.String(), "198.51.100.1:53", "")
		all = append(all, f)
	}
	return all
}

// BenchmarkSweep looks through a table, in which nothing is stale, with and without the kernel's own filter.
func BenchmarkSweep(b *testing.B) {
	for _, n := range []int{1, 1000, 50_000} {
		for _, f := range []Filter{{}, {Proto: unix.IPPROTO_UDP, Port: 54}, {Proto: unix.IPPROTO_UDP, Port: 53}} {
			b.Run(fmt.Sprintf("%d/%d", n, f.Port), func(b *testing.B) {
				t := newTable(b)
				t.create(0, many(n)...)
				b.ResetTimer()
				for b.Loop() {
					if _, err := t.Sweep(context.Background(), f, func(*Flow) bool { return false }); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkDelete(b *testing.B) {
	t := newTable(b)
	all := many(50_000)
	var took time.Duration
	for b.Loop() {
		t.create(0, all...)
		start := time.Now()
		n, err := t.Sweep(context.Background(), Filter{}, func(*Flow) bool { return true })
		if n != len(all) || err != nil {
			b.Fatal(n, err)
		}
		took += time.Since(start)
	}
	b.ReportMetric(float64(took.Nanoseconds())/float64(b.N)/float64(len(all)), "ns/entry")
}

// BenchmarkCount compares, turn by turn, a count with the cheapest question that there is to netfilter.
func BenchmarkCount(b *testing.B) {
	t := newTable(b)
	other, err := nft.Dial(nft.Config{NetNS: t.ns})
	if err != nil {
		b.Fatal(err)
	}
	defer other.Close()
	const burst = 100
	ctx := context.Background()
	var took, floor time.Duration
	for b.Loop() {
		start := time.Now()
		for range burst {
			if _, err := t.Count(ctx); err != nil {
				b.Fatal(err)
			}
		}
		middle := time.Now()
		for range burst {
			if _, err := other.Generation(ctx); err != nil {
				b.Fatal(err)
			}
		}
		took, floor = took+middle.Sub(start), floor+time.Since(middle)
	}
	b.ReportMetric(float64(took.Nanoseconds())/float64(b.N*burst), "ns/count")
	b.ReportMetric(float64(took)/float64(floor), "x-generation")
}
