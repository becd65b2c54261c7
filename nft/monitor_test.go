package nft

import (
	"bytes"
	"context"
	"errors"
	"os"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

func listen(t testing.TB, cfg Config) *Monitor {
	t.Helper()
	m, err := Listen(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return m
}

func dial(t testing.TB, ns *os.File) *Conn {
	t.Helper()
	c, err := Dial(Config{NetNS: ns})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func next(t testing.TB, m *Monitor) Transaction {
	t.Helper()
	tx, err := m.Next(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return tx
}

func mustCommit(t testing.TB, c *Conn, b Batch) Result {
	t.Helper()
	r, err := c.Commit(context.Background(), b)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func texts(events []Event) []string {
	var out []string
	for _, e := range events {
		e.Handle = 0
		out = append(out, e.String())
	}
	return out
}

func TestMonitorTellsWhatOthersDo(t *testing.T) {
	ns := newNetNS(t)
	c, m := dial(t, ns), listen(t, Config{NetNS: ns})
	start, err := c.Generation(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	table := &Table{Family: IPv4, Name: "t"}
	chain := &Chain{Table: table.Ref(), Name: "c"}
	set := &Set{Table: table.Ref(), Name: "s", Key: TypeOf(TypeInetProto, TypeInetService)}
	ranges := &Set{Table: table.Ref(), Name: "r", Key: TypeOf(TypeInetProto, TypeInetService), Interval: true}
	e80 := &Element{Set: set.Ref(), Key: Key(Proto(TCP), Port(80))}
	e53 := &Element{Set: set.Ref(), Key: Key(Proto(UDP), Port(53))}
	er := &Element{Set: ranges.Ref(), Key: Key(Proto(UDP), Port(53)), End: Key(Proto(UDP), Port(59))}
	rule := &Rule{Chain: chain.Ref(), Key: "ours", Rank: 3, Comment: "x", Userdata: "y", Statements: []Statement{Accept()}}
	stranger := &Rule{Chain: chain.Ref(), Statements: []Statement{Drop()}}

	var b Batch
	b.Add(table, chain, set, ranges, e80, e53, er, rule, stranger)
	handles := mustCommit(t, c, b).Handles
	tx := next(t, m)
	if want := nextGeneration(start); tx.Generation != want {
		t.Errorf("generation %d, want %d", tx.Generation, want)
	}
	if tx.Port != c.Port() || tx.Port == 0 {
		t.Errorf("port %d, want %d", tx.Port, c.Port())
	}
	comm, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	if want := string(bytes.TrimSpace(comm)); tx.Process != want || tx.PID == 0 {
		t.Errorf("committed by %q (%d), want %q", tx.Process, tx.PID, want)
	}
	want := []string{
		"add table ip t", "add chain ip t c", "add set ip t s", "add set ip t r",
		"add " + e80.ID().String(), "add " + e53.ID().String(), "add " + er.ID().String(),
		`add rule ip t c "ours"`, `add rule ip t c ""`,
	}
	if got := texts(tx.Events); !slices.Equal(got, want) {
		t.Errorf("events\n%q, want\n%q", got, want)
	}
	if h := tx.Events[7].Handle; h == 0 || h != handles[rule.ID()] {
		t.Errorf("handle %d, want %d", h, handles[rule.ID()])
	}
	strangersHandle := tx.Events[8].Handle

	var del Batch
	del.Delete(e80, &Rule{Chain: chain.Ref(), Handle: strangersHandle})
	mustCommit(t, c, del)
	tx2 := next(t, m)
	if tx2.Generation != nextGeneration(tx.Generation) {
		t.Errorf("generation %d after %d", tx2.Generation, tx.Generation)
	}
	if got, want := texts(tx2.Events), []string{"delete " + e80.ID().String(), `delete rule ip t c ""`}; !slices.Equal(got, want) {
		t.Errorf("events %q, want %q", got, want)
	}
	if tx2.Events[1].Handle != strangersHandle {
		t.Errorf("handle %d, want %d", tx2.Events[1].Handle, strangersHandle)
	}

	var all Batch
	all.Delete(table)
	mustCommit(t, c, all)
	got := texts(next(t, m).Events)
	for _, want := range []string{`delete rule ip t c "ours"`, "delete set ip t s", "delete set ip t r", "delete chain ip t c"} {
		if !slices.Contains(got, want) {
			t.Errorf("%s is not among %q", want, got)
		}
	}
	if last := got[len(got)-1]; last != "delete table ip t" {
		t.Errorf("the last event is %s", last)
	}
}

func manyElements(t testing.TB, n int) Batch {
	t.Helper()
	table := &Table{Family: IPv4, Name: "many"}
	set := &Set{Table: table.Ref(), Name: "s", Key: TypeMark, Size: uint32(n)}
	var b Batch
	b.Add(table, set)
	for i := range n {
		b.Add(&Element{Set: set.Ref(), Key: Key(MarkValue(uint32(i)))})
	}
	return b
}

// The sizes are such that the usual limits of unprivileged sockets suffice.
const usualReadBuffer = 212992

func TestMonitorReadsALargeCommitWhole(t *testing.T) {
	ns := newNetNS(t)
	c, m := dial(t, ns), listen(t, Config{NetNS: ns, ReadBuffer: usualReadBuffer})
	const n = 1000 // dozens of datagrams
	mustCommit(t, c, manyElements(t, n))
	tx := next(t, m)
	if len(tx.Events) != n+2 {
		t.Fatalf("%d events, want %d", len(tx.Events), n+2)
	}
	seen := map[ID]bool{}
	for _, e := range tx.Events[2:] {
		seen[e.ID] = e.ID.Kind == KindElement && !e.Deleted
	}
	if len(seen) != n || slices.ContainsFunc(tx.Events[2:], func(e Event) bool { return !seen[e.ID] }) {
		t.Errorf("%d different elements were announced, want %d", len(seen), n)
	}
}

func TestMonitorGoesOnAfterAnOverrun(t *testing.T) {
	ns := newNetNS(t)
	c, m := dial(t, ns), listen(t, Config{NetNS: ns, ReadBuffer: 1})
	mustCommit(t, c, manyElements(t, 2000))
	if tx, err := m.Next(context.Background()); !errors.Is(err, ErrOverrun) {
		t.Fatalf("got generation %d and %v, want %v", tx.Generation, err, ErrOverrun)
	}
	var b Batch
	b.Add(&Table{Family: IPv6, Name: "after"})
	mustCommit(t, c, b)
	tx := next(t, m)
	gen, err := c.Generation(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if got := texts(tx.Events); tx.Generation != gen || !slices.Equal(got, []string{"add table ip6 after"}) {
		t.Errorf("generation %d: %q, want generation %d", tx.Generation, got, gen)
	}
}

func TestCloseEndsNext(t *testing.T) {
	m := listen(t, Config{NetNS: newNetNS(t)})
	done := make(chan error)
	go func() {
		_, err := m.Next(context.Background())
		done <- err
	}()
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; !errors.Is(err, os.ErrClosed) {
		t.Errorf("the waiting Next returned %v", err)
	}
	if _, err := m.Next(context.Background()); !errors.Is(err, os.ErrClosed) {
		t.Errorf("a later Next returned %v", err)
	}
	for range m.Transactions(context.Background()) {
		t.Error("a closed monitor yields")
	}
}

func TestContextEndsNext(t *testing.T) {
	ns := newNetNS(t)
	c, m := dial(t, ns), listen(t, Config{NetNS: ns})
	for range 20 {
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error)
		// Two at once: one reads, one waits for its turn.
		for range 2 {
			go func() {
				_, err := m.Next(ctx)
				done <- err
			}()
		}
		cancel()
		for range 2 {
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Fatalf("Next returned %v", err)
			}
		}
	}
	var b Batch
	b.Add(&Table{Family: IPv4, Name: "t"})
	mustCommit(t, c, b)
	if got := texts(next(t, m).Events); !slices.Equal(got, []string{"add table ip t"}) {
		t.Errorf("after cancelled calls: %q", got)
	}
}

func TestTransactionsIterates(t *testing.T) {
	ns := newNetNS(t)
	c, m := dial(t, ns), listen(t, Config{NetNS: ns})
	names := []string{"a", "b", "c"}
	for _, name := range names {
		var b Batch
		b.Add(&Table{Family: IPv4, Name: name})
		mustCommit(t, c, b)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var got []string
	for tx, err := range m.Transactions(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		if got = append(got, tx.Events[0].ID.Table.Name); len(got) == len(names) {
			cancel()
		}
	}
	if !slices.Equal(got, names) {
		t.Errorf("got %q, want %q", got, names)
	}
}

func TestMonitorIgnoresWhatTheKernelDidNotSend(t *testing.T) {
	ns := newNetNS(t)
	c, m := dial(t, ns), listen(t, Config{NetNS: ns})
	var e encoder
	at := e.message(nftables(unix.NFT_MSG_NEWGEN), 0, 0, 0, 0)
	e.u32(unix.NFTA_GEN_ID, 4711)
	e.end(at)
	if err := c.control(func(fd int) error {
		return unix.Sendto(fd, e.b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Pid: m.socket.PID()})
	}); err != nil {
		t.Fatal(err)
	}
	var b Batch
	b.Add(&Table{Family: IPv4, Name: "t"})
	mustCommit(t, c, b)
	if tx := next(t, m); tx.Generation == 4711 || len(tx.Events) != 1 {
		t.Errorf("a forged message was believed: %+v", tx)
	}
}

// FuzzEventDecoder feeds notifications to the decoder in two pieces, as two
// datagrams. It must come to an end, and tell what was told.
func FuzzEventDecoder(f *testing.F) {
	var e encoder
	note := func(typ uint16, fill func()) {
		at := e.message(nftables(typ), 0, 7, unix.NFPROTO_IPV4, 0)
		fill()
		e.end(at)
	}
	note(unix.NFT_MSG_NEWTABLE, func() { e.str(unix.NFTA_TABLE_NAME, "t") })
	note(unix.NFT_MSG_DELRULE, func() {
		e.str(unix.NFTA_RULE_TABLE, "t")
		e.str(unix.NFTA_RULE_CHAIN, "c")
		e.u64(unix.NFTA_RULE_HANDLE, 7)
		e.raw(unix.NFTA_RULE_USERDATA, appendUserdata(nil, "comment", "opaque", "key", -3))
	})
	note(unix.NFT_MSG_NEWSETELEM, func() {
		e.str(unix.NFTA_SET_ELEM_LIST_TABLE, "t")
		e.str(unix.NFTA_SET_ELEM_LIST_SET, "s")
		l := e.nest(unix.NFTA_SET_ELEM_LIST_ELEMENTS)
		for _, key := range []Value{"\x01\x02", "\x03\x04"} {
			item := e.nest(unix.NFTA_LIST_ELEM)
			e.value(unix.NFTA_SET_ELEM_KEY, key)
			e.unnest(item)
		}
		e.unnest(l)
	})
	half := len(e.b)
	note(unix.NFT_MSG_DELOBJ, func() { e.str(unix.NFTA_OBJ_TABLE, "t"); e.str(unix.NFTA_OBJ_NAME, "o") })
	note(unix.NFT_MSG_NEWGEN, func() {
		e.u32(unix.NFTA_GEN_ID, 5)
		e.u32(unix.NFTA_GEN_PROC_PID, 6)
		e.str(unix.NFTA_GEN_PROC_NAME, "nft")
	})
	seed := slices.Clone(e.b)
	var d eventDecoder
	d.unread = seed[:half]
	if tx, ok := d.next(); ok {
		f.Fatalf("half a commit is %v", tx)
	}
	d.unread = seed[half:]
	tx, ok := d.next()
	want := []string{"add table ip t", `delete rule ip t c "key"`, "add element ip t s 0102", "add element ip t s 0304", "delete object ip t o"}
	if !ok || tx.Generation != 5 || tx.PID != 6 || tx.Process != "nft" || !slices.Equal(texts(tx.Events), want) {
		f.Fatalf("got %v %+v", ok, tx)
	}

	f.Add(seed, half)
	f.Add([]byte{}, 0)
	f.Fuzz(func(t *testing.T, b []byte, at int) {
		at = max(0, min(at, len(b)))
		var d eventDecoder
		for _, datagram := range [][]byte{b[:at], b[at:]} {
			commits := 0
			for d.unread = slices.Clone(datagram); ; commits++ {
				tx, ok := d.next()
				if !ok {
					break
				}
				for _, e := range tx.Events {
					_ = e.String()
				}
			}
			// Every commit needs a message to end it.
			if commits > len(datagram)/unix.SizeofNlMsghdr {
				t.Errorf("%d commits in %d bytes", commits, len(datagram))
			}
			if len(d.unread) != 0 {
				t.Errorf("%d bytes are left", len(d.unread))
			}
		}
		if n := len(d.events); n*4 > len(b) {
			t.Errorf("%d events in %d bytes", n, len(b))
		}
	})
}
