package bridge_test

import (
	"testing"

	"github.com/seawall-net/seawall/bridge"
)

// Frames of a disabled family are left alone, spoofed or between endpoints without ICC; those of the other, and of none,
// are not. So it is after options have changed.
func TestFramesOfDisabledFamilies(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bridge.Config{})
	w.networkApart()
	w.filterBridges(filterOff)
	w.container("a", "a1", 2)
	w.container("a", "a2", 3)
	me, sibling, host := w.station("a1", "eth0"), w.station("a2", "eth0"), w.station("gw-a", "br-a")
	all := append(honest(me, sibling, host), forged(me, sibling, host)...)
	for _, off := range [][]int{{0}, {}, {0, 1}, {1}, {}} {
		cfg := disabling(off...)
		w.cfg.DisableIPv4, w.cfg.DisableIPv6 = cfg.DisableIPv4, cfg.DisableIPv6
		w.reopen()
		w.kernelIsDesired("reopened")
		var passing, dropped []linkFrame
		for _, f := range all {
			isIPv4 := f.raw[12] == 8 && (f.raw[13] == 0 || f.raw[13] == 6)
			isIPv6 := f.raw[12] == 0x86
			switch {
			// Those make the bridge believe that others are where the sender is.
			case string(f.raw[6:12]) != string(me.mac):
			case len(off) == 2, isIPv4 && cfg.DisableIPv4, isIPv6 && cfg.DisableIPv6:
				passing = append(passing, f)
			default:
				dropped = append(dropped, f)
			}
		}
		// With nothing disabled, the host tells when all have been sent.
		toHost := linkFrame{what: "a frame to the host", raw: ether(host.mac, me.mac, 0x88b5, []byte("to the host"))}
		a2, br := w.watch("a2", w.spaces["a2"], "eth0"), w.watch("the host", w.host, "br-a")
		for _, f := range append(dropped, toHost) {
			w.spaces["a1"].SendFrame("eth0", f.raw)
		}
		if !br.await(toHost.raw) {
			t.Errorf("disabled %v: %s does not arrive", off, toHost.what)
		}
		a2.sawNone(t, dropped)
		w.deliver("a1", nil, passing, a2)
	}
}
