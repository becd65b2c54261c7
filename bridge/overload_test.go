package bridge

import (
	"context"
	"errors"
	"os"
	"testing"

	"github.com/seawall-net/seawall/nft"
	"github.com/seawall-net/seawall/portmap"
)

// A countdown is a context that is canceled when it has been asked a number of times whether it is.
type countdown struct {
	context.Context
	cancel context.CancelFunc
	left   int
}

func (c *countdown) Err() error {
	if c.left--; c.left < 0 {
		c.cancel()
	}
	return c.Context.Err()
}

// Wherever a context ends, an update holds as a whole or has changed nothing, and the next one works: alone, next to
// strangers, and after another process.
func TestContextThatEndsAnywhere(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	fw, ns := openNew(t, Config{})
	if err := fw.Update(ctx, beginnings); err != nil {
		t.Fatal(err)
	}
	other := mustOpen(t, Config{NetNS: ns, RulesOnly: true})
	stranger, err := nft.Dial(nft.Config{NetNS: ns})
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	port := portmap.MustParse("7000:80")
	publish := func(tx *Tx) error { tx.Network("net0").Endpoint("end0").Publish(port); return nil }
	unpublish := func(tx *Tx) error { tx.Network("net0").Endpoint("end0").Unpublish(port); return nil }
	theirs := portmap.MustParse("7001:80")
	for name, disturb := range map[string]func() error{
		"alone": func() error { return nil },
		"next to strangers": func() error {
			var b nft.Batch
			table := &nft.Table{Family: nft.IPv4, Name: "theirs"}
			b.Add(table)
			b.Delete(table)
			_, err := stranger.Commit(ctx, b)
			return err
		},
		"after another process": func() error {
			return errors.Join(
				other.Update(ctx, func(tx *Tx) error { tx.Network("net0").Endpoint("end0").Publish(theirs); return nil }),
				other.Update(ctx, func(tx *Tx) error { tx.Network("net0").Endpoint("end0").Unpublish(theirs); return nil }))
		},
	} {
		ended := 0
		for n, held := 0, false; !held; n++ {
			if n > 1000 {
				t.Fatalf("%s: the context is asked for ever", name)
			}
			if err := disturb(); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			inner, cancel := context.WithCancel(ctx)
			err := fw.Update(&countdown{inner, cancel, n}, publish)
			cancel()
			held = err == nil
			if !held {
				if ended++; !errors.Is(err, context.Canceled) {
					t.Fatalf("%s, %d: %v", name, n, err)
				}
			}
			// What is not known shows with the next update.
			if err := fw.Update(ctx, func(*Tx) error { return nil }); err != nil {
				t.Fatalf("%s, %d: %v", name, n, err)
			}
			if is := fw.state.binding(fw.state.networks["net0"].endpoints["end0"].fact, port) != nil; is != held {
				t.Fatalf("%s, %d: published: %v; update: %v", name, n, is, err)
			}
			checkFirewall(t, fw)
		}
		if ended == 0 {
			t.Errorf("%s: no context has ended", name)
		}
		if err := fw.Update(ctx, unpublish); err != nil {
			t.Fatal(err)
		}
	}
}

// A connection with no room for the kernel's answers loses most of them. Updates hold all the same, and what they have
// added can be removed again.
func TestUpdatesWhoseAnswersAreLost(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	fw, ns := openNew(t, Config{})
	narrow, err := nft.Dial(nft.Config{NetNS: ns, ReadBuffer: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := fw.conn.Close(); err != nil {
		t.Fatal(err)
	}
	fw.conn = narrow
	handles := func() (missing int) {
		for o := range fw.Desired().Objects() {
			if r, ok := o.(*nft.Rule); ok && r.Handle == 0 {
				missing++
			}
		}
		return missing
	}
	lost := 0
	for round := range 3 {
		for _, f := range []func(tx *Tx) error{
			beginnings, changes, func(tx *Tx) error { tx.RemoveNetwork("net1"); tx.RemoveNetwork("net2"); return nil },
		} {
			if err := fw.Update(ctx, f); err != nil {
				t.Fatalf("round %d: %v", round, err)
			}
			lost += handles()
			checkFirewall(t, fw)
			if err := fw.Update(ctx, func(*Tx) error { return nil }); err != nil || handles() > 0 {
				t.Fatalf("round %d: the next update knows %d handles less than there are: %v", round, handles(), err)
			}
		}
	}
	if lost == 0 {
		t.Error("no answer was lost: there was nothing to see")
	}
}

// On a closed connection nothing happens, in the kernel or in memory, and the next process finds all.
func TestUpdateOnAClosedConnection(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	fw, ns := openNew(t, Config{})
	if err := fw.Update(ctx, beginnings); err != nil {
		t.Fatal(err)
	}
	before := describeView(fw.View())
	if err := fw.conn.Close(); err != nil {
		t.Fatal(err)
	}
	for name, do := range map[string]func() error{
		"update": func() error { return fw.Update(ctx, changes) },
		"heal":   func() error { _, err := fw.Heal(ctx); return err },
	} {
		if err := do(); !errors.Is(err, os.ErrClosed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	again := mustOpen(t, Config{NetNS: ns, RulesOnly: true})
	for _, v := range []*View{fw.View(), again.View()} {
		if after := describeView(v); len(after) != len(before) {
			t.Errorf("the view has %q, had %q", after, before)
		}
	}
	checkFirewall(t, again)
}
