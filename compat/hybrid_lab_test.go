package compat_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/compat"
	"github.com/seawall-net/seawall/internal/netlab"
	"github.com/seawall-net/seawall/portmap"
)

// The tests run in a network namespace of their own, as root or not.
func TestMain(m *testing.M) {
	_ = flag.Set("test.parallel", "8") // they wait for silence; the command line comes later
	netlab.Main(m)
}

// A hybridWorld is a router with a firewall, two LANs with a neighbour each, ext and far, and containers on the networks a
// and b, in (internal), apart (without ICC) and routed:
//
//	a1       publishes 8080, tcp and udp, for its port 80
//	a2, b1   publish nothing
//	b2       publishes 8090, tcp, for its port 81
//	in1      in, could publish 8070, if in were not internal; it has added a default route by itself
//	p1, p2   apart; p1 publishes 8060
//	r1       routed; publishes 80
//
// All answer on 80 and 81.
type hybridWorld struct {
	*netlab.Lab
	t         testing.TB
	cfg       bridge.Config
	fw        *bridge.Firewall
	host, ext *netlab.Namespace
	spaces    map[string]*netlab.Namespace
	addrs     map[string][2]netip.Addr
	// ipv4Only is for layouts that have no IPv6.
	ipv4Only bool
}

func newHybridWorld(t testing.TB, cfg bridge.Config, before ...func(*hybridWorld)) *hybridWorld {
	t.Helper()
	lab := netlab.New(t)
	w := &hybridWorld{Lab: lab, t: t, cfg: cfg, spaces: map[string]*netlab.Namespace{}, addrs: map[string][2]netip.Addr{}}
	for i, name := range []string{"host", "ext", "far"} {
		w.spaces[name] = lab.Namespace(name)
		w.name(name, fmt.Sprintf("192.0.2.%d", i+1), fmt.Sprintf("2001:db8:1::%d", i+1))
	}
	w.name("far", "198.51.100.2", "2001:db8:2::2")
	w.name("host2", "198.51.100.1", "2001:db8:2::1")
	w.name("loopback", "127.0.0.1", "::1")
	w.host, w.ext = w.spaces["host"], w.spaces["ext"]
	w.host.Forward()
	lan, other := lab.LAN("lan"), lab.LAN("other")
	lan.Plug(w.host, "eth0", "192.0.2.1/24", "2001:db8:1::1/64")
	lan.Plug(w.ext, "eth0", "192.0.2.2/24", "2001:db8:1::2/64")
	other.Plug(w.host, "eth1", "198.51.100.1/24", "2001:db8:2::1/64")
	other.Plug(w.spaces["far"], "eth0", "198.51.100.2/24", "2001:db8:2::2/64")
	w.ext.Route("default", "192.0.2.1")
	w.ext.Route("default", "2001:db8:1::1")
	w.spaces["far"].Route("default", "198.51.100.1")
	w.spaces["far"].Route("default", "2001:db8:2::1")
	w.serve("ext")
	w.serve("far")
	for _, f := range before {
		f(w)
	}
	if w.cfg.Layout == nil {
		w.cfg.Layout = compat.Hybrid(compat.HybridOptions{})
	}
	w.cfg.NetNS = w.host.File()
	w.open()
	t.Cleanup(func() {
		if err := w.fw.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// populated is a world with networks and containers.
func populated(t testing.TB, cfg bridge.Config, before ...func(*hybridWorld)) *hybridWorld {
	t.Helper()
	w := newHybridWorld(t, cfg, before...)
	w.network(1, "a", func(*bridge.NetworkSpec) {})
	w.network(2, "b", func(*bridge.NetworkSpec) {})
	w.network(3, "in", func(s *bridge.NetworkSpec) { s.Internal = true })
	w.network(4, "apart", func(s *bridge.NetworkSpec) { s.DisableICC = true })
	w.network(5, "routed", func(s *bridge.NetworkSpec) { s.IPv4.Mode, s.IPv6.Mode = bridge.Routed, bridge.Routed })
	w.container("a", "a1", 2, "8080:80", "8080:80/udp")
	w.container("a", "a2", 3)
	w.container("b", "b1", 2)
	w.container("b", "b2", 3, "8090:81")
	w.container("in", "in1", 2, "8070:80")
	w.spaces["in1"].Route("default", w.addrs["gw-in"][0].String())
	w.spaces["in1"].Route("default", w.addrs["gw-in"][1].String())
	w.container("apart", "p1", 2, "8060:80")
	w.container("apart", "p2", 3)
	w.container("routed", "r1", 2, "80:80")
	return w
}

func (w *hybridWorld) open() {
	w.t.Helper()
	fw, err := bridge.Open(context.Background(), w.cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	w.fw = fw
}

func (w *hybridWorld) reopen() {
	w.t.Helper()
	if err := w.fw.Close(); err != nil {
		w.t.Fatal(err)
	}
	w.open()
}

func (w *hybridWorld) name(name, ipv4, ipv6 string) {
	w.addrs[name] = [2]netip.Addr{netip.MustParseAddr(ipv4), netip.MustParseAddr(ipv6)}
}

// route adds a default route in a container, of itself.
func (w *hybridWorld) route(container, gateway string) {
	w.spaces[container].Route("default", w.addrs[gateway][0].String())
	if !w.ipv4Only {
		w.spaces[container].Route("default", w.addrs[gateway][1].String())
	}
}

func (w *hybridWorld) serve(space string) {
	w.t.Helper()
	for _, proto := range []string{"tcp", "udp"} {
		for _, port := range []string{":80", ":81"} {
			w.spaces[space].Listen(proto, port)
		}
	}
}

func (w *hybridWorld) update(f func(*bridge.Tx)) {
	w.t.Helper()
	if err := w.fw.Update(context.Background(), func(tx *bridge.Tx) error { f(tx); return nil }); err != nil {
		w.t.Fatal(err)
	}
}

func (w *hybridWorld) network(n int, name string, change func(*bridge.NetworkSpec)) {
	w.t.Helper()
	spec := bridge.NetworkSpec{Name: name, Bridge: "br-" + name}
	spec.IPv4.Subnet = netip.MustParsePrefix(fmt.Sprintf("172.30.%d.0/24", n))
	spec.IPv6.Subnet = netip.MustParsePrefix(fmt.Sprintf("fd00:30:%d::/64", n))
	change(&spec)
	w.update(func(tx *bridge.Tx) { tx.CreateNetwork(spec) })
	w.name("gw-"+name, fmt.Sprintf("172.30.%d.1", n), fmt.Sprintf("fd00:30:%d::1", n))
}

func (w *hybridWorld) container(network, name string, hostPart int, publish ...string) {
	w.t.Helper()
	gateway := w.addrs["gw-"+network]
	v4, v6 := gateway[0].As4(), gateway[1].As16()
	v4[3], v6[15] = byte(hostPart), byte(hostPart)
	pair := [2]netip.Addr{netip.AddrFrom4(v4), netip.AddrFrom16(v6)}
	w.addrs[name] = pair
	if w.ipv4Only {
		pair[1] = netip.Addr{}
	}
	w.update(func(tx *bridge.Tx) {
		e := tx.Network(network).Attach(bridge.EndpointSpec{Name: name, IPv4: pair[0], IPv6: pair[1]})
		for _, p := range publish {
			e.Publish(portmap.MustParse(p))
		}
	})
	w.spaces[name] = w.Namespace(name)
	if err := w.fw.Connect(context.Background(), network, name, bridge.Link{NetNS: w.spaces[name].File()}); err != nil {
		w.t.Fatal(err)
	}
	w.serve(name)
}

// tool runs one of the host's own tools there, and returns what it prints.
func (w *hybridWorld) tool(stdin, name string, args ...string) string {
	w.t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		// What these tests are about is what that tool does.
		if os.Getenv("CI") == "true" {
			w.t.Fatalf("%s is not installed", name)
		}
		w.t.Skipf("%s is not installed: nothing was tested", name)
	}
	var stdout, stderr bytes.Buffer
	cmd := exec.Command(path, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	if err := w.host.Do(cmd.Run); err != nil {
		w.t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, stderr.String())
	}
	return stdout.String()
}

// iptables types commands, one a line, for both families. In a line for one, names stand for addresses: @a1.
func (w *hybridWorld) iptables(lines string) {
	w.t.Helper()
	for line := range strings.Lines(lines) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		for i, name := range []string{"iptables", "ip6tables"} {
			args := strings.Fields(line)
			for j, arg := range args {
				if pair, ok := w.addrs[strings.TrimPrefix(arg, "@")]; ok && arg[0] == '@' {
					args[j] = pair[i].String()
				}
			}
			w.tool("", name, args...)
		}
	}
}

// fates is what becomes of packets: sender, protocols (tcp, udp, tcp4, …), destination, outcome. Without a family it is
// both.
func (w *hybridWorld) fates(table string) {
	w.t.Helper()
	var probes []netlab.Probe
	var lines, want []string
	for line := range strings.Lines(table) {
		words := strings.Fields(line)
		if len(words) == 0 || words[0] == "#" {
			continue
		}
		name, port, _ := strings.Cut(words[2], ":")
		number, err := strconv.ParseUint(port, 10, 16)
		pair, known := w.addrs[name]
		from := w.spaces[words[0]]
		if from == nil || !known || err != nil || len(words) < 4 {
			w.t.Fatalf("%q: is no line of a table", line)
		}
		for proto := range strings.SplitSeq(words[1], ",") {
			for i, suffix := range []string{"4", "6"} {
				base := strings.TrimRight(proto, "46")
				if base != proto && base+suffix != proto || w.ipv4Only && i == 1 {
					continue
				}
				probes = append(probes, netlab.Probe{From: from, Proto: base, To: netip.AddrPortFrom(pair[i], uint16(number))})
				lines = append(lines, strings.TrimSpace(line))
				want = append(want, strings.Join(words[3:], " "))
			}
		}
	}
	for i, r := range w.ProbeAll(probes) {
		got := r.Outcome.String()
		if r.Outcome == netlab.Delivered && r.Server != "" {
			got = r.Server + " sees " + w.nameOf(r.Source.Addr())
		}
		if want[i] == "closed" && (got == netlab.Silent.String() || got == netlab.Unreachable.String()) {
			continue // neighbours may remember each other, or not
		}
		if got != want[i] {
			w.t.Errorf("%s\n\t%s to %s: %s", lines[i], probes[i].Proto, probes[i].To, got)
		}
	}
}

func (w *hybridWorld) nameOf(a netip.Addr) string {
	for name, pair := range w.addrs {
		if a == pair[0] || a == pair[1] {
			return name
		}
	}
	return a.String()
}
