package bridge_test

import (
	"net/netip"
	"testing"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/internal/netlab"
)

// eachDropLog runs a test about packets' fates without telling of drops, and with it: no fate depends on that.
func eachDropLog(t *testing.T, name string, test func(t *testing.T, log *bridge.DropLog)) {
	t.Helper()
	for what, log := range map[string]*bridge.DropLog{"": nil, ", logged": {Group: 47, Rate: 1000}} {
		t.Run(name+what, func(t *testing.T) {
			t.Parallel()
			test(t, log)
		})
	}
}

// What a proxy would take, and is for others, is told as out of scope. Nobody else is told of.
func TestOutOfScopeIsLogged(t *testing.T) {
	t.Parallel()
	const group = 48
	w := twoLANs(t, bridge.Config{UserlandProxy: true, LogDrops: &bridge.DropLog{Group: group, Rate: 1000}})
	h := w.hearDrops(group)
	w.serve("host", 8080, 7777)
	w.publishWithin("a", "a1", scope("eth0"), "8080:80", "8080:80/udp", "9000-9001:9000-9001/udp")
	w.fates(`
		ext   tcp,udp  host:8080      a1 sees ext
		far   tcp,udp  host:7777      host sees far
	`)
	want := map[string]bool{}
	for i := range w.families() {
		for sender, mac := range map[string][]byte{"far": w.host.MAC("eth1"), "b1": w.hostMAC("b1")} {
			for _, port := range []uint16{8080, 9001} {
				from, to := netip.AddrPortFrom(w.addrs[sender][i], 30000), netip.AddrPortFrom(w.addrs["host"][i], port)
				f := netlab.Frame{Dst: mac, Src: w.spaces[sender].MAC("eth0"), Proto: "udp", From: from, To: to}
				w.spaces[sender].SendFrame("eth0", f.Marshal())
				want[bridge.Drop{Reason: bridge.OutOfScope, Proto: "udp", From: from, To: to}.String()] = true
			}
		}
	}
	all := h.await(t, func(all []bridge.Drop) bool { return len(all) >= len(want) })
	for _, d := range all {
		key := bridge.Drop{Network: d.Network, Reason: d.Reason, Proto: d.Proto, From: d.From, To: d.To}.String()
		if !want[key] {
			t.Errorf("told without need, or twice: %s", d)
		}
		delete(want, key)
	}
	for d := range want {
		t.Errorf("nothing was told of %s", d)
	}
	if got := w.counters().Host().Drops[bridge.OutOfScope].Packets; got != uint64(len(all)) {
		t.Errorf("%d packets counted, %d told", got, len(all))
	}
}
