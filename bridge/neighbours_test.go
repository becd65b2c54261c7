package bridge

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/seawall-net/seawall/internal/netns"
)

func TestSolicitedNode(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]string{
		"fd00:30:1::2":           "ff02::1:ff00:2",
		"2001:db8::1234:5678":    "ff02::1:ff34:5678",
		"fe80::42:acff:feee:1":   "ff02::1:ffee:1",
		"2001:db8::ffff:ffff":    "ff02::1:ffff:ffff",
		"2001:db8:0:0:1:2:300:0": "ff02::1:ff00:0",
	} {
		if got := solicitedNode(netip.MustParseAddr(addr)).String(); got != want {
			t.Errorf("%s: %s, want %s", addr, got, want)
		}
	}
}

// An interface answers for an address as long as it has it, or another of the same group, and for no other.
func TestAnswers(t *testing.T) {
	t.Parallel()
	ns, err := netns.New()
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	a, other := netip.MustParseAddr("fd00::2"), netip.MustParseAddr("fd00::3")
	var answers []bool
	err = netns.Do(ns, func() error {
		for _, name := range []string{"first", "second"} {
			if err := netlink.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: name}}); err != nil {
				return err
			}
		}
		first, err := netlink.LinkByName("first")
		if err != nil {
			return err
		}
		second, err := netlink.LinkByName("second")
		if err != nil {
			return err
		}
		for _, l := range []netlink.Link{first, second} {
			if err := netlink.LinkSetUp(l); err != nil {
				return err
			}
		}
		groups, err := openGroups()
		if err != nil {
			return err
		}
		defer groups.close()
		ask := func(link netlink.Link, a netip.Addr) {
			if err == nil {
				var ok bool
				ok, err = groups.answers(link, a)
				answers = append(answers, ok)
			}
		}
		ask(first, a)
		addr := &netlink.Addr{IPNet: ipNet(a, 64), Flags: unix.IFA_F_NODAD}
		if err := netlink.AddrAdd(first, addr); err != nil {
			return err
		}
		for ok := false; !ok && err == nil; { // in its own time
			ok, err = groups.answers(first, a)
		}
		ask(first, a)
		ask(first, other)
		ask(second, a)
		if err == nil {
			err = netlink.AddrDel(first, addr)
		}
		ask(first, a)
		return err
	})
	if want := []bool{false, true, false, false, false}; err != nil || !slices.Equal(answers, want) {
		t.Errorf("%v, %v; want %v", answers, err, want)
	}
}
