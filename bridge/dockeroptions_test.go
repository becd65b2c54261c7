package bridge_test

import (
	"testing"

	"github.com/seawall-net/seawall/bridge"
)

// dockerOptions changes a specification as `docker network create -o` would.
func dockerOptions(t *testing.T, options ...string) func(*bridge.NetworkSpec) {
	t.Helper()
	all := map[string]string{}
	for i := 0; i < len(options); i += 2 {
		all["com.docker.network."+options[i]] = options[i+1]
	}
	return func(s *bridge.NetworkSpec) {
		got, err := s.WithOptions(all)
		if err != nil {
			t.Fatal(err)
		}
		*s = got
	}
}

// A default address of one family keeps ports that name no address from the other.
func TestHostBindingOfOneFamily(t *testing.T) {
	t.Parallel()
	w := modeWorld(t, dockerOptions(t, "bridge.host_binding_ipv4", "192.0.2.1"))
	w.publish("a", "a2", "0.0.0.0:8070:80", "[::]:8071:80")
	w.fates(`
		ext   tcp4,udp4,sctp4  host:8080   a1 sees ext
		ext   tcp4,udp4        host2:8080  refused
		ext   tcp6,udp6        host:8080   refused
		ext   tcp4             host:9005   a1 sees ext
		ext   tcp6             host:9005   refused
		b1    tcp4,udp4        host:8080   a1 sees gw-a
		b1    tcp6,udp6        host:8080   refused
		ext   tcp,udp,sctp     a1:80       silent
		# Who names an address gets it.
		ext   tcp4             host2:8070  a2 sees ext
		ext   tcp6             host2:8071  a2 sees ext
		ext   tcp6             host:8082   a1 sees ext
		# The other network is as ever.
		ext   tcp,udp          host2:8090  b1 sees ext
	`)
	want := facts(w.fw)
	w.reopen()
	w.sameAs("adopted", facts(w.fw), want)
	// In the other family the port is free.
	w.publish("b", "b1", "[::]:8080:80")
	w.fates(`
		ext   tcp6             host:8080   b1 sees ext
		ext   tcp4             host:8080   a1 sees ext
	`)
}

// The same the other way round, and with a family that is not translated.
func TestHostBindingOfIPv6(t *testing.T) {
	t.Parallel()
	w := modeWorld(t, dockerOptions(t, "bridge.host_binding_ipv4", "2001:db8:1::1", "bridge.gateway_mode_ipv4", "routed"))
	w.fates(`
		ext   tcp6,udp6        host:8080   a1 sees ext
		ext   tcp6             host2:8080  refused
		ext   tcp4             host:8080   refused
		# The port that names its address is open, and no other.
		ext   tcp4             a1:82       a1 sees ext
		ext   tcp4,udp4        a1:80       silent
		ext   tcp4             a1:9005     silent
	`)
}

// What Docker's options say is what packets meet.
func TestOptionsInForce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bridge.Config{})
	w.create(with(specA, dockerOptions(t,
		"bridge.gateway_mode_ipv6", "routed", "host_ipv4", "192.0.2.3", "bridge.trusted_host_interfaces", "eth9:eth0",
		"container_iface_prefix", "lan", "driver.mtu", "1400", "bridge.enable_icc", "true", "enable_ipv6", "true")))
	w.create(with(specB, dockerOptions(t, "bridge.enable_ip_masquerade", "false")))
	w.container("a", "a1", 2, "8080:80", "8080:80/udp")
	w.container("b", "b1", 2)
	if w.spaces["a1"].Index("lan0") == 0 {
		t.Error("a1 has no interface lan0")
	}
	w.fates(`
		ext   tcp4,udp4  host:8080  a1 sees ext
		ext   tcp6,udp6  host:8080  refused
		ext   tcp,udp    a1:80      a1 sees ext
		ext   tcp,udp    a1:81      silent
		a1    tcp4,udp4  ext:80     ext sees host2
		a1    tcp6,udp6  ext:80     ext sees a1
		b1    tcp,udp    ext:80     ext sees b1  [raw-is-first: silent]
		ext   tcp,udp    b1:80      silent
	`)
}
