package netlab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// pair is two namespaces on a LAN: web at 192.0.2.1 and 2001:db8::1, phone at .2 and ::2.
func pair(t *testing.T) (web, phone *Namespace) {
	t.Helper()
	lab := New(t)
	lan := lab.LAN("lan")
	web, phone = lab.Namespace("web"), lab.Namespace("phone")
	lan.Plug(web, "eth0", "192.0.2.1/24", "2001:db8::1/64")
	lan.Plug(phone, "eth0", "192.0.2.2/24", "2001:db8::2/64")
	return web, phone
}

var families = map[string]struct{ web, phone string }{
	"IPv4": {"192.0.2.1", "192.0.2.2"},
	"IPv6": {"2001:db8::1", "2001:db8::2"},
}

func endpoint(addr string, port uint16) netip.AddrPort {
	return netip.AddrPortFrom(netip.MustParseAddr(addr), port)
}

func TestDelivered(t *testing.T) {
	t.Parallel()
	web, phone := pair(t)
	for _, proto := range []string{"tcp", "udp", "sctp"} {
		wildcard := web.Listen(proto, ":80")
		for family, addrs := range families {
			specific := web.Listen(proto, endpoint(addrs.web, 81).String())
			for server, port := range map[*Server]uint16{wildcard: 80, specific: 81} {
				t.Run(fmt.Sprintf("%s %s %d", proto, family, port), func(t *testing.T) {
					source := endpoint(addrs.phone, 12345)
					for _, from := range []netip.AddrPort{{}, source} {
						got := phone.lab.Probe(Probe{From: phone, Proto: proto, To: endpoint(addrs.web, port), Source: from})
						if got.Outcome != Delivered || got.Server != "web" {
							t.Fatal(got)
						}
						if got.Source != got.Local || got.Source.Addr() != source.Addr() || got.Source.Port() == 0 {
							t.Errorf("seen from %s, sent from %s", got.Source, got.Local)
						}
						if from.IsValid() && got.Source != from {
							t.Errorf("seen from %s, want %s", got.Source, from)
						}
						clients := server.Clients()
						if len(clients) == 0 || clients[len(clients)-1] != got.Source {
							t.Errorf("the server saw %v, want %s last", clients, got.Source)
						}
					}
				})
			}
		}
	}
}

func TestAnswersLeaveFromTheAddressThatWasAsked(t *testing.T) {
	t.Parallel()
	web, phone := pair(t)
	web.Address("eth0", "192.0.2.77/24", "2001:db8::77/64")
	for _, proto := range []string{"tcp", "udp", "sctp", "icmp"} {
		if proto != "icmp" {
			web.Listen(proto, ":80")
		}
		for _, to := range []string{"192.0.2.77:80", "[2001:db8::77]:80"} {
			if got := phone.Probe(proto, to); got.Outcome != Delivered {
				t.Errorf("%s to %s: %v", proto, to, got)
			}
		}
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	web, phone := pair(t)
	web.Listen("tcp", ":80")
	// Many at once, so that a rate limit would show, and errors about one probe that reach another.
	var probes []Probe
	for _, addrs := range families {
		for _, proto := range []string{"tcp", "udp"} {
			for port := range uint16(50) {
				probes = append(probes, Probe{From: phone, Proto: proto, To: endpoint(addrs.web, 1000+port)})
			}
		}
		probes = append(probes, Probe{From: phone, Proto: "sctp", To: endpoint(addrs.web, 80)})
	}
	for i, got := range phone.lab.ProbeAll(probes) {
		if got.Outcome != Refused {
			t.Errorf("%s to %s: %v", probes[i].Proto, probes[i].To, got)
		}
	}
}

func TestLabsAreIndependent(t *testing.T) {
	t.Parallel()
	for i := range 6 { // all with the same names and addresses
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			web, phone := pair(t)
			server := web.Listen("tcp", ":80")
			for range 3 {
				if got := phone.Probe("tcp", "192.0.2.1:80"); got.Outcome != Delivered {
					t.Error(got)
				}
			}
			if got := len(server.Clients()); got != 3 {
				t.Errorf("%d clients: another lab's probes arrived here, or an own one did not", got)
			}
		})
	}
}

func TestSysctlsAreTheNamespacesOwn(t *testing.T) {
	t.Parallel()
	web, phone := pair(t)
	for _, key := range []string{"net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding", "net/ipv4/conf/eth0/rp_filter"} {
		web.SetSysctl(key, "1")
		if a, b := web.Sysctl(key), phone.Sysctl(key); a != "1" || b != "0" {
			t.Errorf("%s: web %q, phone %q", key, a, b)
		}
	}
}

func TestLinks(t *testing.T) {
	t.Parallel()
	lab := New(t)
	a, b := lab.Namespace("a"), lab.Namespace("b")
	lab.Veth(a, "left", b, "right")
	a.Address("left", "192.0.2.1/24")
	b.Address("right", "192.0.2.2/24")
	a.Listen("udp", "192.0.2.1:53")
	if got := b.Probe("udp", "192.0.2.1:53"); got.Outcome != Delivered {
		t.Errorf("over a cable: %v", got)
	}
	if a.MAC("left").String() == b.MAC("right").String() || len(a.MAC("left")) != 6 || a.Index("left") == 0 {
		t.Errorf("MACs %s and %s, index %d", a.MAC("left"), b.MAC("right"), a.Index("left"))
	}
	b.SetDown("right")
	if got := b.Probe("udp", "192.0.2.1:53"); got.Outcome != Unreachable {
		t.Errorf("over an interface that is down: %v", got)
	}
	b.SetUp("right")
	if got := b.Probe("udp", "192.0.2.1:53"); got.Outcome != Delivered {
		t.Errorf("up again: %v", got)
	}
	if link, err := b.Netlink().LinkByName("right"); err != nil || link.Attrs().Index != b.Index("right") {
		t.Errorf("by netlink: %v, %v", link, err)
	}
	b.Neighbour("right", "192.0.2.1", net.HardwareAddr{2, 0, 0, 0, 0, 9})
	if got := b.Probe("udp", "192.0.2.1:53"); got.Outcome != Silent {
		t.Errorf("with a wrong idea of the neighbour: %v", got)
	}
	b.Route("198.51.100.0/24", "right")
	a.Address("left", "198.51.100.1/32")
	a.Listen("tcp", "198.51.100.1:80")
	if got := b.Probe("tcp", "198.51.100.1:80"); got.Outcome != Delivered {
		t.Errorf("route out of an interface: %v", got)
	}
}

func TestClosedServerAnswersNoMore(t *testing.T) {
	t.Parallel()
	web, phone := pair(t)
	for _, proto := range []string{"tcp", "udp"} {
		server := web.Listen(proto, ":0")
		to := endpoint("192.0.2.1", server.Port()).String()
		if got := phone.Probe(proto, to); got.Outcome != Delivered {
			t.Errorf("%s: %v", proto, got)
		}
		for range 2 {
			if err := server.Close(); err != nil {
				t.Error(err)
			}
		}
		if got := phone.Probe(proto, to); got.Outcome != Refused {
			t.Errorf("%s, closed: %v", proto, got)
		}
	}
}

func TestHTTP(t *testing.T) {
	t.Parallel()
	web, phone := pair(t)
	listener, err := web.ListenTCP("[2001:db8::1]:80")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.RemoteAddr)
	})}
	var group sync.WaitGroup
	group.Go(func() { _ = server.Serve(listener) })
	defer group.Wait()
	defer server.Close()
	client := http.Client{Transport: &http.Transport{DialContext: phone.DialContext, DisableKeepAlives: true}}
	response, err := client.Get("http://[2001:db8::1]/")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || !strings.HasPrefix(string(body), "[2001:db8::2]:") {
		t.Errorf("seen from %s, %v", body, err)
	}
	if _, err := phone.DialContext(t.Context(), "tcp", "192.0.2.1:81"); !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("dial a closed port: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := phone.DialContext(ctx, "tcp", "192.0.2.99:80"); !errors.Is(err, context.Canceled) {
		t.Errorf("dial after cancel: %v", err)
	}
}

// In a program the first failure sticks and nothing more happens.
func TestFailureSticks(t *testing.T) {
	t.Parallel()
	lab, err := Open()
	if err != nil {
		t.Fatal(err)
	}
	lan, web := lab.LAN("lan"), lab.Namespace("web")
	lan.Plug(web, "eth0", "192.0.2.1/24")
	web.Route("default", "203.0.113.1")
	want := lab.Err()
	if !errors.Is(want, unix.ENETUNREACH) {
		t.Errorf("error %v", want)
	}
	web.Address("eth9", "nonsense")
	later := lab.Namespace("later")
	lan.Plug(later, "eth0")
	if later.File() != nil {
		t.Error("a namespace was made after a failure")
	}
	if err := later.Do(func() error { return nil }); !errors.Is(err, want) {
		t.Errorf("Do in a namespace that was not made: %v", err)
	}
	if got := web.Probe("tcp", "192.0.2.1:80"); got.Outcome != Unknown || got.Err == nil {
		t.Errorf("probe: %v", got)
	}
	if lab.Err() != want {
		t.Errorf("error %v, want the first, %v", lab.Err(), want)
	}
	if err := lab.Close(); !errors.Is(err, want) {
		t.Errorf("close: %v", err)
	}
}

// In a test a failing step ends the test and names what failed.
func TestFailureEndsTheTest(t *testing.T) {
	t.Parallel()
	for name, step := range map[string]func(lab *Lab, web *Namespace){
		"web: add address nonsense": func(lab *Lab, web *Namespace) { web.Address("lo", "nonsense") },
		"interface eth9":            func(lab *Lab, web *Namespace) { web.MAC("eth9") },
		"set sysctl":                func(lab *Lab, web *Namespace) { web.SetSysctl("net.ipv4.nothing", "1") },
		"unknown protocol":          func(lab *Lab, web *Namespace) { web.Listen("dccp", ":80") },
		"blackhole 1.2.3.4":         func(lab *Lab, web *Namespace) { web.Blackhole("1.2.3.4") },
		"join web eth0 and web eth": func(lab *Lab, web *Namespace) { lab.Veth(web, "eth0", web, "eth0") },
		"send a frame out of eth9":  func(lab *Lab, web *Namespace) { web.SendFrame("eth9", make([]byte, 60)) },
		"capture on eth9":           func(lab *Lab, web *Namespace) { web.Capture("eth9", nil) },
	} {
		fake := &fakeTB{TB: t}
		var group sync.WaitGroup
		group.Go(func() {
			lab := New(fake)
			step(lab, lab.Namespace("web"))
			fake.passed = true
		})
		group.Wait()
		if fake.passed || !strings.Contains(fake.text, name) {
			t.Errorf("%s: passed %v, said %q", name, fake.passed, fake.text)
		}
	}
}

// fakeTB stands in for a test that fails.
type fakeTB struct {
	testing.TB
	passed bool
	text   string
	after  []func()
}

func (f *fakeTB) Helper()          {}
func (f *fakeTB) Cleanup(c func()) { f.after = append(f.after, c) }
func (f *fakeTB) Fatal(args ...any) {
	f.text = fmt.Sprint(args...)
	for _, c := range f.after {
		c()
	}
	runtime.Goexit()
}
func (f *fakeTB) Errorf(format string, args ...any) { f.text += fmt.Sprintf(format, args...) }

func TestLabsLeaveNoFilesOpen(t *testing.T) {
	CheckLeaks(t)
	web, phone := pair(t)
	for _, proto := range []string{"tcp", "udp", "sctp"} {
		web.Listen(proto, ":80")
		for range 3 {
			phone.Probe(proto, "192.0.2.1:80")
		}
	}
	web.Capture("eth0", nil)
	phone.lab.RawProbe(RawProbe{
		From: phone, Interface: "eth0", DstMAC: web.MAC("eth0"), Proto: "tcp",
		Src: endpoint("192.0.2.2", 0), Dst: endpoint("192.0.2.1", 80), Watch: web,
	})
}

func TestCheckLeaksFindsOne(t *testing.T) {
	fake := &fakeTB{TB: t}
	CheckLeaks(fake)
	leak, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer leak.Close()
	fake.after[0]()
	if !strings.Contains(fake.text, os.DevNull) {
		t.Errorf("said %q", fake.text)
	}
}
