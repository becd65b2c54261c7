package iptables

import (
	"slices"
	"strings"
	"testing"

	"github.com/seawall-net/seawall/nft"
)

// A goodCase is a rule and its canonical form. Families are separated: "4", "6" or
// "46". The table is filter, and the chain one that FORWARD jumps to, unless
// place says "nat POSTROUTING" and the like.
type goodCase struct {
	families, place, rule, want string
}

// goodCases are rules as people write them; an empty want stands for the rule
// as it is. Each is also given to the real iptables, by the tests in tool_test.go.
var goodCases = []goodCase{
	// Every rule.
	{"46", "", `-j RETURN`, ``},
	{"46", "", `-j DROP`, ``},
	{"46", "", `-j ACCEPT`, ``},
	{"46", "", `-j OTHER`, ``},
	{"46", "", `-g OTHER`, ``},
	{"46", "", `-p tcp`, ``},
	{"4", "", `-s 192.0.2.7 -j DROP`, `-s 192.0.2.7/32 -j DROP`},
	{"4", "", `-j DROP --src 192.0.2.77/24 ! --dst 10.1.2.3/12`, `-s 192.0.2.0/24 ! -d 10.0.0.0/12 -j DROP`},
	{"4", "", `-s 10/8 -j DROP`, `-s 10.0.0.0/8 -j DROP`},
	{"4", "", `-s 0x0a.010.1.1/255.255.0.0`, `-s 10.8.0.0/16`},
	{"4", "", `-s 10.1.2.3/255.0.255.0 ! -d 10.1.2.3/0.255.0.255`, `-s 10.0.2.0/255.0.255.0 ! -d 0.1.0.3/0.255.0.255`},
	{"4", "", `-s 203.0.113.128/25 -d 198.51.100.0/31`, ``},
	{"4", "", `-s any/0 -d 0.0.0.0/0.0.0.0 -j DROP`, `-j DROP`},
	{"4", "", `-s localhost -j DROP`, `-s 127.0.0.1/32 -j DROP`},
	{"6", "", `-s 2001:DB8::7 -d 2001:db8:1::/47 -j DROP`, `-s 2001:db8::7/128 -d 2001:db8::/47 -j DROP`},
	{"6", "", `! -s 2001:db8::/ffff:ffff:0:ffff:: -j DROP`, ``},
	{"6", "", `-s ::/0 -d fe80::/10 -j DROP`, `-d fe80::/10 -j DROP`},
	{"46", "", `-i eth0 ! -o br-0123456789ab -j DROP`, ``},
	{"46", "", `-i br+ ! -o veth+ -j DROP`, ``},
	{"46", "", `! -i + -o + -j DROP`, `! -i + -j DROP`},
	{"46", "", `-o + -p tcp -j DROP`, `-p tcp -j DROP`},
	{"4", "", `-i + -s 10.0.0.1 -j DROP`, `-s 10.0.0.1/32 -j DROP`},
	{"46", "", `-i abcdefghijklmno -j DROP`, ``},
	{"46", "", `! -p udp -j DROP`, ``},
	{"46", "", `-p ALL -j DROP`, `-j DROP`},
	{"46", "", `-p 47 -j DROP`, `-p gre -j DROP`},
	{"46", "", `-p 0x11 -j DROP`, `-p udp -j DROP`},
	{"46", "", `-p 253 -j DROP`, ``},
	{"6", "", `-p icmpv6 -j ACCEPT`, `-p ipv6-icmp -j ACCEPT`},
	{"4", "", `-f -j DROP`, ``},
	{"4", "", `! -f -i eth0 -d 10.0.0.1 -p udp -j DROP`, `-d 10.0.0.1/32 -i eth0 -p udp ! -f -j DROP`},
	{"4", "", `-c 5 600 -j DROP`, `-j DROP`},
	{"4", "", `-c 5,600 -j DROP`, `-j DROP`},
	{"46", "", `-vw -t filter -j DROP`, `-j DROP`},
	{"46", "", `-w 5 --wait-interval 100 -j DROP`, `-j DROP`},
	{"4", "", `-4 -j DROP`, `-j DROP`},
	{"6", "", `--ipv6 -j DROP`, `-j DROP`},
	// comment
	{"46", "", `-m comment --comment plain_-9 -j RETURN`, ``},
	{"46", "", `-m comment --comment "two words" -j RETURN`, ``},
	{"46", "", `-m comment --comment 'don'\''t "quote"' -j RETURN`, `-m comment --comment "don\'t \"quote\"" -j RETURN`},
	{"46", "", `-j RETURN -m comment --comment a.b -m comment --comment c`, `-m comment --comment "a.b" -m comment --comment c -j RETURN`},
	{"46", "", `-m comment --comment "é ✓ \\" -j RETURN`, ``},
	// tcp and udp
	{"46", "", `-p tcp --dport 80 -j DROP`, `-p tcp -m tcp --dport 80 -j DROP`},
	{"46", "", `-p tcp --dport http --sport 1024: -j DROP`, `-p tcp -m tcp --sport 1024:65535 --dport 80 -j DROP`},
	{"46", "", `-mtcp --dp 22 -p 6 -j DROP`, `-p tcp -m tcp --dport 22 -j DROP`},
	{"46", "", `-p tcp ! --sport 1000:2000 ! --dport :79`, `-p tcp -m tcp ! --sport 1000:2000 --dport 80:65535`},
	{"46", "", `-p tcp -m tcp --sport 7 --dport 8`, ``},
	{"46", "", `-p tcp -m tcp ! --sport 7 ! --dport 8`, ``},
	{"46", "", `-p tcp -m tcp ! --sport 7 --dport 8`, ``},
	{"46", "", `-p tcp -m tcp --dport 0`, ``},
	{"46", "", `-p tcp -m tcp`, ``},
	{"46", "", `-p tcp --sport 0:65535`, `-p tcp -m tcp`},
	{"46", "", `-p tcp ! --sport :`, `-p tcp`},
	{"46", "", `-p tcp --syn -j DROP`, `-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j DROP`},
	{"46", "", `-p tcp ! --syn --dport 25`, `-p tcp -m tcp --dport 25 ! --tcp-flags FIN,SYN,RST,ACK SYN`},
	{"46", "", `-p tcp --tcp-flags ALL NONE`, `-p tcp -m tcp --tcp-flags FIN,SYN,RST,PSH,ACK,URG NONE`},
	{"46", "", `-p tcp --tcp-flags ack,urg urg`, `-p tcp -m tcp --tcp-flags ACK,URG URG`},
	{"46", "", `-p tcp -m tcp ! --tcp-option 8`, ``},
	{"46", "", `-p tcp -m tcp --dport 80 --tcp-option 2 --tcp-flags SYN SYN`, `-p tcp -m tcp --dport 80 --tcp-option 2 --tcp-flags SYN SYN`},
	{"46", "", `-p udp --dport domain`, `-p udp -m udp --dport 53`},
	{"46", "", `-p udp -m udp ! --sport 7 ! --dport 8`, ``},
	{"46", "", `-p udp -m udp`, ``},
	{"46", "", `-p udp ! --sport :65534 --dport :7`, `-p udp -m udp --sport 65535 --dport 0:7`},
	{"46", "", `-p udp -m udp ! --dport 1000:65535`, ``},
	{"46", "", `-p tcp -m tcp ! --dport 0:7 --tcp-option 2`, ``},
	// conntrack and state
	{"46", "", `-m conntrack --ctstate ESTABLISHED,RELATED -j RETURN`, `-m conntrack --ctstate RELATED,ESTABLISHED -j RETURN`},
	{"46", "", `-m conntrack ! --ctstate new,inv -j RETURN`, `-m conntrack ! --ctstate INVALID,NEW -j RETURN`},
	{"46", "", `-m conntrack --ctstate UNTRACKED,SNAT,DNAT`, ``},
	{"46", "", `-m conntrack --ctstate UNTRACKED`, ``},
	{"46", "", `-m conntrack --ctstatus NONE`, ``},
	{"46", "", `-m conntrack ! --ctstatus ASSURED,SEEN_REPLY,EXPECTED,CONFIRMED`, `-m conntrack ! --ctstatus EXPECTED,SEEN_REPLY,ASSURED,CONFIRMED`},
	{"46", "", `-m conntrack --ctdir reply --ctexpire 10:`, `-m conntrack --ctexpire 10:4294967295 --ctdir REPLY`},
	{"46", "", `-m conntrack --ctproto tcp --ctorigdstport 80 ! --ctreplsrcport 1000:2000 --ctexpire 7`,
		`-m conntrack --ctproto 6 --ctorigdstport 80 ! --ctreplsrcport 1000:2000 --ctexpire 7`},
	{"4", "", `-m conntrack --ctorigdst 192.0.2.77/24 ! --ctreplsrc 10.0.0.1`, ``},
	{"6", "", `-m conntrack --ctorigdst 2001:db8::1 ! --ctorigsrc 2001:db8:1::/48`, `-m conntrack ! --ctorigsrc 2001:db8:1::/48 --ctorigdst 2001:db8::1`},
	{"46", "", `-m state --state NEW -j RETURN`, ``},
	{"46", "", `-m state ! --state ESTABLISHED,RELATED -j RETURN`, `-m state ! --state RELATED,ESTABLISHED -j RETURN`},
	// The others of the core.
	{"46", "", `-m addrtype --dst-type LOCAL -j RETURN`, ``},
	{"46", "", `-m addrtype ! --src-type local,unicast --dst-type MULTICAST`, `-m addrtype ! --src-type UNICAST,LOCAL --dst-type MULTICAST`},
	{"4", "", `-m addrtype --src-type LOCAL ! --dst-type BROADCAST`, ``},
	{"46", "", `-m addrtype --dst-type LOCAL --limit-iface-in`, ``},
	{"46", "", `-m mark --mark 1 -j RETURN`, `-m mark --mark 0x1 -j RETURN`},
	{"46", "", `-m mark ! --mark 0xf0/0xff`, ``},
	{"46", "", `-m mark --mark 0x1ff/0xff`, ``},
	{"46", "", `-p tcp -m multiport --dports 80,443`, ``},
	{"46", "", `-p tcp -m multiport --dports http`, `-p tcp -m multiport --dports 80`},
	{"46", "", `-p udp -m multiport ! --sports 53,1000:2000`, ``},
	{"46", "", `-p sctp -m multiport --ports 1,2:3`, ``},
	{"46", "", `-p udplite -m multiport --dports 1:2`, ``},
	{"4", "", `-p icmp --icmp-type echo-request`, `-p icmp -m icmp --icmp-type 8`},
	{"4", "", `-p icmp ! --icmp-type 3/1`, `-p icmp -m icmp ! --icmp-type 3/1`},
	{"4", "", `-p icmp -m icmp --icmp-type any`, ``},
	{"4", "", `-p icmp --icmp-type host-unr`, `-p icmp -m icmp --icmp-type 3/1`},
	{"6", "", `-p icmpv6 --icmpv6-type router-adv`, `-p ipv6-icmp -m icmp6 --icmpv6-type 134`},
	{"6", "", `-p 58 -m icmpv6 ! --icmpv6-type no-route`, `-p ipv6-icmp -m icmp6 ! --icmpv6-type 1/0`},
	{"46", "", `-p sctp --dport 80 ! --sport 1:2`, `-p sctp -m sctp ! --sport 1:2 --dport 80`},
	{"46", "", `-p sctp --chunk-types any data:Be,INIT`, `-p sctp -m sctp --chunk-types any DATA:Be,INIT`},
	{"46", "", `-p sctp -m sctp --dport 1 ! --chunk-types only ALL`, ``},
	{"46", "", `-p sctp -m sctp --chunk-types all NONE`, ``},
	{"46", "", `-m limit`, `-m limit --limit 3/hour`},
	{"46", "", `-m limit --limit 100/s --limit-burst 20 -j RETURN`, `-m limit --limit 100/sec --limit-burst 20 -j RETURN`},
	{"46", "", `-m limit --limit 120/minute --limit-burst 5`, `-m limit --limit 2/sec`},
	{"46", "", `-m limit --limit 7/day`, ``},
	{"46", "", `-j LOG`, ``},
	{"46", "", `-j LOG --log-level debug --log-prefix "a b: " --log-uid --log-tcp-options`, `-j LOG --log-prefix "a b: " --log-level 7 --log-tcp-options --log-uid`},
	{"46", "", `-j LOG --log-level 4 --log-prefix 0123456789012345678901234567890123456789`, `-j LOG --log-prefix 01234567890123456789012345678`},
	{"4", "", `-j REJECT`, `-j REJECT --reject-with icmp-port-unreachable`},
	{"4", "", `-j REJECT --reject-with host-p`, `-j REJECT --reject-with icmp-host-prohibited`},
	{"6", "", `-j REJECT`, `-j REJECT --reject-with icmp6-port-unreachable`},
	{"6", "", `-j REJECT --reject-with adm-prohibited`, `-j REJECT --reject-with icmp6-adm-prohibited`},
	{"46", "", `-p tcp -j REJECT --reject-with tcp-reset`, ``},
	// Translations.
	{"4", "nat PREROUTING", `-p tcp --dport 80 -j DNAT --to 10.0.0.1:8080`, `-p tcp -m tcp --dport 80 -j DNAT --to-destination 10.0.0.1:8080`},
	{"4", "nat PREROUTING", `-j DNAT --to-destination 10.0.0.1-10.0.0.9 --persistent --random`, `-j DNAT --to-destination 10.0.0.1-10.0.0.9 --random --persistent`},
	{"4", "nat PREROUTING", `-p udp -j DNAT --to-destination :53`, ``},
	{"4", "nat OUTPUT", `-p tcp -m tcp --dport 1000:1009 -j DNAT --to-destination 10.0.0.1:2000-2009/1000`, ``},
	{"6", "nat PREROUTING", `-p tcp -j DNAT --to-destination [2001:db8::1]:80`, ``},
	{"6", "nat PREROUTING", `-j DNAT --to-destination 2001:db8::1`, ``},
	{"4", "nat POSTROUTING", `-s 172.17.0.0/16 ! -o docker0 -j MASQUERADE`, ``},
	{"46", "nat POSTROUTING", `-p tcp -j MASQUERADE --to-ports 1024-2048 --random-fully`, ``},
	{"4", "nat POSTROUTING", `-j SNAT --to-source 192.0.2.1`, ``},
	{"6", "nat POSTROUTING", `-p tcp -j SNAT --to-source [2001:db8::1-2001:db8::9]:1-9 --random`, ``},
	{"46", "nat PREROUTING", `-p tcp -m tcp --dport 80 -j REDIRECT --to-ports 8080`, ``},
	{"46", "nat PREROUTING", `-j REDIRECT`, ``},
	{"46", "raw PREROUTING", `! -i docker0 -j DROP`, ``},
	{"46", "mangle FORWARD", `-o eth0 -j ACCEPT`, ``},
}

// place is where a case is for.
func (c goodCase) placeOf(f nft.Family) (ctx Context, chain string) {
	table, chain, ok := strings.Cut(c.place, " ")
	if !ok {
		return Context{Family: f, Table: "filter", Hook: nft.Forward}, "USER"
	}
	return Context{Family: f, Table: table, Hook: hookOf(chain)}, chain
}

// each calls f for the families of every case.
func eachGoodCase(t *testing.T, f func(t *testing.T, c goodCase, ctx Context, chain, want string)) {
	t.Helper()
	for _, c := range slices.Concat(goodCases, connectionCases) {
		for _, n := range c.families {
			family := nft.IPv4
			if n == '6' {
				family = nft.IPv6
			}
			want := c.want
			if want == "" {
				want = c.rule
			}
			ctx, chain := c.placeOf(family)
			f(t, c, ctx, chain, want)
		}
	}
}
