package bridge

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/seawall-net/seawall/internal/netns"
)

// Both the interface and the program have to be there, and the program is not run.
func TestDetectWSL2Mirrored(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ran := filepath.Join(dir, "ran")
	write := func(name string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("#!/bin/sh\ntouch "+ran+"\n"), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	program, plain := write("wslinfo", 0o755), write("plain", 0o644)
	with, without := newNamespace(t), newNamespace(t)
	if err := netns.Do(with, func() error {
		return netlink.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "loopback0"}})
	}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		ns      *os.File
		program string
		want    bool
	}{
		{"both", with, program, true},
		{"no interface", without, program, false},
		{"no program", with, filepath.Join(dir, "none"), false},
		{"not executable", with, plain, false},
		{"a directory", with, dir, false},
	} {
		got, err := detectWSL2Mirrored(c.ns, c.program)
		if err != nil || got != c.want {
			t.Errorf("%s: %t, %v, want %t", c.name, got, err, c.want)
		}
	}
	if _, err := os.Stat(ran); err == nil {
		t.Error("the program was run")
	}
	closed := newNamespace(t)
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	if got, err := detectWSL2Mirrored(closed, program); err == nil || got {
		t.Errorf("a closed namespace: %t, %v", got, err)
	}
	// Nil is the calling thread's namespace.
	if err := netns.Do(with, func() error {
		got, err := detectWSL2Mirrored(nil, program)
		if !got {
			t.Errorf("the thread's own namespace: %t, %v", got, err)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := DetectWSL2Mirrored(nil); err != nil {
		t.Error(err)
	}
}

func newNamespace(t *testing.T) *os.File {
	t.Helper()
	ns, err := netns.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ns.Close() })
	return ns
}
