package bridge_test

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/internal/netlab"
)

// publishing is a host with an endpoint a1 of both families and a2 of IPv4.
func publishing(t *testing.T, cfg bridge.Config) *world {
	t.Helper()
	w := newWorld(t, cfg)
	w.networkA()
	w.attach("a", "a1", 2)
	w.update(func(tx *bridge.Tx) { tx.Network("a").Attach(endpoint("a2", "172.30.1.3", "")) })
	return w
}

// Nobody takes a published port, whatever the socket's options; all others are free, and so are they afterwards.
func TestPublishedPortsAreHeld(t *testing.T) {
	t.Parallel()
	w := publishing(t, bridge.Config{})
	specs := []string{"8080:80", "127.0.0.1:8081:80", "[::1]:8082:80", "192.0.2.1:8083:80", "9000-9002:9000-9002", "0.0.0.0:8084:80", "[::]:8085:80"}
	for _, proto := range []string{"tcp", "udp"} {
		for _, s := range specs {
			w.publish("a", "a1", s+"/"+proto)
		}
		w.publish("a", "a2", "8086:80/"+proto)
		w.mustBeHeld(proto, "0.0.0.0:8080", "127.0.0.1:8080", "192.0.2.1:8080", "172.30.1.1:8080",
			"[::]:8080", "[::1]:8080", "[2001:db8:1::1]:8080",
			"127.0.0.1:8081", "0.0.0.0:8081", "[::1]:8082", "[::]:8082", "192.0.2.1:8083", "0.0.0.0:8083",
			"0.0.0.0:9000", "[::]:9001", "127.0.0.1:9002", "0.0.0.0:8084", "127.0.0.1:8084", "[::]:8085", "[::1]:8085", "127.0.0.1:8086")
		w.mustBeFree(proto, "0.0.0.0:8079", "[::]:8079", "127.0.0.2:8081", "192.0.2.1:8081", "[::]:8081", "0.0.0.0:8082",
			"127.0.0.1:8083", "192.0.2.3:8083", "0.0.0.0:8999", "[::]:9003", "[::]:8084", "0.0.0.0:8085", "[::]:8086")
		if proto == "tcp" {
			w.mustBeFree("udp", "0.0.0.0:8080", "[::]:8080")
		}
	}
	for _, proto := range []string{"tcp", "udp"} {
		for _, s := range specs {
			w.unpublish("a", "a1", s+"/"+proto)
		}
		w.mustBeFree(proto, "0.0.0.0:8080", "[::]:8080", "0.0.0.0:8081", "[::]:8082", "0.0.0.0:8083", "0.0.0.0:9001", "[::]:9002", "0.0.0.0:8084", "[::]:8085")
	}
	w.mustBeHeld("tcp", "0.0.0.0:8086")
	w.update(func(tx *bridge.Tx) { tx.Network("a").Detach("a2") })
	if got := w.held(); got != nil {
		t.Errorf("nothing is published, and there are %q", got)
	}
	w.publish("a", "a1", "8080:80")
	if err := w.fw.Close(); err != nil {
		t.Fatal(err)
	}
	if got := w.held(); got != nil {
		t.Errorf("closed, and there are %q", got)
	}
}

// A port that another process has is refused with the kernel's reason, and nothing is done.
func TestPublishWhatAnotherProcessHas(t *testing.T) {
	t.Parallel()
	w := publishing(t, bridge.Config{})
	w.publish("a", "a1", "7000:80")
	w.take("tcp", "0.0.0.0:8080")
	w.take("tcp", "[2001:db8:1::1]:8081")
	w.take("udp", "127.0.0.1:8082")
	w.take("tcp", "0.0.0.0:9005")
	before, view := w.snapshotWithSockets(), facts(w.fw)
	for _, c := range []struct {
		specs []string
		errno unix.Errno
		text  string
	}{
		{[]string{"8080:80"}, unix.EADDRINUSE, "bridge: publish a/a1: hold 0.0.0.0:8080/tcp: bind: address already in use: another process has the port"},
		{[]string{"8079:80", "127.0.0.1:8080:80"}, unix.EADDRINUSE, "hold 127.0.0.1:8080/tcp"},
		{[]string{"8079:80", "8081:80"}, unix.EADDRINUSE, "hold [::]:8081/tcp"},
		{[]string{"8079:80/udp", "8082:80/udp"}, unix.EADDRINUSE, "hold 0.0.0.0:8082/udp"},
		{[]string{"9000-9009:9000-9009"}, unix.EADDRINUSE, "hold 0.0.0.0:9005/tcp"},
		{[]string{"198.51.100.7:80:80"}, unix.EADDRNOTAVAIL, "hold 198.51.100.7:80/tcp: bind: cannot assign requested address: the host has no such address"},
		{[]string{"[2001:db8:7::7]:80:80/udp"}, unix.EADDRNOTAVAIL, "hold [2001:db8:7::7]:80/udp"},
	} {
		if w.ipv4Only && strings.Contains(c.text, "[") {
			continue
		}
		err := w.try(func(tx *bridge.Tx) {
			tx.Network("a").Endpoint("a1").Unpublish(ports("7000:80")...)
			tx.Network("a").Endpoint("a1").Publish(ports(c.specs...)...)
		})
		var port *bridge.PortError
		if !errors.As(err, &port) || !errors.Is(err, c.errno) || errors.Is(err, fs.ErrExist) != (c.errno == unix.EADDRINUSE) {
			t.Errorf("%q: %v", c.specs, err)
		} else if !strings.Contains(err.Error(), c.text) {
			t.Errorf("%q: %v\nwant %s", c.specs, err, c.text)
		}
	}
	w.sameAs("refused", w.snapshotWithSockets(), before)
	if got := facts(w.fw); !slices.Equal(got, view) {
		t.Errorf("the view is %q, was %q", got, view)
	}
	// What does not clash.
	w.publish("a", "a1", "[::]:8080:80", "127.0.0.1:8081:80", "8082:80", "127.0.0.2:8082:80/udp", "[::]:8082:80/udp")
}

// Whatever ends an update, what it has taken is free and what it has given up is held.
func TestRollbackOfHeldPorts(t *testing.T) {
	t.Parallel()
	w := publishing(t, bridge.Config{})
	w.publish("a", "a1", "8080:80", "8081:80/udp", "127.0.0.1:8082:80")
	before := w.snapshotWithSockets()
	change := func(tx *bridge.Tx) {
		a1 := tx.Network("a").Endpoint("a1")
		a1.Unpublish(ports("8080:80", "127.0.0.1:8082:80")...)
		a1.Publish(ports("8080:81", "127.0.0.2:8082:80", "8090-8099:8090-8099/udp")...)
		a1.Unpublish(ports("8080:81")...)
		// In the way of each other: all addresses, and one.
		a1.Publish(ports("127.0.0.1:8080:81", "[::1]:8080:80")...)
		a1.Unpublish(ports("127.0.0.1:8080:81", "127.0.0.2:8082:80")...)
		a1.Publish(ports("8082:80")...)
		tx.Network("a").Detach("a2")
	}
	own := errors.New("the caller's own")
	for name, update := range map[string]func() error{
		"the function fails": func() error {
			return w.fw.Update(context.Background(), func(tx *bridge.Tx) error { change(tx); return errors.Join(own, tx.Err()) })
		},
		"a call fails": func() error {
			return w.try(func(tx *bridge.Tx) { change(tx); tx.RemoveNetwork("nowhere") })
		},
		"the function panics": func() (err error) {
			defer func() { err = recover().(error) }()
			return w.try(func(tx *bridge.Tx) { change(tx); panic(own) })
		},
		"links fail": func() error {
			return w.try(func(tx *bridge.Tx) {
				change(tx)
				spec := networkSpec("x", "172.30.9.0/24")
				spec.Bridge = "eth0"
				tx.CreateNetwork(spec)
			})
		},
	} {
		if err := update(); err == nil || strings.Contains(err.Error(), "publish") {
			t.Errorf("%s: %v", name, err)
		}
		w.sameAs(name, w.snapshotWithSockets(), before)
		w.mustBeHeld("tcp", "0.0.0.0:8080", "127.0.0.1:8082")
	}
	if unheld := w.fw.UnheldPorts(); unheld != nil {
		t.Errorf("not held: %v", unheld)
	}
	w.update(change)
	want := []string{"tcp 0.0.0.0:8082", "tcp [::1]:8080", "tcp [::]:8082", "udp 0.0.0.0:8081", "udp [::]:8081"}
	for _, p := range []string{"8090", "8091", "8092", "8093", "8094", "8095", "8096", "8097", "8098", "8099"} {
		want = append(want, "udp 0.0.0.0:"+p, "udp [::]:"+p)
	}
	if w.ipv4Only {
		want = slices.DeleteFunc(want, func(s string) bool { return strings.Contains(s, "[") })
	}
	slices.Sort(want)
	w.sameAs("done", w.held(), want)
}

// A port that passes from one endpoint or container port to another in one update is held by the same socket
// throughout.
func TestPortsMoveWithoutAGap(t *testing.T) {
	t.Parallel()
	w := publishing(t, bridge.Config{})
	w.publish("a", "a1", "8080:80", "8080:80/udp", "127.0.0.1:8081:80", "9000-9002:9000-9002", "8085-8086:80")
	before := w.host.Listening()
	w.update(func(tx *bridge.Tx) {
		a1 := tx.Network("a").Endpoint("a1")
		a1.Unpublish(ports("8080:80", "8080:80/udp", "127.0.0.1:8081:80", "9000-9002:9000-9002", "8085-8086:80")...)
		a1.Publish(ports("8080:81", "9000:80", "9001-9002:9001-9002")...)
		tx.Network("a").Endpoint("a2").Publish(ports("127.0.0.1:8081:81", "0.0.0.0:8080:80/udp")...)
		a1.Publish(ports("[::]:8080:80/udp", "8085:80")...)
	})
	if after := w.host.Listening(); !slices.Equal(after, before) {
		t.Errorf("the sockets are\n%+v\nbefore\n%+v", after, before)
	}
	// The endpoint goes, and another takes over.
	w.update(func(tx *bridge.Tx) {
		tx.RemoveNetwork("a")
		spec := with(here(specA), func(s *bridge.NetworkSpec) { s.Name, s.Bridge = "b", "br-b" })
		n := tx.CreateNetwork(spec)
		n.Attach(bridge.EndpointSpec{Name: "b1", IPv4: nth(spec.IPv4.Subnet, 2), IPv6: nth(spec.IPv6.Subnet, 2)}).
			Publish(ports("8080:80", "8080:80/udp", "127.0.0.1:8081:80", "9000-9002:9000-9002", "8085:80")...)
	})
	if after := w.host.Listening(); !slices.Equal(after, before) {
		t.Errorf("the sockets of another endpoint are\n%+v\nbefore\n%+v", after, before)
	}
}

// A publication moves from all addresses to one, and back; a process that has another address is noticed.
func TestPortsMoveBetweenAddresses(t *testing.T) {
	t.Parallel()
	w := publishing(t, bridge.Config{})
	move := func(from, to string) error {
		return w.try(func(tx *bridge.Tx) {
			a1 := tx.Network("a").Endpoint("a1")
			a1.Unpublish(ports(from)...)
			a1.Publish(ports(to)...)
		})
	}
	for _, proto := range []string{"/tcp", "/udp"} {
		name := proto[1:]
		w.publish("a", "a1", "8080:80"+proto)
		if err := move("8080:80"+proto, "127.0.0.1:8080:80"+proto); err != nil {
			t.Fatal(err)
		}
		w.mustBeHeld(name, "127.0.0.1:8080", "0.0.0.0:8080")
		w.mustBeFree(name, "127.0.0.2:8080", "[::]:8080")
		give := w.take(name, "192.0.2.1:8080")
		before := w.snapshotWithSockets()
		if err := move("127.0.0.1:8080:80"+proto, "8080:80"+proto); !errors.Is(err, unix.EADDRINUSE) {
			t.Errorf("%s: %v", name, err)
		}
		w.sameAs("refused", w.snapshotWithSockets(), before)
		w.mustBeHeld(name, "127.0.0.1:8080")
		give()
		if err := move("127.0.0.1:8080:80"+proto, "8080:80"+proto); err != nil {
			t.Fatal(err)
		}
		w.mustBeHeld(name, "127.0.0.2:8080", "[::1]:8080")
		w.unpublish("a", "a1", "8080:80"+proto)
	}
	if unheld := w.fw.UnheldPorts(); unheld != nil {
		t.Errorf("not held: %v", unheld)
	}
}

// The host's addresses on a network's bridge can be published on in the update that makes the network, and later.
func TestPublishOnAGatewayToCome(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bridge.Config{})
	w.update(func(tx *bridge.Tx) {
		spec := here(specA)
		n := tx.CreateNetwork(spec)
		n.Attach(bridge.EndpointSpec{Name: "a1", IPv4: nth(spec.IPv4.Subnet, 2), IPv6: nth(spec.IPv6.Subnet, 2)}).
			Publish(ports("172.30.1.1:8080:80", "[fd00:30:1::1]:8080:80", "[fd00:30:1::1]:8080:80/udp", "172.30.1.1:8080:80/udp")...)
	})
	for _, proto := range []string{"tcp", "udp"} {
		w.mustBeHeld(proto, "172.30.1.1:8080", "[fd00:30:1::1]:8080")
	}
	w.reopen()
	if unheld := w.fw.UnheldPorts(); unheld != nil {
		t.Errorf("not held: %v", unheld)
	}
}

// Connections of a former server that linger are not in the way.
func TestPublishDespiteTimeWait(t *testing.T) {
	t.Parallel()
	w := publishing(t, bridge.Config{})
	listener, err := w.host.ListenTCP("192.0.2.1:8080")
	if err != nil {
		t.Fatal(err)
	}
	client, err := w.ext.DialContext(context.Background(), "tcp", "192.0.2.1:8080")
	if err != nil {
		t.Fatal(err)
	}
	server, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	// Who closes first waits.
	for _, c := range []interface{ Close() error }{server, client, listener} {
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if fd, err := w.taker(grab{proto: "tcp", addr: "192.0.2.1:8080"}); !errors.Is(err, unix.EADDRINUSE) {
		t.Fatalf("nothing lingers: %d, %v", fd, err)
	}
	w.publish("a", "a1", "8080:80")
	w.mustBeHeld("tcp", "0.0.0.0:8080")
}

// Ports are left alone where that was asked for.
func TestUnheldPorts(t *testing.T) {
	t.Parallel()
	for _, cfg := range []bridge.Config{{UnheldPorts: true}, {RulesOnly: true}} {
		w := publishing(t, cfg)
		w.take("tcp", "0.0.0.0:8080")
		before := w.held()
		w.publish("a", "a1", "8080:80", "8085-8086:80", "81", "198.51.100.7:80:80")
		w.sameAs("published", w.held(), before)
		w.reopen()
		w.sameAs("taken over", w.held(), before)
		if unheld := w.fw.UnheldPorts(); unheld != nil {
			t.Errorf("%+v: not held: %v", cfg, unheld)
		}
		if s, err := w.fw.Sockets("a", "a1", ports("8080:80")[0]); !errors.Is(err, errors.ErrUnsupported) || s != nil {
			t.Errorf("%+v: %v, %v", cfg, s, err)
		}
	}
}

// Closed, a publication of the host's leaves no socket of the kernel behind that packets wait in.
func TestHeldPortsAreSilent(t *testing.T) {
	t.Parallel()
	w := publishing(t, bridge.Config{})
	w.publish("a", "a1", "127.0.0.1:8080:80", "127.0.0.1:8080:80/udp")
	// The host itself is not led to the container: it meets the sockets.
	w.dropNAT()
	for _, proto := range []string{"tcp", "udp"} {
		if r := w.host.Probe(proto, "127.0.0.1:8080"); r.Outcome != netlab.Silent {
			t.Errorf("%s: %v", proto, r)
		}
		if r := w.host.Probe(proto, "127.0.0.1:8081"); r.Outcome != netlab.Refused {
			t.Errorf("%s: %v", proto, r)
		}
	}
}
