package bridge_test

import (
	"testing"

	"github.com/seawall-net/seawall/bridge"
)

// Without access to the host a network's containers reach what they reach through it, and nothing on it.
func TestDisableHostAccess(t *testing.T) {
	t.Parallel()
	w := modeWorld(t, func(s *bridge.NetworkSpec) { s.DisableHostAccess = true })
	w.serve("host", 8089)
	w.fates(`
		a1    tcp,udp       host:8089  silent
		a1    tcp,udp       gw-a:8089  silent
		a1    tcp,udp       gw-b:8089  silent
		a1    icmp          gw-a       silent
		b1    tcp,udp       host:8089  host sees b1
		# The host asks, and they answer.
		host  tcp,udp,sctp  a1:80      a1 sees gw-a
		host  icmp          a1         delivered
		# Everything else is as ever.
		a1    tcp,udp,sctp  ext:80     ext sees host
		a1    tcp,udp       host:8090  b1 sees gw-b
		a2    tcp,udp       host:8080  a1 sees gw-a
		a2    tcp,udp,sctp  a1:81      a1 sees a2
		ext   tcp,udp,sctp  host:8080  a1 sees ext
		ext   tcp           host:8089  host sees ext
	`)
	w.frames(`
		a1  tcp,udp  host:8089  host stays quiet
		a1  tcp,udp  gw-a:8089  host stays quiet
	`)
	want := facts(w.fw)
	w.reopen()
	w.sameAs("adopted", facts(w.fw), want)
}

// The address that the host has on a bridge is not reached from outside.
func TestGatewayAddressFromTheLAN(t *testing.T) {
	t.Parallel()
	w := modeWorld(t, func(*bridge.NetworkSpec) {})
	w.serve("host", 8089)
	w.fates(`
		ext   tcp,udp,sctp  gw-a:8080  silent
		ext   tcp,udp       gw-a:8089  silent
		ext   tcp,udp       gw-b:8080  silent
		ext   icmp          gw-a       silent
		# Containers and the host itself may.
		b1    tcp,udp,sctp  gw-a:8080  a1 sees gw-a
		b1    tcp,udp       gw-a:8089  host sees b1
		a1    icmp          gw-a       delivered
		host  tcp,udp,sctp  gw-a:8080  a1 sees gw-a
		host  tcp4,udp4     gw-a:8089  host sees gw-a  [own-addresses: host sees host]
		host  tcp6,udp6     gw-a:8089  host sees gw-a
		host  icmp          gw-a       delivered
	`)
}
