package bridge_test

import (
	"slices"
	"testing"
	"time"

	"github.com/seawall-net/seawall/bridge"
)

// What others do to bridges, their ports, addresses and sysctls is repaired: containers that are still there are
// connected again.
func TestWatchRepairsLinks(t *testing.T) {
	t.Parallel()
	cfg := impatient
	cfg.Watch.CheckInterval = 50 * time.Millisecond // route_localnet is not announced
	w := twoNetworks(t, cfg)
	w.filterBridges(filterOff)
	v := watch(t, w.fw)
	const fates = `
		ext  tcp,udp  host:8080      a1 sees ext
		a1   tcp      ext:80         ext sees host
		a2   tcp,udp  a1:80          a1 sees a2
		b1   tcp      host:8080      a1 sees gw-a  [other-networks: silent]
		host tcp      loopback:8080  a1 sees gw-a
		ext  tcp,udp  a1:80          silent
	`
	w.fates(fates)
	a1 := w.hostIfName("a", "a1")
	for _, c := range []struct {
		command []string
		changes []string
		fates   bool
	}{
		{[]string{"ip", "link", "delete", "br-a"}, []string{"deleted bridge br-a", "took " + a1 + " out of br-a"}, true},
		{[]string{"ip", "link", "set", "br-a", "down"}, []string{"set br-a down"}, true},
		{[]string{"ip", "address", "delete", "172.30.1.1/24", "dev", "br-a"}, []string{"deleted address 172.30.1.1/24 of br-a"}, false},
		{[]string{"ip", "address", "flush", "dev", "br-a"}, nil, false},
		{[]string{"ip", "link", "set", a1, "nomaster"}, []string{"took " + a1 + " out of br-a"}, false},
		{[]string{"ip", "link", "set", a1, "down"}, []string{"set " + a1 + " down"}, false},
		{[]string{"ip", "-6", "route", "delete", "local", "::1", "dev", "br-a", "table", "local"}, []string{"deleted the route for ::1 on br-a"}, false},
		{nil, []string{"switched off route_localnet of br-a"}, true},
	} {
		if w.ipv4Only && slices.Contains(c.command, "-6") {
			continue
		}
		if c.command == nil {
			w.host.SetSysctl("net.ipv4.conf.br-a.route_localnet", "0")
		} else {
			w.tool("", c.command[0], c.command[1:]...)
		}
		missing := slices.Clone(c.changes)
		for first := true; first || len(missing) > 0; first = false {
			damage, _ := v.repaired("")
			missing = slices.DeleteFunc(missing, func(s string) bool { return slices.Contains(damage.Changes, s) })
			if damage.By != (bridge.Process{}) {
				t.Error(damage.By)
			}
		}
		if w.awaitCarriers("a1", "a2"); c.fates {
			w.fates(fates)
		}
	}
}

// Links are the caller's where he says so.
func TestWatchKeepsLinks(t *testing.T) {
	t.Parallel()
	cfg := impatient
	cfg.Watch.KeepLinks, cfg.Watch.CheckInterval = true, time.Millisecond
	w := twoNetworks(t, cfg)
	v := watch(t, w.fw)
	h := w.host.Netlink()
	link, err := h.LinkByName("br-b")
	if err == nil {
		err = h.LinkDel(link)
	}
	if err != nil {
		t.Fatal(err)
	}
	v.quiet(w)
	if _, err := h.LinkByName("br-b"); err == nil {
		t.Error("it is there again")
	}
}

// hostIfName is the host's interface of a container.
func (w *world) hostIfName(network, name string) string {
	w.t.Helper()
	return w.fw.View().Endpoint(network, name).Spec.HostIfName
}
