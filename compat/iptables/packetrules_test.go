package iptables

import (
	"strings"

	"github.com/seawall-net/seawall/nft"
)

// A packetRule is a rule for a chain that FORWARD jumps to, as it may be typed,
// and as iptables lists it.
type packetRule struct {
	family nft.Family
	// args are words with blanks between them; "~" is a blank within a word.
	args string
	// canonical is empty if it is args.
	canonical string
}

func (r packetRule) words() []string {
	out := strings.Fields(r.args)
	for i, w := range out {
		out[i] = strings.ReplaceAll(w, "~", " ")
	}
	return out
}

func (r packetRule) want() string {
	if r.canonical == "" {
		return r.args
	}
	return r.canonical
}

const (
	ip4 = nft.IPv4
	ip6 = nft.IPv6
)

// packetRules are rules with the matches and targets of registry_packet.go.
func packetRules() []packetRule {
	return []packetRule{
		{ip4, "-m length --length 100", ""},
		{ip6, "-m length ! --length 100:200", ""},
		{ip4, "-m length --length 1000: -j DROP", "-m length --length 1000:65535 -j DROP"},
		{ip4, "-m length --length :9", "-m length --length 0:9"},
		{ip4, "-m length --length 9:3", ""},

		{ip4, "-m pkttype --pkt-type broadcast", ""},
		{ip6, "-m pkttype ! --pkt-type MCAST", "-m pkttype ! --pkt-type multicast"},
		{ip4, "-m pkttype --pkt-type host", "-m pkttype --pkt-type unicast"},
		{ip4, "-m pkttype --pkt-type otherhost", ""},

		{ip4, "-m statistic --mode random --probability 0.1", "-m statistic --mode random --probability 0.10000000009"},
		{ip6, "-m statistic --mode random ! --probability 1", "-m statistic --mode random ! --probability 1.00000000000"},
		{ip4, "-m statistic --mode nth --packet 2 --every 3", "-m statistic --mode nth --every 3 --packet 2"},
		{ip4, "-m statistic --mode nth ! --every 4294967295 --packet 0", ""},

		{ip4, "-p tcp -m tcpmss --mss 536", ""},
		{ip6, "-p tcp -m tcpmss ! --mss :1219", "-p tcp -m tcpmss ! --mss 0:1219"},

		{ip4, "-m ttl --ttl-eq 1", ""},
		{ip4, "-m ttl --ttl 64", "-m ttl --ttl-eq 64"},
		{ip4, "-m ttl ! --ttl 255", "-m ttl ! --ttl-eq 255"},
		{ip4, "-m ttl --ttl-lt 5", ""},
		{ip4, "-m ttl --ttl-gt 0x20", "-m ttl --ttl-gt 32"},
		{ip6, "-m hl --hl-eq 255", ""},
		{ip6, "-m hl ! --hl-eq 1", ""},
		{ip6, "-m hl --hl-lt 5", ""},
		{ip6, "-m hl --hl-gt 200", ""},

		{ip4, "-m dscp --dscp 46", "-m dscp --dscp 0x2e"},
		{ip6, "-m dscp ! --dscp-class af43", "-m dscp ! --dscp 0x26"},
		{ip4, "-m dscp --dscp-class CS7", "-m dscp --dscp 0x38"},
		{ip4, "-m dscp --dscp-class BE", "-m dscp --dscp 0x00"},

		{ip4, "-m tos --tos Minimize-Cost", "-m tos --tos 0x02/0x3f"},
		{ip6, "-m tos ! --tos 0x10/0x1c", ""},
		{ip4, "-m tos --tos 8", "-m tos --tos 0x08/0xff"},

		{ip4, "-m ecn --ecn-ip-ect 3", ""},
		{ip6, "-p tcp -m ecn ! --ecn-tcp-cwr --ecn-tcp-ece", "-p tcp -m ecn --ecn-tcp-ece ! --ecn-tcp-cwr"},

		{ip4, "-m devgroup --src-group 5", "-m devgroup --src-group 0x5"},
		{ip6, "-m devgroup ! --dst-group 0x20/0xf0 --src-group 1", "-m devgroup --src-group 0x1 ! --dst-group 0x20/0xf0"},
		{ip4, "-m devgroup --dst-group 0xff/0xf0", ""},
		{ip4, "-m devgroup --src-group 0/0", "-m devgroup --src-group 0x0/0x0"},

		{ip4, "-m policy --dir in --pol ipsec", ""},
		{ip6, "-m policy --dir in --pol none", ""},
		{ip4, "-m policy --dir out --strict --reqid 7 --next ! --proto ah --mode transport",
			"-m policy --dir out --pol ipsec --strict --reqid 7 --next ! --proto ah --mode transport"},
		{ip4, "-m policy --dir in --mode tunnel --tunnel-src 192.0.2.1 ! --tunnel-dst 10.0.0.1/8",
			"-m policy --dir in --pol ipsec --mode tunnel ! --tunnel-dst 10.0.0.1/8 --tunnel-src 192.0.2.1"},
		{ip6, "-m policy --dir in --mode tunnel --spi 16 --tunnel-src 2001:db8::/32 --tunnel-dst 2001:db8::1",
			"-m policy --dir in --pol ipsec --spi 0x10 --mode tunnel --tunnel-dst 2001:db8::1 --tunnel-src 2001:db8::/32"},

		{ip4, "-m u32 --u32 6&0xFF=1", `-m u32 --u32 "0x6&0xff=0x1"`},
		{ip4, "-m u32 ! --u32 ~0~>>~22~&~0x3C~@~0~=~1,~2~:~3~&&~8~<<~1~=~010", `-m u32 ! --u32 "0x0>>0x16&0x3c@0x0=0x1,0x2:0x3&&0x8<<0x1=0x8"`},

		{ip4, "-m cpu ! --cpu 1", ""},
		{ip6, "-m quota --quota 18446744073709551615", ""},
		{ip4, "-m quota ! --quota 1000", ""},

		{ip4, "-p esp -m esp --espspi 5", ""},
		{ip6, "-p esp -m esp ! --espspi 5:", "-p esp -m esp ! --espspi 5:4294967295"},
		{ip4, "-p ah -m ah --ahspi :7", "-p ah -m ah --ahspi 0:7"},
		{ip6, "-m ah --ahspi 1:2 ! --ahlen 8 --ahres", ""},
		{ip6, "-m ah", ""},
		{ip6, "-m frag ! --fragid 9 --fraglen 8 --fragfirst --fragres --fragmore", "-m frag ! --fragid 9 --fraglen 8 --fragres --fragfirst --fragmore"},
		{ip6, "-m frag --fraglast", ""},
		{ip6, "-m rt ! --rt-type 1 --rt-segsleft 1:2 ! --rt-len 16", ""},
		{ip6, "-m rt --rt-type 0 --rt-0-res --rt-0-addrs 2001:db8::1,2001:DB8::2 --rt-0-not-strict",
			"-m rt --rt-type 0 --rt-0-res --rt-0-addrs 2001:db8::1,2001:db8::2 --rt-0-not-strict"},
		{ip6, "-m hbh ! --hbh-len 8 --hbh-opts 5:2,0,194", ""},
		{ip6, "-m dst --dst-opts 201:16", ""},
		{ip6, "-m ipv6header ! --header hop,esp,prot --soft", "-m ipv6header ! --header hop-by-hop,esp,protocol --soft"},
		{ip6, "-m ipv6header --header 60,43,frag,auth,none", "-m ipv6header --header ipv6-opts,ipv6-route,ipv6-frag,ah,ipv6-nonxt"},
		{ip6, "-m eui64 -j RETURN", ""},
		{ip4, "-p dccp --sport 5 ! --dport 1:9", "-p dccp -m dccp --sport 5 ! --dport 1:9"},
		{ip6, "-p dccp -m dccp ! --dccp-types data,INVALID --dccp-option 3", "-p dccp -m dccp ! --dccp-types DATA,INVALID --dccp-option 3"},

		{ip4, "-j NFLOG", ""},
		{ip6, "-j NFLOG --nflog-group 5 --nflog-prefix pre~fix --nflog-threshold 2 --nflog-size 64",
			`-j NFLOG --nflog-prefix "pre fix" --nflog-group 5 --nflog-size 64 --nflog-threshold 2`},
		{ip4, "-j NFLOG --nflog-size 0", ""},
		{ip4, "-j NFLOG --nflog-range 20", "-j NFLOG"},
		{ip4, "-j NFLOG --nflog-prefix " + strings.Repeat("x", 127), ""},
		{ip4, "-j NFQUEUE", "-j NFQUEUE --queue-num 0"},
		{ip6, "-j NFQUEUE --queue-num 65535 --queue-bypass", ""},
		{ip4, "-j NFQUEUE --queue-balance 1:4 --queue-cpu-fanout --queue-bypass", "-j NFQUEUE --queue-balance 1:4 --queue-bypass --queue-cpu-fanout"},
		{ip4, "-j NFQUEUE --queue-balance :9", "-j NFQUEUE --queue-balance 0:9"},
		{ip4, "-p tcp --syn -j TCPMSS --clamp-mss-to-pmtu", "-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -j TCPMSS --clamp-mss-to-pmtu"},
		{ip4, "-p tcp -j TCPMSS --set-mss 65515", ""},
		{ip6, "-p tcp -j TCPMSS --set-mss 65495", ""},
	}
}

// A packetRefusal is a rule that is refused.
type packetRefusal struct {
	family nft.Family
	args   string
	// word is which word is wrong, or 0, and reason a part of what is said.
	word   int
	reason string
	// stricter tells that iptables accepts it, and does something else than what
	// was said.
	stricter bool
}

// packetRefusals are rules that are refused in a chain that FORWARD jumps to.
func packetRefusals() []packetRefusal {
	return []packetRefusal{
		{ip4, "-m length", 2, "--length is missing", false},
		{ip4, "-m length --length 0:65536", 4, "65535", false},
		{ip4, "-m pkttype --pkt-type anycast", 3, "unknown type", false},
		{ip4, "-m statistic --mode often", 3, "unknown mode", false},
		{ip4, "-m statistic --probability 0.5", 2, "--mode is missing", false},
		{ip4, "-m statistic --mode random", 3, "needs --probability", false},
		{ip4, "-m statistic --mode random --probability 1.5", 6, "from 0 to 1", false},
		{ip4, "-m statistic --mode random --probability NaN", 6, "from 0 to 1", true},
		{ip4, "-m statistic --mode nth --every 5", 5, "needs --packet", false},
		{ip4, "-m statistic --mode nth --every 5 --packet 5", 7, "from 0 to 4", false},
		{ip4, "-m statistic --mode nth --every 0 --packet 0", 6, "from 1", false},
		{ip4, "-m tcpmss --mss 500", 0, "needs -p tcp", false},
		{ip4, "! -p tcp -m tcpmss --mss 500", 0, "needs -p tcp", false},
		{ip4, "-p tcp -m tcpmss --mss 9:8", 5, "9 is more than 8", false},
		{ip4, "-m ttl", 2, "one of --ttl-eq", false},
		{ip4, "-m ttl --ttl-lt 5 --ttl-gt 4", 3, "cannot be used together", false},
		{ip4, "-m ttl ! --ttl-lt 5", 4, `no "!" is possible`, false},
		{ip4, "-m ttl --ttl-eq 256", 4, "from 0 to 255", false},
		{ip4, "-m hl --hl-eq 5", 2, "ip6tables only", false},
		{ip6, "-m ttl --ttl-eq 5", 2, "iptables only", false},
		{ip4, "-m dscp --dscp 64", 4, "from 0 to 63", false},
		{ip4, "-m dscp --dscp-class AF14", 3, "unknown class", false},
		{ip4, "-m dscp --dscp-class EFFORT", 3, "unknown class", true},
		{ip4, "-m dscp --dscp 1 --dscp-class EF", 3, "cannot be used together", false},
		{ip4, "-m tos --tos cheap", 4, "type of service", false},
		{ip4, "-m ecn", 2, "one of", false},
		{ip4, "-m ecn --ecn-ip-ect 4", 4, "from 0 to 3", false},
		{ip4, "-p udp -m ecn --ecn-tcp-ece", 0, "needs -p tcp", false},
		{ip4, "-m devgroup --src-group nobody", 3, "not a group", false},
		{ip4, "-m policy --pol ipsec", 2, "--dir is missing", false},
		{ip4, "-m policy --dir sideways", 3, "unknown direction", false},
		{ip4, "-m policy --dir in --pol some", 5, "unknown policy", false},
		{ip4, "-m policy --dir in --pol none --strict", 7, "--pol none", false},
		{ip4, "-m policy --dir in --pol none --reqid 1", 7, "--pol none", true},
		{ip4, "-m policy --dir in --strict", 5, "element 1 is empty", false},
		{ip4, "-m policy --dir in --reqid 1 --next --reqid 2", 7, "needs --strict", false},
		{ip4, "-m policy --dir in --reqid 1 --reqid 2", 7, "given before", false},
		{ip4, "-m policy --dir in --proto tcp", 5, "not ah, esp or ipcomp", false},
		{ip4, "-m policy --dir in --mode beet", 5, "unknown mode", false},
		{ip4, "-m policy --dir in --tunnel-src 192.0.2.1", 2, "need --mode tunnel", false},
		{ip4, "-m policy --dir in ! --mode tunnel --tunnel-src 192.0.2.1", 2, "need --mode tunnel", false},
		{ip4, "-m policy --dir in --mode tunnel --tunnel-src 192.0.2.1/255.0.255.0", 8, "one piece", true},
		{ip4, "-m policy --dir in --strict" + strings.Repeat(" --reqid 1 --next", 4) + " --reqid 1", 17, "4 elements", false},
		{ip4, "-m u32 --u32 0", 3, "at byte 2", false},
		{ip4, "-m u32 --u32 0=", 3, "at byte 3", false},
		{ip4, "-m u32 --u32 0<1=2", 3, "at byte 2", false},
		{ip4, "-m u32 --u32 0=1&0=1", 3, "at byte 4", false},
		{ip4, "-m u32 --u32 0=4294967296", 3, "32 bits", false},
		{ip4, "-m u32 --u32 0" + strings.Repeat("&1", 10) + "=1", 3, "more than 10 numbers", false},
		{ip4, "-m u32 --u32 0=1" + strings.Repeat(",1", 10), 3, "more than 10 values", false},
		{ip4, "-m u32 --u32 0=1" + strings.Repeat("&&0=1", 10), 3, "more than 10 tests", false},
		{ip4, "-m owner --uid-owner 1000", 0, "hook output, postrouting, not in forward", false},
		{ip4, "-m owner --uid-owner nobody~else", 3, "names are not known", false},
		{ip4, "-m owner --suppl-groups --uid-owner 1", 3, "needs --gid-owner", false},
		{ip4, "-m cpu", 2, "--cpu is missing", false},
		{ip4, "-m quota --quota 18446744073709551616", 4, "not a number", false},
		{ip4, "-m esp --espspi 1", 0, "needs -p esp", false},
		{ip4, "-m ah --ahspi 1", 0, "needs -p ah", false},
		{ip4, "-p ah -m ah --ahres", 5, "unknown option", false},
		{ip6, "-m frag --fraglast --fragmore", 4, "cannot be used together", false},
		{ip6, "-m rt --rt-0-res", 3, "needs --rt-type", false},
		{ip6, "-m rt --rt-type 1 --rt-0-res", 5, "needs --rt-type 0", false},
		{ip6, "-m rt ! --rt-type 0 --rt-0-res", 6, "needs --rt-type 0", false},
		{ip6, "-m rt --rt-type 0 --rt-0-addrs 192.0.2.1", 5, "not an IPv6 address", false},
		{ip6, "-m rt --rt-type 0 --rt-0-addrs " + strings.TrimSuffix(strings.Repeat("::1,", 17), ","), 5, "more than 16", false},
		{ip6, "-m hbh --hbh-opts 0:1", 3, "type 0 has no length", false},
		{ip6, "-m hbh --hbh-opts 256", 3, "at most 255", true},
		{ip6, "-m dst --dst-opts " + strings.TrimSuffix(strings.Repeat("1,", 17), ","), 3, "more than 16", false},
		{ip6, "-m ipv6header --header udp", 3, "unknown header", false},
		{ip4, "-m eui64", 2, "ip6tables only", false},
		{ip4, "-p dccp -m dccp --dccp-types data,x", 5, "unknown type", false},
		{ip4, "-p dccp -m dccp --dccp-option 0", 6, "from 1 to 255", false},
		{ip4, "-j NFLOG --nflog-group 65536", 4, "65535", false},
		{ip4, "-j NFLOG --nflog-size 1 --nflog-range 1", 5, "cannot be used together", false},
		{ip4, "-j NFLOG --nflog-prefix " + strings.Repeat("x", 128), 4, "127", true},
		{ip4, "-j NFQUEUE --queue-num 65536", 4, "65535", false},
		{ip4, "-j NFQUEUE --queue-balance 4", 3, "not two numbers", false},
		{ip4, "-j NFQUEUE --queue-balance 4:4", 3, "not less than", false},
		{ip4, "-j NFQUEUE --queue-balance 0:65535", 3, "65535 queues", false},
		{ip4, "-j NFQUEUE --queue-num 1 --queue-balance 1:2", 3, "cannot be used together", false},
		{ip4, "-j NFQUEUE --queue-cpu-fanout", 3, "needs --queue-balance", false},
		{ip4, "-j TCPMSS --set-mss 1400", 0, "needs -p tcp", false},
		{ip4, "-p tcp -j TCPMSS", 4, "one of", false},
		{ip4, "-p tcp -j TCPMSS --set-mss 65516", 6, "65515", false},
		{ip6, "-p tcp -j TCPMSS --set-mss 65496", 5, "65495", false},
		{ip4, "-p tcp -j TCPMSS --set-mss 1400 --clamp-mss-to-pmtu", 5, "cannot be used together", true},

		{ip4, "-j CHECKSUM --checksum-fill", 2, "in table mangle only", false},
		{ip4, "-j CT --notrack", 2, "in table raw only", false},
		{ip4, "-j DSCP --set-dscp 10", 2, "in table mangle only", false},
		{ip6, "-j HL --hl-set 64", 2, "in table mangle only", false},
		{ip4, "-j HL --hl-set 64", 2, "in ip6tables only", false},
		{ip4, "-j NETMAP --to 192.0.2.0/24", 2, "in table nat only", false},
		{ip6, "-j NOTRACK", 2, "in table raw only", false},
		{ip4, "-p tcp -j TCPOPTSTRIP --strip-options wscale", 4, "in table mangle only", false},
		{ip4, "-j TOS --set-tos 8", 2, "in table mangle only", false},
		{ip4, "-p tcp -j TPROXY --on-port 80", 4, "in table mangle, hook prerouting only", false},
		{ip4, "-j TTL --ttl-set 64", 2, "in table mangle only", false},
		{ip4, "-p tcp -j ECN --ecn-tcp-remove", 4, "in table mangle only", false},
		{ip4, "-m rpfilter", 2, "in table mangle or raw, hook prerouting only", false},
		{ip4, "-m socket", 2, "in hook prerouting or input only", false},
	}
}
