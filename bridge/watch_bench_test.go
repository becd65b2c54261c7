package bridge_test

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/nft"
)

// BenchmarkRepair compares the time from when damage is heard of to the end of its repair with the floor: the same objects
// sent to the kernel, marshalled beforehand, on an equal ruleset that nobody listens to.
func BenchmarkRepair(b *testing.B) {
	table := nft.TableRef{Family: nft.IPv4, Name: "seawall"}
	for _, ports := range []int{100, 10_000} {
		for _, damage := range []string{"table", "element"} {
			b.Run(fmt.Sprintf("%s/ports=%d", damage, ports), func(b *testing.B) {
				fw, ns, done := shortFirewall(b)
				defer done()
				_, rawNS, rawDone := shortFirewall(b)
				defer rawDone()
				publish(b, fw, ports)
				v := watch(b, fw)
				want := fw.Desired().Only(table)
				element := want.Elements(table.Set("open"))[0]
				var gone, back nft.Batch
				if damage == "table" {
					gone.Delete(&nft.Table{Family: table.Family, Name: table.Name})
					back = nft.Diff(&nft.Ruleset{}, want)
				} else {
					gone.Delete(element)
					back.Add(element)
				}
				back.Generation = 0
				bytes, err := back.MarshalBinary()
				if err != nil {
					b.Fatal(err)
				}
				stranger, victim := strangerIn(b, ns), strangerIn(b, rawNS)
				raw := newRawSocket(b, rawNS)
				var whole nft.Batch
				whole.Delete(&nft.Table{Family: table.Family, Name: table.Name})
				commit(b, victim, whole)
				whole = nft.Diff(&nft.Ruleset{}, want)
				whole.Generation = 0
				commit(b, victim, whole)
				var took, floor []time.Duration
				for b.Loop() {
					runtime.GC()
					commit(b, stranger, gone)
					all := v.until(bridge.Repaired)
					took = append(took, all[len(all)-1].Took)
					runtime.GC()
					commit(b, victim, gone)
					start := time.Now() // at once, too: a deletion keeps the next commit waiting
					raw.send(b, bytes)
					floor = append(floor, time.Since(start))
				}
				b.ReportMetric(median(slices.Clone(took)), "ns/repair")
				b.ReportMetric(median(slices.Clone(floor)), "ns/floor")
				b.ReportMetric(median(took)/median(floor), "x-floor")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

func strangerIn(b testing.TB, ns *os.File) *nft.Conn {
	b.Helper()
	c, err := nft.Dial(nft.Config{NetNS: ns})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = c.Close() })
	return c
}

func commit(b testing.TB, c *nft.Conn, batch nft.Batch) {
	b.Helper()
	if _, err := c.Commit(context.Background(), batch); err != nil {
		b.Fatal(err)
	}
}
