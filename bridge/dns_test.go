package bridge_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/internal/netlab"
	"github.com/seawall-net/seawall/nft"
)

// resolver starts a stub of a resolver in a container, on ports that the kernel chooses.
func resolver(ns *netlab.Namespace) bridge.DNS {
	return bridge.DNS{UDP: ns.Listen("udp", "127.0.0.11:0").Port(), TCP: ns.Listen("tcp", "127.0.0.11:0").Port()}
}

func (w *world) redirectDNS(container string, d bridge.DNS) {
	w.t.Helper()
	if err := bridge.RedirectDNS(context.Background(), w.spaces[container].File(), d); err != nil {
		w.t.Fatal(err)
	}
}

// inside opens a connection to a container's own ruleset.
func inside(t *testing.T, ns *netlab.Namespace) *nft.Conn {
	t.Helper()
	c, err := nft.Dial(nft.Config{NetNS: ns.File()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// ask sends a question from an unconnected socket, which takes answers from anywhere, and tells where the answer came from.
func ask(socket net.PacketConn) (from string) {
	to := net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.11:53"))
	if _, err := socket.WriteTo([]byte("?"), to); err != nil {
		return err.Error()
	}
	return answerTo(socket)
}

func answerTo(socket net.PacketConn) string {
	_ = socket.SetReadDeadline(time.Now().Add(5 * time.Second))
	buf := make([]byte, 512)
	_, from, err := socket.ReadFrom(buf)
	if err != nil {
		return err.Error()
	}
	return from.String()
}

// udpSocket opens a socket in a namespace.
func udpSocket(t *testing.T, ns *netlab.Namespace, address string) (socket net.PacketConn) {
	t.Helper()
	err := ns.Do(func() (err error) {
		socket, err = net.ListenPacket("udp4", address)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = socket.Close() })
	return socket
}

// Whatever families a container's network has, its name server is 127.0.0.11:53.
func TestRedirectDNS(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bridge.Config{})
	w.name("resolver", "127.0.0.11", "")
	w.networkA()
	w.container("a", "a1", 2, "8080:80")
	names := []string{"a1"}
	if !w.ipv4Only {
		w.network("six", "fd00:30:6::/64")
		w.container("six", "six1", 2)
		names = append(names, "six1")
	}
	for _, name := range names {
		d := resolver(w.spaces[name])
		w.fates(fmt.Sprintf("%s udp,tcp resolver:53 refused", name))
		w.redirectDNS(name, d)
		w.fates(fmt.Sprintf(`
			%[1]s  udp,tcp    resolver:53    %[1]s sees loopback
			# The ports themselves are there, too.
			%[1]s  udp        resolver:%[2]d %[1]s sees loopback
			%[1]s  tcp        resolver:%[3]d %[1]s sees loopback
			# Other ports and other addresses are what they were.
			%[1]s  udp,tcp    resolver:54    refused
			%[1]s  udp,tcp    loopback:53    refused
			%[1]s  udp6,tcp6  ext:53         refused
		`, name, d.UDP, d.TCP))
		if from := ask(udpSocket(t, w.spaces[name], ":0")); from != "127.0.0.11:53" {
			t.Errorf("%s: the answer is from %s", name, from)
		}
	}
	// Nobody else has it, and nobody else reaches it.
	w.fates(`
		host  udp,tcp  resolver:53  refused
		a1    tcp      ext:80       ext sees host
		ext   tcp      host:8080    a1 sees ext
	`)
	w.frames(`
		ext   udp,tcp  resolver:53  a1 gets nothing
	`)
}

// An answer that comes after the kernel has forgotten the question is still from the port that was asked.
func TestLateDNSAnswer(t *testing.T) {
	t.Parallel()
	lab := netlab.New(t)
	ns := lab.Namespace("c")
	server, client := udpSocket(t, ns, "127.0.0.11:0"), udpSocket(t, ns, "127.0.0.1:0")
	port := netip.MustParseAddrPort(server.LocalAddr().String()).Port()
	if err := bridge.RedirectDNS(context.Background(), ns.File(), bridge.DNS{UDP: port, TCP: 1}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.WriteTo([]byte("?"), net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.11:53"))); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 16)
	_ = server.SetReadDeadline(time.Now().Add(5 * time.Second))
	_, from, err := server.ReadFrom(buf)
	if err != nil || from.String() != client.LocalAddr().String() {
		t.Fatalf("the server sees %v, %v; the client is %v", from, err, client.LocalAddr())
	}
	err = ns.Do(func() error {
		h, err := netlink.NewHandle(unix.NETLINK_NETFILTER)
		if err != nil {
			return err
		}
		defer h.Close()
		return h.ConntrackTableFlush(netlink.ConntrackTable)
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := server.WriteTo([]byte("!"), from); err != nil {
		t.Fatal(err)
	}
	if got := answerTo(client); got != "127.0.0.11:53" {
		t.Errorf("the late answer is from %s", got)
	}
}

// A second call with the same ports writes nothing; with others they take the place of the first, at once, for sockets
// that have asked before, too. In the end there is nothing left.
func TestRedirectDNSAgain(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	w := newWorld(t, bridge.Config{})
	ns := w.Namespace("c")
	w.spaces["c"] = ns
	w.name("resolver", "127.0.0.11", "")
	conn := inside(t, ns)
	generation := func() uint32 {
		t.Helper()
		g, err := conn.Generation(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	first := generation()
	d := resolver(ns)
	w.redirectDNS("c", d)
	socket := udpSocket(t, ns, ":0")
	if from := ask(socket); from != "127.0.0.11:53" {
		t.Fatalf("the answer is from %s", from)
	}
	if g := generation(); g != first+1 {
		t.Errorf("%d transactions, want one", g-first)
	}
	w.redirectDNS("c", d)
	if g := generation(); g != first+1 {
		t.Errorf("the same again: %d transactions", g-first-1)
	}
	second := udpSocket(t, ns, "127.0.0.11:0")
	w.redirectDNS("c", bridge.DNS{UDP: netip.MustParseAddrPort(second.LocalAddr().String()).Port(), TCP: resolver(ns).TCP})
	if g := generation(); g != first+2 {
		t.Errorf("other ports: %d transactions, want one", g-first-1)
	}
	if _, err := socket.WriteTo([]byte("?"), net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.11:53"))); err != nil {
		t.Fatal(err)
	}
	if from := answerTo(second); from != fmt.Sprintf("127.0.0.1:%d", socket.LocalAddr().(*net.UDPAddr).Port) {
		t.Errorf("the second resolver was asked by %s, want the socket that had asked the first", from)
	}
	w.fates(`c tcp resolver:53 c sees loopback`)
	for range 2 {
		if err := bridge.EndDNSRedirect(ctx, ns.File()); err != nil {
			t.Fatal(err)
		}
	}
	if g := generation(); g != first+3 {
		t.Errorf("two removals: %d transactions, want one", g-first-2)
	}
	w.fates(`c udp,tcp resolver:53 refused`)
	if rs, err := conn.Load(ctx); err != nil || len(rs.Tables()) > 0 {
		t.Errorf("left: %v, %v", rs, err)
	}
}

// Rules of the container's own stay, and do not take the resolver's questions away.
func TestRedirectDNSBesideOwnRules(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	w := newWorld(t, bridge.Config{})
	w.name("resolver", "127.0.0.11", "")
	w.networkA()
	w.container("a", "a1", 2)
	ns := w.spaces["a1"]
	conn := inside(t, ns)
	// As a container with a resolver of its own would: all questions go there, and strangers get nothing.
	own := &nft.Table{Family: nft.IPv4, Name: "nat"}
	output := &nft.Chain{Table: own.Ref(), Name: "OUTPUT", Type: nft.NATChain, Hook: nft.Output, Priority: nft.PriorityDNAT}
	input := &nft.Chain{Table: own.Ref(), Name: "INPUT", Hook: nft.Input, Policy: nft.PolicyDrop}
	var b nft.Batch
	b.Add(own, output, input)
	for _, dport := range []nft.Field[uint16]{nft.UDPDport, nft.TCPDport} {
		b.Add(&nft.Rule{Chain: output.Ref(), Statements: []nft.Statement{dport.Eq(53), nft.DNAT(netip.MustParseAddrPort("127.0.0.1:5353"))}})
	}
	b.Add(&nft.Rule{Chain: input.Ref(), Statements: []nft.Statement{nft.IIFName.Eq("lo"), accept}})
	if _, err := conn.Commit(ctx, b); err != nil {
		t.Fatal(err)
	}
	before, err := conn.Load(ctx, own.Ref())
	if err != nil {
		t.Fatal(err)
	}
	w.redirectDNS("a1", resolver(ns))
	ns.Listen("udp", "127.0.0.1:5353")
	own5353 := ns.Listen("tcp", "127.0.0.1:5353")
	w.fates(`
		a1  udp,tcp  resolver:53  a1 sees loopback
		a1  tcp4     loopback:53  a1 sees loopback
	`)
	if n := len(own5353.Clients()); n != 1 {
		t.Errorf("the container's own server was asked %d times, want once: for the address that is not the resolver's", n)
	}
	after, err := conn.Load(ctx, own.Ref())
	if err != nil {
		t.Fatal(err)
	}
	if after.String() != before.String() {
		t.Errorf("the container's rules are\n%s\nwere\n%s", after, before)
	}
	if err := bridge.EndDNSRedirect(ctx, ns.File()); err != nil {
		t.Fatal(err)
	}
	if all, err := conn.Load(ctx); err != nil || len(all.Tables()) != 1 {
		t.Errorf("tables: %v, %v; want the container's", all, err)
	}
}

// What others have done to the table is repaired.
func TestRedirectDNSRepairs(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	w := newWorld(t, bridge.Config{})
	w.name("resolver", "127.0.0.11", "")
	w.networkA()
	w.container("a", "a1", 2)
	conn := inside(t, w.spaces["a1"])
	d := resolver(w.spaces["a1"])
	w.redirectDNS("a1", d)
	var b nft.Batch
	b.Flush(&nft.Chain{Table: nft.TableRef{Family: nft.IPv4, Name: "seawall-dns"}, Name: "nat-output"})
	if _, err := conn.Commit(ctx, b); err != nil {
		t.Fatal(err)
	}
	w.fates(`a1 udp,tcp resolver:53 refused`)
	w.redirectDNS("a1", d)
	w.fates(`a1 udp,tcp resolver:53 a1 sees loopback`)
}

// Any number may call at once, beside a container that changes its rules all the time.
func TestRedirectDNSAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bridge.Config{})
	w.name("resolver", "127.0.0.11", "")
	w.networkA()
	w.container("a", "a1", 2)
	ns := w.spaces["a1"]
	d, conn := resolver(ns), inside(t, ns)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			if err := bridge.RedirectDNS(context.Background(), ns.File(), d); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			for j := range 10 {
				var b nft.Batch
				b.Add(&nft.Table{Family: nft.IPv6, Name: fmt.Sprintf("t%d-%d", i, j)})
				if _, err := conn.Commit(context.Background(), b); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	w.fates(`a1 udp,tcp resolver:53 a1 sees loopback`)
}

func TestRedirectDNSRefuses(t *testing.T) {
	t.Parallel()
	ns := netlab.New(t).Namespace("c")
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	for name, c := range map[string]struct {
		err  error
		want error
	}{
		"no namespace":          {bridge.RedirectDNS(context.Background(), nil, bridge.DNS{UDP: 1, TCP: 2}), fs.ErrInvalid},
		"no namespace to leave": {bridge.EndDNSRedirect(context.Background(), nil), fs.ErrInvalid},
		"no udp port":           {bridge.RedirectDNS(context.Background(), ns.File(), bridge.DNS{TCP: 2}), fs.ErrInvalid},
		"no tcp port":           {bridge.RedirectDNS(context.Background(), ns.File(), bridge.DNS{UDP: 1}), fs.ErrInvalid},
		"canceled":              {bridge.RedirectDNS(canceled, ns.File(), bridge.DNS{UDP: 1, TCP: 2}), context.Canceled},
	} {
		if !errors.Is(c.err, c.want) {
			t.Errorf("%s: %v, want %v", name, c.err, c.want)
		}
	}
	if rs, err := inside(t, ns).Load(context.Background()); err != nil || len(rs.Tables()) > 0 {
		t.Errorf("%v, %v", rs, err)
	}
}
