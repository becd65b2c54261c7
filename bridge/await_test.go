package bridge

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seawall-net/seawall/internal/netns"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// setSpanningTree switches a bridge's spanning tree on or off.
func setSpanningTree(t *testing.T, ns *os.File, name string, on uint32) {
	t.Helper()
	err := netns.Do(ns, func() error {
		link, err := netlink.LinkByName(name)
		if err != nil {
			return err
		}
		request := nl.NewNetlinkRequest(unix.RTM_NEWLINK, unix.NLM_F_ACK)
		info := nl.NewIfInfomsg(unix.AF_UNSPEC)
		info.Index = int32(link.Attrs().Index)
		request.AddData(info)
		attrs := nl.NewRtAttr(unix.IFLA_LINKINFO, nil)
		attrs.AddRtAttr(nl.IFLA_INFO_KIND, []byte("bridge"))
		attrs.AddRtAttr(nl.IFLA_INFO_DATA, nil).AddRtAttr(nl.IFLA_BR_STP_STATE, nl.Uint32Attr(on))
		request.AddData(attrs)
		_, err = request.Execute(unix.NETLINK_ROUTE, 0)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// setBridge sets a bridge up or down.
func setBridge(t *testing.T, ns *os.File, name string, set func(netlink.Link) error) {
	t.Helper()
	if err := netns.Do(ns, func() error { return set(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: name}}) }); err != nil {
		t.Fatal(err)
	}
}

// Connect fails where packets do not come to pass, says why, and leaves nothing behind.
func TestConnectThatNeverCarries(t *testing.T) {
	t.Parallel()
	fw, ns := openLinked(t, nil)
	if err := fw.Update(context.Background(), beginnings); err != nil {
		t.Fatal(err)
	}
	container, err := netns.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = container.Close() })
	name := fw.View().Network("net0").Spec.Bridge
	connect := func(ctx context.Context) error { return fw.Connect(ctx, "net0", "end0", Link{NetNS: container}) }
	impatient := func() error {
		fw.links.patience = 20 * time.Millisecond
		defer func() { fw.links.patience = carrierLimit }()
		return connect(context.Background())
	}
	canceled := func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		defer cancel()
		return connect(ctx)
	}
	fails := func(try func() error, want error, reason string) {
		t.Helper()
		before, inside := linkNames(t, ns), linkNames(t, container)
		err := try()
		if !errors.Is(err, want) || !strings.Contains(err.Error(), "bridge: connect net0/end0: ") || !strings.Contains(err.Error(), reason) {
			t.Errorf("connect: %v; want %v and %q", err, want, reason)
		}
		if got := linkNames(t, ns); !slices.Equal(got, before) {
			t.Errorf("links\n%q\nbefore\n%q", got, before)
		}
		if got := linkNames(t, container); len(got) != len(inside) {
			t.Errorf("in the container\n%q\nbefore\n%q", got, inside)
		}
	}

	setBridge(t, ns, name, netlink.LinkSetDown)
	fails(impatient, os.ErrDeadlineExceeded, name+" does not forward to veth")
	fails(canceled, context.DeadlineExceeded, "it is disabled: ")
	setBridge(t, ns, name, netlink.LinkSetUp)

	setSpanningTree(t, ns, name, 1)
	fails(impatient, os.ErrDeadlineExceeded, "it is listening after 20ms: ")
	setSpanningTree(t, ns, name, 0)

	if err := connect(context.Background()); err != nil {
		t.Fatal(err)
	}
	err = netns.Do(ns, func() error {
		veth, bridge := vethName("net0", "end0"), name
		for _, link := range []string{veth, bridge} {
			if missing, err := down(fw.links.h, link); missing != "" || err != nil {
				t.Error(missing, err)
			}
		}
		state, err := portState(fw.links.h, veth)
		if state != portForwarding {
			t.Errorf("the port of %s is %s", veth, state)
		}
		if state, err := portState(fw.links.h, bridge); state != 0 || err != nil {
			t.Errorf("%s is a port that is %s, %v", bridge, state, err)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
