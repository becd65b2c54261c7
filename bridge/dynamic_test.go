package bridge_test

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/nft"
	"github.com/seawall-net/seawall/portmap"
)

// shows lists what an endpoint publishes, oldest first.
func (w *world) shows(endpoint string) []string {
	w.t.Helper()
	var out []string
	v := w.fw.View()
	for b := range v.Bindings(v.Endpoint("a", endpoint)) {
		out = append(out, b.String())
	}
	return out
}

func (w *world) mustShow(endpoint string, want ...string) {
	w.t.Helper()
	if got := w.shows(endpoint); !slices.Equal(got, want) {
		w.t.Errorf("%s publishes\n\t%s\nwant\n\t%s", endpoint, strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

// all is a publication of port 80 on all addresses of the layout's families.
func all(port int) string {
	v4, _, _ := strings.Cut(shown(port), ",")
	if lacksIPv6() {
		return v4
	}
	return shown(port)
}

// A port out of a range, or an ephemeral one that is not reserved: the first that nobody has in either family.
func TestChosenPorts(t *testing.T) {
	t.Parallel()
	w := publishing(t, bridge.Config{})
	w.needsIPv6()
	w.host.SetSysctl("net.ipv4.ip_local_port_range", "40000 40005")
	w.host.SetSysctl("net.ipv4.ip_local_reserved_ports", "40000,40003")
	w.take("tcp", "[::1]:40001")
	w.take("tcp", "0.0.0.0:8081")
	w.take("udp", "192.0.2.1:8080")
	w.publish("a", "a2", "8082:81")

	w.publish("a", "a1", "8080-8084:80", "8080-8084:80")
	w.publish("a", "a1", "80")
	w.publish("a", "a1", "80", "127.0.0.1::80/udp")
	w.mustShow("a1", all(8080), all(8083), all(40002), all(40004), "127.0.0.1:40001->80/udp")
	w.mustBeHeld("tcp", "0.0.0.0:8083", "[::]:8083", "0.0.0.0:40004", "[::]:40004")

	// Two more: 40001 is free in IPv4 only.
	w.publish("a", "a1", "80", "0.0.0.0::80")
	w.mustShow("a1", all(8080), all(8083), all(40002), all(40004), "127.0.0.1:40001->80/udp", all(40005), "0.0.0.0:40001->80/tcp")

	// No more.
	before := w.snapshotWithSockets()
	for _, c := range []struct{ spec, text string }{
		{"80", "bridge: publish a/a1: 80: no port among 40000-40005 is free; the last: "},
		{"8080-8083:81", "8080-8083:81: no port among 8080-8083 is free; the last: portmap: 0.0.0.0:8083/tcp: already published by a/a1"},
		{"127.0.0.1:8080-8081:81", "the last: hold 127.0.0.1:8081/tcp: bind: address already in use: another process has the port"},
		{"80-85", "80-85: there are no 6 consecutive ports among 40000-40005 that are not reserved (net.ipv4.ip_local_reserved_ports)"},
	} {
		err := w.try(func(tx *bridge.Tx) { tx.Network("a").Endpoint("a1").Publish(ports(c.spec)...) })
		var none *bridge.NoPortError
		if !errors.As(err, &none) || !errors.Is(err, fs.ErrExist) || none.Binding != ports(c.spec)[0] {
			t.Errorf("%s: %v", c.spec, err)
		} else if !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v\nwant %s", c.spec, err, c.text)
		}
	}
	w.sameAs("refused", w.snapshotWithSockets(), before)

	// What was given up is not handed out at once, if there is another.
	w.unpublish("a", "a1", "40004:80", "40005:80")
	w.publish("a", "a1", "80")
	w.unpublish("a", "a1", "80")
	w.publish("a", "a1", "80")
	if got := w.shows("a1"); got[len(got)-1] != all(40005) {
		t.Errorf("%q", got)
	}
}

// Bindings of one call that differ in the address alone get the same port; those that leave no choice are served first,
// and those that choose among few second.
func TestChosenPortsOfOneCall(t *testing.T) {
	t.Parallel()
	w := publishing(t, bridge.Config{})
	w.needsIPv6()
	w.host.SetSysctl("net.ipv4.ip_local_port_range", "40000 40019")
	w.take("tcp", "192.0.2.1:40000")
	w.take("tcp", "[::1]:40001")
	w.publish("a", "a1",
		"127.0.0.1::80", "127.0.0.1::81", "192.0.2.1::80", "127.0.0.1::80/udp", "[::1]::80", // 127.0.0.1, 192.0.2.1 and ::1 alike
		"8080-8081:80", "8080-8082:80", "8081:81", "8080-8080:82/udp",
	)
	w.mustShow("a1",
		"127.0.0.1:40002->80/tcp", "127.0.0.1:40003->81/tcp", "192.0.2.1:40002->80/tcp", "127.0.0.1:40000->80/udp", "[::1]:40002->80/tcp",
		all(8080), all(8082), "0.0.0.0:8081->81/tcp, [::]:8081->81/tcp", "0.0.0.0:8080->82/udp, [::]:8080->82/udp")
	// What was tried and not taken is free.
	w.publish("a", "a2", "127.0.0.1:40000-40001:90-91")
	w.unpublish("a", "a2", "127.0.0.1:40000-40001:90-91")
	// All addresses include each, so they cannot have the same; nor can equals. Several container ports get as many in a row.
	w.publish("a", "a2", "80", "127.0.0.1::80", "80", "90-92")
	w.mustShow("a2", "0.0.0.0:40004->80/tcp", "127.0.0.1:40005->80/tcp", "0.0.0.0:40006->80/tcp", "0.0.0.0:40007-40009->90-92/tcp")
	w.update(func(tx *bridge.Tx) { tx.Network("a").Detach("a1"); tx.Network("a").Detach("a2") })
	w.sameAs("all is gone", w.held(), []string{"tcp 192.0.2.1:40000", "tcp [::1]:40001"})

	w.host.SetSysctl("net.ipv4.ip_local_port_range", "50000 50002")
	w.update(func(tx *bridge.Tx) {
		tx.Network("a").Attach(endpoint("a2", "172.30.1.3", "")).Publish(ports("83", "50000-50001:83", "50000-50001:83")...)
	})
	w.mustShow("a2", "0.0.0.0:50002->83/tcp", "0.0.0.0:50000->83/tcp", "0.0.0.0:50001->83/tcp")
}

// Inside an update, too, it is known which port was chosen.
func TestChosenPortWithinAnUpdate(t *testing.T) {
	t.Parallel()
	w := publishing(t, bridge.Config{})
	w.publish("a", "a1", "8080:80")
	var got []string
	w.update(func(tx *bridge.Tx) {
		a1 := tx.Network("a").Endpoint("a1")
		a1.Publish(ports("8080-8090:80")...)
		for b := range a1.Bindings() {
			got = append(got, fmt.Sprint(b.Port, " ", b.Host()))
		}
		// The loop may change what it goes through.
		for b := range a1.Bindings() {
			a1.Unpublish(b.Port)
		}
		for b := range a1.Bindings() {
			t.Errorf("%v is left", b)
		}
		for range a1.Bindings() {
			break
		}
	})
	slices.Sort(got)
	if want := []string{"8080-8090:80 8081", "8080:80 8080"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if err := w.try(func(tx *bridge.Tx) {
		a1 := tx.Network("a").Endpoint("a1")
		a1.Publish(ports("8080:80")...)
		tx.RemoveNetwork("nowhere")
		for b := range a1.Bindings() {
			t.Errorf("%v after an error", b)
		}
	}); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

// What was chosen is what leads to the container; several ports of the host lead to one, and end one by one.
func TestChosenPortsLeadToTheContainer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bridge.Config{})
	w.networkA()
	w.container("a", "a1", 2, "8080-8090:80", "8080-8090:80", "8080-8090:80/udp", "8085:80", "8086:80")
	w.host.SetSysctl("net.ipv4.ip_local_port_range", "9000 9100")
	w.publish("a", "a1", "80-81", "80/sctp")
	good := `
		ext   tcp   host:8080       a1 sees ext
		ext   tcp   host:8081       a1 sees ext
		ext   tcp   host:8082       refused
		ext   udp   host:8080       a1 sees ext
		ext   udp   host:8081       refused
		ext   tcp   host:8085       a1 sees ext
		ext   tcp   host:8086       a1 sees ext
		host  tcp   host:8081       a1 sees gw-a
		ext   tcp   host:9000       a1 sees ext
		ext   tcp   host:9001       a1 sees ext
		ext   tcp   host:9002       refused
		ext   sctp  host:9000       a1 sees ext
	`
	w.fates(good)
	view := facts(w.fw)
	w.reopen()
	if got := facts(w.fw); !slices.Equal(got, view) {
		t.Errorf("taken over is %q, was %q", got, view)
	}
	w.fates(good)
	// Of two that are equal the later goes; or the one that is meant.
	w.unpublish("a", "a1", "8080-8090:80", "8085:80", "8080:80/udp")
	w.fates(`
		ext   tcp   host:8080       a1 sees ext
		ext   tcp   host:8081       refused
		ext   tcp   host:8085       refused
		ext   tcp   host:8086       a1 sees ext
		ext   udp   host:8080       refused
		ext   tcp   host:9001       a1 sees ext
	`)
	for _, spec := range []string{"8081:80", "8080-8090:80/udp", "8085:80", "80", "8080-8089:80"} {
		if err := w.try(func(tx *bridge.Tx) { tx.Network("a").Endpoint("a1").Unpublish(ports(spec)...) }); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("unpublish %s: %v", spec, err)
		}
	}
	w.unpublish("a", "a1", "8080:80", "8086:80", "9000-9001:80-81", "80/sctp")
	if got := w.shows("a1"); got != nil {
		t.Errorf("%q", got)
	}
	w.kernelIsDesired("nothing is published")
}

// What was chosen stays when ports move to the container's endpoint in another network, as a whole or in one family, and is
// held all the while.
func TestChosenPortsMove(t *testing.T) {
	t.Parallel()
	w := publishing(t, bridge.Config{})
	w.needsIPv6()
	w.networkB()
	w.attach("b", "b1", 2)
	w.publish("a", "a1", "8080-8090:80", "8080-8090:80", "80-81/udp", "8085:80")
	before, shows := w.host.Listening(), w.shows("a1")
	w.update(func(tx *bridge.Tx) { tx.Network("a").Endpoint("a1").MovePorts(tx.Network("b").Endpoint("b1")) })
	if after := w.host.Listening(); !slices.Equal(after, before) {
		t.Errorf("the sockets are\n%+v\nbefore\n%+v", after, before)
	}
	w.mustShow("a1")
	var got []string
	v := w.fw.View()
	for b := range v.Bindings(v.Endpoint("b", "b1")) {
		got = append(got, b.String())
	}
	w.sameAs("moved", slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(shows)))
	w.update(func(tx *bridge.Tx) {
		tx.Network("b").Endpoint("b1").Unpublish(ports("8080-8090:80", "8085:80", "80-81/udp")...)
		tx.Network("b").Endpoint("b1").MovePorts(tx.Network("a").Endpoint("a1"), nft.IPv4)
	})
	w.mustShow("a1", "0.0.0.0:8080->80/tcp")
	w.sameAs("divided", w.held(), []string{"tcp 0.0.0.0:8080", "tcp [::]:8080"})
	view := facts(w.fw)
	w.reopen()
	w.sameAs("taken over", facts(w.fw), view)
	w.update(func(tx *bridge.Tx) {
		tx.Network("a").Endpoint("a1").Unpublish(ports("0.0.0.0:8080-8090:80")...)
		tx.Network("b").Endpoint("b1").Unpublish(ports("[::]:8080:80")...)
	})
	w.sameAs("unpublished", w.held(), nil)
}

// Where nothing is translated no port of the host is needed.
func TestNothingIsChosenForRoutedNetworks(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bridge.Config{})
	spec := networkSpec("a", "172.30.1.0/24", "fd00:30:1::/64")
	spec.IPv4.Mode, spec.IPv6.Mode = bridge.Routed, bridge.Routed
	w.update(func(tx *bridge.Tx) {
		tx.CreateNetwork(spec).Attach(endpoint("a1", "172.30.1.2", "fd00:30:1::2")).Publish(ports("80", "8080-8090:81", "9000:82")...)
	})
	w.take("tcp", "0.0.0.0:9000")
	w.mustShow("a1", "80/tcp", "81/tcp", "82/tcp")
	v := w.fw.View()
	for b := range v.Bindings(v.Endpoint("a", "a1")) {
		if b.Port.Dynamic() && !b.Host().IsZero() || len(b.Claims()) > 0 {
			t.Errorf("%v: %v, %v", b.Port, b.Host(), b.Claims())
		}
	}
	before := facts(w.fw)
	w.reopen()
	if got := facts(w.fw); !slices.Equal(got, before) {
		t.Errorf("taken over is %q, was %q", got, before)
	}
	if s, err := w.fw.Sockets("a", "a1", portmap.MustParse("80")); len(s) > 0 || err != nil {
		t.Errorf("%v, %v", s, err)
	}
	w.unpublish("a", "a1", "80", "8080-8090:81", "9000:82")
	w.mustShow("a1")
}

// One family by itself has the port if the other is not to be had by translation.
func TestChosenPortOfOneFamily(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bridge.Config{})
	spec := networkSpec("a", "172.30.1.0/24", "fd00:30:1::/64")
	spec.IPv6.Mode = bridge.Routed
	spec.IPv4.HostBinding = w.addrs["loopback"][0]
	w.take("tcp", "[::]:8080")
	w.update(func(tx *bridge.Tx) {
		n := tx.CreateNetwork(spec)
		n.Attach(endpoint("a1", "172.30.1.2", "fd00:30:1::2")).Publish(ports("8080-8081:80", "8080-8081:80")...)
		n.Attach(endpoint("a2", "172.30.1.3", "")).Publish(ports("192.0.2.1:8080-8081:80")...)
	})
	w.mustShow("a1", "127.0.0.1:8080->80/tcp", "127.0.0.1:8081->80/tcp")
	w.mustShow("a2", "192.0.2.1:8080->80/tcp")
}

// Each update goes by what the host's sysctls say at the time.
func TestEphemeralPortsAreReadForEachUpdate(t *testing.T) {
	t.Parallel()
	w := publishing(t, bridge.Config{})
	for i, text := range []string{"40000 40009", "50000 50009"} {
		w.host.SetSysctl("net.ipv4.ip_local_port_range", text)
		w.publish("a", "a1", "80")
		if got, want := w.shows("a1")[i], all([]int{40000, 50000}[i]); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	w.host.SetSysctl("net.ipv4.ip_local_port_range", "40000 40000")
	err := w.try(func(tx *bridge.Tx) { tx.Network("a").Endpoint("a2").Publish(ports("80")...) })
	if !errors.Is(err, fs.ErrExist) || errors.Is(err, unix.EADDRINUSE) {
		t.Errorf("%v", err)
	}
}
