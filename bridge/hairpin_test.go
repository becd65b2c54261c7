package bridge_test

import (
	"errors"
	"io/fs"
	"os"
	"testing"

	"github.com/seawall-net/seawall/bridge"
)

// Whether br_netfilter shows bridged packets to the tables of families ip and ip6. Each network namespace decides for
// itself, and the kernel's default is on.
const (
	filterOff = "bridge-nf-call 0"
	filterOn  = "bridge-nf-call 1"
)

// bridgeFilters is what to test. A kernel without br_netfilter, which is a module, cannot do otherwise than filterOff;
// one that tests for others must have it.
func bridgeFilters(t *testing.T) []string {
	t.Helper()
	_, err := os.Stat("/proc/sys/net/bridge/bridge-nf-call-iptables")
	if errors.Is(err, fs.ErrNotExist) {
		if os.Getenv("CI") == "true" {
			t.Fatal("the kernel has no br_netfilter: load the module")
		}
		t.Log("the kernel has no br_netfilter: half of the test is not there")
		return []string{filterOff}
	}
	return []string{filterOff, filterOn}
}

// filterBridges sets br_netfilter.
func (w *world) filterBridges(filter string) {
	w.t.Helper()
	for _, key := range []string{"iptables", "ip6tables"} {
		path := "/proc/sys/net/bridge/bridge-nf-call-" + key
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		w.host.SetSysctl("net.bridge.bridge-nf-call-"+key, filter[len(filter)-1:])
	}
}

// Published ports work from everywhere on the host and behind it, from the publishing container itself, too.
func TestHairpin(t *testing.T) {
	t.Parallel()
	for _, filter := range bridgeFilters(t) {
		t.Run(filter, func(t *testing.T) {
			t.Parallel()
			w := twoNetworks(t, bridge.Config{})
			w.filterBridges(filter)
			w.publish("a", "a2", "127.0.0.1:8082:81", "127.0.0.1:8082:81/udp", "127.0.0.1:8082:81/sctp",
				"[::1]:8082:81", "[::1]:8082:81/udp", "[::1]:8082:81/sctp", "9000-9001:9000-9001")
			w.serve("a2", 9000, 9001)
			w.fates(`
				# A container reaches its own port, by every address of the host.
				a1     tcp,udp,sctp  host:8080      a1 sees gw-a
				a1     tcp,udp,sctp  gw-a:8080      a1 sees gw-a
				a1     tcp,udp,sctp  gw-b:8080      a1 sees gw-a
				a2     tcp           host:9001      a2 sees gw-a
				# Its sibling does.
				a2     tcp,udp,sctp  host:8080      a1 sees gw-a
				a2     tcp,udp,sctp  gw-a:8080      a1 sees gw-a
				a1     tcp           gw-a:9000      a2 sees gw-a
				# Without a publication, siblings are as always.
				a2     tcp,udp,sctp  a1:81          a1 sees a2
				a2     tcp,udp       host:81        refused
				# The host does.
				host   tcp,udp,sctp  host:8080      a1 sees gw-a
				host   tcp,udp,sctp  gw-a:8080      a1 sees gw-a
				host   tcp4,udp4,sctp4  loopback:8080  a1 sees gw-a
				host   tcp4,udp4,sctp4  loopback:8082  a2 sees gw-a
				host   tcp4          loopback:9001  a2 sees gw-a
				host   tcp,udp       loopback:81    refused
				# Another network does.
				b1     tcp,udp,sctp  host:8080      a1 sees gw-a  [other-networks: silent]
				b1     tcp           gw-b:9000      a2 sees gw-a  [other-networks: silent]
				# What is published on a loopback address is nobody else's.
				ext    tcp,udp       host:8082      refused
				b1     tcp,udp       gw-b:8082      refused
				a1     tcp,udp       gw-a:8082      refused
				ext    tcp,udp       host:8080      a1 sees ext
			`)
			// With br_netfilter, replies to ::1 are lost: the kernel routes them where they are bridged, and
			// refuses that address there.
			seen1, seen2 := "a1 sees gw-a", "a2 sees gw-a"
			if filter == filterOn {
				seen1, seen2 = "silent", "silent"
			}
			w.fates(`
				host   tcp6,udp6,sctp6  loopback:8080  ` + seen1 + `
				host   tcp6,udp6,sctp6  loopback:8082  ` + seen2 + `
				host   tcp6             loopback:9001  ` + seen2 + `
			`)
		})
	}
}
