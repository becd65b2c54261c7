package bridge_test

import (
	"testing"

	"github.com/seawall-net/seawall/bridge"
)

// What leaves a network takes the host's address.
func TestMasquerade(t *testing.T) {
	t.Parallel()
	w := twoNetworks(t, bridge.Config{})
	w.fates(`
		a1    tcp,udp,sctp  ext:80    ext sees host
		b1    tcp,udp,sctp  ext:80    ext sees host
		a1    icmp          ext       delivered
		host  tcp,udp       ext:80    ext sees host
		# To the host itself a container is who it is.
		a1    icmp          host      delivered
	`)
	w.serve("host", 9090)
	w.fates(`
		a1    tcp,udp       host:9090 host sees a1
		a1    tcp,udp       gw-a:9090 host sees a1
		a1    tcp,udp       gw-b:9090 host sees a1
		ext   tcp,udp       host:9090 host sees ext
	`)
}

// A network has the families of its subnets, and no others.
func TestNetworksOfOneFamily(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bridge.Config{})
	w.host.SetSysctl("net.ipv6.conf.default.accept_ra", "2")
	w.network("four", "172.30.4.0/24")
	w.network("six", "fd00:30:6::/64")
	w.container("four", "c4", 2, "8084:80", "8084:80/udp")
	w.container("six", "c6", 2, "8086:80", "8086:80/udp")
	w.container("six", "d6", 3)
	w.fates(`
		c4    tcp4,udp4  ext:80         ext sees host
		d6    tcp6,udp6  ext:80         ext sees host
		ext   tcp4,udp4  host:8084      c4 sees ext
		ext   tcp6,udp6  host:8084      refused
		ext   tcp6,udp6  host:8086      c6 sees ext
		ext   tcp4,udp4  host:8086      refused
		host  tcp4,udp4  loopback:8084  c4 sees gw-four
		d6    tcp6,udp6  host:8086      c6 sees gw-six
		d6    tcp6,udp6  c6:81          c6 sees d6
		ext   tcp,udp    c4:80          silent
		ext   tcp,udp    c6:80          silent
	`)
	if got := w.host.Sysctl("net.ipv6.conf.br-four.disable_ipv6"); got != "1" {
		t.Errorf("disable_ipv6 of a bridge without IPv6 is %s", got)
	}
	if got := w.host.Sysctl("net.ipv6.conf.br-six.accept_ra"); got != "0" {
		t.Errorf("accept_ra of a bridge is %s: containers could advertise routes to the host", got)
	}
	link, err := w.host.Netlink().LinkByName("br-four")
	if err != nil {
		t.Fatal(err)
	}
	addrs, err := w.host.Netlink().AddrList(link, 10)
	if err != nil || len(addrs) != 0 {
		t.Errorf("a bridge without IPv6 has the addresses %v (%v)", addrs, err)
	}
}

// An endpoint has the families of its addresses.
func TestEndpointsOfOneFamily(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bridge.Config{})
	w.needsIPv6()
	w.networkA()
	both := w.subnets["a"]
	w.subnets["a"] = prefixPair{both[0]}
	w.container("a", "c4", 4, "8084:80", "8084:80/udp")
	w.subnets["a"] = prefixPair{1: both[1]}
	w.container("a", "c6", 6, "8086:80", "8086:80/udp")
	w.fates(`
		ext   tcp4,udp4  host:8084      c4 sees ext
		ext   tcp6,udp6  host:8084      refused
		ext   tcp6,udp6  host:8086      c6 sees ext
		ext   tcp4,udp4  host:8086      refused
		c4    tcp4,udp4  host:8084      c4 sees gw-a
		c6    tcp6,udp6  host:8086      c6 sees gw-a
		c4    tcp4,udp4  ext:80         ext sees host
		c6    tcp6,udp6  ext:80         ext sees host
		ext   tcp,udp    c4:80          silent
		ext   tcp,udp    c6:80          silent
	`)
}
