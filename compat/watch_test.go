package compat_test

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/compat"
	"github.com/seawall-net/seawall/internal/netlab"
	"github.com/seawall-net/seawall/nft"
)

// impatient hardly ever backs off.
var impatient = bridge.WatchConfig{MinDelay: 1, MaxDelay: 1}

// watch runs a Watch beside a test. The channel has what it tells after the first event.
func (w *hybridWorld) watch() <-chan bridge.Event {
	w.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	events, done := make(chan bridge.Event, 1000), make(chan struct{})
	go func() {
		defer close(done)
		for e, err := range w.fw.Watch(ctx) {
			if err != nil {
				e.Reason = err.Error()
			}
			events <- e
		}
	}()
	w.t.Cleanup(func() { cancel(); <-done })
	if e := w.next(events); e.Kind != bridge.Watching {
		w.t.Fatal(e)
	}
	return events
}

func (w *hybridWorld) next(events <-chan bridge.Event) bridge.Event {
	w.t.Helper()
	select {
	case e := <-events:
		return e
	case <-time.After(20 * time.Second):
		w.t.Fatal("no event")
	}
	panic("unreachable")
}

// repaired takes events until the kernel holds what it should, and one says that a process has damaged it.
func (w *hybridWorld) repaired(when string, events <-chan bridge.Event, by string) {
	w.t.Helper()
	for told := false; ; {
		if told {
			have, err := w.fw.Ruleset(context.Background())
			if err != nil {
				w.t.Fatal(err)
			}
			for _, table := range have.Tables() {
				table.Open = true
			}
			if d := nft.Diff(have, w.fw.Desired()); d.Len() == 0 {
				return
			}
		}
		e := w.next(events)
		if e.Kind == bridge.Failed {
			w.t.Fatalf("%s: %s", when, e)
		}
		told = told || e.Kind == bridge.Damaged && strings.HasPrefix(e.By.Name, by) && len(e.Changes) > 0
	}
}

// damages is what tools do to iptables' tables: by both families' tools, but for the last ones.
var damages = []struct {
	name     string
	commands [][]string
	stdin    string
	by       string
	// layouts are those that it damages; nil is all.
	layouts []string
}{
	{name: "-F", commands: [][]string{{"-F"}}, by: "iptables"},
	{name: "-F and -X", commands: [][]string{{"-F"}, {"-X"}}, by: "iptables"},
	{name: "-t nat -F", commands: [][]string{{"-t", "nat", "-F"}}, by: "iptables", layouts: []string{"docker-28", "docker-18.05"}},
	{name: "-D", commands: [][]string{{"-D", "FORWARD", "-j", "DOCKER-USER"}}, by: "iptables"},
	{name: "a reload", commands: [][]string{{"restore"}}, stdin: `
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:ufw-user-forward - [0:0]
-A FORWARD -j ufw-user-forward
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
COMMIT
`, by: "iptables"},
}

// What operators and their tools do to iptables' tables is repaired, with what it took from DOCKER-USER.
func TestWatchRepairsByIPTables(t *testing.T) {
	for _, name := range []string{"hybrid", "docker-28", "docker-18.05"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			layout, err := compat.LayoutNamed(name)
			if err != nil {
				t.Fatal(err)
			}
			cfg := bridge.Config{Layout: layout, Watch: impatient}
			w := newHybridWorld(t, cfg)
			w.network(1, "a", func(*bridge.NetworkSpec) {})
			w.network(2, "b", func(*bridge.NetworkSpec) {})
			w.container("a", "a1", 2, "8080:80", "8080:80/udp")
			w.container("b", "b1", 2)
			tools := []string{"iptables", "ip6tables"}
			if name == "docker-18.05" {
				tools = tools[:1] // which had no DOCKER-USER for IPv6
			}
			users := make([]string, len(tools))
			list := func(i int) string {
				return w.tool("", tools[i], "-S", "DOCKER-USER") + w.tool("", tools[i], "-S", "mine")
			}
			for i, tool := range tools {
				w.tool("", tool, "-N", "mine")
				w.tool("", tool, "-A", "mine", "-p", "udp", "-d", w.addrs["a1"][i].String(), "--dport", "80", "-j", "DROP")
				w.tool("", tool, "-I", "DOCKER-USER", "-i", "eth0", "-j", "mine") // before the version's own rule
				users[i] = list(i)
			}
			w.ipv4Only = len(tools) == 1
			events := w.watch()
			for _, d := range damages {
				if d.layouts != nil && !slices.Contains(d.layouts, name) {
					continue
				}
				for i, tool := range tools {
					for _, c := range d.commands {
						if c[0] == "restore" {
							w.tool(d.stdin, tool+"-restore")
							continue
						}
						// -X is refused where the repair was faster.
						w.try(tool, c...)
					}
					by := d.by
					if i == 1 {
						by = "ip6tables"
					}
					w.repaired(d.name, events, by)
					if got := list(i); got != users[i] {
						t.Errorf("%s: the user's chains were\n%sand are\n%s", d.name, users[i], got)
					}
				}
			}
			w.fates(`
				ext   tcp   host:8080    a1 sees ext
				ext   udp   host:8080    silent
				far   tcp   host:8080    a1 sees far
				ext   tcp   a1:80        silent
				b1    tcp   a1:80        silent
				a1    tcp   ext:80       ext sees host
			`)
			if len(tools) == 2 { // the other version kept networks apart in this, too
				w.fates("b1    udp   host:8080    a1 sees gw-a")
			}
			// An edit is the user's.
			for _, tool := range tools {
				w.tool("", tool, "-F", "DOCKER-USER")
			}
			w.tool("", "nft", "flush table ip seawall")
			w.repaired("flush of our own table", events, "nft")
			if got := w.tool("", "iptables", "-S", "DOCKER-USER"); got != "-N DOCKER-USER\n" {
				t.Error(got)
			}
			w.fates(`ext   udp   host:8080    a1 sees ext`)
		})
	}
}

// The policy that the firewall itself has set, since it has made the host a router, is its own.
func TestWatchRepairsPolicies(t *testing.T) {
	t.Parallel()
	layout, err := compat.LayoutNamed("docker-28")
	if err != nil {
		t.Fatal(err)
	}
	w := newHybridWorld(t, bridge.Config{Layout: layout, Watch: impatient}, func(w *hybridWorld) {
		w.host.SetSysctl("net.ipv4.ip_forward", "0")
		w.host.SetSysctl("net.ipv6.conf.all.forwarding", "0")
	})
	w.network(1, "a", func(*bridge.NetworkSpec) {})
	w.container("a", "a1", 2, "8080:80")
	events := w.watch()
	for i, tool := range []string{"iptables", "ip6tables"} {
		for _, damage := range []string{tool + " -P FORWARD ACCEPT", "nft delete table " + families[i].String() + " filter"} {
			w.tool("", "sh", "-c", damage)
			for e := w.next(events); e.Kind != bridge.Repaired; e = w.next(events) {
			}
			if got := w.tool("", tool, "-S", "FORWARD"); !strings.HasPrefix(got, "-P FORWARD DROP") {
				t.Errorf("%s: %s", damage, got)
			}
		}
	}
	w.fates(`
		ext   tcp   far:80       silent
		ext   tcp   host:8080    a1 sees ext
	`)
}

var families = [2]nft.Family{nft.IPv4, nft.IPv6}

// try runs a tool that may fail.
func (w *hybridWorld) try(name string, args ...string) {
	w.t.Helper()
	w.tool("", "sh", "-c", name+" "+strings.Join(args, " ")+" || true")
}

// A flush of everything, and of a restore of what was saved, ends with everything as it was.
func TestWatchThroughSaveAndRestore(t *testing.T) {
	for _, name := range []string{"hybrid", "docker-28"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			layout, err := compat.LayoutNamed(name)
			if err != nil {
				t.Fatal(err)
			}
			w := newHybridWorld(t, bridge.Config{Layout: layout, Watch: impatient})
			w.network(1, "a", func(*bridge.NetworkSpec) {})
			w.container("a", "a1", 2, "8080:80", "8080:80/udp")
			w.iptables("-I DOCKER-USER -i eth0 -p udp -d @a1 -j DROP")
			events := w.watch()
			for range 3 {
				w.saveAndRestore()
			}
			w.tool("", "nft", "flush ruleset")
			w.repaired("flush ruleset", events, "nft")
			w.saveAndRestore()
			w.fates(`
				ext   tcp   host:8080    a1 sees ext
				ext   udp   host:8080    silent
				ext   tcp   a1:80        silent
				a1    tcp   ext:80       ext sees host
			`)
		})
	}
}

// Connections through a published port survive a flush of everything, and the repair.
func TestWatchKeepsConnectionsOfHybrid(t *testing.T) {
	t.Parallel()
	w := populated(t, bridge.Config{Watch: impatient})
	events := w.watch()
	var flows []*netlab.Flow
	for i := range 2 {
		flows = append(flows, w.flow("ext", "host", i, 8080), w.flow("a2", "host", i, 8080), w.flow("a1", "ext", i, 80))
	}
	alive := func(when string) {
		t.Helper()
		for _, r := range netlab.AskAll(flows) {
			if r.Outcome != netlab.Delivered {
				t.Errorf("%s: %v", when, r)
			}
		}
	}
	alive("before")
	// An Update that does not end keeps the repair waiting.
	inside, leave, left := make(chan struct{}), make(chan struct{}), make(chan error)
	go func() {
		left <- w.fw.Update(context.Background(), func(*bridge.Tx) error { close(inside); <-leave; return errors.New("no") })
	}()
	<-inside
	w.tool("", "nft", "flush ruleset")
	alive("without rules")
	w.fates(`
		ext   tcp,udp   host:8080    silent
		ext   tcp       a1:80        silent
		b1    tcp       a1:80        silent
		ext   tcp       r1:80        silent
		a1    tcp       ext:80       silent
		in1   tcp       ext:80       silent
		p1    tcp       p2:80        closed
		ext   tcp       far:80       far sees ext
	`)
	close(leave)
	if err := <-left; err == nil {
		t.Error("the update succeeded")
	}
	w.repaired("flush ruleset", events, "nft")
	alive("repaired")
	w.fates(`
		ext   tcp,udp   host:8080    a1 sees ext
		ext   tcp       a1:80        silent
		ext   tcp       r1:80        r1 sees ext
		a1    tcp       ext:80       ext sees host
		in1   tcp       ext:80       silent
	`)
}

// flow is a TCP connection.
func (w *hybridWorld) flow(from, to string, family int, port uint16) *netlab.Flow {
	return w.Flow(netlab.Probe{From: w.spaces[from], Proto: "tcp", To: netip.AddrPortFrom(w.addrs[to][family], port)})
}
