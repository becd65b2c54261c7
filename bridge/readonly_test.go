package bridge_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seawall-net/seawall/bridge"
)

// readOnlySysctls makes the network's sysctls read-only until the test ends, as they are in a container without
// privileges. It is for the whole process: not in parallel with other tests.
func readOnlySysctls(t *testing.T) {
	t.Helper()
	const dir = "/proc/sys/net"
	if err := unix.Mount(dir, dir, "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Fatal(err)
		}
	})
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
}

// setSysctls sets what is to be there before sysctls become read-only.
func (w *world) setSysctls(values map[string]string) {
	w.t.Helper()
	for key, value := range values {
		w.host.SetSysctl(key, value)
	}
}

// suits is what networks of both families need.
func suits() map[string]string {
	return map[string]string{
		"net.ipv4.ip_forward":                  "1",
		"net.ipv6.conf.all.forwarding":         "1",
		"net.ipv6.conf.default.disable_ipv6":   "0",
		"net.ipv6.conf.default.accept_ra":      "0",
		"net.ipv4.conf.default.route_localnet": "1",
	}
}

// Where all sysctls are right already, nothing has to be written.
func TestReadOnlySysctls(t *testing.T) {
	w := newWorld(t, bridge.Config{})
	values := suits()
	if w.ipv4Only {
		values["net.ipv6.conf.default.disable_ipv6"] = "1"
	}
	w.setSysctls(values)
	before := w.snapshot()
	w.spaces["a1"] = w.Namespace("a1")
	w.spaces["a1"].SetSysctl("net.ipv6.conf.default.disable_ipv6", values["net.ipv6.conf.default.disable_ipv6"])
	readOnlySysctls(t)
	w.networkA()
	w.join("a", "a1", 2, "8080:80", "8080:80/udp")
	w.serve("a1", 80, 81)
	w.fates(`
		ext   tcp,udp  host:8080      a1 sees ext
		ext   tcp,udp  a1.a:80        silent
		host  tcp4     loopback:8080  a1 sees gw-a
		a1    tcp,udp  ext:80         ext sees host
	`)
	w.reopen()
	w.unpublish("a", "a1", "8080:80")
	w.fates(`
		ext   tcp      host:8080      refused
		ext   udp      host:8080      a1 sees ext
	`)
	w.update(func(tx *bridge.Tx) { tx.RemoveNetwork("a") })
	w.sameAs("the network is gone", w.snapshot(), before)
}

// Where one is wrong, the error says which and what it should be, and nothing is done.
func TestReadOnlySysctlsThatAreWrong(t *testing.T) {
	for _, c := range []struct {
		key, value string
		subnets    []string
		text       string
	}{
		{"net.ipv4.ip_forward", "0", []string{"172.30.1.0/24"}, "set sysctl net.ipv4.ip_forward to 1 (it is 0)"},
		{"net.ipv6.conf.all.forwarding", "0", []string{"fd00:30:1::/64"}, "set sysctl net.ipv6.conf.all.forwarding to 1 (it is 0)"},
		{"net.ipv6.conf.default.disable_ipv6", "0", []string{"172.30.1.0/24"}, "set sysctl net.ipv6.conf.br-a.disable_ipv6 to 1 (it is 0)"},
		{"net.ipv6.conf.default.disable_ipv6", "1", []string{"172.30.1.0/24", "fd00:30:1::/64"}, "set sysctl net.ipv6.conf.br-a.disable_ipv6 to 0 (it is 1)"},
		{"net.ipv6.conf.default.accept_ra", "1", []string{"172.30.1.0/24", "fd00:30:1::/64"}, "set sysctl net.ipv6.conf.br-a.accept_ra to 0 (it is 1)"},
	} {
		t.Run(c.key+"="+c.value, func(t *testing.T) {
			w := newWorld(t, bridge.Config{})
			values := suits()
			if len(c.subnets) == 1 && c.key != "net.ipv6.conf.default.disable_ipv6" && !strings.Contains(c.subnets[0], ":") {
				values["net.ipv6.conf.default.disable_ipv6"] = "1"
			}
			values[c.key] = c.value
			w.setSysctls(values)
			readOnlySysctls(t)
			before := w.snapshot()
			err := w.try(func(tx *bridge.Tx) { tx.CreateNetwork(networkSpec("a", c.subnets...)) })
			w.refused(err)
			if !errors.Is(err, unix.EROFS) || !strings.Contains(err.Error(), c.text) {
				t.Errorf("%v\nwant %s", err, c.text)
			}
			w.sameAs("refused", w.snapshot(), before)
			if w.fw.View().Network("a") != nil {
				t.Error("the network is in the view")
			}
		})
	}
}

// The same for what ports and links need.
func TestReadOnlySysctlsOfPortsAndLinks(t *testing.T) {
	w := newWorld(t, bridge.Config{})
	values := suits()
	values["net.ipv4.conf.default.route_localnet"] = "0"
	w.setSysctls(values)
	off := w.Namespace("off")
	off.SetSysctl("net.ipv6.conf.default.disable_ipv6", "1")
	w.spaces["off"] = off
	w.networkA()
	w.network("four", "172.30.4.0/24")
	w.join("a", "c", 2)
	w.serve("c", 80)
	w.attach("a", "off", 3)
	w.attach("four", "c4", 2)
	readOnlySysctls(t)
	want, view, links := w.rules(w.tables()...), facts(w.fw), w.links()
	err := w.try(func(tx *bridge.Tx) { tx.Network("a").Endpoint("c").Publish(ports("8080:80")...) })
	if text := "set sysctl net.ipv4.conf.br-a.route_localnet to 1 (it is 0)"; !errors.Is(err, unix.EROFS) || !strings.Contains(err.Error(), text) {
		t.Errorf("%v\nwant %s", err, text)
	}
	for endpoint, text := range map[string]string{
		"a/off":   "set sysctl net.ipv6.conf.eth0.disable_ipv6 to 0 (it is 1)",
		"four/c4": "set sysctl net.ipv6.conf.eth1.disable_ipv6 to 1 (it is 0)",
	} {
		network, name, _ := strings.Cut(endpoint, "/")
		if name == "off" && w.ipv4Only {
			continue // it has no IPv6 that the sysctl would be wrong for
		}
		space := map[string]string{"off": "off", "c4": "c"}[name]
		err := w.fw.Connect(context.Background(), network, name, bridge.Link{NetNS: w.spaces[space].File()})
		if !errors.Is(err, unix.EROFS) || !strings.Contains(err.Error(), text) {
			t.Errorf("%v\nwant %s", err, text)
		}
	}
	w.sameAs("refused", w.rules(w.tables()...), want)
	if got := facts(w.fw); !slices.Equal(got, view) {
		t.Errorf("the view is %q, was %q", got, view)
	}
	w.sameAs("refused", withoutLinkLocal(w.links()), withoutLinkLocal(links))
	// What needs no loopback address needs no sysctl.
	w.publish("a", "c", "192.0.2.1:8080:80", "[2001:db8:1::1]:8080:80")
	w.fates(`
		ext  tcp  host:8080  c sees ext
	`)
}
