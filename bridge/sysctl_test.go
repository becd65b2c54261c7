package bridge

import (
	"context"
	"errors"
	"os"
	"runtime"
	"slices"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/seawall-net/seawall/internal/netns"
	"github.com/seawall-net/seawall/nft"
)

// forwards reads in which families a namespace forwards.
func forwards(t *testing.T, ns *os.File) (out []string) {
	t.Helper()
	err := netns.Do(ns, func() error {
		for _, f := range []nft.Family{nft.IPv4, nft.IPv6} {
			v, err := sysctl(forwardingSysctl(f))
			if err != nil {
				return err
			}
			out = append(out, v)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func wantForwards(t *testing.T, when string, ns *os.File, want string) {
	t.Helper()
	if got := forwards(t, ns); !slices.Equal(got, []string{want, want}) {
		t.Errorf("%s: forwarding is %q, want %s", when, got, want)
	}
}

// An update that fails puts forwarding back to what it was, whether it was to be switched on or off, and whatever it
// fails at.
func TestForwardingIsRolledBack(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	layout := &faulty{Layout: Native(), bad: badObjects()["jump to a missing chain"], place: "last",
		of: func(f Fact) bool { n, ok := f.(*Network); return ok && n.Spec.Name == "net1" }}
	fw, ns := openLinked(t, layout)
	for _, f := range []nft.Family{nft.IPv4, nft.IPv6} {
		if err := fw.links.forward(f, false); err != nil {
			t.Fatal(err)
		}
	}
	// IPv6 needs larger packets: the bridge cannot be put to use, after forwarding was switched on.
	small := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br-2", MTU: 1000}}
	if err := netns.Do(ns, func() error { return netlink.LinkAdd(small) }); err != nil {
		t.Fatal(err)
	}
	empty := remember(t, fw)
	err := fw.Update(ctx, func(tx *Tx) error { tx.CreateNetwork(modelSpec(2, 3, 0)); return nil })
	if err == nil {
		t.Fatal("no error")
	}
	wantForwards(t, "a bridge that fails", ns, "0")
	if got := mustRead(t, fw); stateless(t, got) != empty.kernel {
		t.Errorf("the kernel has\n%s", stateless(t, got))
	}
	layout.armed = true
	create := func(tx *Tx) error { tx.CreateNetwork(modelSpec(1, 3, 0)); return nil }
	var refused *nft.ObjectError
	if err := fw.Update(ctx, create); !errors.As(err, &refused) {
		t.Fatal(err)
	}
	wantForwards(t, "rules that are refused", ns, "0")
	layout.armed = false
	if err := fw.Update(ctx, func(tx *Tx) error { tx.CreateNetwork(modelSpec(0, 3, 0)); return nil }); err != nil {
		t.Fatal(err)
	}
	wantForwards(t, "a network", ns, "1")
	// The last network goes, and what is in its place is refused: the families that it had are still needed.
	layout.armed = true
	err = fw.Update(ctx, func(tx *Tx) error { tx.RemoveNetwork("net0"); tx.CreateNetwork(modelSpec(1, 1, 0)); return nil })
	if !errors.As(err, &refused) {
		t.Fatal(err)
	}
	layout.armed = false
	wantForwards(t, "a removal that is refused", ns, "1")
	if err := fw.Update(ctx, func(tx *Tx) error { tx.RemoveNetwork("net0"); return nil }); err != nil {
		t.Fatal(err)
	}
	wantForwards(t, "removed", ns, "0")
}

// Where /proc/sys cannot be written, as in many containers, what has the right value already is no error.
func TestReadOnlySysctls(t *testing.T) {
	t.Parallel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // for good: the thread ends with its namespaces
		key := forwardingSysctl(nft.IPv4)
		err := unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_NEWNET)
		for _, m := range []struct {
			source, target string
			flags          uintptr
		}{
			{"", "/", unix.MS_REC | unix.MS_PRIVATE},
			{"/proc/sys", "/proc/sys", unix.MS_BIND | unix.MS_REC},
			{"", "/proc/sys", unix.MS_REMOUNT | unix.MS_BIND | unix.MS_RDONLY},
		} {
			if err == nil {
				err = unix.Mount(m.source, m.target, "", m.flags, "")
			}
		}
		if err != nil {
			t.Error(err)
			return
		}
		have, err := sysctl(key)
		if err != nil {
			t.Error(err)
			return
		}
		other := map[string]string{"0": "1", "1": "0"}[have]
		if err := setSysctl(key, have); err != nil {
			t.Errorf("the right value: %v", err)
		}
		if err := setSysctl(key, other); !errors.Is(err, unix.EROFS) {
			t.Errorf("another value: %v", err)
		}
	}()
	<-done
}
