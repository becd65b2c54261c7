package main

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/nft"
)

// A watching is the program while it watches.
type watching struct {
	l     *lab
	lines chan string
	stop  func() int
	wait  func() int // until it ends by itself
}

// watch starts the program, which has to say that it watches.
func (l *lab) watch(args ...string) *watching {
	l.t.Helper()
	c := l.command(append([]string{"watch"}, args...)...)
	out, err := c.StdoutPipe()
	if err != nil {
		l.t.Fatal(err)
	}
	c.Stderr = os.Stderr
	if err := c.Start(); err != nil {
		l.t.Fatal(err)
	}
	w := &watching{l: l, lines: make(chan string, 100)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for s := bufio.NewScanner(out); s.Scan(); {
			w.lines <- s.Text()
		}
	}()
	w.wait = func() int {
		<-ended
		_ = c.Wait()
		w.stop = func() int { return 0 }
		return c.ProcessState.ExitCode()
	}
	w.stop = func() int {
		_ = c.Process.Signal(os.Interrupt)
		return w.wait()
	}
	l.t.Cleanup(func() { w.stop() })
	return w
}

// next returns the next line that has some text.
func (w *watching) next(text string) string {
	w.l.t.Helper()
	deadline := time.After(time.Minute)
	for {
		select {
		case line := <-w.lines:
			if strings.Contains(line, text) {
				return line
			}
		case <-deadline:
			w.l.t.Fatalf("nothing was said of %q", text)
		}
	}
}

// flush is nft flush ruleset, as far as others let us.
func (l *lab) flush() {
	l.t.Helper()
	var b nft.Batch
	for _, t := range l.ruleset().Tables() {
		if !strings.HasSuffix(t.Name, "-anchor") {
			b.Delete(t)
		}
	}
	if _, err := l.conn.Commit(context.Background(), b); err != nil {
		l.t.Fatal(err)
	}
}

// While the program watches, the ruleset comes back after somebody has flushed it, the user's rules as well.
func (l *lab) walkWatch() {
	l.t.Helper()
	l.run("user", "append", "--", "-s", "198.51.100.0/24", "-j", "DROP")
	before := l.run("user", "save")
	w := l.watch()
	w.next("watching")
	l.flush()
	if line := w.next("repaired"); !strings.Contains(line, "1 rules of the user's") {
		l.t.Errorf("repaired: %s", line)
	}
	l.reach("repaired", l.ext, "tcp", "192.0.2.1:8080", "delivered to c1")
	l.reach("repaired", l.ext, "tcp", "[2001:db8:1::1]:8080", "delivered to c1")
	if after := l.run("user", "save"); after != before {
		l.t.Errorf("the user's rules are\n%s\nand were\n%s", after, before)
	}
	if code := w.stop(); code != 0 {
		l.t.Errorf("interrupted, it ended with status %d", code)
	}
	l.run("user", "flush")
	for _, t := range l.ruleset().Tables() {
		if strings.Contains(t.Name, "anchor") {
			l.t.Errorf("%s is there, and nobody watches", t.Ref())
		}
	}
}

// Events are JSON, one in a line, and damage of before is repaired first.
func TestWatchJSON(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.run("apply", "-f", "testdata/web.yaml")
	if _, err := l.conn.Commit(context.Background(), damage()); err != nil {
		t.Fatal(err)
	}
	l.refused(1, "seawallctl watch repairs the rules", "", "ls")
	w := l.watch("--json", "--no-anchor", "--keep-links")
	var first bridge.Event
	if err := json.Unmarshal([]byte(w.next("watching")), &first); err != nil || first.Kind != bridge.Watching {
		t.Errorf("%+v, %v", first, err)
	}
	l.run("ls")
	for _, table := range l.ruleset().Tables() {
		if strings.Contains(table.Name, "anchor") {
			t.Errorf("--no-anchor: %s", table.Ref())
		}
	}
	if _, err := l.conn.Commit(context.Background(), damage()); err != nil {
		t.Fatal(err)
	}
	var event bridge.Event
	if err := json.Unmarshal([]byte(w.next("damaged")), &event); err != nil || event.By.PID == 0 || len(event.Changes) == 0 {
		t.Errorf("%+v, %v", event, err)
	}
	w.next("repaired")
	l.run("publish", "c2", "8082:80")
	w.next("adopted")
	w.stop()
	// Without a watch, applying repairs.
	if _, err := l.conn.Commit(context.Background(), damage()); err != nil {
		t.Fatal(err)
	}
	if out := l.run("apply", "-f", "testdata/web.yaml"); !strings.Contains(out, "that others had damaged\n- publish web/c2 8082:80\n") {
		t.Errorf("applied: %s", out)
	}
}

// Who takes the firewall down means it: a Watch repairs nothing, says so, and ends.
func TestWatchEndsWithDown(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.run("apply", "-f", "testdata/web.yaml")
	w := l.watch()
	w.next("watching")
	l.run("down", "--links")
	if line := w.next("torn"); !strings.Contains(line, "has torn the firewall down") {
		t.Error(line)
	}
	if code := w.wait(); code != 0 {
		t.Errorf("it ended with status %d", code)
	}
	for _, table := range l.ruleset().Tables() {
		t.Errorf("%s is there", table.Ref())
	}
}

// damage empties a chain of ours.
func damage() nft.Batch {
	var b nft.Batch
	b.Flush(&nft.Chain{Table: nft.TableRef{Family: nft.IPv4, Name: "seawall"}, Name: "forward"})
	return b
}
