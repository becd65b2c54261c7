package netlab

import (
	"crypto/rand"
	"errors"
	"os"
	"sync"
	"time"
)

// A Flow is a client that stays: whatever it asks a Server comes from the same port, and for "tcp" over the same
// connection. It ends with its lab. Its methods may be called by several goroutines; they take turns.
type Flow struct {
	lab *Lab

	mu    sync.Mutex
	probe Probe
	file  *os.File // "tcp" only: the connection, once there is one
	last  Result
}

// Flow returns a client that has sent nothing so far. Without a source port in p, the first question settles it.
func (l *Lab) Flow(p Probe) *Flow {
	f := &Flow{lab: l, probe: p}
	l.onClose(f.close)
	return f
}

// Ask sends one question, and returns as soon as it is certain what became of it, as a Probe would. For "tcp" the first
// one connects, and so does, from the same port, the next after Reset.
func (f *Flow) Ask() Result {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.lab.Err(); err != nil {
		return Result{Err: err}
	}
	var r Result
	switch {
	case f.probe.Proto != "tcp":
		r = f.lab.Probe(f.probe)
	case f.file == nil:
		r = f.connect()
	default:
		r = f.question()
	}
	if r.Local.Port() != 0 {
		f.probe.Source = r.Local
	}
	return r
}

// AskAll asks a question over each flow, all at once, and returns the results in the same order.
func AskAll(flows []*Flow) []Result {
	results := make([]Result, len(flows))
	var group sync.WaitGroup
	for i, f := range flows {
		group.Go(func() { results[i] = f.Ask() })
	}
	group.Wait()
	return results
}

func (f *Flow) connect() Result {
	file, fd, to, err := f.probe.open()
	if err != nil {
		return Result{Err: err}
	}
	r, err := f.probe.runTCP(file, fd, to)
	if err != nil {
		r.Outcome, r.Err = classify(err)
	}
	if r.Outcome != Delivered {
		_ = file.Close()
		return r
	}
	f.file, f.last = file, r
	return r
}

// question asks over the connection.
func (f *Flow) question() Result {
	nonce := make([]byte, nonceLen)
	_, _ = rand.Read(nonce) // never fails
	r := Result{Local: f.last.Local}
	err := f.file.SetDeadline(time.Time{}) // there is always room for so little
	if err == nil {
		_, err = f.file.Write(nonce)
	}
	if err == nil {
		r, err = f.probe.readLine(f.file, nonce, r)
	}
	if err != nil {
		r.Outcome, r.Err = classify(err)
	}
	switch {
	case r.Outcome == Reset:
		_ = f.file.Close()
		f.file = nil
	case r.Outcome == Mute && errors.Is(r.Err, os.ErrDeadlineExceeded):
		r.Outcome = Silent
	}
	return r
}

func (f *Flow) close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.file == nil {
		return nil
	}
	return f.file.Close()
}
