package bridge_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"testing"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/internal/netlab"
	"github.com/seawall-net/seawall/internal/netns"
	"github.com/seawall-net/seawall/nft"
)

// What Docker calls --network host, none and container: needs nothing of ours. These tests show that it does not.

// Whoever shares a container's namespace is reached by what that container publishes, and leaves as it does.
func TestSharedNamespace(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bridge.Config{})
	w.networkA()
	w.networkB()
	w.container("a", "a1", 2, "8080:80", "8088:88", "8088:88/udp")
	w.container("b", "b1", 2)
	// Another container of the same pod: a file of its own on the namespace, and sockets of its own.
	second, err := netns.Open(fmt.Sprintf("/proc/self/fd/%d", w.spaces["a1"].File().Fd()))
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	for _, addr := range []string{"0.0.0.0:88", "[::]:88"} {
		greet(t, second, addr)
	}
	w.spaces["a1"].Listen("udp", ":88")
	for _, from := range []string{"ext", "b1", "host", "a1"} {
		for i := range w.families() {
			if from == "b1" && w.differs("other-networks", i) {
				continue
			}
			if got := w.greeting(from, w.addrs["host"][i].String(), 8088); got != "the second container" {
				t.Errorf("%s to %s: %q", from, w.addrs["host"][i], got)
			}
		}
	}
	// Both see each other on the loopback of the namespace.
	for i := range w.families() {
		if got := w.greeting("a1", w.addrs["loopback"][i].String(), 88); got != "the second container" {
			t.Errorf("loopback: %q", got)
		}
	}
	w.fates(`
		ext   udp        host:8088  a1 sees ext
		ext   tcp,udp    a1:88      silent
		b1    tcp,udp    a1:88      silent
		ext   tcp        host:8080  a1 sees ext
		ext   tcp        host:88    refused
	`)
	var conn net.Conn
	err = netns.Do(second, func() (err error) {
		conn, err = net.Dial("tcp", w.addrs["ext"][0].String()+":80")
		return err
	})
	if err != nil {
		t.Fatalf("the second container reaches nobody: %v", err)
	}
	_ = conn.Close()
	// When the owner goes, so does what it published.
	w.update(func(tx *bridge.Tx) { tx.Network("a").Detach("a1") })
	w.fates(`
		ext   tcp,udp    host:8088  refused
	`)
}

// greet listens in a namespace and greets whoever connects.
func greet(t *testing.T, ns *os.File, addr string) {
	t.Helper()
	var l net.Listener
	err := netns.Do(ns, func() (err error) {
		network := "tcp4"
		if addr[0] == '[' {
			network = "tcp6"
		}
		l, err = net.Listen(network, addr)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write([]byte("the second container"))
			_ = c.Close()
		}
	}()
}

// greeting connects and returns what it hears.
func (w *world) greeting(from, addr string, port int) string {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*netlab.DefaultTimeout)
	defer cancel()
	c, err := w.spaces[from].DialContext(ctx, "tcp", net.JoinHostPort(addr, fmt.Sprint(port)))
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	buf := make([]byte, 64)
	n, err := c.Read(buf)
	if err != nil {
		return err.Error()
	}
	return string(buf[:n])
}

// A container without a network reaches itself and nothing else, and nothing reaches it.
func TestNoNetwork(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bridge.Config{})
	w.networkA()
	w.container("a", "a1", 2, "8080:80")
	w.spaces["none"] = w.Namespace("none")
	w.serve("none", 80)
	w.serve("host", 8089)
	before := w.snapshot()
	w.fates(`
		none  tcp,udp,sctp,icmp  host:8080    unreachable
		none  tcp,udp            host:8089    unreachable
		none  tcp,udp,icmp       ext:80       unreachable
		none  tcp,udp,icmp       a1:80        unreachable
		none  tcp,udp,icmp       gw-a:8080    unreachable
		none  tcp,udp            loopback:80  none sees loopback
		none  tcp,udp            loopback:8080 refused
		a1    tcp                ext:80       ext sees host
	`)
	w.sameAs("a container without a network", w.snapshot(), before)
}

// A program in the host's namespace listens on the host, beside published ports, and no rule of ours translates, drops or
// lets in what is for it.
func TestHostNetwork(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bridge.Config{})
	w.networkA()
	w.container("a", "a1", 2, "8080:80", "8080:80/udp", "8080:80/sctp")
	before := w.snapshot()
	w.serve("host", 8079, 8081, 80)
	w.host.Listen("tcp", "127.0.0.1:8070")
	w.sameAs("programs of the host", w.snapshot(), before)
	w.fates(`
		ext   tcp,udp,sctp  host:8079      host sees ext
		ext   tcp,udp,sctp  host:8081      host sees ext
		ext   tcp,udp,sctp  host2:80       host sees ext
		host  tcp,udp       loopback:8081  host sees loopback
		host  tcp4          loopback:8070  host sees loopback
		ext   tcp4          host:8070      refused
		a1    tcp,udp,sctp  host:8079      host sees a1
		a1    tcp,udp,sctp  gw-a:8081      host sees a1
		host  tcp,udp,sctp  ext:80         ext sees host
		# The published port between them is the container's, for a program of the host, too.
		ext   tcp,udp,sctp  host:8080      a1 sees ext
		host  tcp,udp       host:8080      a1 sees gw-a
	`)
	// A user's drop of everything that is forwarded is none of the host's business.
	if hasUserChain() {
		w.byHand(func(b *nft.Batch) {
			for _, f := range w.userFamilies() {
				b.AddRule(&nft.Rule{Chain: userChain(f), Statements: []nft.Statement{drop}}, 0)
			}
		})
		w.fates(`
			ext   tcp,udp,sctp  host:8081      host sees ext
			host  tcp,udp       ext:80         ext sees host
			ext   tcp,udp       host:8080      silent
		`)
	}
	// The port that a container publishes is reached by itself once it is published no more.
	w.unpublish("a", "a1", "8080:80")
	w.host.Listen("tcp", ":8080")
	w.fates(`
		ext   tcp           host:8080      host sees ext
	`)
	// Tearing all down changes nothing for it either.
	if err := w.fw.Teardown(context.Background()); err != nil {
		t.Fatal(err)
	}
	w.host.Listen("udp", ":8080")
	w.host.Listen("sctp", ":8080")
	w.fates(`
		ext   tcp,udp,sctp  host:8081      host sees ext
		ext   tcp,udp,sctp  host:8080      host sees ext
	`)
}
