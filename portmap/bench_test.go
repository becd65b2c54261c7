package portmap

import (
	"net/netip"
	"testing"
)

func BenchmarkParse(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse("127.0.0.1:8080:80/udp"); err != nil {
			b.Fatal(err)
		}
	}
}

// published returns an index of n claims of one port each.
func published(b *testing.B, n int) Index[int] {
	edit := Index[int]{}.Edit()
	for i := range n {
		c := Claim{Addr: netip.IPv4Unspecified(), Ports: Port(uint16(1 + i))}
		if err := edit.Add(c, i); err != nil {
			b.Fatal(err)
		}
	}
	return edit.Index()
}

func BenchmarkIndexAddOne(b *testing.B) {
	for _, size := range []struct {
		name string
		n    int
	}{{"empty", 0}, {"60000", 60_000}} {
		b.Run(size.name, func(b *testing.B) {
			index := published(b, size.n)
			c := Claim{Addr: netip.MustParseAddr("127.0.0.1"), Ports: Port(65_000)}
			b.ReportAllocs()
			for b.Loop() {
				edit := index.Edit()
				if err := edit.Add(c, 1); err != nil {
					b.Fatal(err)
				}
				edit.Index()
			}
		})
	}
}

func BenchmarkIndexConflict(b *testing.B) {
	index := published(b, 60_000)
	b.ReportAllocs()
	port := uint16(0)
	for b.Loop() {
		index.Conflict(Claim{Addr: netip.IPv4Unspecified(), Ports: Port(1 + port)})
		port += 7919
	}
}

func BenchmarkIndexAddRangeOf10000(b *testing.B) {
	index := published(b, 9_000)
	c := Claim{Addr: netip.IPv4Unspecified(), Ports: Ports{10_000, 19_999}}
	b.ReportAllocs()
	for b.Loop() {
		if err := index.Edit().Add(c, 1); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkIndexBulk reports the time of one claim among 60,000 through one
// editor.
func BenchmarkIndexBulk(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		published(b, 60_000)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/60_000, "ns/claim")
}
