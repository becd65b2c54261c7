package bridge_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/internal/netlab"
)

// heard collects what is told of drops while a test runs.
type heard struct {
	mu    sync.Mutex
	drops []bridge.Drop
	news  chan struct{}
}

func (w *world) hearDrops(group uint16) *heard {
	w.t.Helper()
	h := &heard{news: make(chan struct{}, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	drops := bridge.Drops(ctx, w.host.File(), group)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for d, err := range drops {
			if err != nil {
				w.t.Error(err)
				return
			}
			if d.To.Addr().IsMulticast() {
				continue // what neighbours say of themselves, at any time
			}
			h.mu.Lock()
			h.drops = append(h.drops, d)
			h.mu.Unlock()
			select {
			case h.news <- struct{}{}:
			default:
			}
		}
	}()
	w.t.Cleanup(func() { cancel(); <-done })
	return h
}

// await waits until something was heard, and returns all of it so far.
func (h *heard) await(t *testing.T, ok func([]bridge.Drop) bool) []bridge.Drop {
	t.Helper()
	deadline := time.After(10 * time.Second)
	for {
		h.mu.Lock()
		all := slices.Clone(h.drops)
		h.mu.Unlock()
		if ok(all) {
			return all
		}
		select {
		case <-h.news:
		case <-deadline:
			return all
		}
	}
}

// A droppedFrame is a frame that somebody sends, and what is told of it.
type droppedFrame struct {
	what     string
	from     string // who sends it
	as       string // whose address it claims; empty is his own
	to       string
	mac      string // who gets it; empty is the host
	tcpFlags byte   // 0 is UDP
	network  string
	reason   bridge.Reason
	// judged: Docker's own rules drop it in the layouts of its versions, and tell nothing.
	judged bool
	// ipv4Only: the kernel itself drops it in IPv6.
	ipv4Only bool
}

func dropCases() []droppedFrame {
	return []droppedFrame{
		{what: "from another network", from: "b1", to: "a1", network: "a", reason: bridge.NotPublished, judged: true},
		{what: "from the LAN to an endpoint", from: "ext", to: "a1", network: "a", reason: bridge.DirectAccess, judged: true},
		{what: "from the LAN to a gateway", from: "ext", to: "gw-a", network: "a", reason: bridge.DirectAccess},
		{what: "from the LAN to an internal network", from: "ext", to: "i1", network: "int", reason: bridge.DirectAccess},
		{what: "out of an internal network", from: "i1", to: "ext", network: "int", reason: bridge.InternalNetwork, judged: true},
		{what: "from another network to an internal one", from: "b1", to: "i1", network: "int", reason: bridge.InternalNetwork, judged: true},
		{what: "from an internal network to the host", from: "i1", to: "host", network: "int", reason: bridge.HostAccess},
		{what: "to a sibling", from: "o1", to: "o2", mac: "o2", network: "off", reason: bridge.ICCOff},
		{what: "to a sibling by way of the host", from: "o1", to: "o2", network: "off", reason: bridge.ICCOff, judged: true},
		{what: "to a loopback address", from: "ext", to: "loopback", reason: bridge.LoopbackAddress, ipv4Only: true},
		{what: "with a foreign source", from: "free", as: "far", to: "ext", network: "a", reason: bridge.ForgedSource, judged: true},
		{what: "in another's name", from: "a1", as: "ext", to: "ext", network: "a", reason: bridge.SpoofedFrame},
		{what: "through the host", from: "ext", to: "far", reason: bridge.NoNetwork, judged: true},
		{what: "without a connection", from: "a1", to: "ext", tcpFlags: netlab.SYN | netlab.FIN, network: "a", reason: bridge.NoConnection},
	}
}

// dropWorld has an example of everything that drops.
func dropWorld(t *testing.T, log *bridge.DropLog) *world {
	w := newWorld(t, bridge.Config{DropForward: true, LogDrops: log})
	w.networkA()
	w.networkB()
	w.create(with(networkSpec("int", "172.30.3.0/24", "fd00:30:3::/64"), func(s *bridge.NetworkSpec) { s.Internal = true }))
	w.create(with(networkSpec("off", "172.30.4.0/24", "fd00:30:4::/64"), func(s *bridge.NetworkSpec) { s.DisableICC = true }))
	w.container("a", "a1", 2, "8080:80")
	w.endpoint("a", "free", 4, true, !lacksIPv6(), bridge.EndpointSpec{AllowSpoofing: true})
	w.container("b", "b1", 2)
	w.container("int", "i1", 2)
	w.container("off", "o1", 2)
	w.container("off", "o2", 3)
	w.name("far", "198.51.100.7", "2001:db8:9::7")
	w.host.Route("198.51.100.0/24", "192.0.2.2")
	w.host.Route("2001:db8:9::/64", "2001:db8:1::2")
	return w
}

func (w *world) sendDropped(i int, c droppedFrame, family int) (from, to netip.AddrPort) {
	w.t.Helper()
	var dst net.HardwareAddr = w.hostMAC(c.from)
	if c.mac != "" {
		dst = w.spaces[c.mac].MAC("eth0")
	}
	as := c.as
	if as == "" {
		as = c.from
	}
	from = netip.AddrPortFrom(w.addrs[as][family], 30000)
	to = netip.AddrPortFrom(w.addrs[c.to][family], uint16(20000+i))
	f := netlab.Frame{Dst: dst, Src: w.spaces[c.from].MAC("eth0"), Proto: "udp", From: from, To: to}
	if c.tcpFlags != 0 {
		f.Proto, f.TCPFlags = "tcp", c.tcpFlags
	}
	w.spaces[c.from].SendFrame("eth0", f.Marshal())
	return from, to
}

// Each kind of drop is told, with its network and reason, once, and nothing of what passes.
func TestDropsAreLogged(t *testing.T) {
	t.Parallel()
	w := dropWorld(t, &bridge.DropLog{Group: 42, Rate: 1000})
	h := w.hearDrops(42)
	w.fates(`
		a1    tcp,udp  ext:80      ext sees host
		ext   tcp      host:8080   a1 sees ext
		b1    tcp      host:8080   a1 sees gw-a  [other-networks: silent]
		i1    icmp     gw-int      delivered
	`)
	want := map[string]bool{}
	for i, c := range dropCases() {
		if c.judged && *layoutName != "native" && *layoutName != "hybrid" {
			continue
		}
		for family := range w.families() {
			if c.ipv4Only && family > 0 {
				continue
			}
			from, to := w.sendDropped(i, c, family)
			proto := "udp"
			if c.tcpFlags != 0 {
				proto = "tcp"
			}
			want[fmt.Sprintf("%s/%s %s %s > %s", c.network, c.reason, proto, from, to)] = true
		}
	}
	tell := func(d bridge.Drop) string {
		return fmt.Sprintf("%s/%s %s %s > %s", d.Network, d.Reason, d.Proto, d.From, d.To)
	}
	all := h.await(t, func(all []bridge.Drop) bool { return len(all) >= len(want) })
	got := map[string]bool{}
	for _, d := range all {
		line := tell(d)
		if !want[line] || got[line] && d.Reason != bridge.ICCOff { // a bridge may send a frame out of several ports
			t.Errorf("told without need: %s (%s)", line, d)
		}
		got[line] = true
		if d.In == "" || d.Time.IsZero() || len(d.Packet) < 28 {
			t.Errorf("%s: in by %q at %s, %d bytes", line, d.In, d.Time, len(d.Packet))
		}
	}
	for line := range want {
		if !got[line] {
			t.Errorf("nothing was told of %s", line)
		}
	}
	// The counters tell the same.
	c := w.counters()
	n := uint64(len(w.families()))
	for _, d := range dropCases() {
		if d.judged && *layoutName != "native" && *layoutName != "hybrid" {
			continue
		}
		n := n
		if d.ipv4Only {
			n = 1
		}
		drops := c.Host().Drops
		if d.network != "" {
			drops = c.Network(c.View().Network(d.network)).Drops
		}
		if drops[d.reason].Packets < n {
			t.Errorf("%s: %d packets dropped for %q, want %d at least", d.what, drops[d.reason].Packets, d.reason, n)
		}
	}
}

// What is logged is an option of the host, and nothing else depends on it.
func TestLogDropsLater(t *testing.T) {
	t.Parallel()
	w := dropWorld(t, nil)
	h, other := w.hearDrops(0), w.hearDrops(43)
	direct := dropCases()[2]
	w.sendDropped(1, direct, 0)
	for i, log := range []*bridge.DropLog{{}, {Group: 43, Rate: 100}, nil} {
		w.cfg.LogDrops = log
		w.reopen()
		w.reopen() // and again, without a change
		w.kernelIsDesired("with another log")
		_, to := w.sendDropped(100+i, direct, 0)
		from := map[int]*heard{0: h, 1: other}[i]
		if from == nil {
			continue
		}
		if all := from.await(t, func(all []bridge.Drop) bool { return len(all) > 0 }); len(all) != 1 || all[0].To != to {
			t.Errorf("with %+v: %v", log, all)
		}
	}
	w.fates(`
		ext   tcp    host:8080   a1 sees ext
		ext   udp    a1:80       silent
	`)
	if a, b := len(h.await(t, func([]bridge.Drop) bool { return true })), len(other.await(t, func([]bridge.Drop) bool { return true })); a != 1 || b != 1 {
		t.Errorf("%d and %d packets were told in all, want one each", a, b)
	}
}

// A flood is told in part, dropped as a whole, and hides no other network's drops.
func TestDropLogIsLimited(t *testing.T) {
	t.Parallel()
	w := dropWorld(t, &bridge.DropLog{Group: 44, Rate: 5})
	h := w.hearDrops(44)
	const flood = 60
	start := time.Now()
	for range flood {
		w.sendDropped(1, dropCases()[2], 0)
	}
	// Behind those of the flood, from the same interface.
	_, last := w.sendDropped(3, dropCases()[3], 0)
	all := h.await(t, func(all []bridge.Drop) bool { return len(all) > 0 && all[len(all)-1].To == last })
	if len(all) == 0 || all[len(all)-1].To != last {
		t.Fatalf("the other network's drop was not told: %v", all)
	}
	if most := 5 + int(5*time.Since(start).Seconds()) + 2; len(all) > most {
		t.Errorf("%d packets were told in %s: want at most %d", len(all), time.Since(start), most)
	}
	if got := w.countNetwork("a").Drops[bridge.DirectAccess].Packets; got < flood {
		t.Errorf("%d of %d packets counted", got, flood)
	}
}

func TestDropsOfABusyGroup(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bridge.Config{})
	_ = w.hearDrops(45)
	for d, err := range bridge.Drops(context.Background(), w.host.File(), 45) {
		if !errors.Is(err, unix.EBUSY) {
			t.Errorf("%v, %v", d, err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	drops := bridge.Drops(ctx, w.host.File(), 46)
	cancel()
	for d, err := range drops {
		t.Errorf("%v, %v after the end", d, err)
	}
}
