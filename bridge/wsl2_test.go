package bridge_test

import (
	"net/netip"
	"testing"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/internal/netlab"
)

// wsl2World is two networks, and Windows behind the interface loopback0, as with mirrored networking: its packets to
// 127.0.0.1 arrive there, also with 127.0.0.1 as their source.
func wsl2World(t *testing.T, cfg bridge.Config) *world {
	t.Helper()
	w := twoNetworks(t, cfg)
	w.publish("a", "a2", "127.0.0.1:8082:81", "127.0.0.1:8082:81/udp", "9000-9001:80-81")
	win := w.Namespace("win")
	w.spaces["win"] = win
	w.name("win", "169.254.73.152", "")
	w.Veth(w.host, "loopback0", win, "eth0")
	w.host.Address("loopback0", "169.254.73.153/30")
	win.Address("eth0", "169.254.73.152/30")
	for _, key := range []string{"route_localnet", "accept_local"} {
		w.host.SetSysctl("net.ipv4.conf.loopback0."+key, "1")
	}
	for _, proto := range []string{"tcp", "udp"} {
		w.host.Listen(proto, "127.0.0.1:9090")
	}
	return w
}

// A windowsFate is what becomes of a packet from Windows: who gets it, and the name of the source that is seen then.
type windowsFate struct {
	proto, source, to string
	port              uint16
	watch, want       string
}

func (w *world) windowsFates(all []windowsFate) {
	w.t.Helper()
	probes := make([]netlab.RawProbe, len(all))
	for i, f := range all {
		probes[i] = netlab.RawProbe{
			From: w.spaces["win"], Interface: "eth0", DstMAC: w.host.MAC("loopback0"), Proto: f.proto,
			Src: netip.AddrPortFrom(w.addrs[f.source][0], 0), Dst: netip.AddrPortFrom(w.addrs[f.to][0], f.port),
			Watch: w.spaces[f.watch],
		}
	}
	for i, r := range w.RawProbeAll(probes) {
		got := "nothing"
		switch {
		case r.Err != nil:
			got = r.Err.Error()
		case r.Answered && r.Arrived:
			got = "answers " + w.nameOf(r.As.From.Addr())
		case r.Arrived && all[i].watch != "host":
			got = "gets it from " + w.nameOf(r.As.From.Addr())
		}
		if got != all[i].want {
			w.t.Errorf("%+v: %s (%v)", all[i], got, r)
		}
	}
}

// Connections from Windows to 127.0.0.1 reach what the host's own do, and the container sees an address that it can
// answer.
func TestWSL2Mirrored(t *testing.T) {
	t.Parallel()
	w := wsl2World(t, bridge.Config{WSL2Mirrored: true})
	w.windowsFates([]windowsFate{
		{"tcp", "win", "loopback", 8080, "a1", "answers win"},
		{"udp", "win", "loopback", 8080, "a1", "answers win"},
		{"sctp", "win", "loopback", 8080, "a1", "answers win"},
		{"tcp", "win", "loopback", 8082, "a2", "answers win"},
		{"tcp", "win", "loopback", 9001, "a2", "answers win"},
		{"tcp", "loopback", "loopback", 8080, "a1", "answers gw-a"},
		{"udp", "loopback", "loopback", 8082, "a2", "answers gw-a"},
		{"tcp", "loopback", "loopback", 9000, "a2", "answers gw-a"},
		// Services of the host that are not ours.
		{"tcp", "win", "loopback", 9090, "host", "answers win"},
		{"udp", "win", "loopback", 9090, "host", "answers win"},
		// Nothing else is open to that interface.
		{"tcp", "win", "a1", 80, "a1", "nothing"},
		{"udp", "win", "a1", 81, "a1", "nothing"},
		{"tcp", "win", "gw-a", 8080, "a1", "nothing"},
		{"tcp", "win", "loopback", 8081, "a1", "nothing"},
	})
	w.loopbackIsClosedToOthers()
	w.fates(`
		host  tcp4  loopback:8080  a1 sees gw-a
		host  tcp4  loopback:8082  a2 sees gw-a
		host  tcp4  loopback:9090  host sees loopback
	`)
}

// loopbackIsClosedToOthers sends frames to loopback addresses from everywhere but Windows.
func (w *world) loopbackIsClosedToOthers() {
	w.t.Helper()
	w.host.SetSysctl("net.ipv4.conf.eth0.route_localnet", "1")
	w.frames(`
		ext  tcp,udp,sctp  loopback:8080  a1 gets nothing
		ext  tcp4,udp4     loopback:8082  a2 gets nothing
		ext  tcp4,udp4     loopback:9090  host stays quiet
		b1   tcp,udp       loopback:8080  a1 gets nothing
		b1   tcp4,udp4     loopback:9090  host stays quiet
		a1   tcp4,udp4     loopback:8082  a2 gets nothing
		ext  tcp           host:8080      a1 answers
	`)
}

// With a proxy, it answers connections from Windows as it does those of the host.
func TestWSL2MirroredWithAProxy(t *testing.T) {
	t.Parallel()
	w := wsl2World(t, bridge.Config{WSL2Mirrored: true, UserlandProxy: true, UnheldPorts: true})
	w.serve("host", 8080, 8082, 9001)
	w.windowsFates([]windowsFate{
		{"tcp", "win", "loopback", 8080, "host", "answers win"},
		{"udp", "win", "loopback", 8080, "host", "answers win"},
		{"tcp", "win", "loopback", 8082, "host", "answers win"},
		{"tcp", "win", "loopback", 9001, "host", "answers win"},
		{"tcp", "win", "loopback", 9090, "host", "answers win"},
		{"tcp", "win", "loopback", 8080, "a1", "nothing"},
		{"tcp", "loopback", "loopback", 8080, "a1", "nothing"},
		{"tcp", "loopback", "loopback", 8082, "a2", "nothing"},
		{"tcp", "win", "a1", 80, "a1", "nothing"},
		{"tcp", "win", "gw-a", 8080, "host", "nothing"},
	})
	w.loopbackIsClosedToOthers()
	w.fates(`
		host  tcp,udp  loopback:8080  host sees loopback
	`)
}

// Without being told, an interface of that name is like any other. It can be told when the firewall is opened.
func TestLoopback0WithoutWSL2(t *testing.T) {
	t.Parallel()
	w := wsl2World(t, bridge.Config{})
	closed := []windowsFate{
		{"tcp", "win", "loopback", 8080, "a1", "nothing"},
		{"tcp", "win", "loopback", 8082, "a2", "nothing"},
		{"tcp", "loopback", "loopback", 8080, "a1", "nothing"},
		{"tcp", "win", "loopback", 9090, "host", "nothing"},
		{"udp", "win", "loopback", 9090, "host", "nothing"},
	}
	for range 2 {
		w.windowsFates(closed)
		w.cfg.WSL2Mirrored = true
		w.reopen()
		w.kernelIsDesired("mirrored")
		w.windowsFates([]windowsFate{
			{"tcp", "win", "loopback", 8080, "a1", "answers win"},
			{"tcp", "win", "loopback", 9090, "host", "answers win"},
		})
		w.cfg.WSL2Mirrored = false
		w.reopen()
		w.kernelIsDesired("not mirrored")
	}
	w.windowsFates(closed)
}
