package bridge_test

import (
	"context"
	"errors"
	"io/fs"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/internal/netlab"
)

// loadText saves the ruleset as text, changes that, and loads it, as a host does that starts. The firewall is closed.
func (w *world) loadText(change func(string) string) {
	w.t.Helper()
	text := w.tool("", "nft", "list", "ruleset")
	if err := w.fw.Close(); err != nil {
		w.t.Fatal(err)
	}
	w.tool("flush ruleset\n"+change(text), "nft", "-f", "-")
}

func unchanged(s string) string { return s }

func richWorld(t *testing.T) *world {
	w := twoNetworks(t, bridge.Config{})
	w.filterBridges(filterOff)
	w.create(with(networkSpec("in", "172.30.7.0/24", "fd00:30:7::/64"), internal))
	w.container("in", "in1", 2)
	w.create(with(networkSpec("apart", "172.30.8.0/24", "fd00:30:8::/64"), func(s *bridge.NetworkSpec) { s.DisableICC, s.MTU = true, 1400 }))
	w.container("apart", "p1", 2)
	w.container("apart", "p2", 3)
	w.link("apart", "p1", "p2", "80/tcp")
	w.publish("b", "b1", "8090:80")
	w.handAppend("a1", 81, accept)
	return w
}

// unordered are facts without the order in which they were made.
func unordered(facts []string) []string {
	var out []string
	for _, f := range facts {
		_, f, _ = strings.Cut(f, " ")
		out = append(out, f)
	}
	slices.Sort(out)
	return out
}

const richFates = `
	ext  tcp,udp  host:8080  a1 sees ext
	ext  tcp      host:8090  b1 sees ext
	b1   tcp,udp  host:8080  a1 sees gw-a
	b1   tcp,udp  a1:80      silent
	b1   tcp,udp  a1:81      a1 sees gw-a
	ext  tcp,udp  a1:80      silent
	a1   tcp,udp  ext:80     ext sees host
	in1  tcp,udp  ext:80     unreachable
	b1   tcp,udp  in1:80     silent
	p1   tcp      p2:80      p2 sees p1
	host tcp      loopback:8080  a1 sees gw-a
`

// Records that a text backup has lost are found out again under fire: what may pass goes on, and what may not never does.
func TestRebuildUnderFire(t *testing.T) {
	nativeText(t)
	t.Parallel()
	w := richWorld(t)
	w.fates(richFates)
	before := unordered(facts(w.fw))
	w.loadText(unchanged)
	user := w.tool("", "nft", "-s", "list", "chain", "ip", "seawall", "DOCKER-USER")

	const secret = 4321
	seen := w.spaces["a1"].Capture("", func(f netlab.CapturedFrame) bool { return !f.Outgoing && f.To.Port() == secret })
	var fire flood
	for _, attacker := range []string{"ext", "b1"} {
		var frames []netlab.Frame
		for i := range w.families() {
			frames = append(frames, netlab.Frame{
				Dst: w.hostMAC(attacker), Src: w.spaces[attacker].MAC("eth0"), Proto: "udp",
				From: netip.AddrPortFrom(w.addrs[attacker][i], 6666), To: netip.AddrPortFrom(w.addrs["a1"][i], secret),
			})
		}
		fire.start(t, w.spaces[attacker], "eth0", frames...)
	}
	defer fire.end()
	flows := w.flows("host", 8080, "ext", "b1")
	w.alive("before", flows)
	var client sync.WaitGroup
	done := make(chan struct{})
	client.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				w.alive("meanwhile", flows)
			}
		}
	})
	for range 5 {
		generation := w.generation()
		r, err := bridge.Rebuild(context.Background(), w.cfg)
		if err != nil {
			t.Error(err)
			break
		}
		if after := w.generation(); after != generation+1 || r.Generation != after || r.Lost != 0 {
			t.Errorf("%d transactions: %+v", after-generation, r)
		}
		w.open()
		if after := unordered(facts(w.fw)); !slices.Equal(after, before) {
			t.Errorf("the view is\n%s\nwas\n%s", strings.Join(after, "\n"), strings.Join(before, "\n"))
		}
		w.kernelIsDesired("rebuilt")
		if now := w.tool("", "nft", "-s", "list", "chain", "ip", "seawall", "DOCKER-USER"); now != user {
			t.Errorf("DOCKER-USER is\n%s\nwas\n%s", now, user)
		}
		if err := w.fw.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := bridge.Rebuild(context.Background(), w.cfg); !errors.Is(err, fs.ErrExist) {
			t.Errorf("again: %v", err)
		}
		// Records go, and nothing else: for one more round.
		w.tool("flush ruleset\n"+w.tool("", "nft", "list", "ruleset"), "nft", "-f", "-")
	}
	close(done)
	client.Wait()
	w.alive("after", flows)
	if _, err := bridge.Rebuild(context.Background(), w.cfg); err != nil {
		t.Error(err)
	}
	fire.end()
	for _, f := range seen.Seen() {
		t.Errorf("has passed: %v", f)
	}
	w.open()
	w.fates(richFates)
	w.publish("a", "a2", "8099:80")
	w.fates(`ext tcp host:8099 a2 sees ext`)
}

// What is damaged is named, and nothing is written.
func TestRebuildRefusesDamage(t *testing.T) {
	nativeText(t)
	t.Parallel()
	w := richWorld(t)
	text := w.tool("", "nft", "list", "ruleset")
	if err := w.fw.Close(); err != nil {
		t.Fatal(err)
	}
	element := func(set, e string) string { return "add element ip seawall " + set + " { " + e + " }\n" }
	for _, c := range []struct {
		name, damage, want string
	}{
		{"an extra port", element("open", "172.30.1.3 . tcp . 99"), "not explained: element ip seawall open { 172.30.1.3 . tcp . 99 }"},
		{"a port of nobody", element("published-any", "tcp . 99 : 172.30.1.99 . 80"), "not explained: element ip seawall published-any"},
		{"a missing port", "delete element ip seawall open { 172.30.1.2 . tcp . 80 }\n", "8080 : 172.30.1.2 . 80"},
		{"a missing guard", "delete element ip seawall guard { 172.30.1.2 }\n", "172.30.1.2"},
		{"an address of nobody", element("guard", "10.9.9.9 : accept"), "10.9.9.9"},
		{"an extra rule", "add rule ip seawall forward counter accept\n", "not explained: rule ip seawall forward counter packets 0 bytes 0 accept"},
		{"an extra rule of a network", "insert rule ip seawall to-br-a counter accept\n", "rule ip seawall to-br-a counter"},
		{"a set of ours that nobody needs", "add set ip seawall direct { type ipv4_addr . inet_proto . inet_service; }\n", "set ip seawall direct"},
		{"a chain without rules", "flush chain ip seawall guard-br-a\n", "bridge br-a: no options"},
		{"a network without a way in", "delete element ip seawall to-bridge { \"br-a\" }\n", "bridge br-a"},
		{"a rule twice", "add rule ip seawall raw-prerouting ip daddr vmap @guard\n", "ip seawall raw-prerouting"},
		{"a missing base chain", "flush chain ip seawall forward\ndelete chain ip seawall forward\n", "missing: chain ip seawall forward"},
		{"an extra link", "add element ip seawall links { 172.30.8.3 . 172.30.8.2 . tcp . 81 }\n", "not explained: element ip seawall links { 172.30.8.3 . 172.30.8.2 . tcp . 81 }"},
		{"a spoofed address", "add element bridge seawall own-ip4 { \"vethdead\" . 02:42:ac:1e:01:02 . 172.30.1.77 }\n", "own-ip4"},
	} {
		w.tool("flush ruleset\n"+text+c.damage, "nft", "-f", "-")
		before := w.generation()
		r, err := bridge.Rebuild(context.Background(), w.cfg)
		var damaged *bridge.RebuildError
		if r != nil || !errors.As(err, &damaged) || !errors.Is(err, bridge.ErrForeignTable) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %+v, %v", c.name, r, err)
		}
		if after := w.generation(); after != before {
			t.Errorf("%s: %d transactions", c.name, after-before)
		}
	}
	w.deleteTables()
	if _, err := bridge.Rebuild(context.Background(), w.cfg); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a firewall: %v", err)
	}
	w.open()
}

var elementComment = regexp.MustCompile(`("br-[a-z]+"|[0-9a-f.:]{6,})( counter packets \d+ bytes \d+)? comment "[^"]*"`)

// Without comments names are those of bridges and addresses, and what no rule tells is asked for.
func TestRebuildWithoutComments(t *testing.T) {
	nativeText(t)
	t.Parallel()
	w := twoNetworks(t, bridge.Config{})
	good := `
		ext  tcp,udp  host:8080  a1 sees ext
		b1   tcp,udp  a1:80      silent
		ext  tcp,udp  a1:80      silent
	`
	text := w.tool("", "nft", "list", "ruleset")
	w.loadText(func(s string) string { return elementComment.ReplaceAllString(s, "$1$2") })
	if _, err := bridge.Rebuild(context.Background(), w.cfg); err != nil {
		t.Fatal(err)
	}
	w.cfg.RulesOnly = true // interfaces have the names of before
	w.open()
	v := w.fw.View()
	for _, name := range []string{"br-a", "br-b"} {
		if n := v.Network(name); n == nil || !n.Spec.IPv4.Subnet.IsValid() || !n.Spec.IPv6.Subnet.IsValid() {
			t.Errorf("network %s: %+v", name, n)
		}
	}
	if e := v.Endpoint("br-a", "172.30.1.2"); e == nil || e.Spec.IPv6 != w.addrs["a1"][1] {
		t.Errorf("endpoint: %+v", e)
	}
	w.kernelIsDesired("rebuilt")
	w.fates(good)
	w.tool("flush ruleset\n"+text, "nft", "-f", "-")
}

// Of what was in records alone nothing can be found out.
func TestRebuildOfDisabledFamily(t *testing.T) {
	nativeText(t)
	t.Parallel()
	w := twoNetworks(t, bridge.Config{DisableIPv6: true})
	w.loadText(unchanged)
	before := w.generation()
	_, err := bridge.Rebuild(context.Background(), w.cfg)
	var lost *bridge.RebuildError
	if !errors.As(err, &lost) || !strings.Contains(err.Error(), "disabled family") || w.generation() != before {
		t.Fatal(err)
	}
	w.deleteTables()
	w.open()
}
