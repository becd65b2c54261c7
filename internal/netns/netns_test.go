package netns_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"github.com/seawall-net/seawall/internal/netlab"
	"github.com/seawall-net/seawall/internal/netns"
)

func TestMain(m *testing.M) { netlab.Main(m) }

// identity names the namespace of the calling thread.
func identity(t *testing.T) string {
	t.Helper()
	name, err := os.Readlink("/proc/thread-self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	return name
}

func create(t *testing.T) *os.File {
	t.Helper()
	ns, err := netns.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ns.Close() })
	return ns
}

func inside(t *testing.T, ns *os.File) (name string) {
	t.Helper()
	if err := netns.Do(ns, func() error { name = identity(t); return nil }); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestNewDoesNotDisturbTheCaller(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before := identity(t)
	a, b := create(t), create(t)
	if after := identity(t); after != before {
		t.Errorf("the caller moved from %s to %s", before, after)
	}
	names := map[string]bool{before: true, inside(t, a): true, inside(t, b): true}
	if len(names) != 3 {
		t.Errorf("namespaces are not distinct: %v", names)
	}
	if after := identity(t); after != before {
		t.Errorf("Do moved the caller from %s to %s", before, after)
	}
}

func TestDoNestsAndReturnsTheError(t *testing.T) {
	a, b := create(t), create(t)
	nameA, nameB := inside(t, a), inside(t, b)
	want := errors.New("mine")
	err := netns.Do(a, func() error {
		if got := inside(t, b); got != nameB {
			t.Errorf("nested: in %s, want %s", got, nameB)
		}
		if got := inside(t, nil); got != nameA {
			t.Errorf("nil: in %s, want %s", got, nameA)
		}
		return want
	})
	if err != want {
		t.Errorf("error %v, want %v", err, want)
	}
}

func TestNoThreadIsLeftInside(t *testing.T) {
	home := identity(t)
	ns := create(t)
	var group sync.WaitGroup
	for range 50 {
		group.Go(func() {
			_ = netns.Do(ns, func() error { return nil })
			if got := identity(t); got != home {
				t.Errorf("a thread stayed in %s", got)
			}
		})
	}
	group.Wait()
	tasks, err := filepath.Glob("/proc/self/task/*/ns/net")
	if err != nil || len(tasks) == 0 {
		t.Fatalf("no threads listed: %v", err)
	}
	for _, task := range tasks {
		if got, err := os.Readlink(task); err == nil && got != home {
			t.Errorf("%s is in %s", task, got)
		}
	}
}

func TestDoCarriesPanicAndGoexitToTheCaller(t *testing.T) {
	ns := create(t)
	func() {
		defer func() {
			if got := recover(); got != "boom" {
				t.Errorf("recovered %v, want boom", got)
			}
		}()
		_ = netns.Do(ns, func() error { panic("boom") })
		t.Error("went on after a panic")
	}()
	var passed, ended bool
	var group sync.WaitGroup
	group.Go(func() {
		defer func() { ended = true }()
		_ = netns.Do(ns, func() error { runtime.Goexit(); return nil })
		passed = true
	})
	group.Wait()
	if passed || !ended {
		t.Errorf("after Goexit: passed=%v ended=%v", passed, ended)
	}
}

func TestDoAfterCloseFails(t *testing.T) {
	ns := create(t)
	ns.Close()
	ran := false
	if err := netns.Do(ns, func() error { ran = true; return nil }); !errors.Is(err, os.ErrClosed) || ran {
		t.Errorf("err=%v ran=%v", err, ran)
	}
	if dup, err := netns.Dup(ns); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Dup returned %v, %v", dup, err)
	}
}

// A file that is closed meanwhile is entered, or it is closed: never another that got its number. The race detector
// looks on.
func TestDoWhileClosing(t *testing.T) {
	for range 20 {
		ns := create(t)
		errs := make(chan error)
		for range 4 {
			go func() { errs <- netns.Do(ns, func() error { return nil }) }()
		}
		ns.Close()
		for range 4 {
			if err := <-errs; err != nil && !errors.Is(err, os.ErrClosed) {
				t.Error(err)
			}
		}
	}
}

func TestOpen(t *testing.T) {
	ns, err := netns.Current()
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	if got, want := inside(t, ns), identity(t); got != want {
		t.Errorf("Current is %s, want %s", got, want)
	}
	if _, err := netns.Open(filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
	for _, path := range []string{"/proc/self/ns/mnt", "/proc/self/status", t.TempDir()} {
		if ns, err := netns.Open(path); err == nil {
			ns.Close()
			t.Errorf("%s was opened as a network namespace", path)
		}
	}
}
