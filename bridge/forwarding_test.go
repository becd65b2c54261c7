package bridge_test

import (
	"slices"
	"testing"

	"github.com/seawall-net/seawall/bridge"
)

// routers tells whether ext and far reach each other through the host, in both families.
func (w *world) routers(passes bool) {
	w.t.Helper()
	ext, far := "silent", "silent"
	if passes {
		ext, far = "far sees ext", "ext sees far"
	}
	w.fates(`
		ext  tcp,udp       far:80     ` + ext + `
		far  tcp,udp,sctp  ext:80     ` + far + `
		ext  tcp,udp       host:8080  a1 sees ext
		far  tcp,udp       host:8080  a1 sees far
		a1   tcp,udp       far:80     far sees host-far
		ext  tcp,udp       a1:80      silent
	`)
}

// A host that was a router stays one, unless it is told otherwise. That can be changed when the firewall is opened.
func TestDropForward(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bridge.Config{})
	w.host.Forward()
	w.secondLAN()
	w.networkA()
	w.container("a", "a1", 2, "8080:80", "8080:80/udp")
	w.routers(true)
	for range 2 {
		w.cfg.DropForward = true
		w.reopen()
		w.kernelIsDesired("drop")
		w.routers(false)
		w.cfg.DropForward = false
		w.reopen()
		w.kernelIsDesired("accept")
		w.routers(true)
	}
	w.update(func(tx *bridge.Tx) { tx.RemoveNetwork("a") })
	w.fates(`
		ext  tcp,udp  far:80  far sees ext
	`)
}

// Who asks for the drop gets it without a network, too, and DOCKER-USER comes before it.
func TestDropForwardWithoutNetworks(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bridge.Config{DropForward: true})
	w.host.Forward()
	w.secondLAN()
	w.serve("far", 81)
	if hasUserChain() {
		w.handAppend("far", 81, accept)
	}
	w.fates(`
		ext  tcp,udp  far:80  silent
		ext  tcp,udp  far:81  far sees ext  [drop-forward-is-last: silent]
		far  tcp,udp  ext:80  silent
		host tcp,udp  far:80  far sees host-far
	`)
}

// The drop that comes with forwarding that we have switched on does not add up with the one that is asked for, and stays
// when that goes.
func TestDropForwardAndForwardingSwitchedOn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bridge.Config{DropForward: true})
	w.secondLAN()
	before := slices.Sorted(slices.Values(w.snapshot()))
	w.networkA()
	w.container("a", "a1", 2, "8080:80", "8080:80/udp")
	w.routers(false)
	w.cfg.DropForward = false
	w.reopen()
	w.kernelIsDesired("accept")
	w.routers(false)
	w.cfg.DropForward = true
	w.reopen()
	w.update(func(tx *bridge.Tx) { tx.RemoveNetwork("a") })
	// Chains that were made anew are listed last.
	w.sameAs("removed", slices.Sorted(slices.Values(w.snapshot())), before)
}

// In a disabled family forwarding is switched on for the networks, and off again, but nothing is dropped.
func TestForwardingOfADisabledFamily(t *testing.T) {
	t.Parallel()
	cfg := disabling(0)
	cfg.DropForward = true
	w := newWorld(t, cfg)
	w.secondLAN()
	before := w.snapshot()
	w.networkA()
	w.fates(`
		ext  tcp4,udp4  far:80  far sees ext
		ext  tcp6,udp6  far:80  silent
	`)
	w.reopen()
	w.update(func(tx *bridge.Tx) { tx.RemoveNetwork("a") })
	w.sameAs("removed", w.snapshot(), before)
	if got := w.host.Sysctl("net.ipv4.ip_forward"); got != "0" {
		t.Errorf("ip_forward is %s", got)
	}
}
