package nft

import (
	"bufio"
	"context"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

var update = flag.Bool("update", false, "capture testdata/nft-rules.txt anew, with the nft program")

// nftRules are rules as people type them, and what Load makes of them: the same
// words where want is empty. The chains are nat chains, prerouting and, for
// source translations, postrouting.
var nftRules = append([]nftRule{
	{IPv4, `tcp dport 80 accept`, ``},
	{IPv4, `tcp dport 8000-8010 accept`, ``},
	{IPv4, `tcp dport != 8000-8010 accept`, ``},
	{IPv4, `tcp sport 1 tcp dport 2 accept`, ``},
	{IPv4, `udp dport 53 udp sport 1000 accept comment "x"`, `udp sport 1000 udp dport 53 accept comment "x"`},
	{IPv4, `ip saddr 10.0.0.1 ip daddr 10.0.0.2 drop`, ``},
	{IPv4, `ip saddr 10.0.0.0/8 ip daddr 10.1.0.0/16 accept`, ``},
	{IPv4, `ip saddr 10.0.0.0/12 drop`, ``},
	{IPv4, `ip saddr 10.0.0.1 ip daddr 10.1.0.0/16 accept`, ``},
	{IPv4, `ip daddr != 10.1.0.0/16 accept`, ``},
	{IPv4, `ip saddr != 10.1.0.0/17 accept`, ``},
	{IPv4, `ip saddr 10.0.0.1-10.0.0.9 accept`, ``},
	{IPv4, `ip saddr 0.0.0.0/0 accept`, `ip saddr 0.0.0.0/0 accept`},
	{IPv4, `ct state established,related accept`, ``},
	{IPv4, `ct state new accept`, ``},
	{IPv4, `ct state != new accept`, ``},
	{IPv4, `ct state invalid drop`, ``},
	{IPv4, `ct status dnat accept`, ``},
	{IPv4, `ct state == new accept`, ``},
	{IPv4, `ct status ! snat,dnat accept`, ``},
	{IPv4, `ct status & dnat == 0 accept`, `ct status ! dnat accept`},
	{IPv4, `ct original ip daddr 10.0.0.1 drop`, ``},
	{IPv4, `ct reply ip daddr 10.0.0.1 drop`, ``},
	{IPv4, `iifname "eth0" oifname != "eth1" counter packets 0 bytes 0 jump c`, ``},
	{IPv4, `iifname "eth*" accept`, ``},
	{IPv4, `iif 1 accept`, `iif "lo" accept`},
	{IPv4, `meta mark 0x00000001 accept`, ``},
	{IPv4, `meta mark set 0x1 accept`, `meta mark set 0x00000001 accept`},
	{IPv4, `meta mark set meta mark | 0x1000`, `meta mark set meta mark | 0x00001000`},
	{IPv4, `meta mark set meta mark & 0xffffefff`, ``},
	{IPv4, `meta mark set meta mark ^ 0x3`, `meta mark set meta mark ^ 0x00000003`},
	{IPv4, `meta mark set (meta mark & 0xff) ^ 0x101`, `meta mark set meta mark & 0x000001ff ^ 0x00000001 | 0x00000100`},
	{IPv4, `meta mark set meta mark accept`, `<unknown expression meta> <unknown expression meta> accept`},
	{IPv4, `meta mark set ct mark`, `<unknown expression ct> <unknown expression meta>`},
	{IPv4, `meta mark set ct mark & 0xff`, `<unknown expression ct> <unknown expression bitwise> <unknown expression meta>`},
	{IPv4, `meta priority set 1`, `<unknown expression immediate> <unknown expression meta>`},
	{IPv4, `ct mark set 0x1`, `ct mark set 0x00000001`},
	{IPv4, `ct mark set ct mark | 0x1`, `ct mark set ct mark | 0x00000001`},
	{IPv4, `meta mark & 0x1000 == 0x1000 accept`, `meta mark & 0x00001000 == 0x00001000 accept`},
	{IPv4, `meta mark & 0x3 != 0x1 accept`, `meta mark & 0x00000003 != 0x00000001 accept`},
	{IPv4, `meta mark & 0xff000000 == 0x01000000 accept`, `meta mark 0x01000000/8 accept`},
	{IPv4, `meta mark & 0 == 0 accept`, `<unknown expression meta> <unknown expression bitwise> <unknown expression cmp> accept`},
	{IPv4, `meta mark and 0x3 or 0x4 == 0x5 accept`, `<unknown expression meta> <unknown expression bitwise> <unknown expression cmp> accept`},
	{IPv4, `ct mark & 0x1 == 0 accept`, `ct mark & 0x00000001 == 0x00000000 accept`},
	{IPv4, `meta l4proto tcp accept`, ``},
	{IPv4, `meta l4proto tcp counter packets 0 bytes 0 tcp dport 80 accept`, ``},
	{IPv4, `meta l4proto tcp tcp dport 80 accept`, `tcp dport 80 accept`},
	{IPv4, `meta l4proto { tcp, udp } th dport 53 accept`, `meta l4proto @__set0 th dport 53 accept`},
	{IPv4, `ip saddr { 10.0.0.1, 10.0.0.2 } drop`, `ip saddr @__set0 drop`},
	{IPv4, `tcp dport vmap { 80 : accept, 443 : jump c }`, `tcp dport vmap @__map0`},
	{IPv4, `ip saddr . tcp dport @pairs drop`, ``},
	{IPv4, `ip saddr . tcp dport != @pairs drop`, ``},
	{IPv4, `tcp dport 80 dnat to 10.0.0.1:8080`, ``},
	{IPv4, `dnat to 10.0.0.1`, ``},
	{IPv4, `dnat to 10.0.0.1-10.0.0.5`, `<unknown expression immediate> <unknown expression immediate> <unknown expression nat>`},
	{IPv4, `dnat ip to tcp dport map @published`, ``},
	{IPv4, `snat to 10.0.0.1 persistent`, ``},
	{IPv4, `masquerade random,persistent`, ``},
	{IPv4, `meta l4proto tcp masquerade to :1024-2048`,
		`meta l4proto tcp <unknown expression immediate> <unknown expression immediate> <unknown expression masq>`},
	{IPv4, `fib daddr type local accept`, ``},
	{IPv4, `fib daddr . iif type local accept`, `<unknown expression fib> <unknown expression cmp> accept`},
	{IPv4, `meta l4proto tcp ct original proto-dst 8080 accept`, ``},
	{IPv4, `tcp dport 80 ct original proto-dst 8000-8999 accept`, ``},
	{IPv4, `meta l4proto { tcp, udp } ct original proto-dst 8080 accept`, `meta l4proto @__set0 <unknown expression ct> <unknown expression cmp> accept`},
	{IPv4, `meta l4proto tcp ct reply proto-dst 8080 accept`, ``},
	{IPv4, `meta l4proto tcp ct original proto-src 8080 accept`, ``},
	{IPv4, `limit rate 5/second accept`, ``},
	{IPv4, `ip protocol tcp accept`, ``},
	{IPv4, `icmp type echo-request accept`, ``},
	{IPv4, `icmp type 200 accept`, ``},
	{IPv4, `ip saddr 1.2.3.4 icmp type != 3-5 accept`, ``},
	{IPv4, `icmp code 5 accept`, ``},
	{IPv4, `icmpv6 type nd-router-advert drop`, ``},
	{IPv4, `meta l4proto ipv6-icmp icmpv6 type 200 drop`, `icmpv6 type 200 drop`},
	{IPv4, `ether type ip accept`, `<unknown expression meta> <unknown expression cmp> <unknown expression payload> <unknown expression cmp> accept`},
	{IPv6, `icmpv6 type nd-router-advert drop`, ``},
	{IPv6, `ip6 length 32 ip6 nexthdr ipv6-icmp ip6 hoplimit 255 drop`, ``},
	{IPv6, `ip6 nexthdr ipv6-icmp icmpv6 type nd-redirect drop`, ``},
	{IPv6, `ip6 nexthdr tcp tcp dport 80 drop`, ``},
	{IPv6, `ip6 nexthdr != tcp tcp dport 80 drop`, ``},
	{IPv6, `ip6 hoplimit != 255 drop`, ``},
	{IPv6, `ip6 length 0-100 drop`, ``},
	{IPv6, `meta protocol ip drop`, `<unknown expression meta> <unknown expression cmp> drop`},
	{INet, `icmpv6 type nd-router-advert drop`, ``},
	{INet, `icmp type echo-reply drop`, ``},
	{ARP, `arp operation request arp saddr ip 10.0.0.1 drop`, ``},
	{ARP, `arp htype 1 arp ptype ip arp hlen 6 arp plen 4 arp operation 77 drop`, ``},
	{IPv6, `ip6 saddr fd00::1 tcp dport 80 accept`, ``},
	{IPv6, `ip6 daddr fe80::/10 accept`, ``},
	{IPv6, `ip6 daddr fd00:1::/32 accept`, ``},
	{IPv6, `ip6 saddr fd00::1 ip6 daddr fd00::2 accept`, ``},
	{IPv6, `tcp dport 80 dnat to [fd00::1]:8080`, ``},
	{INet, `ip saddr 10.0.0.1 tcp dport 80 accept`, ``},
	{INet, `tcp dport 80 ip saddr 10.0.0.1 accept`, ``},
	{INet, `ip6 daddr fe80::/10 accept`, ``},
	{INet, `ip saddr 10.0.0.1 ip daddr 10.0.0.2 accept`, ``},
	{INet, `meta nfproto ipv4 accept`, `<unknown expression meta> <unknown expression cmp> accept`},
	{INet, `tcp dport 80 ip saddr . tcp sport vmap { 10.0.0.1 . 5 : accept }`, `tcp dport 80 ip saddr . tcp sport vmap @__map0`},
	{Bridge, `ip saddr 10.0.0.1 tcp dport 80 accept`, ``},
	{Bridge, `ip6 daddr fd00::1 accept`, ``},
	{Bridge, `ether type ip accept`, ``},
	{Bridge, `ether type 8021q drop`, ``},
	{Bridge, `ether type 0-1535 drop`, `ether type 0x0000-0x05ff drop`},
	{Bridge, `vlan id 5 drop`, `ether type 8021q <unknown expression payload> <unknown expression bitwise> <unknown expression cmp> drop`},
	{Bridge, `ether type ip ip saddr 1.2.3.4 drop`, `ip saddr 1.2.3.4 drop`},
	{Bridge, `ether type ip counter packets 0 bytes 0 ip saddr 1.2.3.4 drop`, ``},
	{Bridge, `ether saddr 02:42:ac:12:00:02 ether daddr 01:80:c2:00:00:00-01:80:c2:00:00:0f drop`, ``},
	{Bridge, `ether daddr 02:42:ac:12:00:01 ether saddr 02:42:ac:12:00:02 ether type arp drop`,
		`ether daddr 02:42:ac:12:00:01 ether saddr 02:42:ac:12:00:02 ether type arp drop`},
	{Bridge, `meta protocol arp drop`, ``},
	{Bridge, `meta protocol ip ip saddr 1.2.3.4 drop`, `ip saddr 1.2.3.4 drop`},
	{Bridge, `meta protocol ip tcp dport 80 drop`, ``},
	{Bridge, `meta protocol != ip drop`, ``},
	{Bridge, `arp operation reply drop`, ``},
	{Bridge, `arp operation 1-2 drop`, ``},
	{Bridge, `arp htype 1 arp ptype ip arp hlen 6 arp plen 4 arp operation request drop`, ``},
	{Bridge, `arp saddr ip 10.0.0.1 arp daddr ip 10.0.0.0/8 arp saddr ether 02:42:ac:12:00:02 arp daddr ether 00:00:00:00:00:00 drop`,
		`arp daddr ip 10.0.0.0/8 arp saddr ether 02:42:ac:12:00:02 arp saddr ip 10.0.0.1 arp daddr ether 00:00:00:00:00:00 drop`},
	{Bridge, `iifname . arp saddr ether . arp saddr ip { "a" . 02:42:ac:12:00:02 . 10.0.0.1 } accept`, `iifname . arp saddr ether . arp saddr ip @__set0 accept`},
	{Bridge, `ip saddr 1.2.3.4 udp sport 67 udp dport 68 drop`, ``},
	{Bridge, `icmp type echo-request accept`, ``},
	{Bridge, `icmpv6 type nd-neighbor-solicit ip6 length 32 @th,192,64 0x1010242ac120002 accept`, ``},
	{Bridge, `icmpv6 type nd-neighbor-solicit @th,192,8 != 0xe accept`, ``},
	{Bridge, `icmpv6 type nd-neighbor-solicit @th,192,16 0x101 @th,208,48 0x5 accept`, `icmpv6 type nd-neighbor-solicit @th,192,64 0x101000000000005 accept`},
	{Bridge, `ip6 saddr :: icmpv6 type nd-neighbor-solicit accept`, ``},
	{Bridge, `icmpv6 type vmap { nd-router-advert : drop, 151 : drop }`, `icmpv6 type vmap @__map0`},
	{Bridge, `meta l4proto tcp @th,192,8 14 accept`, `meta l4proto tcp <unknown expression payload> <unknown expression cmp> accept`},
	{Bridge, `frag frag-off != 0 meta l4proto udp accept`, ``},
	{IPv6, `frag frag-off != 0 accept`, ``},
	{INet, `frag frag-off != 0 ip6 saddr fd00::1 accept`, ``},
	{IPv6, `frag frag-off 5 accept`, `<unknown expression exthdr> <unknown expression bitwise> <unknown expression cmp> accept`},
	{IPv6, `frag nexthdr tcp accept`, `<unknown expression exthdr> <unknown expression cmp> accept`},
	{Bridge, `ether daddr set 02:42:ac:12:00:01`, ``},
	{Bridge, `meta pkttype set host`, ``},
	{Bridge, `meta pkttype set other ether daddr set 02:42:ac:12:00:01 accept`, ``},
	{Bridge, `ether daddr set ip daddr map { 10.0.0.1 : 02:42:ac:12:00:01 } meta pkttype set host accept`, `ether daddr set ip daddr map @__map0 meta pkttype set host accept`},
	{Bridge, `ether daddr set iifname . ether daddr . ip6 daddr map { "a" . 02:42:ac:12:00:02 . fd00::1 : 02:42:ac:12:00:01 }`,
		`ether daddr set iifname . ether daddr . ip6 daddr map @__map0`},
	{Bridge, `ether daddr set ether saddr`, `<unknown expression payload> <unknown expression payload>`},
	{Bridge, `ether saddr set 02:42:ac:12:00:01`, `<unknown expression immediate> <unknown expression payload>`},
	{Bridge, `ip daddr set 10.0.0.1`, `meta protocol ip <unknown expression immediate> <unknown expression payload>`},
	{Bridge, `@ll,0,8 1 accept`, `<unknown expression payload> <unknown expression cmp> accept`},
}, nftFilterRules...)

type nftRule struct {
	family Family
	rule   string
	want   string
}

func TestRulesTypedWithNFT(t *testing.T) {
	if *update {
		captureRules(t)
	}
	captured := readCaptured(t)
	if len(captured) != len(nftRules) {
		t.Fatalf("%d rules are captured, want %d: run the test with -update", len(captured), len(nftRules))
	}
	for i, r := range nftRules {
		want := r.want
		if want == "" {
			want = r.rule
		}
		rule, err := decodeRule(newFieldIndex(), r.family, captured[i])
		if err != nil {
			t.Errorf("%s: %v", r.rule, err)
			continue
		}
		if got := rule.String(); got != want {
			t.Errorf("%s %s:\n got %s\nwant %s", r.family, r.rule, got, want)
		}
		// What can be said in this package's words has the same words when it
		// is written by this package.
		if strings.Contains(want, "<unknown") {
			continue
		}
		again := Rule{Chain: rule.Chain, Statements: rule.Statements}
		form, ok := again.canonical()
		if !ok {
			_, err := again.compile()
			t.Errorf("%s does not compile: %v", rule, err)
			continue
		}
		exprs := recompiled(t, again)
		twice := Rule{Chain: rule.Chain, Statements: decompile(newFieldIndex(), r.family, exprs), Comment: rule.Comment}
		if twice.String() != want || canonical(exprs) != form {
			t.Errorf("%s becomes %s", want, twice)
		}
	}
}

func recompiled(t testing.TB, r Rule) []expression {
	t.Helper()
	compiled, err := r.compile()
	if err != nil {
		t.Fatalf("%s: %v", r, err)
	}
	var exprs []expression
	for _, b := range compiled {
		exprs = append(exprs, decodeExpression(b))
	}
	return exprs
}

const capturedFile = "testdata/nft-rules.txt"

// readCaptured returns the captured attributes of nftRules, in order.
func readCaptured(t testing.TB) [][]byte {
	t.Helper()
	f, err := os.Open(capturedFile)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var out [][]byte
	for lines := bufio.NewScanner(f); lines.Scan(); {
		words := strings.Split(lines.Text(), "\t")
		i := len(out)
		if len(words) != 3 || i >= len(nftRules) || words[0] != nftRules[i].family.String() || words[1] != nftRules[i].rule {
			t.Fatalf("%s, line %d is not for rule %d: run the test with -update", capturedFile, i+1, i)
		}
		b, err := hex.DecodeString(words[2])
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, b)
	}
	return out
}

// captureRules lets nft make each rule in a namespace of its own.
func captureRules(t *testing.T) {
	var out strings.Builder
	for _, r := range nftRules {
		typ := "nat"
		hook := "prerouting"
		switch {
		case r.family == Bridge:
			typ = "filter"
		case r.family == ARP:
			typ, hook = "filter", "input"
		case strings.Contains(r.rule, "snat") || strings.Contains(r.rule, "masquerade"):
			hook = "postrouting"
		}
		script := fmt.Sprintf(`table %[1]s t {
			set pairs { type ipv4_addr . inet_service; }
			map published { type inet_service : ipv4_addr . inet_service; }
			chain c { }
			chain base { type %[2]s hook %[3]s priority 0; }
		}
		add rule %[1]s t base %[4]s
		`, r.family, typ, hook, r.rule)
		b := capture(t, script, r.family)
		fmt.Fprintf(&out, "%s\t%s\t%x\n", r.family, r.rule, b)
	}
	if err := os.WriteFile(capturedFile, []byte(out.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

func capture(t *testing.T, script string, family Family) []byte {
	c := nftDial(t, script)
	dump, err := c.dump(context.Background(), unix.NFT_MSG_GETRULE, family, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(dump) != 1 {
		t.Fatalf("%d rules", len(dump))
	}
	return dump[0].attrs
}

// nftDial lets nft run a script in a namespace of its own and returns a
// connection to that.
func nftDial(t *testing.T, script string) *Conn {
	t.Helper()
	ns := newNetNS(t)
	if _, err := runNFT(t, ns, script, "-f", "-"); err != nil {
		t.Fatalf("%v\n%s", err, script)
	}
	return dial(t, ns)
}
