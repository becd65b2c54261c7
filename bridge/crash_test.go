package bridge_test

import (
	"context"
	"os"
	"slices"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/internal/netns"
)

// linkNames are the host's links but for its own two, sorted.
func (w *world) linkNames() (names []string) {
	w.t.Helper()
	list, err := w.host.Netlink().LinkList()
	if err != nil {
		w.t.Fatal(err)
	}
	for _, l := range list {
		if name := l.Attrs().Name; name != "lo" && name != "eth0" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// handLink makes a link on the host, with an alias.
func (w *world) handLink(l netlink.Link, alias string) {
	w.t.Helper()
	h := w.host.Netlink()
	if err := h.LinkAdd(l); err != nil {
		w.t.Fatal(err)
	}
	if err := h.LinkSetAlias(l, alias); err != nil {
		w.t.Fatal(err)
	}
}

func named(name string) netlink.LinkAttrs {
	attrs := netlink.NewLinkAttrs()
	attrs.Name = name
	return attrs
}

// Links that a process left half done when it was killed are as the facts say after the next Open, and so are sysctls.
func TestOpenRepairsLinks(t *testing.T) {
	t.Parallel()
	fates := `
		ext   tcp   host:8080      a1 sees ext
		host  tcp   loopback:8080  a1 sees gw-a
		a2    tcp   a1:80          a1 sees a2
		b1    tcp   a1:80          silent
		a1    tcp   ext:80         ext sees host
	`
	w := twoNetworks(t, bridge.Config{})
	w.filterBridges(filterOff)
	before := w.linkNames()
	h := w.host.Netlink()
	host := &netlink.Device{LinkAttrs: named(w.fw.View().Endpoint("a", "a1").Spec.HostIfName)}
	bridgeA := func() netlink.Link { return &netlink.Bridge{LinkAttrs: named("br-a")} }
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, harm := range map[string]func(){
		"bridge not made, forwarding not on, others left behind": func() {
			do(h.LinkDel(bridgeA()))
			w.host.SetSysctl("net.ipv4.ip_forward", "0")
			w.handLink(&netlink.Bridge{LinkAttrs: named("br-left")}, "seawall")
			w.handLink(&netlink.Veth{LinkAttrs: named("veth-left"), PeerName: "veth-peer"}, "seawall")
		},
		"bridge and endpoint not up": func() {
			do(h.LinkSetDown(bridgeA()))
			do(h.LinkSetDown(host))
		},
		"no address, no loopback": func() {
			link, err := h.LinkByName("br-a")
			do(err)
			a, err := netlink.ParseAddr("172.30.1.1/24")
			do(err)
			do(h.AddrDel(link, a))
			w.host.SetSysctl("net.ipv4.conf.br-a.route_localnet", "0")
		},
	} {
		do(w.fw.Close())
		harm()
		generation := w.generation()
		w.open()
		if w.generation() != generation {
			t.Errorf("%s: open has written rules", name)
		}
		if after := w.linkNames(); !slices.Equal(after, before) {
			t.Errorf("%s: links %q, want %q", name, after, before)
		}
		w.awaitCarriers("a1", "a2", "b1")
		w.fates(fates)
	}
}

// What somebody else has made stays, and so does everything on a host without a firewall: nobody knows what it was for.
func TestOpenKeepsLinks(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bridge.Config{})
	w.networkA()
	w.handLink(&netlink.Bridge{LinkAttrs: named("br-theirs")}, "")
	w.handLink(&netlink.Veth{LinkAttrs: named("veth-theirs"), PeerName: "veth-peer"}, "theirs")
	before := w.linkNames()
	w.reopen()
	if after := w.linkNames(); !slices.Equal(after, before) {
		t.Errorf("links %q, want %q", after, before)
	}
	if err := w.fw.Teardown(context.Background()); err != nil {
		t.Fatal(err)
	}
	w.handLink(&netlink.Bridge{LinkAttrs: named("br-before")}, "seawall")
	before = w.linkNames()
	w.open()
	if after := w.linkNames(); !slices.Equal(after, before) {
		t.Errorf("without a firewall: links %q, want %q", after, before)
	}
}

// While an update is under way elsewhere, its links are not taken for leftovers.
func TestOpenSparesLinksOfAnUpdate(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bridge.Config{})
	w.networkA()
	var lock *os.File
	err := netns.Do(w.host.File(), func() (err error) {
		lock, err = netns.Current()
		return err
	})
	if err == nil {
		err = unix.Flock(int(lock.Fd()), unix.LOCK_SH)
	}
	if err != nil {
		t.Fatal(err)
	}
	w.handLink(&netlink.Bridge{LinkAttrs: named("br-new")}, "seawall")
	before := w.linkNames()
	w.reopen()
	if after := w.linkNames(); !slices.Equal(after, before) {
		t.Errorf("links %q, want %q", after, before)
	}
	w.networkB() // updates share the lock
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
	w.reopen()
	if after := w.linkNames(); !slices.Equal(after, []string{"br-a", "br-b"}) {
		t.Errorf("links %q, want those of the networks", after)
	}
}
