package compat

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"testing"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/internal/netlab"
	"github.com/seawall-net/seawall/nft"
	"github.com/seawall-net/seawall/portmap"
)

// live builds a scenario in a kernel, one update a step.
type live struct {
	t    testing.TB
	host *netlab.Namespace
	cfg  bridge.Config
	fw   *bridge.Firewall
	// between is called after each step.
	between func(step int)
	steps   int
}

func inKernel(t testing.TB, l bridge.Layout, s scenario) *live {
	t.Helper()
	w := &live{t: t, host: netlab.New(t).Namespace("host"), cfg: s.cfg}
	w.cfg.Layout, w.cfg.NetNS, w.cfg.RulesOnly = l, w.host.File(), true
	w.open()
	t.Cleanup(func() {
		if err := w.fw.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

func (w *live) open() {
	w.t.Helper()
	fw, err := bridge.Open(context.Background(), w.cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	w.fw = fw
}

func (w *live) update(fn func(*bridge.Tx)) {
	w.t.Helper()
	err := w.fw.Update(context.Background(), func(tx *bridge.Tx) error {
		fn(tx)
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *live) step(fn func(*bridge.Tx)) {
	w.t.Helper()
	w.update(fn)
	if w.steps++; w.between != nil {
		w.between(w.steps)
	}
}

func (w *live) network(spec bridge.NetworkSpec) {
	w.step(func(tx *bridge.Tx) { tx.CreateNetwork(spec) })
}

func (w *live) container(network, name, addr4, addr6 string) {
	w.step(func(tx *bridge.Tx) {
		spec := endpoint(name, addr4, addr6)
		spec.HostIfName = "v-" + network + "-" + name
		tx.Network(network).Attach(spec)
	})
}

func (w *live) publish(network, container string, ports ...string) {
	for _, port := range ports {
		w.step(func(tx *bridge.Tx) { tx.Network(network).Endpoint(container).Publish(portmap.MustParse(port)) })
	}
}

func (w *live) link(network, from, to, port string) {
	w.step(func(tx *bridge.Tx) {
		p, err := bridge.ParseLinkPort(port)
		if err != nil {
			w.t.Error(err)
		}
		tx.Network(network).Endpoint(from).Link(to, p)
	})
}

// tool runs a program of iptables on the host. That is what these tests are
// about: without it there are none.
func (w *live) tool(name string, args ...string) string {
	w.t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := w.host.Do(cmd.Run); err != nil {
		w.t.Fatalf("%s %v: %v\n%s", name, args, err, &errs)
	}
	return out.String()
}

// listing is what iptables-save and ip6tables-save print.
func (w *live) listing() listing {
	w.t.Helper()
	out := listing{}
	for i, name := range []string{"iptables-save", "ip6tables-save"} {
		if err := out.readSave(families[i], w.tool(name)); err != nil {
			w.t.Fatal(err)
		}
	}
	return out
}

func (w *live) check(want, when string) {
	w.t.Helper()
	if got := w.listing().String(); got != want {
		w.t.Errorf("%s: is\n%s\nwant\n%s", when, got, want)
	}
}

// needTools fails where the project's tests are checked, and leaves a test out where nobody
// can have it.
func needTools(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("iptables-nft-save"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skipf("nothing was tested: %v", err)
	}
}

// iptables prints what Docker's would, whatever came and went meanwhile, and after the program was
// started again. Afterwards nothing is left.
func TestIptablesPrintsRules(t *testing.T) {
	needTools(t)
	cases(t, slices.Concat(captured, others), func(t *testing.T, l docker, s scenario) {
		t.Parallel()
		want := withoutNotes(golden(t, l, s))
		w := inKernel(t, l, s)
		s.build(w)
		w.check(want, "built")
		if err := w.fw.Close(); err != nil {
			t.Error(err)
		}
		w.open()
		w.check(want, "opened again")
		if err := w.fw.Teardown(context.Background()); err != nil {
			t.Error(err)
		}
		w.check("", "torn down")
		w.open()
	})
}

// The same end, by detours: after each step, others come, and one of them goes
// when the next has come.
func TestIptablesPrintsRulesAfterDetours(t *testing.T) {
	needTools(t)
	cases(t, slices.Concat(captured, others), func(t *testing.T, l docker, s scenario) {
		t.Parallel()
		w := inKernel(t, l, s)
		detour := func(i int) string { return fmt.Sprint("detour", i) }
		w.between = func(step int) {
			w.update(func(tx *bridge.Tx) {
				if step > 1 {
					tx.RemoveNetwork(detour(step - 1))
				}
				n := tx.CreateNetwork(bridge.NetworkSpec{
					Name: detour(step), IPv4: subnet(fmt.Sprintf("172.31.%d.0/24", step)), DisableICC: step%2 == 0,
				})
				e := n.Attach(endpoint("c", fmt.Sprintf("172.31.%d.9", step), ""))
				e.Publish(portmap.MustParse(fmt.Sprintf("%d:80", 20000+step)), portmap.MustParse(fmt.Sprintf("127.0.0.1:%d:81", 21000+step)))
			})
		}
		s.build(w)
		w.update(func(tx *bridge.Tx) { tx.RemoveNetwork(detour(w.steps)) })
		w.check(withoutNotes(golden(t, l, s)), "after detours")
	})
}

// A jump to DOCKER-USER is first, also when others had made the chain, with any
// content, and rules of others stay where they are.
func TestRulesOfOthersStay(t *testing.T) {
	needTools(t)
	for _, l := range dockers() {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			s := captured[2]
			w := &live{t: t, host: netlab.New(t).Namespace("host"), cfg: s.cfg}
			w.cfg.Layout, w.cfg.NetNS, w.cfg.RulesOnly = l, w.host.File(), true
			for _, args := range [][]string{
				{"-N", "DOCKER-USER"},
				{"-A", "DOCKER-USER", "-s", "198.18.0.99/32", "-j", "DROP"},
				{"-A", "FORWARD", "-s", "198.18.0.97/32", "-j", "DROP"},
				{"-t", "nat", "-A", "POSTROUTING", "-s", "10.9.9.0/24", "-j", "MASQUERADE"},
			} {
				w.tool("iptables", args...)
			}
			before := w.listing().String()
			w.open()
			t.Cleanup(func() {
				if err := w.fw.Close(); err != nil {
					t.Error(err)
				}
			})
			s.build(w)
			got := w.listing()
			user := l.UserChain(nft.IPv4) != (nft.ChainRef{})
			forward := got.table(nft.IPv4, "filter").rules["FORWARD"]
			if first := "-A FORWARD -j DOCKER-USER"; user && forward[0] != first {
				t.Errorf("first is %q, want %q", forward[0], first)
			}
			if last := "-A FORWARD -s 198.18.0.97/32 -j DROP"; forward[len(forward)-1] != last {
				t.Errorf("last is %q, want %q", forward[len(forward)-1], last)
			}
			if own := got.table(nft.IPv4, "filter").rules[userChain]; own[0] != "-A DOCKER-USER -s 198.18.0.99/32 -j DROP" {
				t.Errorf("DOCKER-USER is %q", own)
			}
			if err := w.fw.Teardown(context.Background()); err != nil {
				t.Error(err)
			}
			w.check(before, "torn down")
			w.open()
		})
	}
}

// What iptables has saved and restored is known again, and goes on.
func TestSaveAndRestore(t *testing.T) {
	needTools(t)
	cases(t, slices.Concat(captured[:7], others[:5]), func(t *testing.T, l docker, s scenario) {
		t.Parallel()
		want := withoutNotes(golden(t, l, s))
		w := inKernel(t, l, s)
		s.build(w)
		for i, save := range []string{"iptables-save", "ip6tables-save"} {
			restore := exec.Command([]string{"iptables-restore", "ip6tables-restore"}[i])
			restore.Stdin = bytes.NewReader([]byte(w.tool(save)))
			if err := w.host.Do(restore.Run); err != nil {
				t.Fatal(err)
			}
		}
		w.check(want, "restored")
		if _, err := w.fw.Heal(context.Background()); err != nil {
			t.Fatal(err)
		}
		w.check(want, "healed")
		w.update(func(tx *bridge.Tx) {
			tx.CreateNetwork(n9()).Attach(endpoint("c", "172.30.9.10", "")).Publish(portmap.MustParse("9900:80"))
		})
		w.update(func(tx *bridge.Tx) { tx.RemoveNetwork("n9") })
		w.check(want, "changed and changed back")
		if err := w.fw.Close(); err != nil {
			t.Error(err)
		}
		w.open()
		w.check(want, "opened again")
	})
}

func n9() bridge.NetworkSpec {
	return bridge.NetworkSpec{Name: "n9", Bridge: "br-n9", IPv4: subnet("172.30.9.0/24")}
}
