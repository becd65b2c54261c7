package bridge

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/seawall-net/seawall/nft"
	"github.com/seawall-net/seawall/portmap"
)

// A faulty layout adds an object that the kernel refuses to what it makes of
// one fact.
type faulty struct {
	Layout
	bad   nft.Object
	of    func(Fact) bool
	place string
	armed bool
}

func (l *faulty) Compile(f Fact, add func(nft.Object)) {
	var objects []nft.Object
	l.Layout.Compile(f, func(o nft.Object) { objects = append(objects, o) })
	if l.armed && l.of(f) {
		at := map[string]int{"first": 0, "middle": len(objects) / 2, "last": len(objects)}[l.place]
		objects = slices.Insert(objects, at, l.bad)
	}
	for _, o := range objects {
		add(o)
	}
}

// badObjects are refused by the kernel, each for a reason of its own.
func badObjects() map[string]nft.Object {
	table := Native().Tables()[0]
	return map[string]nft.Object{
		"jump to a missing chain": &nft.Rule{Chain: table.Chain("forward"), Key: "bad", Rank: 5, Statements: []nft.Statement{nft.Jump("nowhere")}},
		"rule in a missing chain": &nft.Rule{Chain: table.Chain("nowhere"), Key: "bad", Statements: []nft.Statement{nft.Drop()}},
		"element of another size": &nft.Element{Set: table.Set("published"), Key: nft.Key(nft.Port(1)), Data: nft.Key(nft.Port(1))},
		"verdict to nowhere":      &nft.Element{Set: table.Set("guard"), Key: nft.Key(nft.Addr(netip.IPv4Unspecified())), Verdict: nft.Jump("nowhere")},
		"element of a missing set": &nft.Element{
			Set: table.Set("nowhere"), Key: nft.Key(nft.Port(1))},
		"set of no such type": &nft.Set{Table: table, Name: "bad", Key: nft.TypeVerdict},
		"chain of no table":   &nft.Chain{Table: nft.TableRef{Family: nft.IPv6, Name: "nowhere"}, Name: "bad"},
		"base chain for nat":  &nft.Chain{Table: table, Name: "bad", Hook: nft.Forward, Type: nft.NATChain},
	}
}

// beginnings makes a few facts for the faults to come.
func beginnings(tx *Tx) error {
	for n := range 2 {
		net := tx.CreateNetwork(modelSpec(n, 3, 0))
		for e := range 2 {
			net.Attach(modelEndpoint(n, 3, e)).Publish(
				portmap.Binding{Host: portmap.Port(uint16(1000*n + 100*e + 1)), Container: portmap.Port(80)},
				portmap.Binding{Host: portmap.Ports{First: uint16(1000*n + 100*e + 10), Last: uint16(1000*n + 100*e + 19)},
					Container: portmap.Ports{First: 10, Last: 19}, Proto: portmap.UDP})
		}
	}
	return nil
}

// changes takes away some of the beginnings and adds others.
func changes(tx *Tx) error {
	tx.RemoveNetwork("net0")
	tx.Network("net1").Endpoint("end0").Unpublish(portmap.MustParse("1001:80"))
	net := tx.CreateNetwork(modelSpec(2, 3, 0))
	for e := range 3 {
		end := net.Attach(modelEndpoint(2, 3, e))
		for p := range 3 {
			end.Publish(portmap.Binding{Host: portmap.Port(uint16(2000 + 10*e + p)), Container: portmap.Port(uint16(80 + p))})
		}
	}
	return nil
}

// memory is everything that a failed update must leave as it was.
type memory struct {
	view            *View
	desired, kernel string
	generation      uint32
}

func remember(t testing.TB, fw *Firewall) memory {
	t.Helper()
	rs := mustRead(t, fw)
	return memory{view: fw.View(), desired: fw.Desired().String(), kernel: stateless(t, rs), generation: rs.Generation}
}

// stateless prints a ruleset without what its counters have counted.
func stateless(t testing.TB, rs *nft.Ruleset) string {
	t.Helper()
	var text strings.Builder
	if err := rs.Print(&text, nft.PrintOptions{Stateless: true}); err != nil {
		t.Fatal(err)
	}
	return text.String()
}

func (m memory) check(t testing.TB, fw *Firewall) {
	t.Helper()
	now := remember(t, fw)
	if a, b := describeView(now.view), describeView(m.view); !slices.Equal(a, b) {
		t.Fatalf("the view has\n%q\nbefore\n%q", a, b)
	}
	if now.desired != m.desired {
		t.Fatalf("desired is\n%s\nbefore\n%s", now.desired, m.desired)
	}
	if now.kernel != m.kernel || now.generation != m.generation {
		t.Fatalf("generation %d, before %d; the kernel has\n%s\nbefore\n%s", now.generation, m.generation, now.kernel, m.kernel)
	}
}

// Wherever the kernel refuses an update, kernel and memory stay as they were,
// the error names the object, and the same update works later.
func TestRefusedUpdateChangesNothing(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	facts := map[string]func(Fact) bool{
		"the network": func(f Fact) bool { n, ok := f.(*Network); return ok && n.Spec.Name == "net2" },
		"an endpoint": func(f Fact) bool { e, ok := f.(*Endpoint); return ok && e.String() == "net2/end1" },
		"the first":   func(f Fact) bool { b, ok := f.(*Binding); return ok && b.Port.Host.First == 2000 },
		"the last":    func(f Fact) bool { b, ok := f.(*Binding); return ok && b.Port.Host.First == 2022 },
	}
	layout := &faulty{Layout: Native()}
	fw, _ := openNew(t, Config{Layout: layout})
	if err := fw.Update(ctx, beginnings); err != nil {
		t.Fatal(err)
	}
	before := remember(t, fw)
	for name, bad := range badObjects() {
		for fact, of := range facts {
			for _, place := range []string{"first", "middle", "last"} {
				layout.bad, layout.of, layout.place, layout.armed = bad, of, place, true
				err := fw.Update(ctx, changes)
				layout.armed = false
				var oe *nft.ObjectError
				if !errors.As(err, &oe) || oe.ID != bad.ID() {
					t.Fatalf("%s, %s of %s: %v", name, place, fact, err)
				}
				before.check(t, fw)
			}
		}
	}
	if err := fw.Update(ctx, changes); err != nil {
		t.Fatal(err)
	}
	checkFirewall(t, fw)
	for _, undo := range []func(tx *Tx) error{
		func(tx *Tx) error { tx.RemoveNetwork("net2"); tx.RemoveNetwork("net1"); return nil }, beginnings} {
		if err := fw.Update(ctx, undo); err != nil {
			t.Fatal(err)
		}
		checkFirewall(t, fw)
	}
}

// A function that fails, panics, or runs out of context changes nothing.
func TestAbandonedUpdateChangesNothing(t *testing.T) {
	t.Parallel()
	fw, _ := openNew(t, Config{})
	if err := fw.Update(context.Background(), beginnings); err != nil {
		t.Fatal(err)
	}
	before := remember(t, fw)
	ctx, cancel := context.WithCancel(context.Background())
	for name, do := range map[string]func() error{
		"error": func() error {
			return fw.Update(ctx, func(tx *Tx) error { return errors.Join(changes(tx), errOnPurpose) })
		},
		"sticky error": func() error {
			return fw.Update(ctx, func(tx *Tx) error { tx.Network("nowhere"); return changes(tx) })
		},
		"panic": func() (err error) {
			defer func() { err, _ = recover().(error) }()
			return fw.Update(ctx, func(tx *Tx) error { _ = changes(tx); panic(errOnPurpose) })
		},
		"context": func() error {
			return fw.Update(ctx, func(tx *Tx) error { cancel(); return changes(tx) })
		},
	} {
		err := do()
		if !errors.Is(err, errOnPurpose) && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
		before.check(t, fw)
		ctx, cancel = context.WithCancel(context.Background())
	}
	cancel()
	if err := fw.Update(context.Background(), changes); err != nil {
		t.Fatal(err)
	}
	checkFirewall(t, fw)
}

// What was removed within an update cannot be changed in it any more.
func TestRemovedNetworksAndEndpointsAreRefused(t *testing.T) {
	t.Parallel()
	fw, _ := openNew(t, Config{})
	if err := fw.Update(context.Background(), beginnings); err != nil {
		t.Fatal(err)
	}
	before := remember(t, fw)
	port := portmap.MustParse("7000:80")
	for name, do := range map[string]func(tx *Tx){
		"attach":    func(tx *Tx) { n := tx.Network("net0"); tx.RemoveNetwork("net0"); n.Attach(modelEndpoint(0, 3, 9)) },
		"endpoint":  func(tx *Tx) { n := tx.Network("net0"); tx.RemoveNetwork("net0"); n.Endpoint("end0") },
		"detach":    func(tx *Tx) { n := tx.Network("net0"); tx.RemoveNetwork("net0"); n.Detach("end0") },
		"publish":   func(tx *Tx) { e := tx.Network("net0").Endpoint("end0"); tx.RemoveNetwork("net0"); e.Publish(port) },
		"unpublish": func(tx *Tx) { n := tx.Network("net0"); e := n.Endpoint("end0"); n.Detach("end0"); e.Unpublish(port) },
		"another's": func(tx *Tx) {
			n := tx.Network("net0")
			tx.RemoveNetwork("net0")
			tx.CreateNetwork(modelSpec(0, 3, 0))
			n.Attach(modelEndpoint(0, 3, 9))
		},
	} {
		err := fw.Update(context.Background(), func(tx *Tx) error { do(tx); return nil })
		if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(fmt.Sprint(err), "net0") {
			t.Errorf("%s: %v", name, err)
		}
		before.check(t, fw)
	}
}
