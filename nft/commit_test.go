package nft

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// portMap is a map of n published ports.
func portMap(n int) (*Table, *Set, []Object) {
	table := &Table{Family: IPv4, Name: "t"}
	set := &Set{Table: table.Ref(), Name: "published", Key: TypeOf(TypeIPv4Addr, TypeInetProto, TypeInetService),
		Data: TypeOf(TypeIPv4Addr, TypeInetService), Size: uint32(n + 1000)}
	out := make([]Object, n)
	for i := range out {
		a := netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
		out[i] = &Element{Set: set.Ref(), Key: Key(Addr(a), Proto(TCP), Port(uint16(i))), Data: Key(Addr(a), Port(80))}
		if i%3 == 0 {
			out[i].(*Element).Userdata = fmt.Sprint("binding ", i)
		}
	}
	return table, set, out
}

// Every element arrives, and every element goes, at any size.
func TestCommitAtAnySize(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 2, 361, 362, 2000, 60000, 100000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			if n < 10000 {
				t.Parallel()
			}
			c := dial(t, newNetNS(t))
			table, set, elements := portMap(n)
			var b Batch
			b.Add(table, set)
			b.Add(elements...)
			r := mustCommit(t, c, b)
			if r.Messages < 4 || r.Bytes < n*40 {
				t.Errorf("%d messages, %d bytes", r.Messages, r.Bytes)
			}
			compareElements(t, load(t, c).Elements(set.Ref()), elements)
			// All but the first, the middle one and the last go.
			keep := map[int]bool{0: true, n / 2: true, n - 1: true}
			var gone Batch
			var rest []Object
			for i, e := range elements {
				if keep[i] {
					rest = append(rest, e)
				} else {
					gone.Delete(e)
				}
			}
			mustCommit(t, c, gone)
			compareElements(t, load(t, c).Elements(set.Ref()), rest)
		})
	}
}

func compareElements(t *testing.T, got []*Element, want []Object) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d elements, want %d", len(got), len(want))
	}
	have := make(map[Value]*Element, len(got))
	for _, e := range got {
		have[e.Key] = e
	}
	for _, o := range want {
		if e := o.(*Element); have[e.Key] == nil || !have[e.Key].same(e) {
			t.Fatalf("want %+v, got %+v", *e, have[e.Key])
		}
	}
}

// Many rules in one batch: their handles come back, each for its own.
func TestCommitReturnsHandles(t *testing.T) {
	t.Parallel()
	c := dial(t, newNetNS(t))
	table := &Table{Family: IPv4, Name: "t"}
	chain := &Chain{Table: table.Ref(), Name: "c"}
	var b Batch
	b.Add(table, chain)
	const n = 3000
	for i := range n {
		b.Add(&Rule{Chain: chain.Ref(), Key: fmt.Sprint(i), Rank: i, Statements: []Statement{TCPDport.Eq(uint16(i)), Accept()}})
	}
	r := mustCommit(t, c, b)
	rules := load(t, c).Rules(chain.Ref())
	if len(rules) != n || len(r.Handles) != n {
		t.Fatalf("%d rules, %d handles", len(rules), len(r.Handles))
	}
	for _, rule := range rules {
		if r.Handles[rule.ID()] != rule.Handle {
			t.Fatalf("rule %s has handle %d, the result says %d", rule.Key, rule.Handle, r.Handles[rule.ID()])
		}
	}
}

func TestCommitComparesTheGeneration(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	c := dial(t, newNetNS(t))
	table, set, elements := portMap(3)
	add(t, c, table, set)
	before := load(t, c)
	for name, generation := range map[string]uint32{"older": before.Generation - 1, "newer": before.Generation + 1} {
		b := Batch{Generation: generation}
		b.Add(elements...)
		if _, err := c.Commit(ctx, b); !errors.Is(err, ErrGeneration) {
			t.Errorf("%s generation: %v", name, err)
		}
		// Even if the batch would fail otherwise.
		b.Create(table)
		if _, err := c.Commit(ctx, b); !errors.Is(err, ErrGeneration) {
			t.Errorf("%s generation and a wrong object: %v", name, err)
		}
		unchanged(t, c, before)
	}
	b := Batch{Generation: before.Generation}
	b.Add(elements...)
	r := mustCommit(t, c, b)
	if now := load(t, c).Generation; r.Generation != now || now != before.Generation+1 {
		t.Errorf("generation %d, the result says %d, before it was %d", now, r.Generation, before.Generation)
	}
	if _, err := c.Commit(ctx, b); !errors.Is(err, ErrGeneration) {
		t.Errorf("the same batch again: %v", err)
	}
}

// unchanged fails if anything was committed since the ruleset was loaded.
func unchanged(t testing.TB, c *Conn, before *Ruleset) {
	t.Helper()
	after := load(t, c)
	if after.Generation != before.Generation {
		t.Errorf("generation %d, before %d", after.Generation, before.Generation)
	}
	if a, b := after.String(), before.String(); a != b {
		t.Errorf("the ruleset has changed:\n%s\nbefore:\n%s", a, b)
	}
}

func TestCommitSendsNothing(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	c := dial(t, newNetNS(t))
	before := load(t, c)
	var b Batch
	b.Add(&Table{Family: IPv4, Name: "t"})
	if r, err := c.Commit(ctx, Batch{}); err != nil || r.Messages != 0 {
		t.Errorf("an empty batch: %+v, %v", r, err)
	}
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := c.Commit(canceled, b); !errors.Is(err, context.Canceled) {
		t.Errorf("a context that is done: %v", err)
	}
	if _, err := c.Commit(canceled, Batch{}); !errors.Is(err, context.Canceled) {
		t.Errorf("a context that is done, an empty batch: %v", err)
	}
	unchanged(t, c, before)
}

func TestClosedConn(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	var b Batch
	b.Add(&Table{Family: IPv4, Name: "t"})
	for _, used := range []bool{false, true} {
		c := dial(t, newNetNS(t))
		if used {
			mustCommit(t, c, b)
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		_, commit := c.Commit(ctx, b)
		_, load := c.Load(ctx)
		_, rules := c.LoadRules(ctx, TableRef{IPv4, "t"}.Chain("c"))
		_, generation := c.Generation(ctx)
		for name, err := range map[string]error{"commit": commit, "load": load, "rules": rules, "generation": generation} {
			if !errors.Is(err, os.ErrClosed) {
				t.Errorf("used %t: %s: %v", used, name, err)
			}
		}
	}
}

// A batch that does not fit is refused, whether the socket's limit is known
// beforehand or only the kernel knows it; a smaller one goes on working.
func TestCommitTooLarge(t *testing.T) {
	t.Parallel()
	var limit int
	if b, err := os.ReadFile("/proc/sys/net/core/wmem_max"); err != nil {
		t.Fatal(err)
	} else if _, err := fmt.Sscan(string(b), &limit); err != nil {
		t.Fatal(err)
	}
	table, set, elements := portMap(1000)
	for i, o := range elements {
		o.(*Element).Userdata = fmt.Sprintf("%0200d", i)
	}
	large := elements
	for 200*len(large) < 2*limit+100000 { // the kernel grants twice the limit
		large = append(large, elements...)
	}
	var small, fits, b Batch
	small.Add(table, set)
	fits.Add(elements...)
	b.Add(large...)
	for name, prepare := range map[string]func(c *Conn) error{
		"the limit is known": func(*Conn) error { return dropPrivilege() },
		"the kernel says so": func(c *Conn) error { c.sndbuf = 1 << 30; return nil },
	} {
		t.Run(name, func(t *testing.T) {
			c := dial(t, newNetNS(t))
			mustCommit(t, c, small)
			before := load(t, c)
			err := onLostThread(func() error {
				if err := prepare(c); err != nil {
					return err
				}
				_, err := c.Commit(context.Background(), b)
				return err
			})
			if !errors.Is(err, ErrTooLarge) {
				t.Errorf("got %v", err)
			}
			unchanged(t, c, before)
			c.sndbuf = 0
			mustCommit(t, c, fits)
			compareElements(t, load(t, c).Elements(set.Ref()), elements)
		})
	}
}

// onLostThread runs f on an OS thread that is not used again.
func onLostThread(f func() error) error {
	result := make(chan error)
	go func() {
		runtime.LockOSThread()
		result <- f()
	}()
	return <-result
}

// dropPrivilege takes CAP_NET_ADMIN from the calling thread, and with it the
// right to exceed wmem_max.
func dropPrivilege() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return err
	}
	data[0].Effective &^= 1 << unix.CAP_NET_ADMIN
	return unix.Capset(&header, &data[0])
}

// Commits of many goroutines, on one connection and on several, all arrive;
// those that compare the generation succeed one at a time.
func TestConcurrentCommits(t *testing.T) {
	t.Parallel()
	ns := newNetNS(t)
	c := dial(t, ns)
	table, set, elements := portMap(8 * 50)
	add(t, c, table, set)
	counter := &Set{Table: table.Ref(), Name: "turns", Key: TypeMark}
	add(t, c, counter)
	var wg sync.WaitGroup
	for g := range 8 {
		conn := c
		if g%2 == 1 {
			conn = dial(t, ns)
		}
		wg.Go(func() {
			for i := range 50 {
				var b Batch
				b.Create(elements[g*50+i])
				if _, err := conn.Commit(context.Background(), b); err != nil {
					t.Error(err)
				}
				if i%10 > 0 {
					continue
				}
				// A turn: whoever reads n elements may create the next.
				rs, err := conn.Load(context.Background(), table.Ref())
				if err != nil && !errors.Is(err, ErrGeneration) {
					t.Error(err)
				} else if err == nil {
					n := len(rs.Elements(counter.Ref()))
					turn := Batch{Generation: rs.Generation}
					turn.Create(&Element{Set: counter.Ref(), Key: Key(MarkValue(uint32(n)))})
					if _, err := conn.Commit(context.Background(), turn); err != nil && !errors.Is(err, ErrGeneration) {
						t.Errorf("turn %d: %v", n, err)
					}
				}
			}
		})
	}
	wg.Wait()
	rs := load(t, c)
	compareElements(t, rs.Elements(set.Ref()), elements)
	if len(rs.Elements(counter.Ref())) == 0 {
		t.Error("nobody had a turn")
	}
}
