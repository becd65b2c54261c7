package bridge_test

import (
	"context"
	"testing"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/nft"
)

// A frame that is addressed to a loopback address never comes from where it may: whoever sends it, and whatever
// route_localnet says about the interface, it is dropped.
func TestFramesToLoopback(t *testing.T) {
	t.Parallel()
	for _, localnet := range []string{"0", "1"} {
		t.Run("route_localnet "+localnet, func(t *testing.T) {
			t.Parallel()
			w := twoNetworks(t, bridge.Config{})
			w.publish("a", "a2", "127.0.0.1:8082:81", "127.0.0.1:8082:81/udp", "[::1]:8082:81", "[::1]:8082:81/udp")
			w.publish("a", "a2", "9000-9001:9000-9001", "127.0.0.1:9002-9003:9002-9003")
			w.serve("a2", 9000, 9002)
			w.host.SetSysctl("net.ipv4.conf.eth0.route_localnet", localnet)
			w.host.Listen("tcp", "127.0.0.1:9090")
			w.host.Listen("udp", "127.0.0.1:9090")
			w.host.Listen("tcp", "[::1]:9090")
			w.host.Listen("udp", "[::1]:9090")
			w.frames(`
				ext  tcp,udp,sctp  loopback:8080  a1 gets nothing
				ext  tcp,udp       loopback:8082  a2 gets nothing
				ext  tcp           loopback:9000  a2 gets nothing
				ext  tcp           loopback:9002  a2 gets nothing
				ext  tcp,udp       loopback:9090  host stays quiet
				b1   tcp,udp,sctp  loopback:8080  a1 gets nothing
				b1   tcp,udp       loopback:8082  a2 gets nothing
				b1   tcp           loopback:9000  a2 gets nothing
				b1   tcp           loopback:9002  a2 gets nothing
				b1   tcp,udp       loopback:9090  host stays quiet
				# Not even from the network itself.
				a1   tcp,udp       loopback:8082  a2 gets nothing
				a1   tcp,udp       loopback:9090  host stays quiet
				# The same frames to other addresses arrive.
				ext  tcp,udp,sctp  host:8080      a1 answers
				b1   tcp,udp,sctp  host:8080      a1 answers
			`)
			w.fates(`
				host  tcp,udp  loopback:9090  host sees loopback
			`)
		})
	}
}

// Nothing but our guard keeps such frames out: this is what happens without it. The kernel itself refuses ::1.
func TestFramesToLoopbackWithoutTheGuard(t *testing.T) {
	t.Parallel()
	w := twoNetworks(t, bridge.Config{})
	w.publish("a", "a2", "127.0.0.1:8082:81")
	w.publish("b", "b1", "127.0.0.1:8083:81")
	w.host.SetSysctl("net.ipv4.conf.eth0.route_localnet", "1")
	w.host.Listen("tcp", "127.0.0.1:9090")
	w.byHand(func(b *nft.Batch) { b.Flush(&nft.Chain{Table: seawallTables()[0], Name: "raw-prerouting"}) })
	w.frames(`
		ext  tcp4  loopback:8080  a1 answers
		ext  tcp4  loopback:8082  a2 answers  [raw-guards-loopback: a2 gets nothing]
		ext  tcp4  loopback:9090  host answers
		b1   tcp4  loopback:9090  host answers
	`)
	if healed, err := w.fw.Heal(context.Background()); err != nil || !healed {
		t.Fatal(healed, err)
	}
	w.frames(`
		ext  tcp4  loopback:8080  a1 gets nothing
		ext  tcp4  loopback:8082  a2 gets nothing
		ext  tcp4  loopback:9090  host stays quiet
		b1   tcp4  loopback:9090  host stays quiet
	`)
}

// Every address of 127.0.0.0/8 is a loopback address.
func TestPublishOnOtherLoopbackAddresses(t *testing.T) {
	t.Parallel()
	w := twoNetworks(t, bridge.Config{})
	w.name("loopback2", "127.0.0.2", "")
	w.name("loopback9", "127.9.9.9", "")
	w.publish("a", "a2", "127.0.0.2:8082:81", "127.9.9.9:8082:80")
	w.fates(`
		host  tcp4  loopback2:8082  a2 sees gw-a
		host  tcp4  loopback9:8082  a2 sees gw-a
		host  tcp4  loopback:8082   refused
	`)
	w.frames(`
		ext  tcp  loopback2:8082  a2 gets nothing
		b1   tcp  loopback9:8082  a2 gets nothing
	`)
}
