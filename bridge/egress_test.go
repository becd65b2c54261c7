package bridge_test

import (
	"net/netip"
	"testing"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/internal/netlab"
	"github.com/seawall-net/seawall/nft"
)

// Without masquerade packets leave with their own addresses, and replies to them come back. Nothing else comes in.
func TestDisableMasquerade(t *testing.T) {
	t.Parallel()
	for _, filter := range bridgeFilters(t) {
		t.Run(filter, func(t *testing.T) {
			t.Parallel()
			w := modeWorld(t, func(s *bridge.NetworkSpec) { s.DisableMasquerade = true })
			w.filterBridges(filter)
			w.fates(`
				a1    tcp,udp,sctp  ext:80     ext sees a1  [raw-is-first: silent]
				a1    icmp          ext        delivered    [raw-is-first: silent]
				a1    tcp,udp       host:8090  b1 sees a1   [raw-is-first: silent]  [other-networks: silent]
				ext   tcp,udp,sctp  a1:80      silent
				ext   tcp,udp,sctp  a1:81      silent
				ext   icmp          a1         silent
				b1    tcp,udp       a1:80      silent
				ext   tcp,udp       gw-a:8080  silent
				# Publications do not need it, and hairpin does.
				ext   tcp,udp,sctp  host:8080  a1 sees ext
				host  tcp           host:8080  a1 sees gw-a
				host  tcp4          loopback:8080  a1 sees gw-a
				a1    tcp,udp       host:8080  a1 sees gw-a
				a2    tcp,udp       host:8080  a1 sees gw-a
				# The other network is masqueraded as ever.
				b1    tcp,udp       ext:80     ext sees host
				ext   tcp,udp       b1:80      silent
			`)
			want := facts(w.fw)
			w.reopen()
			w.sameAs("adopted", facts(w.fw), want)
			w.update(func(tx *bridge.Tx) { tx.RemoveNetwork("a") })
			w.kernelIsDesired("without the network")
		})
	}
}

// What leaves has the address that was asked for.
func TestSNAT(t *testing.T) {
	t.Parallel()
	w := modeWorld(t, func(s *bridge.NetworkSpec) {
		s.IPv4.SNAT, s.IPv6.SNAT = netip.MustParseAddr("192.0.2.3"), netip.MustParseAddr("2001:db8:1::3")
	})
	w.fates(`
		a1    tcp,udp,sctp  ext:80     ext sees host2
		a1    icmp          ext        delivered
		b1    tcp,udp       ext:80     ext sees host
		a1    tcp,udp       host:8090  b1 sees host2  [other-networks: silent]
		# Not what stays in the network.
		a2    tcp,udp       a1:81      a1 sees a2
		a2    tcp,udp       host:8080  a1 sees gw-a
		host  tcp,udp       host:8080  a1 sees gw-a  [fixed-source-for-host: a1 sees host2]
		ext   tcp,udp       host:8080  a1 sees ext
		ext   tcp,udp       a1:80      silent
	`)
}

// Ports of what leaves are chosen at random on request, and kept otherwise.
func TestRandomMasquerade(t *testing.T) {
	t.Parallel()
	for _, random := range []bool{false, true} {
		w := modeWorld(t, func(s *bridge.NetworkSpec) { s.RandomMasquerade = random })
		seen := w.ext.Capture("eth0", func(f netlab.CapturedFrame) bool {
			return !f.Outgoing && f.Proto == "udp" && f.To.Port() == 4321
		})
		var probes []netlab.RawProbe
		for i := range w.families() {
			for port := range 8 {
				probes = append(probes, netlab.RawProbe{
					From: w.spaces["a1"], Interface: "eth0", DstMAC: w.hostMAC("a1"), Proto: "udp",
					Src: netip.AddrPortFrom(w.addrs["a1"][i], uint16(5000+port)), Dst: netip.AddrPortFrom(w.addrs["ext"][i], 4321), Watch: w.ext,
				})
			}
		}
		for _, r := range w.RawProbeAll(probes) {
			if r.Err != nil || !r.Arrived {
				t.Fatal(r)
			}
		}
		kept := 0
		for _, f := range seen.Seen() {
			if p := f.From.Port(); p >= 5000 && p < 5008 {
				kept++
			}
			if a := f.From.Addr(); a != w.addrs["host"][0] && a != w.addrs["host"][1] {
				t.Errorf("%v has left with the address %v", f, a)
			}
		}
		// 16 random ports out of 64,000 do not all stay what they are, nor any 3 of them.
		if random && kept > 2 || !random && kept != len(probes) {
			t.Errorf("random %v: %d of %d ports were kept", random, kept, len(probes))
		}
	}
}

// Nothing leaves a translated network with a private source: not what has no connection, and not what lies about where
// it is from, even where DOCKER-USER lets everything through.
func TestNothingLeavesUntranslated(t *testing.T) {
	t.Parallel()
	w := modeWorld(t, func(*bridge.NetworkSpec) {})
	for _, user := range []bool{false, true} {
		if user && !hasUserChain() {
			break
		}
		if user {
			w.byHand(func(b *nft.Batch) {
				for _, f := range w.userFamilies() {
					b.AddRule(&nft.Rule{Chain: userChain(f), Statements: []nft.Statement{nft.IIFName.Eq("br-a"), accept}}, 0)
				}
			})
		}
		seen := w.ext.Capture("eth0", func(f netlab.CapturedFrame) bool {
			return !f.Outgoing && f.To.Port() == 4321 && f.From.Addr() != w.addrs["host"][0] && f.From.Addr() != w.addrs["host"][1]
		})
		for i := range w.families() {
			for _, src := range []string{"a1", "a2", "b1", "ext", "gw-b"} {
				for _, flags := range []byte{netlab.RST, netlab.ACK, netlab.FIN | netlab.ACK, netlab.SYN | netlab.ACK, netlab.SYN} {
					w.spaces["a1"].SendFrame("eth0", netlab.Frame{
						Dst: w.hostMAC("a1"), Src: w.spaces["a1"].MAC("eth0"), Proto: "tcp", TCPFlags: flags,
						From: netip.AddrPortFrom(w.addrs[src][i], 1234), To: netip.AddrPortFrom(w.addrs["ext"][i], 4321),
					}.Marshal())
				}
			}
		}
		// What may leave does, after all of that.
		w.fates(`
			a1  tcp,udp,sctp  ext:80  ext sees host
		`)
		for _, f := range seen.Seen() {
			t.Errorf("with an accept in DOCKER-USER: %v: %v has left", user, f)
		}
	}
}

// A default address for publications, and what is said overrides it.
func TestHostBinding(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bridge.Config{})
	w.create(with(specA, func(s *bridge.NetworkSpec) {
		s.IPv4.HostBinding, s.IPv6.HostBinding = netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("2001:db8:1::3")
	}))
	w.container("a", "a1", 2, "8080:80", "0.0.0.0:8081:80", "[::]:8081:80", "9000-9001:9000-9001")
	w.serve("a1", 9000)
	w.fates(`
		host  tcp4  loopback:8080  a1 sees gw-a
		host  tcp4  loopback:9000  a1 sees gw-a
		ext   tcp4  host:8080      refused
		ext   tcp4  host:9000      refused
		ext   tcp6  host2:8080     a1 sees ext
		ext   tcp6  host2:9000     a1 sees ext
		ext   tcp6  host:8080      refused
		ext   tcp   host:8081      a1 sees ext
	`)
	want := facts(w.fw)
	w.reopen()
	w.sameAs("adopted", facts(w.fw), want)
	w.unpublish("a", "a1", "8080:80", "9000-9001:9000-9001")
	w.fates(`
		host  tcp4  loopback:8080  refused
		ext   tcp6  host2:8080     refused
		ext   tcp   host:8081      a1 sees ext
	`)
}

// From a trusted interface published ports are reached by the endpoints' addresses, too.
func TestTrustedInterfaces(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bridge.Config{})
	w.create(with(specA, func(s *bridge.NetworkSpec) { s.TrustedInterfaces = []string{"eth9", "eth1"} }))
	w.networkB()
	w.container("a", "a1", 2, "8080:80", "8080:80/udp", "8080:80/sctp", "9000-9009:9000-9009", "192.0.2.1:8082:81")
	w.serve("a1", 9005)
	w.container("a", "a2", 3)
	w.container("b", "b1", 2, "8090:80")
	friend := w.Namespace("friend")
	w.spaces["friend"] = friend
	lan := w.LAN("trusted")
	lan.Plug(w.host, "eth1", "203.0.113.1/24", "2001:db8:3::1/64")
	lan.Plug(friend, "eth0", "203.0.113.2/24", "2001:db8:3::2/64")
	w.name("friend", "203.0.113.2", "2001:db8:3::2")
	friend.Route("default", "203.0.113.1")
	friend.Route("default", "2001:db8:3::1")
	w.fates(`
		friend  tcp,udp,sctp  a1:80      a1 sees friend
		friend  tcp           a1:9005    a1 sees friend
		friend  tcp,udp,sctp  host:8080  a1 sees friend
		# Not what is not published, nor what is published on one address of the host.
		friend  tcp4          a1:81      silent  [one-address: a1 sees friend]
		friend  tcp6          a1:81      silent
		friend  udp,sctp      a1:81      silent
		friend  udp           a1:9005    silent
		friend  tcp,udp,sctp  a2:80      silent
		friend  icmp          a1         silent
		# The trust is in one interface, and one network's.
		friend  tcp           b1:80      silent
		ext     tcp,udp,sctp  a1:80      silent
		ext     tcp           a1:9005    silent
		b1      tcp           a1:80      silent
		# It goes for the address on the bridge, too.
		friend  tcp           gw-a:8080  a1 sees friend
		ext     tcp           gw-a:8080  silent
	`)
	want := facts(w.fw)
	w.reopen()
	w.sameAs("adopted", facts(w.fw), want)
}

// A mark that somebody on the host has given lets packets in everywhere, and says nothing about networks that have not
// asked for it.
func TestAcceptFwmark(t *testing.T) {
	t.Parallel()
	w := modeWorld(t, func(s *bridge.NetworkSpec) { s.AcceptFwmark = bridge.Fwmark{Value: 2, Mask: 3} })
	w.fates(`
		ext   tcp,udp,sctp  a1:81      silent
		ext   icmp          a2         silent
	`)
	// Marks have to be there before the guard looks: 0xe has the bits 2 of 3.
	w.byHand(func(b *nft.Batch) {
		for _, f := range w.families() {
			table := &nft.Table{Family: f, Name: "marks"}
			chain := &nft.Chain{Table: table.Ref(), Name: "mark", Hook: nft.Prerouting, Priority: nft.PriorityRaw - 10}
			b.Add(table, chain)
			b.AddRule(&nft.Rule{Chain: chain.Ref(), Statements: []nft.Statement{
				nft.IIFName.Eq("eth0"), nft.THDport.Eq(81), nft.Mark.Set(0xe),
			}}, 0)
			b.AddRule(&nft.Rule{Chain: chain.Ref(), Statements: []nft.Statement{
				nft.IIFName.Eq("eth0"), nft.THDport.Eq(82), nft.Mark.Set(0xd),
			}}, 0)
		}
	})
	w.fates(`
		ext   tcp,udp       a1:81      a1 sees ext  [raw-is-first: silent]
		ext   tcp,udp       a2:81      a2 sees ext  [raw-is-first: silent]
		ext   tcp,udp       a1:80      silent
		ext   tcp           a1:82      silent
		ext   tcp,udp       b1:81      silent
		ext   tcp,udp,sctp  host:8080  a1 sees ext
	`)
	want := facts(w.fw)
	w.reopen()
	w.sameAs("adopted", facts(w.fw), want)
}
