package bridge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/seawall-net/seawall/internal/netns"
	"github.com/seawall-net/seawall/nft"
)

// watchInside runs a Watch beside a test.
func watchInside(t *testing.T, fw *Firewall) <-chan Event {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	events, done := make(chan Event, 1000), make(chan struct{})
	go func() {
		defer close(done)
		for e, err := range fw.Watch(ctx) {
			if err != nil {
				return
			}
			select {
			case events <- e:
			case <-ctx.Done(): // nobody takes them any more
				return
			}
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
	awaitEvent(t, events, Watching)
	return events
}

// awaitEvent takes events up to one of a kind.
func awaitEvent(t *testing.T, events <-chan Event, kind EventKind) Event {
	t.Helper()
	for {
		select {
		case e := <-events:
			if e.Kind == kind {
				return e
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("no event %s", kind)
		}
	}
}

// anchorHolds compares the anchor's sets with the facts.
func anchorHolds(t *testing.T, fw *Firewall, when string) {
	t.Helper()
	var want, got []string
	fw.mu.Lock()
	a := fw.anchor
	add := func(f Fact) {
		for _, o := range a.elements(f) {
			want = append(want, o.ID().String())
		}
	}
	for _, n := range fw.state.networks {
		add(n.fact)
		for _, e := range n.endpoints {
			add(e.fact)
		}
	}
	fw.mu.Unlock()
	for _, f := range []nft.Family{nft.IPv4, nft.IPv6, nft.Bridge} {
		have, err := fw.conn.Load(t.Context(), nft.TableRef{Family: f, Name: anchorTable})
		if err != nil {
			t.Fatal(err)
		}
		for o := range have.Objects() {
			if _, ok := o.(*nft.Element); ok {
				got = append(got, o.ID().String())
			}
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("%s: the anchor holds\n%q\nwant\n%q", when, got, want)
	}
}

// holdsDesired compares the kernel with the facts, but for what belongs to the anchor.
func holdsDesired(t *testing.T, when string, fw *Firewall) {
	t.Helper()
	if d := nft.Diff(mustRead(t, fw), fw.Desired()); d.Len() > 0 {
		t.Errorf("%s: the kernel differs by\n%s", when, d)
	}
}

// The anchor's sets are those of the facts, whatever becomes of an update.
func TestAnchorFollowsUpdates(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	fw, ns := openLinked(t, nil)
	if err := fw.Update(ctx, beginnings); err != nil {
		t.Fatal(err)
	}
	watchInside(t, fw)
	anchorHolds(t, fw, "in the beginning")
	// IPv6 needs larger packets, and the kernel has none on such a link.
	small := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br-2", MTU: 1000}}
	if err := netns.Do(ns, func() error { return netlink.LinkAdd(small) }); err != nil {
		t.Fatal(err)
	}
	apart := func(tx *Tx) error {
		spec := modelSpec(3, 3, 0)
		spec.DisableICC, spec.Internal = true, true
		tx.CreateNetwork(spec).Attach(modelEndpoint(3, 3, 0))
		return nil
	}
	for _, c := range []struct {
		name string
		do   func(*Tx) error
		ok   bool
	}{
		{"a bridge that cannot be put to use", changes, false},
		{"one of its own fails", func(tx *Tx) error { _ = apart(tx); return errors.New("no") }, false},
		{"an internal network without ICC", apart, true},
		{"which goes", func(tx *Tx) error { tx.RemoveNetwork("net3"); return nil }, true},
		{"and comes again", apart, true},
		{"anew", func(tx *Tx) error { tx.RemoveNetwork("net3"); return apart(tx) }, true},
		{"and is gone in the same update", func(tx *Tx) error { tx.RemoveNetwork("net3"); _ = apart(tx); tx.RemoveNetwork("net3"); return nil }, true},
	} {
		if err := fw.Update(ctx, c.do); (err == nil) != c.ok {
			t.Fatalf("%s: %v", c.name, err)
		}
		anchorHolds(t, fw, c.name)
		holdsDesired(t, c.name, fw)
	}
	fw.mu.Lock()
	err := fw.refillAnchor(ctx)
	fw.mu.Unlock()
	if err != nil {
		t.Error(err)
	}
	anchorHolds(t, fw, "refilled")
	if err := fw.Teardown(ctx); err != nil {
		t.Fatal(err)
	}
	if have, err := stranger(t, ns).Load(ctx); err != nil || len(have.Tables()) > 0 {
		t.Errorf("a teardown leaves\n%s%v", have, err)
	}
}

// What was missed is found by comparing.
func TestWatchThatMissesEvents(t *testing.T) {
	t.Parallel()
	fw, ns := openNew(t, Config{Watch: WatchConfig{MinDelay: 1, MaxDelay: 1}})
	fw.watchBuffer = 1 // as little as the kernel allows
	if err := fw.Update(t.Context(), beginnings); err != nil {
		t.Fatal(err)
	}
	events := watchInside(t, fw)
	var b nft.Batch
	for _, table := range fw.layout.Tables() {
		b.Delete(&nft.Table{Family: table.Family, Name: table.Name})
	}
	mustCommit(t, stranger(t, ns), b)
	awaitEvent(t, events, Missed)
	for awaitEvent(t, events, Repaired).Objects == 0 {
	}
	holdsDesired(t, "repaired", fw)
}

// What a killed process leaves of its anchor is taken over, or torn down, and is no drift.
func TestAnchorOfAKilledProcess(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	for _, end := range []string{"watch", "teardown"} {
		fw, ns := openNew(t, Config{})
		if err := fw.Update(ctx, beginnings); err != nil {
			t.Fatal(err)
		}
		fw.mu.Lock()
		fw.anchor = fw.newAnchor()
		_, err := fw.repair(ctx, func(have *nft.Ruleset, b *nft.Batch) error {
			fw.anchor.vouch(have, b)
			fw.anchor.raise(fw.state, b)
			return nil
		})
		fw.anchor = nil
		err = errors.Join(err, fw.conn.Close()) // as when the process ends
		fw.mu.Unlock()
		if err != nil {
			t.Fatal(err)
		}
		have, err := stranger(t, ns).Load(ctx)
		if err != nil || have.Lookup(nft.ID{Kind: nft.KindChain, Table: fw.layout.Tables()[0], Name: judgedChain}) == nil {
			t.Fatalf("%v\n%s", err, have)
		}
		next := mustOpen(t, Config{NetNS: ns, RulesOnly: true})
		if err := next.Update(ctx, changes); err != nil {
			t.Error(err)
		}
		if end == "watch" {
			for e, err := range next.Watch(ctx) {
				if err != nil || e.Objects != 0 {
					t.Error(e, err)
				}
				anchorHolds(t, next, "taken over")
				break
			}
			have, err = stranger(t, ns).Load(ctx)
			vouching := false
			for _, t := range fw.layout.Tables() {
				for _, c := range judgedChains(t) {
					vouching = vouching || len(have.Rules(c.Ref())) > 0
				}
			}
			if err != nil || vouching || strings.Contains(have.String(), "table ip "+anchorTable) {
				t.Errorf("left behind: %v\n%s", err, have)
			}
			continue
		}
		if err := next.Teardown(ctx); err != nil {
			t.Error(err)
		}
		if have, err = stranger(t, ns).Load(ctx); err != nil || len(have.Tables()) > 0 {
			t.Errorf("left behind: %v\n%s", err, have)
		}
	}
}

// Why there is no anchor is told apart from why a repair fails.
func TestNoAnchorReasons(t *testing.T) {
	refused := func(table string, err error) error {
		return fmt.Errorf("heal: %w", &nft.ObjectError{ID: nft.ID{Kind: nft.KindTable, Table: nft.TableRef{Family: nft.IPv4, Name: table}}, Err: err})
	}
	for _, c := range []struct {
		err  error
		want string
	}{
		{refused(anchorTable, unix.EOPNOTSUPP), "Linux 5.12"},
		{refused(anchorTable, unix.EPERM), "another process"},
		{refused(anchorTable, unix.ENOMEM), "cannot allocate"},
		{refused("seawall", unix.EPERM), ""},
		{unix.EPERM, ""},
	} {
		reason, ok := noAnchor(c.err)
		if ok != (c.want != "") || !strings.Contains(reason, c.want) {
			t.Errorf("%v: %q, %t", c.err, reason, ok)
		}
	}
}

// A mark that is no bit, or the layout's, is refused.
func TestJudgedMark(t *testing.T) {
	t.Parallel()
	for _, mark := range []uint32{3, 0x1000} {
		fw, _ := openNew(t, Config{Watch: WatchConfig{JudgedMark: mark}})
		for _, err := range fw.Watch(t.Context()) {
			var wrong *SpecError
			if !errors.As(err, &wrong) || wrong.Field != "JudgedMark" {
				t.Errorf("%#x: %v", mark, err)
			}
		}
	}
}

// The logger is told what the events tell.
func TestEventsAreLogged(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	fw, ns := openNew(t, Config{Logger: slog.New(slog.NewJSONHandler(&log, nil))})
	events := watchInside(t, fw)
	var b nft.Batch
	b.Flush(&nft.Chain{Table: fw.layout.Tables()[0], Name: "forward"})
	mustCommit(t, stranger(t, ns), b)
	e := awaitEvent(t, events, Damaged)
	awaitEvent(t, events, Repaired)
	if err := fw.Close(); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"level":"INFO","msg":"watching"`, `"level":"WARN","msg":"` + e.String(), `"event":"damaged","process":"` + e.By.Name, `"event":"repaired"`,
	} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("%s: does not have %s", log.String(), want)
		}
	}
	text, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	var again Event
	if err := json.Unmarshal(text, &again); err != nil || again.String() != e.String() || again.Kind != Damaged {
		t.Errorf("%s: %v, %v", text, again, err)
	}
}

// Queued events make room for later ones, and this is told.
func TestEventsOfASlowConsumer(t *testing.T) {
	q := newEventQueue()
	for i := range maxEvents + 10 {
		q.put(Event{Kind: Touched, More: i})
	}
	e, ok, err := q.next(t.Context())
	if !ok || err != nil || e.More != 10 || e.Dropped != 10 {
		t.Errorf("%+v", e)
	}
	if e, _, _ = q.next(t.Context()); e.Dropped != 0 || e.More != 11 {
		t.Errorf("%+v", e)
	}
}

// Delays double, up to the last, and a time of quiet ends them.
func TestBackoff(t *testing.T) {
	b := backoff{min: time.Second, max: 5 * time.Second}
	now := time.Unix(1000, 0)
	var got []time.Duration
	for range freeRepairs + 5 {
		d := b.next(now)
		got = append(got, d)
		now = now.Add(d)
		b.repaired(now)
	}
	want := append(make([]time.Duration, freeRepairs), 1e9, 2e9, 4e9, 5e9, 5e9)
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if now = now.Add(quietDelays * 5 * time.Second); !b.over(now) || b.next(now) != 0 {
		t.Error("it does not end")
	}
}

// Whatever the kernel may tell, it is described in as many words as are allowed.
func FuzzDeed(f *testing.F) {
	ns, err := netns.New()
	if err != nil {
		f.Fatal(err)
	}
	defer ns.Close()
	fw := mustOpen(f, Config{NetNS: ns, RulesOnly: true})
	var ids []nft.ID
	for o := range fw.Desired().Objects() {
		ids = append(ids, o.ID())
	}
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7}, "x")
	f.Add([]byte{255, 254, 1, 0, 128, 9}, "DOCKER-USER")
	f.Fuzz(func(t *testing.T, data []byte, name string) {
		var tr nft.Transaction
		for i := 0; i+1 < len(data); i += 2 {
			id := ids[int(data[i])%len(ids)]
			switch data[i+1] % 8 {
			case 1:
				id.Name = name
			case 2:
				id.Key = name
			case 3:
				id.Kind = nft.Kind(data[i] % 7)
			case 4:
				id.Table.Name = name
			case 5:
				id = nft.ID{Kind: nft.KindElement, Table: id.Table, Name: "bridges", Key: name}
			case 6:
				id = nft.ID{Kind: nft.KindRule, Table: id.Table, Name: "DOCKER-USER"}
			}
			tr.Events = append(tr.Events, nft.Event{Deleted: data[i+1]&8 != 0, ID: id})
		}
		fw.mu.Lock()
		defer fw.mu.Unlock()
		d := fw.judgeDeed(tr, time.Now())
		if len(d.changes) > maxChanges || (d.harm || d.maybe) && len(d.changes) == 0 || len(d.changes)+d.more > len(tr.Events) {
			t.Errorf("%+v of %v", d, tr.Events)
		}
	})
}

// What is no kind of event is refused.
func FuzzEventKind(f *testing.F) {
	for k := Watching; k <= Missed; k++ {
		f.Add(k.String())
	}
	f.Fuzz(func(t *testing.T, text string) {
		var k EventKind
		if err := k.UnmarshalText([]byte(text)); err == nil && k.String() != text {
			t.Errorf("%q is %s", text, k)
		}
	})
}
