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
var nftRules = []struct {
	family Family
	rule   string
	want   string
}{
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
	{IPv4, `ct reply ip daddr 10.0.0.1 drop`, `<unknown expression ct> <unknown expression cmp> drop`},
	{IPv4, `iifname "eth0" oifname != "eth1" counter packets 0 bytes 0 jump c`, ``},
	{IPv4, `iifname "eth*" accept`, `<unknown expression meta> <unknown expression cmp> accept`},
	{IPv4, `iif 1 accept`, `iif "lo" accept`},
	{IPv4, `meta mark 0x00000001 accept`, ``},
	{IPv4, `meta mark set 0x1 accept`, `<unknown expression immediate> <unknown expression meta> accept`},
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
	{IPv4, `meta l4proto tcp ct reply proto-dst 8080 accept`, `meta l4proto tcp <unknown expression ct> <unknown expression cmp> accept`},
	{IPv4, `meta l4proto tcp ct original proto-src 8080 accept`, `meta l4proto tcp <unknown expression ct> <unknown expression cmp> accept`},
	{IPv4, `limit rate 5/second accept`, `<unknown expression limit> accept`},
	{IPv4, `ip protocol tcp accept`, `<unknown expression payload> <unknown expression cmp> accept`},
	{IPv4, `icmp type echo-request accept`, `meta l4proto icmp <unknown expression payload> <unknown expression cmp> accept`},
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
	{Bridge, `ether type ip accept`, `<unknown expression payload> <unknown expression cmp> accept`},
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
