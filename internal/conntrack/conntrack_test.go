package conntrack

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// variety is one entry of each kind.
func variety() []Flow {
	all := []Flow{
		flow(unix.IPPROTO_ICMP, "192.0.2.2:0", "198.51.100.1:0", ""),
	}
	for _, proto := range []uint8{unix.IPPROTO_TCP, unix.IPPROTO_UDP, unix.IPPROTO_SCTP} {
		all = append(all,
			flow(proto, "192.0.2.2:40000", "192.0.2.1:80", ""),
			flow(proto, "192.0.2.2:40000", "192.0.2.1:8080", "172.18.0.2:80"),
			flow(proto, "[2001:db8::2]:40000", "[2001:db8::1]:80", ""),
			flow(proto, "[2001:db8::2]:40000", "[2001:db8::1]:8080", "[fd00::2]:80"),
		)
	}
	return all
}

// pairs are what of flows can be compared.
func pairs(flows []Flow) map[pair]bool {
	all := map[pair]bool{}
	for _, f := range flows {
		all[pair{f.Orig, f.Reply}] = true
	}
	return all
}

func TestSweep(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	table := newTable(t)
	if n, err := table.Count(ctx); n != 0 || err != nil {
		t.Fatal(n, err)
	}
	all := variety()
	table.create(0, all...)
	if got := table.flows(Filter{}); !maps.Equal(got, pairs(all)) {
		t.Errorf("listed %v\nwant %v", got, pairs(all))
	}
	if n, err := table.Count(ctx); n != len(all) || err != nil {
		t.Errorf("counted %d, %v", n, err)
	}
	for f, want := range map[Filter]int{
		{}:                                     len(all),
		{Proto: unix.IPPROTO_UDP}:              4,
		{Proto: unix.IPPROTO_UDP, Port: 8080}:  2,
		{Proto: unix.IPPROTO_TCP, Port: 80}:    2,
		{Proto: unix.IPPROTO_TCP, Port: 40000}: 0,
		{Proto: unix.IPPROTO_GRE}:              0,
	} {
		if got := table.flows(f); len(got) != want {
			t.Errorf("%+v leaves %v, want %d", f, got, want)
		}
	}
	// What is translated goes, and nothing else.
	n, err := table.Sweep(ctx, Filter{}, (*Flow).Translated)
	if n != 6 || err != nil {
		t.Errorf("deleted %d, %v", n, err)
	}
	left := pairs(all)
	for p := range left {
		if p.Orig.Dst.Port() == 8080 {
			delete(left, p)
		}
	}
	if got := table.flows(Filter{}); !maps.Equal(got, left) {
		t.Errorf("left %v\nwant %v", got, left)
	}
	if n, err = table.Sweep(ctx, Filter{}, func(*Flow) bool { return true }); n != len(left) || err != nil {
		t.Errorf("deleted %d, %v", n, err)
	}
}

// More entries than fit one answer, or one send.
func TestSweepMany(t *testing.T) {
	t.Parallel()
	table := newTable(t)
	all := many(3*maxDeletes + 1)
	table.create(0, all...)
	odd := func(f *Flow) bool { return f.Orig.Src.Port()%2 == 1 }
	n, err := table.Sweep(context.Background(), Filter{}, odd)
	if left := len(table.flows(Filter{})); n != len(all)/2 || err != nil || left != len(all)-n {
		t.Errorf("deleted %d and left %d of %d, %v", n, left, len(all), err)
	}
}

// Entries of several zones may be equal otherwise: only the one that is meant goes.
func TestSweepZones(t *testing.T) {
	t.Parallel()
	table := newTable(t)
	f := flow(unix.IPPROTO_UDP, "192.0.2.2:40000", "192.0.2.1:80", "")
	for zone := range uint16(3) {
		table.create(zone, f)
	}
	second := func(f *Flow) bool { return len(f.zone) >= 6 && f.zone[5] == 2 }
	seen := 0
	n, err := table.Sweep(context.Background(), Filter{}, func(f *Flow) bool {
		seen++
		return second(f)
	})
	if n != 1 || seen != 3 || err != nil {
		t.Errorf("deleted %d of %d, %v", n, seen, err)
	}
	n, err = table.Sweep(context.Background(), Filter{}, func(f *Flow) bool {
		if second(f) {
			t.Error("the entry is still there")
		}
		return true
	})
	if n != 2 || err != nil {
		t.Errorf("deleted %d, %v", n, err)
	}
}

// What has gone by itself is no error, nor is a successor hit.
func TestSweepWhatIsGone(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	table := newTable(t)
	table.create(0, many(300)...)
	other, err := Dial(table.ns)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	var once bool
	n, err := table.Sweep(ctx, Filter{}, func(*Flow) bool {
		if !once {
			once = true
			if _, err := other.Sweep(ctx, Filter{}, func(f *Flow) bool { return f.Orig.Src.Port()%2 == 0 }); err != nil {
				t.Error(err)
			}
		}
		return true
	})
	if left := len(table.flows(Filter{})); err != nil || left != 0 || n < 150 || n >= 300 {
		t.Errorf("deleted %d, left %d, %v", n, left, err)
	}
	// An entry that is not the one that was listed.
	f := flow(unix.IPPROTO_UDP, "192.0.2.2:40000", "192.0.2.1:80", "")
	table.create(0, f)
	n, err = table.Sweep(ctx, Filter{}, func(f *Flow) bool {
		f.id[len(f.id)-1]++
		return true
	})
	if left := len(table.flows(Filter{})); n != 0 || left != 1 || err != nil {
		t.Errorf("deleted %d, left %d, %v", n, left, err)
	}
}

// To the kernel, a deletion that names no entry means all of them.
func TestNothingIsDeletedWithoutATuple(t *testing.T) {
	t.Parallel()
	var d deletions
	for _, orig := range [][]byte{nil, {}, {4, 0, 1, 0}} {
		d.add(&Flow{orig: orig})
	}
	if len(d.b) > 0 || len(d.ends) > 0 {
		t.Errorf("%x", d.b)
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	table := newTable(t)
	done, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := table.Count(done); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := table.Sweep(done, Filter{}, nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := table.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := table.Count(ctx); !errors.Is(err, os.ErrClosed) {
		t.Error(err)
	}
	if _, err := table.Sweep(ctx, Filter{}, nil); !errors.Is(err, os.ErrClosed) {
		t.Error(err)
	}
	for errno, want := range map[unix.Errno]error{unix.EPERM: fs.ErrPermission, unix.EINVAL: errors.ErrUnsupported} {
		if err := explain(errno); !errors.Is(err, want) || !errors.Is(err, errno) {
			t.Errorf("%d: %v", errno, err)
		}
	}
}

func ExampleConn_Sweep() {
	table, err := Dial(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer table.Close()
	gone := netip.MustParseAddr("172.18.0.2")
	n, err := table.Sweep(context.Background(), Filter{}, func(f *Flow) bool { return f.Reply.Src.Addr() == gone })
	fmt.Println(n, err)
	// Output: 0 <nil>
}
