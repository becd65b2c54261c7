package nft

import (
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// newNetNS makes a network namespace that lives as long as the test. It needs
// root.
func newNetNS(t testing.TB) *os.File {
	t.Helper()
	type result struct {
		ns  *os.File
		err error
	}
	done := make(chan result)
	go func() {
		runtime.LockOSThread() // the thread is given up with the goroutine
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			done <- result{nil, err}
			return
		}
		ns, err := os.Open("/proc/thread-self/ns/net")
		done <- result{ns, err}
	}()
	r := <-done
	if r.err != nil {
		t.Fatalf("new network namespace: %v", r.err)
	}
	t.Cleanup(func() { _ = r.ns.Close() })
	return r.ns
}

// dialNew returns a connection to a fresh network namespace.
func dialNew(t testing.TB) *Conn {
	t.Helper()
	c, err := Dial(Config{NetNS: newNetNS(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}
