package endurance

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
)

// A gauge is what a process holds.
type gauge struct {
	heap                      uint64 // bytes in use
	files, goroutines, spaces int
}

func readGauge(t testing.TB) (g gauge) {
	t.Helper()
	runtime.GC()
	runtime.GC() // what the first has finalised
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	g.heap, g.goroutines = m.HeapInuse, runtime.NumGoroutine()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	spaces := map[string]bool{}
	for _, e := range entries {
		what, err := os.Readlink("/proc/self/fd/" + e.Name())
		if err != nil {
			continue // the directory itself
		}
		g.files++
		if strings.HasPrefix(what, "net:") {
			spaces[what] = true
		}
	}
	g.spaces = len(spaces)
	return g
}

func (g gauge) String() string {
	return fmt.Sprintf("%d KiB of heap, %d files, %d goroutines, %d namespaces", g.heap>>10, g.files, g.goroutines, g.spaces)
}

// grown tells what is more than it was, by more than chance.
func (g gauge) grown(before gauge) (what []string) {
	for _, c := range []struct {
		name        string
		now, before int
		slack       int
	}{
		{"KiB of heap", int(g.heap >> 10), int(before.heap >> 10), int(before.heap>>11) + 8<<10},
		{"files", g.files, before.files, 8},
		{"goroutines", g.goroutines, before.goroutines, 8},
		{"namespaces", g.spaces, before.spaces, 2},
	} {
		if c.now > c.before+c.slack {
			what = append(what, fmt.Sprintf("%d %s, before %d", c.now, c.name, c.before))
		}
	}
	return what
}
