package netlab

import (
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"
	"time"
)

// CheckLeaks fails the test if, at its end, the process has more open files than now. Call it before New, so that the
// lab is closed first, and not in tests that run in parallel with others, whose files it would count.
func CheckLeaks(tb testing.TB) {
	tb.Helper()
	wakePoller(tb)
	before, err := openFiles()
	if err != nil {
		tb.Fatalf("netlab: list open files: %v", err)
	}
	tb.Cleanup(func() {
		after, err := openFiles()
		// What is being closed by another goroutine right now is no leak.
		for range 100 {
			if err != nil || len(after) <= len(before) {
				break
			}
			time.Sleep(10 * time.Millisecond)
			after, err = openFiles()
		}
		if err != nil {
			tb.Fatalf("netlab: list open files: %v", err)
		}
		if len(after) > len(before) {
			tb.Errorf("%d open files, %d before; new:\n%s", len(after), len(before), difference(after, before))
		}
	})
}

// wakePoller makes the runtime open the files of its own that it opens only once they are needed.
func wakePoller(tb testing.TB) {
	tb.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		tb.Fatalf("netlab: open a pipe: %v", err)
	}
	_ = r.Close()
	_ = w.Close()
}

// openFiles returns the process's open files: what they are, by number.
func openFiles() (map[string]string, error) {
	const dir = "/proc/self/fd"
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	files := map[string]string{}
	for _, entry := range entries {
		// The directory's own descriptor is closed by now.
		if target, err := os.Readlink(filepath.Join(dir, entry.Name())); err == nil {
			files[entry.Name()] = target
		}
	}
	return files, nil
}

func difference(after, before map[string]string) string {
	var lines []string
	for number, target := range after {
		if before[number] != target {
			lines = append(lines, fmt.Sprintf("\t%s: %s", number, target))
		}
	}
	sort.Strings(lines)
	return strings.Join(lines, "\n")
}
