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
func published(b *testing.B, n int) *Index[int] {
	index := new(Index[int])
	for i := range n {
		if err := index.Add(Claim{Addr: netip.IPv4Unspecified(), Ports: Port(uint16(1 + i))}, i); err != nil {
			b.Fatal(err)
		}
	}
	return index
}

// addAndRemove runs c(0), c(1) and so on through an index of n ports.
func addAndRemove(b *testing.B, n int, c func(i int) Claim) {
	index := published(b, n)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		claim := c(i)
		if err := index.Add(claim, 1); err != nil {
			b.Fatal(err)
		}
		if !index.Remove(claim) {
			b.Fatal("not found")
		}
	}
}

var sizes = []struct {
	name string
	n    int
}{{"0", 0}, {"60000", 60_000}}

func BenchmarkIndexAddRemove(b *testing.B) {
	for _, size := range sizes {
		b.Run(size.name, func(b *testing.B) {
			addAndRemove(b, size.n, func(i int) Claim {
				return Claim{Addr: netip.IPv4Unspecified(), Ports: Port(uint16(60_001 + i*79%5000))}
			})
		})
	}
}

func BenchmarkIndexAddRemoveRangeOf5000(b *testing.B) {
	for _, size := range sizes {
		b.Run(size.name, func(b *testing.B) {
			addAndRemove(b, size.n, func(int) Claim {
				return Claim{Addr: netip.IPv4Unspecified(), Ports: Ports{60_001, 65_000}}
			})
		})
	}
}

// BenchmarkIndexConflict looks for ports that are free and, among 60,000, for
// ports that are taken.
func BenchmarkIndexConflict(b *testing.B) {
	for _, look := range []struct {
		name         string
		n            int
		first, ports int
	}{{"0/free", 0, 60_001, 5000}, {"60000/free", 60_000, 60_001, 5000}, {"60000/taken", 60_000, 1, 60_000}} {
		b.Run(look.name, func(b *testing.B) {
			// The one claim of UDP keeps the empty index from answering at once.
			index := published(b, look.n)
			if err := index.Add(Claim{Addr: netip.IPv4Unspecified(), Ports: Port(53), Proto: UDP}, 0); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				port := Port(uint16(look.first + i*7919%look.ports))
				_, _, found := index.Conflict(Claim{Addr: netip.IPv4Unspecified(), Ports: port})
				if found != (look.first == 1) {
					b.Fatal(port, found)
				}
			}
		})
	}
}

// BenchmarkIndexBulk reports the time of one claim among 60,000 into a new index.
func BenchmarkIndexBulk(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		published(b, 60_000)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/60_000, "ns/claim")
}
