package bridge_test

import (
	"testing"

	"github.com/seawall-net/seawall/bridge"
)

// twoNetworks is a world with a1, which publishes 8080, and a2 on one network, and b1 on another.
func twoNetworks(t *testing.T, cfg bridge.Config) *world {
	t.Helper()
	w := newWorld(t, cfg)
	w.networkA()
	w.networkB()
	w.container("a", "a1", 2, "8080:80", "8080:80/udp", "8080:80/sctp")
	w.container("a", "a2", 3)
	w.container("b", "b1", 2)
	return w
}

func TestIsolation(t *testing.T) {
	t.Parallel()
	for _, filter := range bridgeFilters(t) {
		eachDropLog(t, filter, func(t *testing.T, log *bridge.DropLog) {
			w := twoNetworks(t, bridge.Config{LogDrops: log})
			w.filterBridges(filter)
			w.fates(`
				# Within a network everything is open.
				a2     tcp,udp,sctp  a1:80       a1 sees a2
				a2     tcp,udp,sctp  a1:81       a1 sees a2
				a2     icmp          a1          delivered
				# Between networks, an endpoint's address leads nowhere, published or not.
				b1     tcp,udp,sctp  a1:80       silent
				b1     tcp,udp,sctp  a1:81       silent
				b1     icmp          a1          silent
				a1     tcp,udp,sctp  b1:80       silent
				# A published port is reached through every address of the host.
				b1     tcp,udp,sctp  host:8080   a1 sees gw-a  [other-networks: silent]
				b1     tcp,udp,sctp  host2:8080  a1 sees gw-a  [other-networks: silent]
				b1     tcp,udp,sctp  gw-b:8080   a1 sees gw-a  [other-networks: silent]
				b1     tcp,udp,sctp  gw-a:8080   a1 sees gw-a  [other-networks: silent]
				b1     tcp,udp       host:81     refused
				# The host reaches all.
				host   tcp,udp,sctp  a1:80       a1 sees gw-a
				host   tcp,udp,sctp  a1:81       a1 sees gw-a
				host   tcp,udp,sctp  b1:81       b1 sees gw-b
				# And containers reach the host.
				a1     icmp          host        delivered
				a1     icmp          gw-a        delivered
			`)
		})
	}
}
