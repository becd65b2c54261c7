package bridge_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/nft"
	"github.com/seawall-net/seawall/portmap"
)

var (
	killRounds = flag.Int("kill.rounds", 5, "how often the tests of kill -9 kill a process")
	killPorts  = flag.Int("kill.ports", 1000, "how many ports each update publishes that is killed")
)

// manyPorts are the ports that a child publishes in one update.
func manyPorts(n int) []portmap.Binding {
	all := make([]portmap.Binding, n)
	for i := range all {
		all[i] = portmap.Binding{Host: portmap.Port(uint16(1000 + i)), Container: portmap.Port(uint16(1 + i))}
	}
	return all
}

// publishForEver publishes as many ports as the argument says in one update, and ends that with the next, and so on.
// It says when it begins each.
func publishForEver(ns *os.File, args []string) error {
	n, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	fw, err := openChild(ns, bridge.Config{RulesOnly: true})
	if err != nil {
		return err
	}
	all := manyPorts(n)
	there := bindingsOf(fw, "web", "c1") > 0
	for {
		fmt.Println("begin")
		err := fw.Update(context.Background(), func(tx *bridge.Tx) error {
			if e := c1(tx); there {
				e.Unpublish(all...)
			} else {
				e.Publish(all...)
			}
			return nil
		})
		if err != nil {
			return err
		}
		there = !there
	}
}

func bindingsOf(fw *bridge.Firewall, network, endpoint string) (n int) {
	v := fw.View()
	for range v.Bindings(v.Endpoint(network, endpoint)) {
		n++
	}
	return n
}

// Whenever a process is killed, its update holds as a whole or not at all, and the next process goes on. For 200 kills of
// updates of 20,000 ports: make kill.
func TestKilledUpdates(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	fw := openRulesOnly(t)
	fw.web(t)
	if err := fw.Close(); err != nil {
		t.Fatal(err)
	}
	// What an update takes; processes are killed within two of them.
	c := startChild(t, fw.ns, fmt.Sprint("ports ", *killPorts))
	c.line(t)
	begin := time.Now()
	c.line(t)
	update := time.Since(begin)
	outcomes := map[int]int{}
	for round := range *killRounds {
		time.Sleep(rand.N(2 * update))
		c.kill(t)
		before, err := bridge.Installed(ctx, fw.ns)
		if err != nil {
			t.Fatal(err)
		}
		again, err := bridge.Open(ctx, bridge.Config{NetNS: fw.ns, RulesOnly: true})
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		if g := again.Generation(); g != before.Generation {
			t.Errorf("round %d: open has written", round)
		}
		n := bindingsOf(again, "web", "c1")
		if outcomes[n]++; n != 0 && n != *killPorts {
			t.Fatalf("round %d: %d ports are published, of %d", round, n, *killPorts)
		}
		have, err := again.Ruleset(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if d := nft.Diff(have, again.Desired()); d.Len() != 0 {
			t.Fatalf("round %d: the kernel differs from the facts by %d objects", round, d.Len())
		}
		// It goes on.
		for _, f := range []func(bridge.EndpointTx, ...portmap.Binding){bridge.EndpointTx.Publish, bridge.EndpointTx.Unpublish} {
			if err := again.Update(ctx, func(tx *bridge.Tx) error { f(c1(tx), ports("80:80")...); return nil }); err != nil {
				t.Fatalf("round %d: %v", round, err)
			}
		}
		if err := again.Close(); err != nil {
			t.Fatal(err)
		}
		c = startChild(t, fw.ns, fmt.Sprint("ports ", *killPorts))
		c.line(t)
	}
	c.kill(t)
	t.Logf("%d kills: %v", *killRounds, outcomes)
}

// connectForEver makes networks with containers, and removes them.
func connectForEver(ns *os.File, _ []string) error {
	ctx := context.Background()
	fw, err := openChild(ns, bridge.Config{})
	if err != nil {
		return err
	}
	container := os.NewFile(4, "container")
	remove := func(tx *bridge.Tx) error {
		for n := range tx.View().Networks() {
			tx.RemoveNetwork(n.Spec.Name)
		}
		return nil
	}
	fmt.Println("begin")
	for {
		if err := fw.Update(ctx, remove); err != nil {
			return err
		}
		err := fw.Update(ctx, func(tx *bridge.Tx) error {
			for _, spec := range []bridge.NetworkSpec{specA, specB} {
				tx.CreateNetwork(spec).Attach(bridge.EndpointSpec{Name: "c", IPv4: nth(spec.IPv4.Subnet, 2)}).
					Publish(portmap.Binding{Container: portmap.Port(80)})
			}
			return nil
		})
		if err != nil {
			return err
		}
		if err := fw.Connect(ctx, "a", "c", bridge.Link{NetNS: container}); err != nil {
			return err
		}
	}
}

// Whenever a process is killed, links and sysctls are as the facts say after the next Open.
func TestKilledUpdatesOfLinks(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bridge.Config{})
	if w.cfg.Layout.Name() != "native" {
		t.Skip("the child process has the native layout")
	}
	container := w.Namespace("c")
	if err := w.fw.Close(); err != nil {
		t.Fatal(err)
	}
	outcomes := map[int]int{}
	var took time.Duration
	for round := range *killRounds {
		c := startChild(t, w.host.File(), "links", container.File())
		begin := time.Now()
		c.line(t)
		took = max(took, time.Since(begin), 50*time.Millisecond)
		time.Sleep(rand.N(2 * took))
		c.kill(t)
		w.open()
		outcomes[len(facts(w.fw))]++
		w.linksAreFacts(fmt.Sprint("round ", round))
		w.kernelIsDesired(fmt.Sprint("round ", round))
		if err := w.fw.Close(); err != nil {
			t.Fatal(err)
		}
	}
	w.open()
	w.update(func(tx *bridge.Tx) {
		for n := range tx.View().Networks() {
			tx.RemoveNetwork(n.Spec.Name)
		}
	})
	w.linksAreFacts("in the end")
	if left := w.linkNames(); len(left) != 0 {
		t.Errorf("links are left: %q", left)
	}
	t.Logf("%d kills: %v", *killRounds, outcomes)
}

// linksAreFacts checks bridges, their addresses, endpoints' interfaces, and forwarding.
func (w *world) linksAreFacts(when string) {
	w.t.Helper()
	h := w.host.Netlink()
	may := map[string]bool{}
	var must []string
	v := w.fw.View()
	for n := range v.Networks() {
		must = append(must, n.Spec.Bridge)
		for e := range v.Endpoints(n) {
			may[e.Spec.HostIfName] = true
		}
		link, err := h.LinkByName(n.Spec.Bridge)
		if err != nil {
			w.t.Errorf("%s: %s: %v", when, n.Spec.Bridge, err)
			continue
		}
		addrs, err := h.AddrList(link, netlink.FAMILY_ALL)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, want := range []netip.Addr{n.Spec.IPv4.Address, n.Spec.IPv6.Address} {
			if want.IsValid() && !slices.ContainsFunc(addrs, func(a netlink.Addr) bool { return a.IP.Equal(want.AsSlice()) }) {
				w.t.Errorf("%s: %s has no address %s", when, n.Spec.Bridge, want)
			}
		}
	}
	names := slices.DeleteFunc(w.linkNames(), func(name string) bool { return may[name] })
	if slices.Sort(must); !slices.Equal(names, must) {
		w.t.Errorf("%s: links %q, want %q", when, names, must)
	}
	want := "0"
	if len(must) > 0 {
		want = "1"
	}
	for _, name := range []string{"net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"} {
		if is := w.host.Sysctl(name); is != want {
			w.t.Errorf("%s: %s is %s, want %s", when, name, is, want)
		}
	}
}
