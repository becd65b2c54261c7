package bridge_test

import (
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/portmap"
)

// mode sets the gateway mode of both families.
func mode(m bridge.GatewayMode) func(*bridge.NetworkSpec) {
	return func(s *bridge.NetworkSpec) { s.IPv4.Mode, s.IPv6.Mode = m, m }
}

// modeWorld is a world with a1, which publishes ports, and a2 on a network of some kind, and b1 on an ordinary one.
func modeWorld(t *testing.T, change func(*bridge.NetworkSpec)) *world {
	t.Helper()
	w := newWorld(t, bridge.Config{})
	w.create(with(specA, change))
	w.networkB()
	w.container("a", "a1", 2, "8080:80", "8080:80/udp", "8080:80/sctp", "192.0.2.1:8082:82", "[2001:db8:1::1]:8082:82", "9000-9009:9000-9009")
	w.serve("a1", 82, 9005)
	w.container("a", "a2", 3)
	w.container("b", "b1", 2, "8090:80", "8090:80/udp")
	return w
}

func TestUnprotected(t *testing.T) {
	t.Parallel()
	for _, filter := range bridgeFilters(t) {
		t.Run(filter, func(t *testing.T) {
			t.Parallel()
			w := modeWorld(t, mode(bridge.NATUnprotected))
			w.filterBridges(filter)
			w.fates(`
				# Whoever has a route reaches every port, published or not.
				ext   tcp,udp,sctp  a1:80      a1 sees ext
				ext   tcp,udp,sctp  a1:81      a1 sees ext
				ext   tcp,udp,sctp  a2:81      a2 sees ext
				ext   tcp,udp       a2:9999    refused
				ext   icmp          a2         delivered
				b1    tcp,udp,sctp  a2:81      a2 sees gw-a
				# Publications work as ever.
				ext   tcp,udp,sctp  host:8080  a1 sees ext
				ext   tcp           host:9005  a1 sees ext
				host  tcp           host:8080  a1 sees gw-a
				a2    tcp           host:8080  a1 sees gw-a
				b1    tcp           host:8080  a1 sees gw-a
				host  tcp4          loopback:8080  a1 sees gw-a
				# What leaves is masqueraded, and not let in elsewhere.
				a1    tcp,udp       ext:80     ext sees host
				a1    tcp,udp       b1:80      silent
				a1    tcp,udp       host:8090  b1 sees gw-b
				ext   tcp,udp       b1:80      silent
			`)
		})
	}
}

func TestRouted(t *testing.T) {
	t.Parallel()
	for _, filter := range bridgeFilters(t) {
		t.Run(filter, func(t *testing.T) {
			t.Parallel()
			w := modeWorld(t, mode(bridge.Routed))
			w.filterBridges(filter)
			w.serve("host", 8089)
			w.fates(`
				# Published ports by the endpoint's address. What was said about the host is without effect.
				ext   tcp,udp,sctp  a1:80      a1 sees ext
				ext   tcp           a1:82      a1 sees ext
				ext   tcp           a1:9005    a1 sees ext
				ext   icmp          a1         delivered
				ext   icmp          a2         delivered
				b1    tcp,udp,sctp  a1:80      a1 sees gw-a
				b1    icmp          a2         delivered
				host  tcp,udp,sctp  a1:81      a1 sees gw-a
				# Nothing else.
				ext   tcp,udp,sctp  a1:81      silent
				ext   udp           a1:9005    silent
				ext   tcp,udp,sctp  a2:80      silent
				b1    tcp,udp       a1:81      silent
				b1    tcp,udp       a2:80      silent
				# No port of the host leads there.
				ext   tcp,udp       host:8080  refused
				ext   tcp           host:8082  refused
				ext   tcp           host:9005  refused
				host  tcp,udp       loopback:8080  refused
				a2    tcp           host:8080  refused
				# Siblings.
				a2    tcp,udp,sctp  a1:81      a1 sees a2
				# What leaves has its own address, and replies come back.
				a1    tcp,udp,sctp  ext:80     ext sees a1
				a1    icmp          ext        delivered
				a1    tcp,udp       host:8090  b1 sees a1
				a1    tcp,udp       host:8089  host sees a1
				a1    tcp,udp       b1:80      silent
				# The subnet is meant to be reached, and so is the host's address there.
				ext   icmp          gw-a       delivered
				ext   icmp          gw-b       silent
			`)
		})
	}
}

// Nothing of the host is taken by ports that the host does not translate: any number of endpoints can have the same.
func TestRoutedPortsDoNotClash(t *testing.T) {
	t.Parallel()
	w := modeWorld(t, mode(bridge.Routed))
	w.publish("a", "a2", "8080:80", "80", "8081:80", "9000-9005:9000-9005", "9003-9009:9003-9009", "[::]:70:81")
	w.publish("b", "b1", "8080:80")
	w.serve("a2", 9004)
	w.fates(`
		ext  tcp   a2:80      a2 sees ext
		ext  tcp   a2:9004    a2 sees ext
		ext  tcp6  a2:81      a2 sees ext
		ext  tcp4  a2:81      silent
		ext  tcp   host:8080  b1 sees ext
	`)
	want := facts(w.fw)
	w.reopen()
	w.sameAs("adopted", facts(w.fw), want)
	w.unpublish("a", "a2", "8080:80", "80", "9003-9009:9003-9009")
	w.fates(`
		# One publication of the port is left.
		ext  tcp   a2:80      a2 sees ext
		ext  tcp   a2:9004    a2 sees ext
	`)
	w.unpublish("a", "a2", "8081:80", "9000-9005:9000-9005", "[::]:70:81")
	w.fates(`
		ext  tcp   a2:80      silent
		ext  tcp   a2:9004    silent
		ext  tcp6  a2:81      silent
	`)
	err := w.try(func(tx *bridge.Tx) { tx.Network("a").Endpoint("a1").Publish(portmap.MustParse("8080:80")) })
	if !errors.Is(err, fs.ErrExist) {
		t.Errorf("the same again: %v", err)
	}
}

// A port that somebody means for the host alone is not opened to the world.
func TestRoutedRefusesLoopbackPublications(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bridge.Config{})
	w.needsIPv6()
	w.create(with(specA, func(s *bridge.NetworkSpec) { s.IPv6.Mode = bridge.Routed }))
	w.container("a", "a1", 2, "127.0.0.1:8080:80")
	err := w.try(func(tx *bridge.Tx) { tx.Network("a").Endpoint("a1").Publish(portmap.MustParse("[::1]:8080:80")) })
	if err == nil || !strings.Contains(err.Error(), "routed does not translate ::1") {
		t.Errorf("got %v", err)
	}
	w.fates(`
		host  tcp4  loopback:8080  a1 sees gw-a
		ext   tcp   a1:80          silent
	`)
}

// Each family has its own mode.
func TestMixedModes(t *testing.T) {
	t.Parallel()
	w := modeWorld(t, func(s *bridge.NetworkSpec) { s.IPv6.Mode = bridge.Routed })
	w.fates(`
		ext   tcp4,udp4  host:8080  a1 sees ext
		ext   tcp4,udp4  a1:80      silent
		ext   tcp6,udp6  a1:80      a1 sees ext
		ext   tcp6,udp6  host:8080  refused
		ext   tcp        a1:81      silent
		ext   icmp4      a1         silent
		ext   icmp6      a1         delivered
		a1    tcp4,udp4  ext:80     ext sees host
		a1    tcp6,udp6  ext:80     ext sees a1
	`)
	w = modeWorld(t, func(s *bridge.NetworkSpec) { s.IPv4.Mode = bridge.NATUnprotected })
	w.fates(`
		ext   tcp4,udp4  a1:81      a1 sees ext
		ext   tcp6,udp6  a1:81      silent
		ext   tcp        host:8080  a1 sees ext
	`)
}
