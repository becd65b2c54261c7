package bridge_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/nft"
)

// A vigil is a Watch that runs beside a test.
type vigil struct {
	t      testing.TB
	events chan bridge.Event
	errs   chan error
	stop   context.CancelFunc
	done   chan struct{}
}

// eventDeadline is how long a test waits for an event that must come.
const eventDeadline = 20 * time.Second

// watch starts a Watch, and waits until everything is in place. It ends with the
// test, or by end.
func watch(t testing.TB, fw *bridge.Firewall) *vigil {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	v := &vigil{t: t, events: make(chan bridge.Event, 1000), errs: make(chan error, 1), stop: cancel, done: make(chan struct{})}
	go func() {
		defer close(v.done)
		for e, err := range fw.Watch(ctx) {
			if err != nil {
				v.errs <- err
				return
			}
			select {
			case v.events <- e:
			case <-ctx.Done(): // nobody takes them any more
				return
			}
		}
	}()
	t.Cleanup(v.end)
	if e := v.next(); e.Kind != bridge.Watching {
		t.Fatalf("the first event is %s", e)
	}
	return v
}

func (v *vigil) end() {
	v.stop()
	<-v.done
}

// next is the next event.
func (v *vigil) next() bridge.Event {
	v.t.Helper()
	select {
	case e := <-v.events:
		return e
	case err := <-v.errs:
		v.t.Fatal(err)
	case <-time.After(eventDeadline):
		v.t.Fatal("no event")
	}
	panic("unreachable")
}

// until takes events up to the first of a kind, and returns all.
func (v *vigil) until(kind bridge.EventKind) []bridge.Event {
	v.t.Helper()
	var all []bridge.Event
	for {
		e := v.next()
		all = append(all, e)
		switch {
		case e.Kind == kind:
			return all
		case e.Kind == bridge.Failed:
			v.t.Fatalf("%s, after %v", e, all)
		}
	}
}

// repaired waits for the repair of damage that one process has done, and checks what was told.
func (v *vigil) repaired(process string, changes ...string) (damage, repair bridge.Event) {
	v.t.Helper()
	all := v.until(bridge.Repaired)
	if len(all) < 2 || all[0].Kind != bridge.Damaged {
		v.t.Fatalf("%v", all)
	}
	damage, repair = all[0], all[len(all)-1]
	if process != "" && (damage.By.Name != process || damage.By.PID == 0) {
		v.t.Errorf("%s: want %s", damage, process)
	}
	for _, want := range changes {
		if !slices.Contains(damage.Changes, want) {
			v.t.Errorf("%q: does not say %q", damage.Changes, want)
		}
	}
	if repair.Objects == 0 || repair.Took <= 0 {
		v.t.Errorf("%+v: without a size, or time", repair)
	}
	return damage, repair
}

// quiet checks that nothing is told: what a stranger does in the end is.
func (v *vigil) quiet(w *world) {
	v.t.Helper()
	w.byHand(func(b *nft.Batch) {
		b.Flush(&nft.Chain{Table: nft.TableRef{Family: nft.IPv4, Name: "seawall"}, Name: "raw-prerouting"})
	})
	e := v.next()
	if e.Kind != bridge.Damaged || len(e.Changes) != 1 || !strings.Contains(e.Changes[0], "raw-prerouting") {
		v.t.Errorf("unexpected: %s", e)
	}
	v.until(bridge.Repaired)
}

// tool runs one of the host's own tools there, and returns what it prints. Without the tool, the test has nothing to test.
func (w *world) tool(stdin, name string, args ...string) string {
	w.t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("CI") == "true" {
			w.t.Fatalf("%s is not installed", name)
		}
		w.t.Skipf("%s is not installed: nothing was tested", name)
	}
	cmd := exec.Command(path, args...)
	cmd.Stdin = strings.NewReader(stdin)
	var out []byte
	if err := w.host.Do(func() (err error) { out, err = cmd.Output(); return err }); err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = fmt.Errorf("%w\n%s", err, exit.Stderr)
		}
		w.t.Fatalf("%s %s: %v", name, strings.Join(args, " "), err)
	}
	return string(out)
}
