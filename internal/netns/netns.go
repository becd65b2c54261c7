package netns

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// own is the namespace of the calling thread (not of the process: /proc/self would be the main thread's).
const own = "/proc/thread-self/ns/net"

// New creates a network namespace and returns an open file on it; closing the file lets the kernel remove the
// namespace once nothing else uses it. Its loopback is down. The caller's own namespace is undisturbed. It fails with
// fs.ErrPermission without CAP_SYS_ADMIN in the current user namespace. It is safe for concurrent use.
func New() (*os.File, error) {
	var created *os.File
	err := onThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("netns: create a network namespace: %w", err)
		}
		var err error
		created, err = Current()
		return err
	})
	if err != nil {
		if created != nil {
			_ = created.Close()
		}
		return nil, err
	}
	return created, nil
}

// Current returns an open file on the network namespace of the calling OS thread: inside Do that is Do's namespace.
func Current() (*os.File, error) {
	return Open(own)
}

// Open opens the namespace at path, such as /run/netns/NAME or /proc/PID/ns/net. A path that is not a network
// namespace is refused.
func Open(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("netns: open: %w", err)
	}
	kind, err := unix.IoctlRetInt(int(file.Fd()), unix.NS_GET_NSTYPE)
	if err == nil && kind != unix.CLONE_NEWNET {
		err = unix.EINVAL
	}
	if err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("netns: open %s: not a network namespace: %w", path, err)
	}
	return file, nil
}

// Do runs f inside ns and returns f's error; nil means the current namespace, where f simply runs. It fails with
// os.ErrClosed if ns is closed.
//
// Otherwise f runs on another goroutine locked to its OS thread, and Do waits for it; a panic or a runtime.Goexit
// (such as testing.T.FailNow) in f continues in the caller. Goroutines that f starts are not inside ns. What f opens
// (sockets, files under /proc/sys/net) stays with ns after Do has returned. If the thread cannot return to its former
// namespace it is given up, never reused, and an error is returned although f ran. Do may be nested and is safe for
// concurrent use. It needs CAP_SYS_ADMIN in the user namespace that owns ns.
func Do(ns *os.File, f func() error) error {
	if ns == nil {
		return f()
	}
	return onThread(func() error {
		err := control(ns, func(fd int) error { return unix.Setns(fd, unix.CLONE_NEWNET) })
		if err != nil {
			return fmt.Errorf("netns: enter %s: %w", ns.Name(), err)
		}
		return f()
	})
}

// control runs f with the descriptor of an open file, which cannot be closed meanwhile: otherwise the number might
// already be another file's.
func control(file *os.File, f func(fd int) error) error {
	raw, err := file.SyscallConn()
	if err != nil {
		return err
	}
	var result error
	if err := raw.Control(func(fd uintptr) { result = f(int(fd)) }); err != nil {
		return os.ErrClosed // the only reason
	}
	return result
}

// onThread runs f, which changes its thread's namespace, on a thread that is put back into the caller's namespace
// afterwards, or ends with its goroutine because that goroutine stays locked to it.
func onThread(f func() error) error {

	var (
		result   error
		panicked any
		returned bool
		done     = make(chan struct{})
	)
	go func() {
		defer close(done)
		runtime.LockOSThread()
		before, err := Current()
		if err != nil {
			result, returned = err, true
			return
		}
		defer before.Close()
		defer func() {
			if err := unix.Setns(int(before.Fd()), unix.CLONE_NEWNET); err != nil {
				if result == nil {
					result = fmt.Errorf("netns: leave the namespace: %w", err)
				}
				return // still locked: the thread ends here
			}
			runtime.UnlockOSThread()
		}()
		defer func() {
			if !returned {
				panicked = recover() // nil after runtime.Goexit
			}
		}()
		result = f()
		returned = true
	}()
	<-done
	switch {
	case panicked != nil:
		panic(panicked)
	case !returned:
		runtime.Goexit()
	}
	return result
}

// Dup returns another open file on the same namespace, to be kept beyond the life of ns.
func Dup(ns *os.File) (*os.File, error) {
	var dup int
	err := control(ns, func(fd int) (err error) {
		dup, err = unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("netns: duplicate %s: %w", ns.Name(), err)
	}
	return os.NewFile(uintptr(dup), ns.Name()), nil
}
