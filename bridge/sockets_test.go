package bridge_test

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/internal/netlab"
	"github.com/seawall-net/seawall/nft"
)

// dropNAT takes away what leads packets to containers: they meet the host's own sockets.
func (w *world) dropNAT() {
	w.t.Helper()
	have := w.load(w.tables()...)
	w.byHand(func(b *nft.Batch) {
		for o := range have.Objects() {
			if c, ok := o.(*nft.Chain); ok && c.Type == nft.NATChain && c.Hook != nft.Postrouting {
				b.Flush(c)
			}
		}
	})
}

// sockets takes over sockets, and closes them in the end.
func (w *world) sockets(network, endpoint, spec string) []bridge.Socket {
	w.t.Helper()
	all, err := w.fw.Sockets(network, endpoint, ports(spec)[0])
	if err != nil {
		w.t.Fatal(err)
	}
	for _, s := range all {
		w.t.Cleanup(func() { _ = s.File.Close() })
	}
	return all
}

// A proxy gets the sockets, and what the rules do not lead to the container.
func TestSocketsForAProxy(t *testing.T) {
	t.Parallel()
	w := publishing(t, bridge.Config{})
	w.publish("a", "a1", "8080:80", "8085-8089:80/udp", "9000-9001:9000-9001")
	w.dropNAT()
	silent := func() {
		t.Helper()
		w.fates(`
			ext  tcp      host:8080      silent
			ext  udp      host:8085      silent
			ext  tcp      host:9001      silent
			ext  tcp,udp  host:8090      refused
		`)
	}
	silent()

	sockets := w.sockets("a", "a1", "8080:80")
	n := len(w.families())
	for i, want := range []string{"0.0.0.0:8080/tcp", "[::]:8080/tcp"}[:n] {
		if len(sockets) != n || sockets[i].Claim.String() != want {
			t.Fatalf("%v", sockets)
		}
		listener, err := net.FileListener(sockets[i].File)
		if err != nil {
			t.Fatal(err)
		}
		client := dial(t, w.ext, []string{"192.0.2.1:8080", "[2001:db8:1::1]:8080"}[i])
		server, err := listener.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if got := server.RemoteAddr().String(); got != client.LocalAddr().String() {
			t.Errorf("accepted %s, not %s", got, client.LocalAddr())
		}
		_ = server.Close()
		_ = client.Close()
		_ = listener.Close()
	}
	// The same ones again, and by the port that was chosen.
	if again := w.sockets("a", "a1", "8080:80"); len(again) != n {
		t.Errorf("%v", again)
	}
	udp := w.sockets("a", "a1", "8085:80/udp")
	if len(udp) != n || udp[n-1].Claim.String() != []string{"0.0.0.0:8085/udp", "[::]:8085/udp"}[n-1] {
		t.Fatalf("%v", udp)
	}
	conn, err := net.FilePacketConn(udp[0].File)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	go w.ext.Probe("udp", "192.0.2.1:8085")
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, from, err := conn.ReadFrom(make([]byte, 1500)); err != nil || !strings.HasPrefix(from.String(), "192.0.2.2:") {
		t.Errorf("from %v, %v", from, err)
	}
	if both := w.sockets("a", "a1", "9000-9001:9000-9001"); len(both) != 2*n || !strings.HasSuffix(both[2*n-1].Claim.String(), ":9001/tcp") {
		t.Errorf("%v", both)
	}

	// Published anew, it is none of the old proxy's.
	if _, err := w.fw.Heal(context.Background()); err != nil {
		t.Fatal(err)
	}
	w.update(func(tx *bridge.Tx) {
		a1 := tx.Network("a").Endpoint("a1")
		a1.Unpublish(ports("8080:80", "8085:80/udp", "9000-9001:9000-9001")...)
		a1.Publish(ports("8080:81", "8085:81/udp", "9000-9001:80-81")...)
	})
	w.dropNAT()
	silent()
}

// With Config.UserlandProxy, the proxy that serves them answers the host's loopback addresses and the network itself, and
// the container all others.
func TestSocketsOfAUserlandProxy(t *testing.T) {
	t.Parallel()
	w := twoNetworks(t, bridge.Config{UserlandProxy: true})
	for _, s := range w.sockets("a", "a1", "8080:80") {
		listener, err := net.FileListener(s.File)
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		for _, c := range []struct {
			from *netlab.Namespace
			to   netip.Addr
		}{
			{w.host, w.addrs["loopback"][familyIndex(s)]}, {w.spaces["a2"], w.addrs["host"][familyIndex(s)]},
		} {
			client := dial(t, c.from, netip.AddrPortFrom(c.to, 8080).String())
			server, err := listener.Accept()
			if err != nil {
				t.Fatal(err)
			}
			if got := server.RemoteAddr().String(); got != client.LocalAddr().String() {
				t.Errorf("accepted %s, not %s", got, client.LocalAddr())
			}
			_ = server.Close()
			_ = client.Close()
		}
	}
	w.fates(`
		ext  tcp,udp  host:8080  a1 sees ext
		b1   tcp      host:8080  a1 sees gw-a  [to-the-proxy: mute] [other-networks: silent]
	`)
}

func familyIndex(s bridge.Socket) int {
	if s.Claim.Addr.Is6() {
		return 1
	}
	return 0
}

func dial(t *testing.T, from *netlab.Namespace, to string) net.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c, err := from.DialContext(ctx, "tcp", to)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A duplicate holds the port until it is closed, too, and update and Close do not touch it.
func TestSocketsOutliveThePublication(t *testing.T) {
	t.Parallel()
	w := publishing(t, bridge.Config{})
	w.publish("a", "a2", "8080:80")
	s := w.sockets("a", "a2", "8080:80")
	w.unpublish("a", "a2", "8080:80")
	if err := w.try(func(tx *bridge.Tx) { tx.Network("a").Endpoint("a1").Publish(ports("8080:80")...) }); !errors.Is(err, unix.EADDRINUSE) {
		t.Errorf("published again: %v", err)
	}
	if err := s[0].File.Close(); err != nil {
		t.Fatal(err)
	}
	w.publish("a", "a1", "8080:80")
	held := w.sockets("a", "a1", "8080:80")
	if err := w.fw.Close(); err != nil {
		t.Fatal(err)
	}
	w.mustBeHeld("tcp", "0.0.0.0:8080", "[::]:8080")
	for _, s := range held {
		if err := s.File.Close(); err != nil {
			t.Fatal(err)
		}
	}
	w.mustBeFree("tcp", "0.0.0.0:8080", "[::]:8080")
	if s, err := w.fw.Sockets("a", "a1", ports("8080:80")[0]); !errors.Is(err, bridge.ErrClosed) || s != nil {
		t.Errorf("of a closed firewall: %v, %v", s, err)
	}
	w.open()
}

func TestSocketsOfWhatIsNotThere(t *testing.T) {
	t.Parallel()
	w := publishing(t, bridge.Config{})
	w.publish("a", "a1", "8080:80", "9000-9001:9000-9001", "8081:80/sctp")
	for _, c := range []struct {
		network, endpoint, spec string
		is                      error
	}{
		{"b", "a1", "8080:80", fs.ErrNotExist},
		{"a", "a3", "8080:80", fs.ErrNotExist},
		{"a", "a2", "8080:80", fs.ErrNotExist},
		{"a", "a1", "8080:81", fs.ErrNotExist},
		{"a", "a1", "9000:9000", fs.ErrNotExist},
		{"a", "a1", "80", fs.ErrNotExist},
	} {
		s, err := w.fw.Sockets(c.network, c.endpoint, ports(c.spec)[0])
		if s != nil || !errors.Is(err, c.is) {
			t.Errorf("%+v: %v, %v", c, s, err)
		}
	}
	if unheld := w.fw.UnheldPorts(); unheld != nil {
		t.Errorf("not held: %v", unheld)
	}
	if lacksSCTP() {
		return
	}
	// The kernel may have SCTP; if not, nobody else has the port either.
	s, err := w.fw.Sockets("a", "a1", ports("8081:80/sctp")[0])
	if fd, none := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_SCTP); none == nil {
		_ = unix.Close(fd)
		if len(s) != 2 || err != nil {
			t.Errorf("%v, %v", s, err)
		}
	} else if !errors.Is(err, errors.ErrUnsupported) || s != nil {
		t.Errorf("%v, %v", s, err)
	}
	for _, s := range s {
		_ = s.File.Close()
	}
}

// What is taken over is held again. What somebody has taken meanwhile is said, and had again once it is free.
func TestAdoptionHoldsPorts(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	w := publishing(t, bridge.Config{Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelWarn}))})
	w.publish("a", "a1", "8080:80", "8080:80/udp", "127.0.0.1:8081:80", "9000-9002:9000-9002", "80")
	before, view := w.snapshotWithSockets(), facts(w.fw)
	w.reopen()
	w.sameAs("taken over", w.snapshotWithSockets(), before)
	if unheld := w.fw.UnheldPorts(); unheld != nil || log.Len() > 0 {
		t.Errorf("not held: %v; %s", unheld, &log)
	}

	if err := w.fw.Close(); err != nil {
		t.Fatal(err)
	}
	taken, part := "[::1]:9001", "[::]:9001/tcp"
	if w.ipv4Only {
		taken, part = "127.0.0.1:9001", "0.0.0.0:9001/tcp"
	}
	give := []func(){w.take("tcp", taken), w.take("udp", "0.0.0.0:8080"), w.take("tcp", "127.0.0.1:8081")}
	w.open()
	unheld := w.fw.UnheldPorts()
	want := []string{"0.0.0.0:8080/udp", "127.0.0.1:8081/tcp", part}
	for i, u := range unheld {
		if len(unheld) != len(want) || u.Claim.String() != want[i] || !errors.Is(u.Err, unix.EADDRINUSE) || u.Binding.Endpoint.Spec.Name != "a1" {
			t.Fatalf("%d: %v", i, unheld)
		}
	}
	if len(unheld) != len(want) || !strings.Contains(log.String(), "count=3") {
		t.Errorf("%v; %s", unheld, &log)
	}
	if s, err := w.fw.Sockets("a", "a1", ports("9000-9002:9000-9002")[0]); !errors.Is(err, unix.EADDRINUSE) || s != nil {
		t.Errorf("sockets of a range with a gap: %v, %v", s, err)
	}
	if healed, err := w.fw.Heal(context.Background()); healed || err != nil {
		t.Errorf("nothing is free: %v, %v", healed, err)
	}
	// Unpublished, it is nobody's business; refused, it is as before.
	w.unpublish("a", "a1", "127.0.0.1:8081:80")
	if err := w.try(func(tx *bridge.Tx) {
		tx.Network("a").Endpoint("a1").Unpublish(ports("8080:80/udp")...)
		tx.Network("a").Endpoint("a2").Publish(ports("8080:80/udp")...)
	}); !errors.Is(err, unix.EADDRINUSE) {
		t.Errorf("%v", err)
	}
	if unheld := w.fw.UnheldPorts(); len(unheld) != 2 || unheld[0].Claim.String() != want[0] {
		t.Errorf("%v", unheld)
	}
	give[0]() // port 9001, which passes from one to another
	w.update(func(tx *bridge.Tx) {
		a1 := tx.Network("a").Endpoint("a1")
		a1.Unpublish(ports("9000-9002:9000-9002")...)
		a1.Publish(ports("9000-9002:9000-9002")...)
	})
	if unheld := w.fw.UnheldPorts(); len(unheld) != 1 || unheld[0].Claim.String() != want[0] {
		t.Errorf("%v", unheld)
	}
	w.mustBeHeld("tcp", "[::1]:9001", "0.0.0.0:9001")
	for _, g := range give {
		g()
	}
	if healed, err := w.fw.Heal(context.Background()); !healed || err != nil {
		t.Errorf("all is free: %v, %v", healed, err)
	}
	if unheld := w.fw.UnheldPorts(); unheld != nil {
		t.Errorf("%v", unheld)
	}
	w.publish("a", "a1", "127.0.0.1:8081:80")
	w.sameAs("healed", w.held(), before[len(before)-len(w.held()):])
	if got := facts(w.fw); len(got) != len(view) {
		t.Errorf("%q, was %q", got, view)
	}
}

// Neither refused updates, nor sockets given away, nor the end of it all leaves an open file.
func TestHeldPortsLeakNothing(t *testing.T) {
	netlab.CheckLeaks(t) // counts open files: not in parallel with others
	w := publishing(t, bridge.Config{})
	for range 3 {
		w.publish("a", "a1", "8000-8099:8000-8099", "8000-8099:8000-8099/udp", "80")
		for _, s := range w.sockets("a", "a1", "8000-8099:8000-8099") {
			_ = s.File.Close()
		}
		if err := w.try(func(tx *bridge.Tx) {
			tx.Network("a").Endpoint("a1").Publish(ports("8100-8199:8100-8199", "8050:80")...)
		}); !errors.Is(err, fs.ErrExist) {
			t.Fatal(err)
		}
		w.unpublish("a", "a1", "8000-8099:8000-8099")
		w.reopen()
		w.unpublish("a", "a1", "80", "8000-8099:8000-8099/udp")
	}
	w.publish("a", "a1", "8000-8099:8000-8099")
	if err := w.fw.Teardown(context.Background()); err != nil {
		t.Fatal(err)
	}
	if got := w.held(); got != nil {
		t.Errorf("torn down, and there are %q", got)
	}
}

// Too many ports for the process's files are refused, with what to do; nothing is left of them.
func TestMorePortsThanFiles(t *testing.T) {
	var limit unix.Rlimit // the process's: not in parallel with others
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	w := publishing(t, bridge.Config{})
	w.publish("a", "a1", "8080:80")
	before := w.snapshotWithSockets()
	err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 700, Max: limit.Max})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Setrlimit(unix.RLIMIT_NOFILE, &limit) })
	err = w.try(func(tx *bridge.Tx) { tx.Network("a").Endpoint("a1").Publish(ports("9000-9999:9000-9999")...) })
	var port *bridge.PortError
	if !errors.Is(err, unix.EMFILE) || !errors.As(err, &port) || errors.Is(err, fs.ErrExist) {
		t.Errorf("%v", err)
	} else if !strings.Contains(err.Error(), "raise RLIMIT_NOFILE, which is 700, or") {
		t.Errorf("%v: does not say what to do", err)
	}
	w.sameAs("refused", w.snapshotWithSockets(), before)
	w.publish("a", "a1", "9000-9009:9000-9009")
}
