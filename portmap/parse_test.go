package portmap

import (
	"errors"
	"io/fs"
	"net/netip"
	"strings"
	"testing"
)

func b(addr string, host, container Ports, proto Proto) Binding {
	binding := Binding{Host: host, Container: container, Proto: proto}
	if addr != "" {
		binding.HostAddr = netip.MustParseAddr(addr)
	}
	return binding
}

func TestParse(t *testing.T) {
	none := Ports{}
	for _, test := range []struct {
		spec string
		want Binding
		text string // the canonical form; "" means spec itself
	}{
		// Container port alone: an ephemeral host port.
		{"80", b("", none, Port(80), TCP), ""},
		{"1", b("", none, Port(1), TCP), ""},
		{"65535", b("", none, Port(65535), TCP), ""},
		{"80/tcp", b("", none, Port(80), TCP), "80"},
		{"80/", b("", none, Port(80), TCP), "80"},
		{"80/udp", b("", none, Port(80), UDP), ""},
		{"80/sctp", b("", none, Port(80), SCTP), ""},
		{"80/TCP", b("", none, Port(80), TCP), "80"},
		{"80/Udp", b("", none, Port(80), UDP), "80/udp"},
		{"80/SCTP", b("", none, Port(80), SCTP), "80/sctp"},
		{"8000-8009", b("", none, Ports{8000, 8009}, TCP), ""},
		{"8000-8009/udp", b("", none, Ports{8000, 8009}, UDP), ""},
		{"80-80", b("", none, Port(80), TCP), "80"},
		{"1-65535", b("", none, Ports{1, 65535}, TCP), ""},
		{":80", b("", none, Port(80), TCP), "80"},
		{"::80", b("", none, Port(80), TCP), "80"},
		{"::80/udp", b("", none, Port(80), UDP), "80/udp"},
		{"::8000-8009", b("", none, Ports{8000, 8009}, TCP), "8000-8009"},

		// Host and container port.
		{"8080:80", b("", Port(8080), Port(80), TCP), ""},
		{"80:80", b("", Port(80), Port(80), TCP), ""},
		{"1:65535", b("", Port(1), Port(65535), TCP), ""},
		{"65535:1", b("", Port(65535), Port(1), TCP), ""},
		{"53:53/udp", b("", Port(53), Port(53), UDP), ""},
		{"53:53/UDP", b("", Port(53), Port(53), UDP), "53:53/udp"},
		{"8080:80/tcp", b("", Port(8080), Port(80), TCP), "8080:80"},
		{"8080:80/", b("", Port(8080), Port(80), TCP), "8080:80"},
		{":8080:80", b("", Port(8080), Port(80), TCP), "8080:80"},
		{":8080:80/sctp", b("", Port(8080), Port(80), SCTP), "8080:80/sctp"},

		// Ranges.
		{"8000-8010:9000-9010/udp", b("", Ports{8000, 8010}, Ports{9000, 9010}, UDP), ""},
		{"9000-9009:9000-9009", b("", Ports{9000, 9009}, Ports{9000, 9009}, TCP), ""},
		{"8000-8010:80", b("", Ports{8000, 8010}, Port(80), TCP), ""},
		{"8000-8010:80-80", b("", Ports{8000, 8010}, Port(80), TCP), "8000-8010:80"},
		{"8000-8000:80", b("", Port(8000), Port(80), TCP), "8000:80"},
		{"8000-8000:80-80/udp", b("", Port(8000), Port(80), UDP), "8000:80/udp"},
		{"1-65535:1-65535", b("", Ports{1, 65535}, Ports{1, 65535}, TCP), ""},
		{"127.0.0.1:8000-8010:80/udp", b("127.0.0.1", Ports{8000, 8010}, Port(80), UDP), ""},
		{"0.0.0.0:1234-1235:3333-3334/tcp", b("0.0.0.0", Ports{1234, 1235}, Ports{3333, 3334}, TCP), "0.0.0.0:1234-1235:3333-3334"},
		{"127.0.0.1:5000-5099:5000-5099/udp", b("127.0.0.1", Ports{5000, 5099}, Ports{5000, 5099}, UDP), ""},

		// IPv4 addresses.
		{"127.0.0.1:8080:80", b("127.0.0.1", Port(8080), Port(80), TCP), ""},
		{"127.0.0.1::80", b("127.0.0.1", none, Port(80), TCP), ""},
		{"127.0.0.1::80/udp", b("127.0.0.1", none, Port(80), UDP), ""},
		{"192.168.1.100::6000/udp", b("192.168.1.100", none, Port(6000), UDP), ""},
		{"127.0.0.1::8000-8009", b("127.0.0.1", none, Ports{8000, 8009}, TCP), ""},
		{"0.0.0.0:80:80", b("0.0.0.0", Port(80), Port(80), TCP), ""},
		{"0.0.0.0::80", b("0.0.0.0", none, Port(80), TCP), ""},
		{"198.18.0.2:5353:53/udp", b("198.18.0.2", Port(5353), Port(53), UDP), ""},

		// IPv6 addresses, with and without brackets.
		{"[::1]:8080:80/udp", b("::1", Port(8080), Port(80), UDP), ""},
		{"[::1]::80", b("::1", none, Port(80), TCP), ""},
		{"[::]:80:80", b("::", Port(80), Port(80), TCP), ""},
		{"[::]::80", b("::", none, Port(80), TCP), ""},
		{"[2001:db8::68]::333", b("2001:db8::68", none, Port(333), TCP), ""},
		{"[2001:DB8:0:0::68]:1:333", b("2001:db8::68", Port(1), Port(333), TCP), "[2001:db8::68]:1:333"},
		{"[fd00::1]:8000-8009:8000-8009/sctp", b("fd00::1", Ports{8000, 8009}, Ports{8000, 8009}, SCTP), ""},
		{"[fe80::1]:80:80", b("fe80::1", Port(80), Port(80), TCP), ""},
		{"::1:80:80", b("::1", Port(80), Port(80), TCP), "[::1]:80:80"},
		{"2001:db8:0:2001::68::333", b("2001:db8:0:2001::68", none, Port(333), TCP), "[2001:db8:0:2001::68]::333"},
		{"::::80", b("::", none, Port(80), TCP), "[::]::80"},
		{":::8080:80", b("::", Port(8080), Port(80), TCP), "[::]:8080:80"},
	} {
		got, err := Parse(test.spec)
		if err != nil {
			t.Errorf("Parse(%q): %v", test.spec, err)
			continue
		}
		if got != test.want {
			t.Errorf("Parse(%q) = %+v, want %+v", test.spec, got, test.want)
		}
		if test.text == "" {
			test.text = test.spec
		}
		if got.String() != test.text {
			t.Errorf("Parse(%q).String() = %q, want %q", test.spec, got.String(), test.text)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	const (
		addr      = "host address"
		host      = "host port"
		container = "container port"
		proto     = "protocol"
	)
	for _, test := range []struct{ spec, field, value, reason string }{
		// Nothing, or not enough.
		{"", container, "", "missing"},
		{":", container, "", "missing"},
		{"::", container, "", "missing"},
		{"8080:", container, "", "missing"},
		{"127.0.0.1:8080:", container, "", "missing"},
		{"127.0.0.1::", container, "", "missing"},
		{"/udp", container, "", "missing"},
		{"8080:/udp", container, "", "missing"},
		{"[::1]", addr, "[", "brackets"},
		{"127.0.0.1", container, "127.0.0.1", "127.0.0.1::CONTAINERPORT"},
		{"127.0.0.1:80", host, "127.0.0.1", "127.0.0.1::CONTAINERPORT"},

		// Port numbers.
		{"0", container, "0", "must be 1-65535"},
		{"8080:0", container, "0", "must be 1-65535"},
		{"0:80", host, "0", "leave it out"},
		{"127.0.0.1:0:80", host, "0", "leave it out"},
		{"65536", container, "65536", "must be 1-65535"},
		{"65536:80", host, "65536", "must be 1-65535"},
		{"80:99999999999999999999999", container, "99999999999999999999999", "must be 1-65535"},
		{"-1", container, "-1", "not a port"},
		{"80:-1", container, "-1", "not a port"},
		{"192.168.1.100:-1:-1", container, "-1", "not a port"},
		{"+80", container, "+80", "not a port"},
		{"8080:+80", container, "+80", "not a port"},
		{"0080", container, "0080", "leading zero"},
		{"00", container, "00", "leading zero"},
		{"08080:80", host, "08080", "leading zero"},
		{"0x50", container, "0x50", "not a port"},
		{"8_0", container, "8_0", "not a port"},
		{"80.0", container, "80.0", "not a port"},
		{"1e3", container, "1e3", "not a port"},
		{"http", container, "http", "not a port"},
		{"8080:http", container, "http", "not a port"},
		{"http:80", host, "http", "not a port"},
		{"٨٠", container, "٨٠", "not a port"},
		{"80\x00", container, "80\x00", "not a port"},
		{"80,81", container, "80,81", "not a port"},

		// Spaces.
		{" ", container, " ", "not a port"},
		{" 80", container, " 80", "not a port"},
		{"80 ", container, "80 ", "not a port"},
		{"80\n", container, "80\n", "not a port"},
		{"8080: 80", container, " 80", "not a port"},
		{"8080 :80", host, "8080 ", "not a port"},
		{" 127.0.0.1:8080:80", addr, " 127.0.0.1", "not an IP address"},
		{"80 /udp", container, "80 ", "not a port"},
		{"80/ udp", proto, " udp", "tcp, udp or sctp"},
		{"80/udp ", proto, "udp ", "tcp, udp or sctp"},

		// Ranges.
		{"80-", container, "80-", "not a port"},
		{"-80", container, "-80", "not a port"},
		{"-", container, "-", "not a port"},
		{"80--81", container, "80--81", "not a port"},
		{"80-81-82", container, "80-81-82", "not a port"},
		{"80 - 81", container, "80 - 81", "not a port"},
		{"8010-8000", container, "8010-8000", "reversed"},
		{"8010-8000:80", host, "8010-8000", "reversed"},
		{"8000-8010:9010-9000", container, "9010-9000", "reversed"},
		{"0-10", container, "0-10", "must be 1-65535"},
		{"0-10:80", host, "0-10", "must be 1-65535"},
		{"1-65536", container, "1-65536", "must be 1-65535"},
		{"8000-8010:9000-9005", host, "8000-8010", "11 for the 6 container ports 9000-9005"},
		{"8000-8005:9000-9010", host, "8000-8005", "6 for the 11 container ports"},
		{"8080:9000-9005", host, "8080", "1 for the 6 container ports"},
		{"127.0.0.1:8000-8001:1-3/udp", host, "8000-8001", "2 for the 3 container ports"},

		// Protocols.
		{"80/icmp", proto, "icmp", "tcp, udp or sctp"},
		{"80/6", proto, "6", "tcp, udp or sctp"},
		{"80/tcp/udp", proto, "tcp/udp", "tcp, udp or sctp"},
		{"80//udp", proto, "/udp", "tcp, udp or sctp"},
		{"80/tcp,udp", proto, "tcp,udp", "tcp, udp or sctp"},
		{"80/ſctp", proto, "ſctp", "tcp, udp or sctp"},
		{"53/udp:53", host, "53/udp", "not a port"},
		{"53/udp:53/udp", host, "53/udp", "not a port"},

		// Host addresses.
		{"localhost:8080:80", addr, "localhost", "not an IP address"},
		{"localhost:1234-1236:1234-1236/tcp", addr, "localhost", "not an IP address"},
		{"example.com::80", addr, "example.com", "not an IP address"},
		{"*:80:80", addr, "*", "not an IP address"},
		{"eth0:80:80", addr, "eth0", "not an IP address"},
		{"127.0.0:80:80", addr, "127.0.0", "not an IP address"},
		{"127.0.0.256:80:80", addr, "127.0.0.256", "not an IP address"},
		{"127.0.0.01:80:80", addr, "127.0.0.01", "not an IP address"},
		{"127.1:80:80", addr, "127.1", "not an IP address"},
		{"10.0.0.0/8:80:80", addr, "10.0.0.0/8", "not an IP address"},
		{"2130706433:80:80", addr, "2130706433", "not an IP address"},
		{"1:2:3", addr, "1", "not an IP address"},
		{"224.0.0.1:80:80", addr, "224.0.0.1", "multicast"},
		{"[ff02::1]:80:80", addr, "ff02::1", "multicast"},
		{"255.255.255.255:80:80", addr, "255.255.255.255", "broadcast"},

		// IPv6 addresses.
		{"[fe80::1%eth0]:80:80", addr, "fe80::1%eth0", "zone"},
		{"fe80::1%eth0:80:80", addr, "fe80::1%eth0", "zone"},
		{"[::ffff:127.0.0.1]:80:80", addr, "::ffff:127.0.0.1", "write 127.0.0.1"},
		{"::ffff:127.0.0.1:80:80", addr, "::ffff:127.0.0.1", "write 127.0.0.1"},
		{"[::ffff:7f00:1]:80:80", addr, "::ffff:127.0.0.1", "write 127.0.0.1"},
		{"[::ffff:10.0.0.1%eth0]::80", addr, "::ffff:10.0.0.1%eth0", "write 10.0.0.1"},
		{"[127.0.0.1]:80:80", addr, "[127.0.0.1]", "write 127.0.0.1"},
		{"[]:80:80", addr, "[]", "not an IP address"},
		{"[::1:80:80", addr, "[::1", "brackets"},
		{"::1]:80:80", addr, "::1]", "brackets"},
		{"[[::1]]:80:80", addr, "[[::1]]", "not an IP address"},
		{"[::1]80:80", addr, "[:", "brackets"},
		{"[::1]x:80:80", addr, "[::1]x", "brackets"},
		{"[localhost]:80:80", addr, "[localhost]", "not an IP address"},
		{":::80", addr, ":", "colons"},

		// Too many colons.
		{"1:2:3:4", addr, "1:2", "too many colons"},
		{"127.0.0.1:1:2:3", addr, "127.0.0.1:1", "too many colons"},
		{"127.0.0.1:80:80:80:80", addr, "127.0.0.1:80:80", "too many colons"},
		{"2001:db8::1", addr, "2001:db8", "too many colons"},
		{"host.example:1:2:3", addr, "host.example:1", "too many colons"},
		{"1:2:3:4:5:6:7:8:9:10:80:80", addr, "1:2:3:4:5:6:7:8:9:10", "not an IP address"},
	} {
		got, err := Parse(test.spec)
		if err == nil {
			t.Errorf("Parse(%q) = %v, want a refusal", test.spec, got)
			continue
		}
		var e *SpecError
		if !errors.As(err, &e) || !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("Parse(%q): %T, want a *SpecError that is fs.ErrInvalid", test.spec, err)
			continue
		}
		if e.Spec != test.spec || e.Field != test.field || e.Value != test.value || !strings.Contains(e.Reason, test.reason) {
			t.Errorf("Parse(%q):\n got %v\nwant %s %q: … %s …", test.spec, err, test.field, test.value, test.reason)
		}
		if got != (Binding{}) {
			t.Errorf("Parse(%q) returns %+v beside the error", test.spec, got)
		}
	}
}

func TestSpecErrorText(t *testing.T) {
	_, err := Parse("8080:0")
	const want = `portmap: "8080:0": container port "0": must be 1-65535`
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestMustParsePanics(t *testing.T) {
	if got := MustParse("8080:80"); got != b("", Port(8080), Port(80), TCP) {
		t.Errorf("MustParse = %v", got)
	}
	defer func() {
		if err, ok := recover().(error); !ok || !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("MustParse panicked with %v, want Parse's error", err)
		}
	}()
	MustParse("localhost:80:80")
	t.Error("MustParse returned")
}

// FuzzParse holds that Parse never panics, that what it accepts is valid and
// survives being printed, and that what it refuses is refused in full.
func FuzzParse(f *testing.F) {
	for _, spec := range []string{
		"80", "8080:80", "127.0.0.1:8080:80", "127.0.0.1::80", "[::1]:8080:80/udp", "8000-8010:9000-9010/UDP",
		"8000-8010:80/sctp", "::::80", "2001:db8::1:80:80", ":80", "80/", "0:80", "fe80::1%eth0:80:80",
		"[::ffff:127.0.0.1]:1:1", "[]:80:80", "1:2:3:4", "+80", "80-81-82", "",
	} {
		f.Add(spec)
	}
	f.Fuzz(func(t *testing.T, spec string) {
		parsed, err := Parse(spec)
		if err != nil {
			var e *SpecError
			if !errors.As(err, &e) || e.Spec != spec || e.Field == "" || e.Reason == "" {
				t.Fatalf("Parse(%q) is refused with %#v", spec, err)
			}
			return
		}
		if err := parsed.Validate(); err != nil {
			t.Fatalf("Parse(%q) accepts what Validate refuses: %v", spec, err)
		}
		again, err := Parse(parsed.String())
		if err != nil || again != parsed {
			t.Fatalf("Parse(%q) = %+v, printed as %q, which reads as %+v, %v", spec, parsed, parsed.String(), again, err)
		}
	})
}
