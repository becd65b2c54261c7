package netlab

import (
	"errors"
	"fmt"
	"sync"
	"testing"
)

// Lab owns namespaces, LANs, servers and captures, and gives them back when it is closed. Labs are independent of each
// other: any number may live at once. A Lab may be used by several goroutines, but in a test the steps that build it
// belong to the test's own goroutine, which they end when they fail.
type Lab struct {
	tb      reporter
	program bool // failures stick instead of ending a test

	mu      sync.Mutex
	err     error
	closers []func() error
	ports   int            // of all LANs, so far
	running sync.WaitGroup // servers and captures
}

// New returns a lab that ends with the test. A step that fails ends the test.
func New(tb testing.TB) *Lab {
	tb.Helper()
	lab := &Lab{tb: tb}
	tb.Cleanup(func() {
		if err := lab.Close(); err != nil {
			tb.Errorf("netlab: close: %v", err)
		}
	})
	return lab
}

// Open returns a lab for a program, after Enter. Check Err once the lab is built; the caller closes it.
func Open() (*Lab, error) {
	lab := &Lab{tb: quiet{}, program: true}
	// The first namespace tells whether there can be any.
	lab.Namespace("trial")
	if err := lab.Err(); err != nil {
		return nil, errors.Join(err, lab.Close())
	}
	if err := lab.release(); err != nil {
		return nil, err
	}
	return lab, nil
}

// Err returns the first failure of a step, or nil.
func (l *Lab) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// Close ends servers and captures and gives up the namespaces; the kernel removes them and their links soon after.
// It returns the first failure of a step in a program's lab, or of closing. A second Close does nothing.
func (l *Lab) Close() error {
	err := l.release()
	if l.program {
		err = errors.Join(l.Err(), err)
	}
	return err
}

func (l *Lab) release() error {
	l.mu.Lock()
	closers := l.closers
	l.closers = nil
	l.mu.Unlock()
	var failures []error
	for i := len(closers) - 1; i >= 0; i-- {
		failures = append(failures, closers[i]())
	}
	l.running.Wait()
	return errors.Join(failures...)
}

// onClose registers f to run when the lab closes, last registered first.
func (l *Lab) onClose(f func() error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closers = append(l.closers, f)
}

// reporter is the part of testing.TB that steps use.
type reporter interface {
	Helper()
	Fatal(args ...any)
}

// quiet reports nothing: in a program the failure sticks.
type quiet struct{}

func (quiet) Helper()      {}
func (quiet) Fatal(...any) {}

// step runs one step of building the lab, unless an earlier one has failed, and reports whether it succeeded.
func (l *Lab) step(f func() error, format string, args ...any) bool {
	l.tb.Helper()
	if l.Err() != nil {
		return false
	}
	err := f()
	if err == nil {
		return true
	}
	err = fmt.Errorf("netlab: "+format+": %w", append(args, err)...)
	l.mu.Lock()
	if l.err == nil {
		l.err = err
	}
	l.mu.Unlock()
	l.tb.Fatal(err)
	return false
}
