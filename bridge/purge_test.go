package bridge

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/seawall-net/seawall/internal/conntrack"
	"github.com/seawall-net/seawall/internal/netns"
	"github.com/seawall-net/seawall/portmap"
)

// sendUDP sends a packet to an address of the namespace itself.
func sendUDP(t *testing.T, ns *os.File, to string) {
	t.Helper()
	err := netns.Do(ns, func() error {
		lo, err := netlink.LinkByName("lo")
		if err == nil {
			err = netlink.LinkSetUp(lo)
		}
		if err != nil {
			return err
		}
		conn, err := net.Dial("udp", to)
		if err != nil {
			return err
		}
		defer conn.Close()
		_, err = conn.Write([]byte("x"))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// trackedTo counts the flows that were begun to a port.
func trackedTo(t *testing.T, ns *os.File, port uint16) (n int) {
	t.Helper()
	conn, err := conntrack.Dial(ns)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Sweep(context.Background(), conntrack.Filter{}, func(f *conntrack.Flow) bool {
		if f.Orig.Dst.Port() == port {
			n++
		}
		return false
	}); err != nil {
		t.Fatal(err)
	}
	return n
}

// Flows that could not be ended do not undo the update, and are ended with the next.
func TestPurgeIsTriedAgain(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	var log strings.Builder
	fw, ns := openNew(t, Config{Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))})
	publish := func(spec string) func(*Tx) error {
		return func(tx *Tx) error { tx.Network("net0").Endpoint("end0").Publish(portmap.MustParse(spec)); return nil }
	}
	nothing := func(*Tx) error { return nil }
	if err := fw.Update(ctx, beginnings); err != nil {
		t.Fatal(err)
	}
	for _, to := range []string{"127.0.0.1:6000", "[::1]:6000", "127.0.0.1:6001"} {
		sendUDP(t, ns, to)
	}
	// A connection of no use any more is replaced at once.
	if fw.flows.conn == nil {
		t.Fatal("nothing was looked at")
	}
	_ = fw.flows.conn.Close()
	if err := fw.Update(ctx, publish("6001:80/udp")); err != nil {
		t.Fatal(err)
	}
	if n := trackedTo(t, ns, 6001); n != 0 || log.Len() > 0 {
		t.Errorf("%d flows are left; log: %s", n, &log)
	}
	// No connection can be had.
	fw.flows.close()
	closed, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	own := fw.ns
	fw.ns = closed
	err = fw.Update(ctx, publish("6000:80/udp"))
	again := fw.Update(ctx, nothing)
	fw.ns = own
	if err != nil || again != nil {
		t.Fatal(err, again)
	}
	if n, warnings := trackedTo(t, ns, 6000), strings.Count(log.String(), "level=WARN"); n != 2 || warnings != 2 {
		t.Errorf("%d flows and %d warnings, want 2 and 2:\n%s", n, warnings, &log)
	}
	if err := fw.Update(ctx, nothing); err != nil {
		t.Fatal(err)
	}
	if n := trackedTo(t, ns, 6000); n != 0 || len(fw.flows.due) > 0 {
		t.Errorf("%d flows and %d changes are left", n, len(fw.flows.due))
	}
	sameRulesets(t, "kernel and union", mustRead(t, fw), fw.Desired())
}

// What is kept for another attempt has a limit.
func TestPurgeForgets(t *testing.T) {
	t.Parallel()
	fw, _ := openNew(t, Config{})
	closed, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	own := fw.ns
	fw.ns = closed
	defer func() { fw.ns = own }()
	e := &Endpoint{Network: &Network{}, Spec: modelEndpoint(0, 3, 0)}
	for range 5 {
		log := make([]applied, maxDue/3)
		for i := range log {
			log[i].fact = e
		}
		fw.flows.owe(log)
		fw.purge(context.Background())
	}
	if len(fw.flows.due) != 3 {
		t.Errorf("%d updates are kept, want 3", len(fw.flows.due))
	}
}

// The host's own addresses are what the rules take for them.
func TestLocalAddrs(t *testing.T) {
	t.Parallel()
	_, ns := openNew(t, Config{})
	err := netns.Do(ns, func() error {
		lo, err := netlink.LinkByName("lo")
		if err == nil {
			err = netlink.LinkSetUp(lo)
		}
		if err != nil {
			return err
		}
		addr, _ := netlink.ParseAddr("192.0.2.1/32") // an IPv6 one would take the kernel some time
		if err := netlink.AddrAdd(lo, addr); err != nil {
			return err
		}
		for _, r := range []netlink.Route{
			{Dst: ipNet(netip.MustParseAddr("198.51.100.0"), 24), Table: unix.RT_TABLE_LOCAL, Type: unix.RTN_LOCAL},
			{Dst: ipNet(netip.MustParseAddr("203.0.113.0"), 24), Table: unix.RT_TABLE_MAIN},
			{Dst: ipNet(netip.MustParseAddr("203.0.114.0"), 24), Table: 100, Type: unix.RTN_LOCAL},
			{Dst: ipNet(netip.MustParseAddr("2001:db8:2::"), 64), Table: unix.RT_TABLE_LOCAL, Type: unix.RTN_LOCAL},
		} {
			r.LinkIndex, r.Scope = lo.Attrs().Index, netlink.SCOPE_LINK
			if r.Type == unix.RTN_LOCAL {
				r.Scope = netlink.SCOPE_HOST
			}
			if err := netlink.RouteAdd(&r); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	own, err := localAddrs(ns)
	if err != nil {
		t.Fatal(err)
	}
	for a, want := range map[string]bool{
		"127.0.0.1": true, "127.0.0.2": true, "192.0.2.1": true, "198.51.100.7": true, "::1": true,
		"2001:db8:2::7": true,
		"192.0.2.2":     false, "203.0.113.7": false, "203.0.114.7": false, "2001:db8:1::2": false, "8.8.8.8": false,
		"224.0.0.1": false, "ff02::1": false, "0.0.0.0": false, "::": false,
	} {
		if got := own.contains(netip.MustParseAddr(a)); got != want {
			t.Errorf("%s: local %v, want %v (%v)", a, got, want, own)
		}
	}
}

func TestPrefixSet(t *testing.T) {
	t.Parallel()
	var set prefixSet
	for _, p := range []string{"10.1.0.0/16", "fd00::/8", "10.0.0.0/8", "10.2.0.0/16", "192.0.2.1/32", "10.2.0.0/16", "fd00:1::/64"} {
		set = append(set, netip.MustParsePrefix(p))
	}
	set.sort()
	if len(set) != 3 {
		t.Errorf("%v", set)
	}
	for a, want := range map[string]bool{
		"10.3.0.1": true, "10.0.0.0": true, "10.255.255.255": true, "192.0.2.1": true, "fd00:2::1": true,
		"9.255.255.255": false, "11.0.0.0": false, "192.0.2.0": false, "192.0.2.2": false, "fc00::1": false, "fe80::1": false,
	} {
		if got := set.contains(netip.MustParseAddr(a)); got != want {
			t.Errorf("%s: %v", a, got)
		}
	}
	if (prefixSet)(nil).contains(netip.IPv4Unspecified()) {
		t.Error("nothing contains something")
	}
}

func FuzzDecodeLocalRoute(f *testing.F) {
	f.Add([]byte{unix.AF_INET, 32, 0, 0, unix.RT_TABLE_LOCAL, 2, 254, unix.RTN_LOCAL, 0, 0, 0, 0, 8, 0, unix.RTA_DST, 0, 127, 0, 0, 1, 8, 0, unix.RTA_TABLE, 0, 255, 0, 0, 0})
	f.Add([]byte{unix.AF_INET6, 0, 0, 0, unix.RT_TABLE_LOCAL, 2, 254, unix.RTN_LOCAL, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		p, ok, err := decodeLocalRoute(b)
		if ok && (err != nil || !p.IsValid() || p.Bits() != int(b[1]) || p != p.Masked() || p.Addr().Is4() != (b[0] == unix.AF_INET)) {
			t.Errorf("%x: %v, %v", b, p, err)
		}
	})
}
