package bridge

import (
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seawall-net/seawall/internal/nflog"
)

func TestDropPrefix(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("n", maxName)
	for _, c := range []struct {
		network string
		reason  Reason
		want    string
	}{
		{"web", NotPublished, "seawall web: not published "},
		{"", LoopbackAddress, "seawall: loopback address "},
		{"a.b_c-d", ICCOff, "seawall a.b_c-d: icc off "},
		{long, InternalNetwork, "seawall " + long[:127-len("seawall ~: internal network ")] + "~: internal network "},
	} {
		got := dropPrefix(c.network, c.reason)
		if got != c.want || len(got) > 127 {
			t.Errorf("%q of %d bytes, want %q", got, len(got), c.want)
		}
		network, reason, ok := parseDropPrefix(got)
		if shown := strings.TrimSuffix(network, cut); !ok || reason != c.reason || !strings.HasPrefix(c.network, shown) || c.network != "" && shown == "" {
			t.Errorf("%q is read as %q, %q, %t", got, network, reason, ok)
		}
	}
	for _, text := range []string{"", "seawall", "seawall: ", "seawall:  ", "seawall web", "seawall web:x ", "seawallweb: x ", "seawall : x ", "seawall web: x", "other web: x "} {
		if network, reason, ok := parseDropPrefix(text); ok {
			t.Errorf("%q is read as %q, %q", text, network, reason)
		}
	}
}

func TestDropOfFragmentsAndExtensions(t *testing.T) {
	t.Parallel()
	ipv6 := func(next byte, rest ...byte) []byte {
		b := append([]byte{0x60, 0, 0, 0, 0, byte(len(rest)), next, 64}, netip.MustParseAddr("fd00::1").AsSlice()...)
		return append(append(b, netip.MustParseAddr("fd00::2").AsSlice()...), rest...)
	}
	ports := []byte{0, 5, 0, 7}
	for _, c := range []struct {
		payload []byte
		want    string
	}{
		{ipv6(unix.IPPROTO_UDP, ports...), "udp [fd00::1]:5 > [fd00::2]:7"},
		{ipv6(unix.IPPROTO_HOPOPTS, append([]byte{unix.IPPROTO_TCP, 0, 0, 0, 0, 0, 0, 0}, ports...)...), "tcp [fd00::1]:5 > [fd00::2]:7"},
		{ipv6(unix.IPPROTO_FRAGMENT, append([]byte{unix.IPPROTO_TCP, 0, 0, 1, 0, 0, 0, 0}, ports...)...), "tcp [fd00::1]:5 > [fd00::2]:7"},
		{ipv6(unix.IPPROTO_FRAGMENT, append([]byte{unix.IPPROTO_TCP, 0, 0, 8, 0, 0, 0, 0}, ports...)...), "tcp fd00::1 > fd00::2"},
		{ipv6(unix.IPPROTO_HOPOPTS, unix.IPPROTO_TCP, 9), "0 fd00::1 > fd00::2"},
		{ipv6(unix.IPPROTO_ICMPV6, 128, 0), "icmp6 fd00::1 > fd00::2"},
	} {
		d, ok := dropOf(&nflog.Packet{Prefix: "seawall web: x ", EtherType: unix.ETH_P_IPV6, Payload: c.payload}, unnamed)
		if want := "web: x: " + c.want; !ok || d.String() != want {
			t.Errorf("%q, want %q", d, want)
		}
	}
}

// FuzzDropOf: nothing that comes over the wire makes reading it panic.
func FuzzDropOf(f *testing.F) {
	f.Add("seawall web: not published ", uint16(unix.ETH_P_IP), 3, []byte{0x45, 0, 0, 24, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0, 5, 0, 7})
	f.Add("seawall: x ", uint16(unix.ETH_P_IPV6), 0, make([]byte, 60))
	f.Add("seawall n~: spoofed frame ", uint16(unix.ETH_P_ARP), -1, make([]byte, 28))
	f.Fuzz(func(t *testing.T, prefix string, etherType uint16, index int, payload []byte) {
		d, ok := dropOf(&nflog.Packet{Prefix: prefix, EtherType: etherType, In: index, Payload: payload}, unnamed)
		if !ok {
			return
		}
		if d.Reason == "" || !strings.Contains(d.String(), string(d.Reason)) {
			t.Errorf("%q: %q", prefix, d)
		}
	})
}
