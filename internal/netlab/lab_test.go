package netlab

import (
	"fmt"
	"net/netip"
	"testing"
)

func TestMain(m *testing.M) { Main(m) }

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
