package compat_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/portmap"
)

// asNative is what becomes of packets as long as the user has said nothing.
const asNative = published + closed + others

const published = `
	ext   tcp,udp   host:8080    a1 sees ext
	far   tcp,udp   host:8080    a1 sees far
	ext   tcp       host:8090    b2 sees ext
	b1    tcp,udp   host:8080    a1 sees gw-a
	a2    tcp,udp   host:8080    a1 sees gw-a
	p2    tcp       host:8060    p1 sees gw-apart
	ext   tcp       r1:80        r1 sees ext
	b1    tcp       r1:80        r1 sees gw-routed
	# So is all within a network, what is out of it, and what the host sends.
	a2    tcp,udp   a1:81        a1 sees a2
	a1    tcp,udp   ext:80       ext sees host
	b1    tcp       far:81       far sees host2
	host  tcp       a1:81        a1 sees gw-a
`

const closed = `
	ext   tcp,udp   a1:80        silent
	ext   tcp,udp   a2:80        silent
	ext   tcp       in1:80       silent
	ext   tcp       host:8070    refused
	b1    tcp,udp   a1:80        silent
	b1    tcp,udp   a2:81        silent
	a2    tcp       b2:81        silent
	b1    tcp       in1:80       silent
	ext   tcp       r1:81        silent
	b1    tcp       r1:81        silent
	in1   tcp,udp   ext:80       silent
	in1   tcp       host:8080    silent
	p1    tcp       p2:80        closed
`

const others = `
	ext   tcp,udp   far:80       far sees ext
	far   tcp       ext:81       ext sees far
`

func TestHybridWithoutUserRules(t *testing.T) {
	t.Parallel()
	populated(t, bridge.Config{}).fates(asNative)
}

// The lines are those that Docker's users look for, and the same with any number of ports.
func TestHybridListing(t *testing.T) {
	t.Parallel()
	w := newHybridWorld(t, bridge.Config{})
	const want = `-P INPUT ACCEPT
-P FORWARD ACCEPT
-P OUTPUT ACCEPT
-N DOCKER-FORWARD
-N DOCKER-USER
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-FORWARD
-A DOCKER-FORWARD -m mark --mark 0x2000000/0x2000000 -j ACCEPT
-A DOCKER-FORWARD -m mark --mark 0x10000000/0x10000000 -j DROP
`
	check := func(when, want string) {
		t.Helper()
		for _, name := range []string{"iptables", "ip6tables"} {
			if got := w.tool("", name, "-S"); got != want {
				t.Errorf("%s, %s -S prints\n%s", when, name, got)
			}
		}
	}
	check("empty", want)
	w.network(1, "a", func(*bridge.NetworkSpec) {})
	w.container("a", "a1", 2, "8080:80", "9000-9009:9000-9009")
	check("with ports", want)
	w.iptables(`
		-C FORWARD -j DOCKER-USER
		-C FORWARD -j DOCKER-FORWARD
		-C DOCKER-FORWARD -m mark --mark 0x2000000/0x2000000 -j ACCEPT
		-A DOCKER-USER -s @ext -j DROP
		-C DOCKER-USER -s @ext -j DROP
		-D DOCKER-USER -s @ext -j DROP
		-L -n -v
		-Z
	`)
	check("after a rule came and went", want)
	// None of this was drift.
	w.update(func(tx *bridge.Tx) { tx.Network("a").Endpoint("a1").Publish(portmap.MustParse("8081:81")) })
	check("with one more port", want)
	for _, gone := range []string{"FORWARD -j DOCKER-USER", "FORWARD -j DOCKER-FORWARD", "DOCKER-FORWARD 1"} {
		w.iptables("-D " + gone)
		if healed, err := w.fw.Heal(context.Background()); err != nil || !healed {
			t.Errorf("%s is gone: healed: %t, %v", gone, healed, err)
		}
		check("healed without "+gone, want)
	}
	if err := w.fw.Teardown(context.Background()); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"iptables", "ip6tables"} {
		if got := w.tool("", name, "-S"); strings.Contains(got, "DOCKER") {
			t.Errorf("after the end, %s -S prints\n%s", name, got)
		}
	}
}

// ACCEPT is final, within DOCKER-USER and for what comes behind it.
func TestHybridAccept(t *testing.T) {
	t.Parallel()
	w := populated(t, bridge.Config{})
	w.iptables(`
		-A DOCKER-USER -p tcp -d @a2 --dport 81 -j ACCEPT
		-A DOCKER-USER -p tcp -d @a2 --dport 81 -j DROP
		-A DOCKER-USER -p udp -d @in1 --dport 80 -j ACCEPT
		-A DOCKER-USER -p tcp -d @r1 --dport 81 -j ACCEPT
		-A DOCKER-USER -p tcp -s @p1 -d @a2 -j ACCEPT
	`)
	w.fates(`
		b1    tcp   a2:81      a2 sees gw-a
		b1    udp   a2:81      silent
		b1    tcp   a2:80      silent
		b1    udp   in1:80     in1 sees gw-in
		b1    tcp   in1:80     silent
		ext   tcp   r1:81      r1 sees ext
		ext   udp   r1:81      silent
		p1    tcp   a2:80      a2 sees gw-a
		# The guard is before everything, as in Docker.
		ext   tcp   a2:81      silent
		ext   tcp   host:8080  a1 sees ext
	`)
}

// DROP closes, published ports and known connections, too.
func TestHybridDrop(t *testing.T) {
	t.Parallel()
	w := populated(t, bridge.Config{})
	w.iptables(`
		-A DOCKER-USER -p tcp -s @ext -d @a1 --dport 80 -j DROP
		-A DOCKER-USER -p tcp -m conntrack --ctstate ESTABLISHED -s @b2 -j DROP
		-A DOCKER-USER -p udp -m conntrack --ctorigdst @host --ctorigdstport 8080 -j DROP
		-A DOCKER-USER -i br-b -o eth1 -j DROP
		-A DOCKER-USER -s @far -d @ext -j DROP
	`)
	w.fates(`
		ext   tcp   host:8080  silent
		far   tcp   host:8080  a1 sees far
		b1    tcp   host:8080  a1 sees gw-a
		ext   udp   host:8080  silent
		ext   tcp   host:8090  silent
		b1    tcp   far:80     silent
		b1    tcp   ext:80     ext sees host
		far   tcp   ext:80     silent
		ext   tcp   far:80     silent
	`)
}

// RETURN goes on with our rules, in DOCKER-USER and in chains that it leads to; the first rule that matches decides.
func TestHybridReturnAndOrder(t *testing.T) {
	t.Parallel()
	w := populated(t, bridge.Config{})
	w.iptables(`
		-A DOCKER-USER -p tcp -d @a1 -j RETURN
		-A DOCKER-USER -p tcp -d @a1 -j DROP
		-A DOCKER-USER -p tcp -d @a2 -j RETURN
		-A DOCKER-USER -p tcp -d @a2 -j ACCEPT
		-N MINE
		-A MINE -d @b2 -j RETURN
		-A MINE -s @far -j ACCEPT
		-A MINE -j DROP
		-A DOCKER-USER -p tcp -i eth0 -j MINE
		-A DOCKER-USER -p udp -d @a1 -j DROP
		-I DOCKER-USER -p udp -s @ext -d @a1 -j RETURN
	`)
	w.fates(`
		ext   tcp   host:8080  a1 sees ext
		b1    tcp   a1:80      silent
		b1    tcp   a2:81      silent
		ext   tcp   host:8090  b2 sees ext
		ext   tcp   r1:80      silent
		far   tcp   r1:80      r1 sees far
		ext   tcp   far:80     silent
		ext   udp   host:8080  a1 sees ext
		far   udp   host:8080  silent
	`)
}

// With a policy of DROP, what is ours to accept is accepted, and what belongs to others is theirs.
func TestHybridForwardPolicy(t *testing.T) {
	t.Parallel()
	w := populated(t, bridge.Config{})
	w.fates(asNative)
	w.iptables(`-P FORWARD DROP`)
	w.fates(published + closed + `
		ext   tcp,udp   far:80       silent
		far   tcp       ext:81       silent
	`)
	w.iptables(`
		-A FORWARD -i eth0 -o eth1 -j ACCEPT
		-A FORWARD -o eth0 -i eth1 -m conntrack --ctstate ESTABLISHED -j ACCEPT
	`)
	w.fates(published + closed + `
		ext   tcp,udp   far:80       far sees ext
		far   tcp       ext:81       silent
	`)
}

// A firewall that drops what belongs to no network does so, unless DOCKER-USER says otherwise.
func TestHybridDropForward(t *testing.T) {
	t.Parallel()
	w := populated(t, bridge.Config{DropForward: true})
	w.fates(`
		ext   tcp,udp   far:80       silent
		far   tcp       ext:81       silent
		ext   tcp       host:8080    a1 sees ext
		a1    tcp       ext:80       ext sees host
	`)
	w.iptables(`-A DOCKER-USER -p tcp -s @ext -d @far -j ACCEPT
		-A DOCKER-USER -p tcp -s @far -d @ext -m conntrack --ctstate ESTABLISHED -j ACCEPT`)
	w.fates(`
		ext   tcp       far:80       far sees ext
		ext   udp       far:80       silent
		far   tcp       ext:81       silent
	`)
}

// An ACCEPT at the head of FORWARD accepts all that is forwarded, as in Docker, but not what the guard keeps out.
func TestHybridAcceptInForward(t *testing.T) {
	t.Parallel()
	w := populated(t, bridge.Config{})
	w.iptables(`-I FORWARD -j ACCEPT`)
	w.fates(published + others + `
		b1    tcp,udp   a2:81    a2 sees gw-a
		b1    tcp       in1:80   in1 sees gw-in
		ext   tcp       r1:81    r1 sees ext
		ext   tcp,udp   a1:80    silent
		ext   tcp,udp   a2:80    silent
		ext   tcp       in1:80   silent
		p1    tcp       p2:80    closed
	`)
	w.iptables(`
		-D FORWARD -j ACCEPT
		-I FORWARD -p tcp -d @a1 -j DROP
	`)
	w.fates(`
		ext   tcp       host:8080  silent
		ext   udp       host:8080  a1 sees ext
		b1    tcp,udp   a2:81      silent
	`)
}

// Frames that br_netfilter shows to the forward hook have the same fate.
func TestHybridBridgeFilter(t *testing.T) {
	t.Parallel()
	for _, on := range []string{"0", "1"} {
		t.Run("bridge-nf-call "+on, func(t *testing.T) {
			t.Parallel()
			w := populated(t, bridge.Config{}, func(w *hybridWorld) {
				for _, key := range []string{"iptables", "ip6tables"} {
					w.host.SetSysctl("net.bridge.bridge-nf-call-"+key, on)
				}
			})
			w.iptables(`
				-A DOCKER-USER -p udp -i br-a -o br-a -d @a1 --dport 81 -j DROP
				-P FORWARD DROP
			`)
			w.fates(`
				a2   tcp   a1:80      a1 sees a2
				a2   udp   a1:81      ` + map[string]string{"0": "a1 sees a2", "1": "silent"}[on] + `
				a2   tcp   host:8080  a1 sees gw-a
				a1   tcp   host:8080  a1 sees gw-a
				p2   tcp   host:8060  p1 sees gw-apart
				p1   tcp   host:8060  p1 sees gw-apart
				p1   tcp   p2:80      closed
			`)
		})
	}
}

// What was there before keeps its place and its contents, and our jump is before it.
func TestHybridBesideOthers(t *testing.T) {
	t.Parallel()
	var before [2]string
	w := populated(t, bridge.Config{}, func(w *hybridWorld) {
		w.iptables(`
			-P FORWARD DROP
			-N DOCKER-USER
			-A DOCKER-USER -p tcp -d 0/0 --dport 81 -i br-b -j ACCEPT
			-N OTHERS
			-A FORWARD -j OTHERS
			-A OTHERS -j DROP
		`)
		before = [2]string{w.tool("", "iptables", "-S"), w.tool("", "ip6tables", "-S")}
	})
	w.fates(published + `
		b1    tcp   a2:81   a2 sees gw-a
		b1    udp   a2:81   silent
		ext   tcp   far:80  silent
	`)
	for _, name := range []string{"iptables", "ip6tables"} {
		if got := w.tool("", name, "-S", "FORWARD"); got != "-P FORWARD DROP\n-A FORWARD -j DOCKER-USER\n-A FORWARD -j DOCKER-FORWARD\n-A FORWARD -j OTHERS\n" {
			t.Errorf("%s -S FORWARD prints\n%s", name, got)
		}
	}
	if err := w.fw.Teardown(context.Background()); err != nil {
		t.Fatal(err)
	}
	for i, name := range []string{"iptables", "ip6tables"} {
		if got := w.tool("", name, "-S"); got != before[i] {
			t.Errorf("after the end, %s -S prints\n%sand not\n%s", name, got, before[i])
		}
	}
}

// Who flushes iptables takes our lines, and what is forwarded is accepted until they are back.
func TestHybridFlushed(t *testing.T) {
	t.Parallel()
	w := populated(t, bridge.Config{})
	w.iptables(`-F`)
	w.fates(`
		b1    tcp   a2:81      a2 sees gw-a
		ext   tcp   a2:81      silent
		ext   tcp   host:8080  a1 sees ext
	`)
	var drift *bridge.DriftError
	err := w.fw.Update(context.Background(), func(tx *bridge.Tx) error {
		tx.Network("a").Endpoint("a2").Publish(portmap.MustParse("8085:80"))
		return nil
	})
	if !errors.As(err, &drift) {
		t.Errorf("an update returned %v", err)
	}
	if _, err := w.fw.Heal(context.Background()); err != nil {
		t.Fatal(err)
	}
	w.fates(`
		b1    tcp   a2:81      silent
		ext   tcp   host:8080  a1 sees ext
	`)
}

// A family that is disabled has no lines.
func TestHybridDisabledFamily(t *testing.T) {
	t.Parallel()
	w := populated(t, bridge.Config{DisableIPv4: true})
	if got := w.tool("", "iptables", "-S"); strings.Contains(got, "DOCKER") {
		t.Errorf("iptables -S prints\n%s", got)
	}
	w.tool("", "ip6tables", "-A", "DOCKER-USER", "-p", "tcp", "-s", w.addrs["ext"][1].String(), "-j", "DROP")
	w.fates(`
		ext   tcp6   host:8080  silent
		ext   udp6   host:8080  a1 sees ext
		b1    tcp6   a2:80      silent
		b1    tcp4   a2:80      a2 sees b1
	`)
}
