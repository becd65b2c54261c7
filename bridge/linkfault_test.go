package bridge

import (
	"context"
	"errors"
	"os"
	"slices"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/seawall-net/seawall/internal/netns"
	"github.com/seawall-net/seawall/nft"
	"github.com/seawall-net/seawall/portmap"
)

// openLinked opens a firewall with links in a namespace of its own.
func openLinked(t *testing.T, layout Layout) (*Firewall, *os.File) {
	t.Helper()
	ns, err := netns.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ns.Close() })
	return mustOpen(t, Config{NetNS: ns, Layout: layout}), ns
}

// linkNames lists the links of a namespace, with "up" or "down" and, of a
// bridge, how many addresses it has.
func linkNames(t *testing.T, ns *os.File) []string {
	t.Helper()
	var out []string
	err := netns.Do(ns, func() error {
		links, err := netlink.LinkList()
		for _, l := range links {
			state := " down"
			if l.Attrs().Flags&1 != 0 {
				state = " up"
			}
			name := l.Attrs().Name + state
			addrs, err := netlink.AddrList(l, netlink.FAMILY_ALL)
			if err != nil {
				return err
			}
			for _, a := range addrs {
				if !a.IP.IsLinkLocalUnicast() {
					name += " " + a.IPNet.String()
				}
			}
			out = append(out, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(out)
	return out
}

// A bridge that cannot be made takes the rules back, and everything else that
// the update has done to links.
func TestUpdateWhoseLinksFail(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	fw, ns := openLinked(t, nil)
	if err := fw.Update(ctx, beginnings); err != nil {
		t.Fatal(err)
	}
	connectAll(t, fw)
	// Something else has the name of the third bridge.
	veth := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "br-2"}, PeerName: "other"}
	if err := netns.Do(ns, func() error { return netlink.LinkAdd(veth) }); err != nil {
		t.Fatal(err)
	}
	view, desired, kernel := describeView(fw.View()), fw.Desired().String(), mustRead(t, fw)
	links := linkNames(t, ns)
	for name, do := range map[string]func(tx *Tx) error{
		"one network":        func(tx *Tx) error { tx.CreateNetwork(modelSpec(2, 3, 0)); return nil },
		"others come and go": changes,
		"another before it":  func(tx *Tx) error { tx.CreateNetwork(modelSpec(4, 3, 0)); return changes(tx) },
		"a network comes back": func(tx *Tx) error {
			tx.RemoveNetwork("net1")
			tx.CreateNetwork(modelSpec(1, 1, 0))
			tx.CreateNetwork(modelSpec(2, 3, 0))
			return nil
		},
	} {
		err := fw.Update(ctx, do)
		if err == nil {
			t.Fatalf("%s: no error", name)
		}
		if got := describeView(fw.View()); !slices.Equal(got, view) {
			t.Fatalf("%s: the view has\n%q\nbefore\n%q", name, got, view)
		}
		if got := fw.Desired().String(); got != desired {
			t.Fatalf("%s: desired is\n%s\nbefore\n%s", name, got, desired)
		}
		sameRulesets(t, name+": the kernel before and after", kernel, mustRead(t, fw))
		if got := linkNames(t, ns); !slices.Equal(got, links) {
			t.Fatalf("%s: links\n%q\nbefore\n%q", name, got, links)
		}
	}
	if err := netns.Do(ns, func() error { return netlink.LinkDel(veth) }); err != nil {
		t.Fatal(err)
	}
	if err := fw.Update(ctx, changes); err != nil {
		t.Fatal(err)
	}
	sameRulesets(t, "kernel and union", mustRead(t, fw), fw.Desired())
}

// connectAll gives every endpoint its link.
func connectAll(t *testing.T, fw *Firewall) {
	t.Helper()
	for n := range fw.View().Networks() {
		for e := range fw.View().Endpoints(n) {
			ns, err := netns.New()
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = ns.Close() })
			if err := fw.Connect(context.Background(), n.Spec.Name, e.Spec.Name, Link{NetNS: ns}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// An update that the kernel refuses leaves the links of what it was to remove.
func TestRefusedUpdateKeepsLinks(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	layout := &faulty{Layout: Native(), bad: badObjects()["jump to a missing chain"], place: "last",
		of: func(f Fact) bool { b, ok := f.(*Binding); return ok && b.Port.Host.First == 7000 }}
	fw, ns := openLinked(t, layout)
	if err := fw.Update(ctx, beginnings); err != nil {
		t.Fatal(err)
	}
	connectAll(t, fw)
	before, links := remember(t, fw), linkNames(t, ns)
	if len(links) < 6 {
		t.Fatalf("links: %q", links)
	}
	port := portmap.MustParse("7000:80")
	for name, do := range map[string]func(tx *Tx){
		"endpoint": func(tx *Tx) { tx.Network("net0").Detach("end0") },
		"network":  func(tx *Tx) { tx.RemoveNetwork("net0") },
	} {
		do := func(tx *Tx) error { do(tx); tx.Network("net1").Endpoint("end1").Publish(port); return nil }
		layout.armed = true
		err := fw.Update(ctx, do)
		layout.armed = false
		var oe *nft.ObjectError
		if !errors.As(err, &oe) {
			t.Fatalf("%s: %v", name, err)
		}
		before.check(t, fw)
		if got := linkNames(t, ns); !slices.Equal(got, links) {
			t.Fatalf("%s: links\n%q\nbefore\n%q", name, got, links)
		}
	}
	if err := fw.Update(ctx, func(tx *Tx) error { tx.RemoveNetwork("net0"); tx.RemoveNetwork("net1"); return nil }); err != nil {
		t.Fatal(err)
	}
	if got := linkNames(t, ns); len(got) != 1 {
		t.Errorf("everything is removed, and there are links %q", got)
	}
}

// A bridge that was there before and cannot be put to use fails only after the
// commit: rules, user rules and facts are taken back.
func TestUpdateWhoseBridgeCannotBePutToUse(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	fw, ns := openLinked(t, nil)
	if err := fw.Update(ctx, beginnings); err != nil {
		t.Fatal(err)
	}
	connectAll(t, fw)
	// IPv6 needs larger packets, and the kernel has none on such a link.
	small := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br-2", MTU: 1000}}
	if err := netns.Do(ns, func() error { return netlink.LinkAdd(small) }); err != nil {
		t.Fatal(err)
	}
	view, desired, kernel, links := describeView(fw.View()), fw.Desired().String(), mustRead(t, fw), linkNames(t, ns)
	committed := false
	fw.cfg.Trace = func(Transaction) { committed = true }
	err := fw.Update(ctx, func(tx *Tx) error {
		for _, f := range []nft.Family{nft.IPv4, nft.IPv6} {
			tx.UserChain(f).Append(UserRule{Statements: []nft.Statement{nft.TCPDport.Eq(80), nft.Drop()}})
		}
		tx.RemoveNetwork("net1")
		tx.CreateNetwork(modelSpec(2, 3, 0))
		return nil
	})
	if err == nil || !committed {
		t.Fatalf("err %v, committed %v: want an error after the commit", err, committed)
	}
	if got := describeView(fw.View()); !slices.Equal(got, view) {
		t.Errorf("the view has become\n%v, was\n%v", got, view)
	}
	if got := fw.Desired().String(); got != desired {
		t.Errorf("desired has become\n%s\nwas\n%s", got, desired)
	}
	if d := nft.Diff(mustRead(t, fw), kernel); d.Len() > 0 {
		t.Errorf("the kernel has changed:\n%s", d)
	}
	for _, f := range []nft.Family{nft.IPv4, nft.IPv6} {
		if rules, err := fw.UserRules(ctx, f); err != nil || len(rules) > 0 {
			t.Errorf("%s DOCKER-USER: %v, %v; want it empty", f, rules, err)
		}
	}
	want := slices.DeleteFunc(linkNames(t, ns), func(s string) bool { return len(s) > 4 && s[:4] == "br-2" })
	if got := slices.DeleteFunc(links, func(s string) bool { return len(s) > 4 && s[:4] == "br-2" }); !slices.Equal(got, want) {
		t.Errorf("links were %v, are %v", got, want)
	}
	if err := netns.Do(ns, func() error { return netlink.LinkDel(small) }); err != nil {
		t.Fatal(err)
	}
	if err := fw.Update(ctx, changes); err != nil {
		t.Errorf("the next update: %v", err)
	}
}
