package netlab

import (
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// A router that swallows what is for 198.51.100.0/24 and 2001:db8:dead::/48, and has no route elsewhere.
func TestSilentAndUnreachable(t *testing.T) {
	t.Parallel()
	router, phone := pair(t)
	router.Forward()
	router.Blackhole("198.51.100.0/24")
	router.Blackhole("2001:db8:dead::/48")
	for _, via := range []string{"192.0.2.1", "2001:db8::1"} {
		phone.Route("default", via)
	}
	var probes []Probe
	var want []Outcome
	for _, proto := range []string{"tcp", "udp", "sctp", "icmp"} {
		for _, to := range []struct {
			addr string
			want Outcome
		}{
			{"198.51.100.1", Silent}, {"2001:db8:dead::1", Silent},
			{"203.0.113.1", Unreachable}, {"2001:db8:beef::1", Unreachable},
		} {
			// An IPv4 router without a route tells a host so about five times, and then once a second.
			many := uint16(20)
			if to.want == Unreachable {
				many = 1
			}
			for port := range many {
				probes = append(probes, Probe{From: phone, Proto: proto, To: endpoint(to.addr, 80+port)})
				want = append(want, to.want)
			}
		}
	}
	for i, got := range phone.lab.ProbeAll(probes) {
		if got.Outcome != want[i] {
			t.Errorf("%s to %s: %v, want %v", probes[i].Proto, probes[i].To, got, want[i])
		}
	}
}

func TestUnreachableWithoutARoute(t *testing.T) {
	t.Parallel()
	_, phone := pair(t)
	for proto := range transports {
		for _, to := range []string{"203.0.113.1:80", "[2001:db8:beef::1]:80"} {
			if got := phone.Probe(proto, to); got.Outcome != Unreachable {
				t.Errorf("%s to %s: %v", proto, to, got)
			}
		}
	}
}

func TestResetAndMute(t *testing.T) {
	t.Parallel()
	web, phone := pair(t)
	for to, handle := range map[string]struct {
		serve func(*net.TCPConn)
		want  Outcome
	}{
		"192.0.2.1:81":     {func(c *net.TCPConn) { _ = c.SetLinger(0) }, Reset},
		"[2001:db8::1]:82": {func(c *net.TCPConn) {}, Mute},
		"192.0.2.1:83":     {func(c *net.TCPConn) { _, _ = io.WriteString(c, "220 hello\r\n") }, Mute},
		"192.0.2.1:84":     {func(c *net.TCPConn) { _, _ = io.WriteString(c, strings.Repeat("x", 4096)) }, Mute},
	} {
		listener, err := web.ListenTCP(to)
		if err != nil {
			t.Fatal(err)
		}
		var group sync.WaitGroup
		group.Go(func() {
			conn, err := listener.Accept()
			if err != nil {
				t.Error(err)
				return
			}
			handle.serve(conn.(*net.TCPConn))
			_ = conn.Close()
		})
		if got := phone.Probe("tcp", to); got.Outcome != handle.want {
			t.Errorf("%s: %v, want %v", to, got, handle.want)
		}
		_ = listener.Close()
		group.Wait()
	}
	quiet, err := web.ListenTCP("192.0.2.1:85") // never accepts: the kernel does
	if err != nil {
		t.Fatal(err)
	}
	defer quiet.Close()
	if got := phone.Probe("tcp", "192.0.2.1:85"); got.Outcome != Mute {
		t.Errorf("a server that says nothing: %v", got)
	}
}

func TestMuteUDP(t *testing.T) {
	t.Parallel()
	web, phone := pair(t)
	fd, err := web.bound("udp", netip.MustParseAddrPort("192.0.2.1:53"))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := adopt(fd, net.FilePacketConn)
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	group.Go(func() {
		for {
			_, from, err := conn.ReadFrom(make([]byte, 100))
			if err != nil {
				return
			}
			_, _ = conn.WriteTo([]byte("not what you think"), from)
		}
	})
	if got := phone.Probe("udp", "192.0.2.1:53"); got.Outcome != Mute {
		t.Error(got)
	}
	_ = conn.Close()
	group.Wait()
}

func TestEcho(t *testing.T) {
	t.Parallel()
	web, phone := pair(t)
	for _, to := range []string{"192.0.2.1:0", "[2001:db8::1]:0", "127.0.0.1:0", "[::1]:0"} {
		if got := phone.Probe("icmp", to); got.Outcome != Delivered {
			t.Errorf("%s: %v", to, got)
		}
	}
	web.SetSysctl("net.ipv4.icmp_echo_ignore_all", "1")
	if got := phone.Probe("icmp", "192.0.2.1:0"); got.Outcome != Silent {
		t.Errorf("ignored: %v", got)
	}
}

func TestLinkLocal(t *testing.T) {
	t.Parallel()
	web, phone := pair(t)
	mac := web.MAC("eth0")
	to := netip.AddrFrom16([16]byte{0: 0xfe, 1: 0x80, 8: mac[0] ^ 2, 9: mac[1], 10: mac[2], 11: 0xff, 12: 0xfe,
		13: mac[3], 14: mac[4], 15: mac[5]}).WithZone("eth0")
	for _, proto := range []string{"tcp", "udp", "sctp", "icmp"} {
		if proto != "icmp" {
			web.Listen(proto, ":80")
		}
		got := phone.lab.Probe(Probe{From: phone, Proto: proto, To: netip.AddrPortFrom(to, 80)})
		if got.Outcome != Delivered || got.Source != got.Local && proto != "icmp" {
			t.Errorf("%s: %v, sent from %s", proto, got, got.Local)
		}
	}
}

// A probe that could not be made must never look like a packet that was stopped.
func TestUnknown(t *testing.T) {
	t.Parallel()
	_, phone := pair(t)
	elsewhere := netip.MustParseAddrPort("198.51.100.9:1000")
	for name, p := range map[string]Probe{
		"protocol":    {Proto: "dccp", To: endpoint("192.0.2.1", 80)},
		"no address":  {Proto: "tcp"},
		"zone":        {Proto: "tcp", To: netip.MustParseAddrPort("[fe80::1%nope]:80")},
		"source tcp":  {Proto: "tcp", To: endpoint("192.0.2.1", 80), Source: elsewhere},
		"source udp":  {Proto: "udp", To: endpoint("192.0.2.1", 80), Source: elsewhere},
		"source sctp": {Proto: "sctp", To: endpoint("192.0.2.1", 80), Source: elsewhere},
		"blackhole":   {Proto: "tcp", To: endpoint("203.0.113.1", 80)},
	} {
		if name == "blackhole" {
			phone.Blackhole("203.0.113.0/24")
		}
		p.From = phone
		if got := phone.lab.Probe(p); got.Outcome != Unknown || got.Err == nil {
			t.Errorf("%s: %v", name, got)
		}
	}
	if got := phone.Probe("tcp", "web:80"); got.Outcome != Unknown || got.Err == nil {
		t.Errorf("name for an address: %v", got)
	}
}

func TestClassify(t *testing.T) {
	for errno, want := range map[unix.Errno]Outcome{
		unix.ECONNREFUSED: Refused, unix.ECONNRESET: Reset, unix.EPERM: Silent, unix.ENETUNREACH: Unreachable,
		unix.EINVAL: Unknown, unix.EADDRNOTAVAIL: Unknown,
	} {
		if got, err := classify(os.NewSyscallError("connect", errno)); got != want || err == nil {
			t.Errorf("%v: %v (%v), want %v", errno, got, err, want)
		}
		if got, _ := classify(setupError{errno}); got != Unknown {
			t.Errorf("%v while setting up: %v", errno, got)
		}
	}
}
