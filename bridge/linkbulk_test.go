package bridge

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/seawall-net/seawall/internal/netns"
)

// manyNetworks makes networks with an endpoint each, and connects some of them to one container.
func manyNetworks(t testing.TB, fw *Firewall, networks, connected int) {
	t.Helper()
	err := fw.Update(context.Background(), func(tx *Tx) error {
		for n := range networks {
			subnet := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(n), 0, 0}), 24)
			tx.CreateNetwork(NetworkSpec{Name: fmt.Sprint("n", n), Bridge: fmt.Sprint("br-", n), IPv4: Gateway{Subnet: subnet}}).
				Attach(EndpointSpec{Name: "e", HostIfName: fmt.Sprint("port-", n), IPv4: netip.AddrFrom4([4]byte{10, byte(n), 0, 2})})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	ns, err := netns.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ns.Close() })
	for n := range connected {
		if err := fw.Connect(context.Background(), fmt.Sprint("n", n), "e", Link{NetNS: ns, NoDefaultRoute: true}); err != nil {
			t.Fatal(err)
		}
	}
}

// strangers makes links that are none of ours, and puts one of them into a group.
func strangers(t *testing.T, ns *os.File, group int) {
	t.Helper()
	err := netns.Do(ns, func() error {
		for _, name := range []string{"theirs", "br-theirs"} {
			attrs := netlink.LinkAttrs{Name: name}
			if err := netlink.LinkAdd(&netlink.Bridge{LinkAttrs: attrs}); err != nil {
				return err
			}
		}
		link, err := netlink.LinkByName("theirs")
		if err != nil {
			return err
		}
		return netlink.LinkSetGroup(link, group)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// linksThere are the names of a namespace's links.
func linksThere(t *testing.T, fw *Firewall) []string {
	t.Helper()
	all, err := fw.links.list()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for name := range all {
		if name != "lo" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Where many networks go, only their links do. What stands under a name of ours, but is not ours, stays.
func TestManyLinksGo(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	fw, ns := openLinked(t, nil)
	manyNetworks(t, fw, 6, 3)
	strangers(t, ns, 77)
	h := fw.links.h
	taken, err := h.LinkByName("br-4")
	if err == nil {
		err = h.LinkSetAlias(taken, "somebody else's")
	}
	if err != nil {
		t.Fatal(err)
	}
	err = fw.Update(ctx, func(tx *Tx) error {
		for n := range 5 {
			tx.RemoveNetwork(fmt.Sprint("n", n))
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if names, want := linksThere(t, fw), []string{"br-4", "br-5", "br-theirs", "theirs"}; !slices.Equal(names, want) {
		t.Errorf("after the update there are %q, want %q", names, want)
	}
	manyNetworks(t, fw, 4, 2)
	if err := fw.Teardown(ctx); err != nil {
		t.Error(err)
	}
	fw, err = Open(ctx, Config{NetNS: ns})
	if err != nil {
		t.Fatal(err)
	}
	defer fw.Close()
	if names, want := linksThere(t, fw), []string{"br-4", "br-theirs", "theirs"}; !slices.Equal(names, want) {
		t.Errorf("after the teardown there are %q, want %q", names, want)
	}
}

// A group in which there is a stranger's link is not deleted, and those beside it are.
func TestGroupOfStrangers(t *testing.T) {
	t.Parallel()
	fw, ns := openLinked(t, nil)
	const networks, group = bulkSize + 2, 4711
	manyNetworks(t, fw, networks, 0)
	strangers(t, ns, group+1)
	var doomed []netlink.Link
	for n := range networks {
		link, err := fw.links.find(fmt.Sprint("br-", n))
		if err != nil || link == nil {
			t.Fatal(link, err)
		}
		doomed = append(doomed, link)
	}
	rest := fw.links.deleteTogether(doomed, group)
	if !slices.Equal(rest, doomed[bulkSize:]) {
		t.Errorf("left are %d links, want the last 2", len(rest))
	}
	if names, want := linksThere(t, fw), []string{"br-32", "br-33", "br-theirs", "theirs"}; !slices.Equal(names, want) {
		t.Errorf("there are %q, want %q", names, want)
	}
	// Some are gone already: that is what was wanted.
	if err := fw.links.deleteAll(doomed); err != nil {
		t.Error(err)
	}
	if names, want := linksThere(t, fw), []string{"br-theirs", "theirs"}; !slices.Equal(names, want) {
		t.Errorf("in the end there are %q, want %q", names, want)
	}
}

// BenchmarkDeleteLinks deletes bridges, each with a port, one by one and as an update does.
func BenchmarkDeleteLinks(b *testing.B) {
	for _, together := range []bool{false, true} {
		b.Run(fmt.Sprintf("together=%t", together), func(b *testing.B) {
			const networks = 32
			for b.Loop() {
				b.StopTimer()
				ns, err := netns.New()
				if err != nil {
					b.Fatal(err)
				}
				fw := mustOpen(b, Config{NetNS: ns})
				manyNetworks(b, fw, networks, networks)
				var names []string
				for n := range networks {
					names = append(names, fmt.Sprint("port-", n), fmt.Sprint("br-", n))
				}
				b.StartTimer()
				if together {
					err = fw.links.removeAll(names)
				} else {
					for _, name := range names {
						err = fw.links.removeLink(name)
					}
				}
				b.StopTimer()
				if err != nil {
					b.Fatal(err)
				}
				_ = ns.Close()
				b.StartTimer()
			}
			b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N*networks), "ms/network")
		})
	}
}
