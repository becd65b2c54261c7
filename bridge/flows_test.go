package bridge_test

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/internal/conntrack"
	"github.com/seawall-net/seawall/internal/netlab"
	"golang.org/x/sys/unix"
)

// others are flows that have nothing to do with the host's port 8080, for a world of router.
const others = `
	# Through the host, to the same port elsewhere.
	ext   tcp,udp,sctp  far:8080    far sees ext
	# To the host itself, and from it.
	ext   tcp,udp       host:8081   host sees ext
	host  tcp,udp       ext:80      ext sees host
	host  udp           far:8080    far sees host-far
	# Out of a network.
	a1    tcp,udp       far:8080    far sees host-far
	b1    tcp,udp,sctp  ext:80      ext sees host
	# By other ports, of the same endpoint, too.
	ext   tcp,udp       host:9090   a1 sees ext
	ext   tcp,udp       host:9080   b1 sees ext
	b1    tcp,udp       host:9090   a1 sees gw-a  [other-networks: silent]
`

// router is a world in which the host leads to far, and has three containers. It holds no ports: the host has servers of
// its own on some that are published.
func router(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, bridge.Config{UnheldPorts: true})
	w.host.Forward()
	w.secondLAN()
	w.networkA()
	w.networkB()
	w.container("a", "a1", 2, "9090:80", "9090:80/udp")
	w.container("a", "a2", 3)
	w.container("b", "b1", 2, "9080:80", "9080:80/udp")
	w.serve("far", 8080)
	w.serve("host", 8081)
	w.patientTracking()
	return w
}

// stay are clients whose flows go on whatever happens.
func (w *world) stay(table string) func() {
	w.t.Helper()
	c := w.clients(table)
	return func() { w.t.Helper(); c.asked = 0; c.ask() }
}

// What is published, and what is not any more, holds for the flows that are there.
func TestPublicationTakesOverFlows(t *testing.T) {
	t.Parallel()
	w := router(t)
	specs := []string{"8080:80", "8080:80/udp", "8080:80/sctp"}
	others := w.stay(others)
	c := w.clients(`
		ext   udp        host:8080      refused | a1 sees ext  | a2 sees ext  | refused | a2 sees ext
		ext   udp        host2:8080     refused | a1 sees ext  | a2 sees ext  | refused | refused
		ext   sctp       host:8080      silent  | a1 sees ext  | a2 sees ext  | silent  | a2 sees ext
		ext   sctp       host2:8080     silent  | a1 sees ext  | a2 sees ext  | silent  | silent
		far   udp        host:8080      refused | a1 sees far  | a2 sees far  | refused | a2 sees far
		ext   tcp        host:8080      refused | a1 sees ext  | reset        | refused | a2 sees ext
		host  udp4       loopback:8080  refused | a1 sees gw-a | a2 sees gw-a | refused | refused
		host  udp        host:8080      refused | a1 sees gw-a | a2 sees gw-a | refused | a2 sees gw-a
		host  tcp        host2:8080     refused | a1 sees gw-a | reset        | refused | refused
		b1    udp        gw-b:8080      refused | a1 sees gw-a | a2 sees gw-a | refused | refused  [other-networks: refused | silent | silent | refused | refused]
		a1    udp,tcp4   ext:80         ext sees host | ext sees host | ext sees host | ext sees host | ext sees host
	`)
	next := func() { t.Helper(); c.ask(); others() }
	host := []string{"host", "host2", "loopback", "gw-a", "gw-b", "host-far"}
	to8080 := func(orig, reply conntrack.Tuple) bool {
		// The host's answer that nobody is there ends the attempt to connect: there is nothing to delete.
		attempt := orig.Proto == unix.IPPROTO_TCP && orig.Dst == reply.Src
		return orig.Dst.Port() == 8080 && w.among(orig.Dst.Addr(), host...) && !attempt
	}
	next()
	w.ends(func() { w.publish("a", "a1", specs...) }, to8080)
	next()
	w.ends(func() {
		w.update(func(tx *bridge.Tx) {
			tx.Network("a").Endpoint("a1").Unpublish(ports(specs...)...)
			tx.Network("a").Endpoint("a2").Publish(ports(specs...)...)
		})
	}, to8080)
	next()
	w.ends(func() { w.unpublish("a", "a2", specs...) }, func(orig, reply conntrack.Tuple) bool {
		return to8080(orig, reply) && orig.Dst != reply.Src
	})
	next()
	// On one address, and to another port.
	w.ends(func() {
		w.publish("a", "a2", "192.0.2.1:8080:81", "192.0.2.1:8080:81/udp", "192.0.2.1:8080:81/sctp",
			"[2001:db8:1::1]:8080:81", "[2001:db8:1::1]:8080:81/udp", "[2001:db8:1::1]:8080:81/sctp")
	}, func(orig, reply conntrack.Tuple) bool { return to8080(orig, reply) && w.among(orig.Dst.Addr(), "host") })
	next()
}

// A server of the host loses its port to a container: its UDP clients move, its connections stay.
func TestPublicationOfAPortThatIsInUse(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bridge.Config{UnheldPorts: true}) // otherwise it would not lose it
	w.networkA()
	w.container("a", "a1", 2)
	w.patientTracking()
	w.serve("host", 8080, 9001)
	c := w.clients(`
		ext  udp       host:8080  host sees ext | a1 sees ext
		ext  tcp,sctp  host:8080  host sees ext | host sees ext
		ext  udp       host:9001  host sees ext | a1 sees ext
		ext  tcp       host:9001  host sees ext | host sees ext
	`)
	w.serve("a1", 9001)
	c.ask()
	w.publish("a", "a1", "8080:80", "8080:80/udp", "8080:80/sctp", "9000-9009:9000-9009", "9000-9009:9000-9009/udp")
	c.ask()
	w.fates(`
		ext  tcp,sctp  host:8080  a1 sees ext
		ext  tcp       host:9001  a1 sees ext
	`)
}

// In a disabled family nothing is translated, and flows to the host's ports are none of ours.
func TestPublicationInADisabledFamily(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bridge.Config{DisableIPv4: true, UnheldPorts: true})
	w.needsIPv6()
	w.trackElsewhere()
	w.patientTracking()
	w.networkA()
	w.container("a", "a1", 2)
	w.serve("host", 8080)
	c := w.clients(`
		ext  udp4  host:8080  host sees ext | host sees ext
		ext  udp6  host:8080  host sees ext | a1 sees ext
	`)
	c.ask()
	w.ends(func() { w.publish("a", "a1", "8080:80/udp") }, func(orig, _ conntrack.Tuple) bool {
		return orig.Dst.Port() == 8080 && orig.Dst.Addr().Is6()
	})
	c.ask()
}

// Where the Update removes what it adds, or replaces a publication by the same, flows go on.
func TestFlowsOfTheSamePublicationGoOn(t *testing.T) {
	t.Parallel()
	w := router(t)
	c := w.stay(`
		ext  tcp,udp  host:9090  a1 sees ext
		ext  tcp,udp  host:8081  host sees ext
	`)
	c()
	before := w.tracked()
	w.update(func(tx *bridge.Tx) {
		a1 := tx.Network("a").Endpoint("a1")
		a1.Unpublish(ports("9090:80", "9090:80/udp")...)
		a1.Publish(ports("9090:80", "9090:80/udp", "8081:80/udp")...)
		a1.Unpublish(ports("8081:80/udp")...)
		tx.Network("a").Attach(w.endpointSpec("a", "e", 9))
		tx.Network("a").Detach("e")
	})
	after := w.tracked()
	for orig, reply := range before {
		if after[orig] != reply {
			t.Errorf("flow %s has ended", flowString(orig, reply))
		}
	}
	c()
}

// An address changes hands: the flows of the one who had it are not the other's.
func TestFlowsEndWithTheirEndpoint(t *testing.T) {
	t.Parallel()
	w := router(t)
	w.publish("a", "a1", "8080:80", "8080:80/udp", "8080:80/sctp")
	w.publish("a", "a2", "8090:80", "8090:80/udp")
	w.serve("a1", 7777)
	others := w.stay(`
		ext  tcp,udp  host:8090  a2 sees ext
		ext  tcp,udp  host:9080  b1 sees ext
		a2   tcp,udp  ext:80     ext sees host
		b1   tcp,udp  host:8090  a2 sees gw-a  [other-networks: silent]
		ext  tcp,udp  far:8080   far sees ext
	`)
	c := w.clients(`
		ext  udp       host:8080  a1 sees ext  | refused | a3 sees ext
		ext  sctp      host:8080  a1 sees ext  | silent  | a3 sees ext
		b1   udp       host:8080  a1 sees gw-a | refused | a3 sees gw-a  [other-networks: silent | refused | silent]
		ext  tcp       host:8080  a1 sees ext  | reset   | a3 sees ext
	`)
	// What the container asks ext from its port 7777, ext answers to the host's.
	var out, back []*netlab.Flow
	for i := range w.families() {
		ext80, host7777 := netip.AddrPortFrom(w.addrs["ext"][i], 80), netip.AddrPortFrom(w.addrs["host"][i], 7777)
		out = append(out, w.Flow(netlab.Probe{
			From: w.spaces["a1"], Proto: "udp", Source: netip.AddrPortFrom(w.addrs["a1"][i], 7777), To: ext80,
		}))
		back = append(back, w.Flow(netlab.Probe{From: w.ext, Proto: "udp", Source: ext80, To: host7777}))
	}
	asked := func(flows []*netlab.Flow, want string) {
		t.Helper()
		for i, r := range netlab.AskAll(flows) {
			if got := w.outcome(r); got != want {
				t.Errorf("flow %d: %s (%v), want %s", i, got, r, want)
			}
		}
	}
	c.ask()
	others()
	asked(out, "ext sees host")
	asked(back, "a1 sees ext")
	w.ends(func() { w.update(func(tx *bridge.Tx) { tx.Network("a").Detach("a1") }) },
		func(orig, reply conntrack.Tuple) bool {
			return w.among(orig.Src.Addr(), "a1") || w.among(reply.Src.Addr(), "a1")
		})
	w.container("a", "a3", 2)
	w.serve("a3", 7777)
	seen := w.spaces["a3"].Capture("eth0", func(f netlab.CapturedFrame) bool {
		return !f.Outgoing && (f.Proto == "tcp" || f.Proto == "udp" || f.Proto == "sctp")
	})
	c.ask()
	asked(back, "refused")
	w.fates(`
		host  udp4  a3:81  a3 sees gw-a
	`)
	for last := false; !last; { // that one is the first that is meant for it
		f, ok := seen.Next(10 * time.Second)
		if last = f.To.Port() == 81; !ok || !last {
			t.Errorf("the new holder of the address was sent %v", f)
			break
		}
	}
	others()
	w.publish("a", "a3", "8080:80", "8080:80/udp", "8080:80/sctp")
	c.ask()
	others()
}

// What is not published any more is not reached by the endpoint's own address either. Siblings and the host may go on.
func TestFlowsToAnEndpointsOwnAddress(t *testing.T) {
	t.Parallel()
	for name, world := range map[string]func(t *testing.T) *world{
		"routed": func(t *testing.T) *world { return modeWorld(t, mode(bridge.Routed)) },
		"allow direct routing": func(t *testing.T) *world {
			w := newWorld(t, bridge.Config{AllowDirectRouting: true})
			w.networkA()
			w.container("a", "a1", 2, "8080:80", "8080:80/udp", "8080:80/sctp")
			w.container("a", "a2", 3)
			return w
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := world(t)
			w.patientTracking()
			w.publish("a", "a1", "8070:81", "8070:81/udp", "8071:81/udp")
			c := w.clients(`
				ext   tcp,udp,sctp  a1:80  a1 sees ext  | silent
				ext   udp           a1:81  a1 sees ext  | a1 sees ext
				ext   tcp           a1:81  a1 sees ext  | a1 sees ext
				host  tcp,udp       a1:80  a1 sees gw-a | a1 sees gw-a
				a2    tcp,udp,sctp  a1:80  a1 sees a2   | a1 sees a2
				a1    tcp,udp       ext:80 ` + map[bool]string{true: "ext sees a1 | ext sees a1", false: "ext sees host | ext sees host"}[name == "routed"] + `
			`)
			c.ask()
			w.ends(func() { w.unpublish("a", "a1", "8080:80", "8080:80/udp", "8080:80/sctp", "8071:81/udp") },
				func(orig, _ conntrack.Tuple) bool {
					return w.among(orig.Src.Addr(), "ext") && w.among(orig.Dst.Addr(), "a1") && orig.Dst.Port() == 80
				})
			c.ask()
		})
	}
}

// A network's subnet changes hands.
func TestFlowsEndWithTheirNetwork(t *testing.T) {
	t.Parallel()
	w := router(t)
	others := w.stay(`
		ext  tcp,udp  host:9090  a1 sees ext
		a1   tcp,udp  ext:80     ext sees host
		ext  tcp,udp  far:8080   far sees ext
	`)
	c := w.clients(`
		ext  udp  host:9080  b1 sees ext  | refused
		ext  tcp  host:9080  b1 sees ext  | reset
		a1   udp  host:9080  b1 sees gw-b | refused  [other-networks: silent | refused]
		b1   udp  ext:80     ext sees host
	`)
	c.ask()
	gone := len(w.families()) // b1 will be
	c.flows, c.fates = c.flows[:len(c.flows)-gone], c.fates[:len(c.fates)-gone]
	others()
	subnets := w.subnets["b"]
	w.ends(func() { w.update(func(tx *bridge.Tx) { tx.RemoveNetwork("b") }) },
		func(orig, reply conntrack.Tuple) bool {
			for i := range subnets {
				for _, a := range []netip.AddrPort{orig.Src, orig.Dst, reply.Src, reply.Dst} {
					if subnets[i].Contains(a.Addr()) {
						return true
					}
				}
			}
			return false
		})
	w.update(func(tx *bridge.Tx) {
		tx.CreateNetwork(with(here(specB), func(s *bridge.NetworkSpec) { s.Name, s.Bridge = "c", "br-c" }))
	})
	w.subnets["c"] = subnets
	w.container("c", "c1", 2)
	c.ask()
	others()
}

// Flows that began while the rules were gone are led right by the repair.
func TestHealTakesOverFlows(t *testing.T) {
	t.Parallel()
	w := router(t)
	others := w.stay(`
		ext  tcp,udp  host:8081  host sees ext
		ext  tcp,udp  far:8080   far sees ext
	`)
	others()
	w.trackElsewhere()
	w.deleteTables()
	c := w.clients(`
		ext  udp  host:9090  refused | a1 sees ext
		ext  udp  host:9091  refused | refused
	`)
	c.ask()
	if healed, err := w.fw.Heal(context.Background()); err != nil || !healed {
		t.Fatal(healed, err)
	}
	c.ask()
	others()
}

// A teardown unpublishes everything.
func TestTeardownEndsFlows(t *testing.T) {
	t.Parallel()
	w := router(t)
	w.trackElsewhere()
	others := w.stay(`
		ext  tcp,udp  host:8081  host sees ext
		ext  tcp,udp  far:8080   far sees ext
	`)
	c := w.clients(`
		ext  udp  host:9090  a1 sees ext | refused
		ext  tcp  host:9090  a1 sees ext | reset
	`)
	others()
	c.ask()
	w.ends(func() {
		if err := w.fw.Teardown(context.Background()); err != nil {
			t.Fatal(err)
		}
	}, func(orig, _ conntrack.Tuple) bool {
		return orig.Dst.Port() == 9090 || w.among(orig.Src.Addr(), "gw-a", "gw-b") // which the host announces by IGMP
	})
	c.ask()
	others()
}
