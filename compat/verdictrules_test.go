package compat_test

import (
	"maps"
	"slices"
)

// A verdictCase is some rules of DOCKER-USER, in iptables' syntax, and what
// becomes of what ext sends to far, by way of the host. Each has a port of far's for
// itself. In the rules are known
//
//	{to}      "-p tcp --dport PORT", or udp
//	{from}    the same for answers
//	{port}    the port
//	{ext}, {far}, {host}, {set}, {mac}
//	          addresses, a set of ipset that holds ext's, and ext's MAC address
type verdictCase struct {
	// proto is tcp or udp, in a family with 4 or 6 behind it.
	proto string
	// rules are separated by semicolons.
	rules string
	// fate is an outcome, "delivered" or "silent" for example, followed by the ICMP
	// type and code that ext gets; or "one", if one of two flows is delivered.
	fate string
}

// hits are matches that hold for the packet in question, and misses those that
// do not.
var hits = map[string][]string{
	"tcp": {
		"-s {ext}", "-d {far}", "-s {ext},{far}", "! -s {far}", "-i eth0 -o eth1", "-i eth+", "! -i eth1", "-o +",
		"-m tcp --syn", "--tcp-flags SYN,ACK SYN", "--sport 1024:", "! --sport 1:1023", "--tcp-option 2",
		"-m conntrack --ctstate NEW", "-m conntrack ! --ctstate INVALID,ESTABLISHED", "-m conntrack --ctorigsrc {ext}",
		"-m conntrack --ctorigdst {far} --ctorigdstport {port}", "-m conntrack --ctorigdstport 1:65535 --ctproto tcp",
		"-m conntrack --ctreplsrc {far} --ctdir ORIGINAL", "-m conntrack ! --ctstatus SEEN_REPLY",
		"-m state --state NEW,RELATED",
		"-m multiport --dports 1,{port},60000:60010", "-m multiport ! --dports 1:1999", "-m multiport --sports 1024:65535", "-m multiport --ports {port}",
		"-m set --match-set {set} src", "-m set ! --match-set {set} dst",
		"-m limit --limit 1000/s --limit-burst 10000", "-m connlimit --connlimit-above 0", "-m connlimit --connlimit-upto 100 --connlimit-mask 24",
		"-m mark --mark 0x0/0xff", "-m mark ! --mark 0x7/0xff", "-m connmark --mark 0x0/0xff",
		"-m iprange --src-range {ext}-{ext}", "-m iprange ! --src-range {far}-{far} --dst-range {far}-{far}",
		"-m mac --mac-source {mac}", "-m addrtype --dst-type UNICAST", "-m addrtype ! --src-type LOCAL", "-m physdev ! --physdev-is-bridged",
		"-m string --algo bm ! --string a-word-that-nobody-says", "-m time --datestart 2000-01-01", "-m time --datestop 2037-01-01",
		"-m length --length 20:65535", "-m pkttype --pkt-type unicast", "-m statistic --mode random --probability 1",
		"-m statistic --mode nth --every 1 --packet 0", "-m tcpmss --mss 500:2000", "-m dscp --dscp 0", "-m dscp ! --dscp-class EF",
		"-m devgroup --src-group 0 --dst-group 0", "-m policy --dir in --pol none", "-m quota --quota 100000000",
		"-m comment --comment {port}",
	},
	"tcp4": {"-m ttl --ttl-eq 63", "-m ttl --ttl-lt 64", `-m u32 --u32 "0>>28=4&&6&0xFF=6"`, "! -f", "-s 192.0.2.0/255.255.255.0"},
	"tcp6": {"-m hl --hl-eq 63", "-m hl --hl-lt 64", `-m u32 --u32 "0>>28=6"`, "-s 2001:db8:1::/64"},
	"udp":  {"-m udp --sport 1024:", "-m multiport --dports 1,{port}", "-m conntrack --ctproto udp --ctstate NEW", "-m length --length 28:500"},
}

var misses = map[string][]string{
	"tcp": {
		"! -s {ext}", "-d {ext}", "-i eth1", "-o eth0", "! -o eth1", "-i lo+",
		"--tcp-flags ALL FIN", "--sport :1023", "--tcp-option 77",
		"-m conntrack --ctstate INVALID,UNTRACKED", "-m conntrack --ctorigsrc {far}", "-m conntrack --ctorigdstport 1", "-m conntrack --ctdir REPLY",
		"-m conntrack --ctstate NEW --ctproto udp", "-m conntrack --ctstate DNAT", "-m conntrack --ctstatus NONE", "-m conntrack ! --ctorigdst {far}", "-m state --state INVALID",
		"-m multiport --dports 1:1999", "-m multiport ! --ports {port}",
		"-m set --match-set {set} dst", "-m set ! --match-set {set} src", "-m set --match-set {set} dst,src",
		"-m connlimit --connlimit-above 100", "-m mark --mark 0x7/0xff", "-m connmark --mark 0x7/0xff",
		"-m iprange --src-range {far}-{far}", "-m mac --mac-source 02:00:00:00:77:77", "-m addrtype --dst-type LOCAL",
		"-m addrtype --dst-type MULTICAST", "-m physdev --physdev-is-bridged",
		"-m string --algo kmp --string a-word-that-nobody-says", "-m time --datestart 2037-01-01", "-m length --length :10",
		"-m pkttype --pkt-type broadcast", "-m statistic --mode random --probability 0", "-m tcpmss --mss 1:20", "-m dscp --dscp-class EF",
		"-m devgroup --dst-group 5", "-m policy --dir in --pol ipsec", "-m quota --quota 1",
		"-m recent --rcheck --name none{port}{family}",
	},
	"tcp4": {"-m ttl --ttl-gt 64", `-m u32 --u32 "0>>28=6"`, "-f", "-s 192.0.2.1/255.255.255.1"},
	"tcp6": {"-m hl --hl-gt 64", `-m u32 --u32 "0>>28=4"`},
	"udp":  {"-m udp --sport :1023", "-m conntrack --ctproto tcp", "-m string --algo bm --string a-word-that-nobody-says"},
}

// rejections is what a sender gets for each type, by family.
var rejections = map[string]map[string]string{
	"4": {
		"icmp-net-unreachable": "unreachable 3/0", "icmp-host-unreachable": "unreachable 3/1", "icmp-proto-unreachable": "refused 3/2",
		"icmp-port-unreachable": "refused 3/3", "icmp-net-prohibited": "unreachable 3/9", "icmp-host-prohibited": "unreachable 3/10",
		"icmp-admin-prohibited": "unreachable 3/13",
	},
	"6": {
		"icmp6-no-route": "unreachable 1/0", "icmp6-adm-prohibited": "unreachable 1/1", "icmp6-addr-unreachable": "unreachable 1/3",
		"icmp6-port-unreachable": "refused 1/4", "icmp6-policy-fail": "unreachable 1/5", "icmp6-reject-route": "unreachable 1/6",
	},
}

// targetCases are about what rules do, and about their order.
var targetCases = []verdictCase{
	{"tcp", "{to} -j ACCEPT; {to} -j DROP", "delivered"},
	{"tcp", "{to} -j RETURN; {to} -j DROP", "delivered"},
	{"tcp", "{to}; {to} -j DROP", "silent"},
	{"tcp", "{to} -j DROP; {to} -j ACCEPT", "silent"},
	{"tcp", "{to} -j REJECT --reject-with tcp-reset", "refused"},
	{"tcp4", "{to} -j REJECT", "refused 3/3"},
	{"tcp6", "{to} -j REJECT", "refused 1/4"},
	// Of a connection, answers can be told from what they answer.
	{"tcp", "{from} -m conntrack --ctstate ESTABLISHED -j DROP", "silent"},
	{"tcp", "{from} -m conntrack --ctstate NEW -j DROP", "delivered"},
	{"udp", "{from} -m conntrack --ctdir REPLY --ctorigdstport {port} -j DROP", "silent"},
	{"udp", "{from} -m conntrack --ctdir ORIGINAL -j DROP", "delivered"},
	{"tcp", "{from} -m conntrack --ctexpire 1:600 -j DROP", "silent"},
	// The connection begins, and then nothing more gets through.
	{"tcp", "{to} ! --syn -j DROP", "mute"},
	{"udp", "{from} -m string --algo bm --string far -j DROP", "silent"},
	{"udp", "{from} -m string --algo kmp --string ext -j DROP", "delivered"},
	// Chains of the user's own.
	{"tcp", "{to} -j DENY", "silent"},
	{"tcp", "{to} -j BACK; {to} -j DROP", "silent"},
	{"tcp", "{to} -j END; {to} -j DROP", "silent"},
	{"tcp", "{to} -g BACK; {to} -j DROP", "delivered"},
	{"tcp", "{to} -g END; {to} -j DROP", "delivered"},
	{"tcp", "{to} -g DENY", "silent"},
	{"tcp", "{to} -j FINAL; {to} -j DROP", "delivered"},
	// What does not decide, and what can be seen of it.
	{"tcp", "{to} -j LOG --log-prefix seen --log-level debug --log-uid", "delivered"},
	{"tcp", "{to} -j LOG; {to} -j DROP", "silent"},
	{"tcp", "{to} -j NFLOG --nflog-group 7 --nflog-prefix seen", "delivered"},
	{"tcp", "{to} -j NFQUEUE --queue-num 7 --queue-bypass", "delivered"},
	{"tcp", "{to} -j NFQUEUE --queue-balance 7:8", "silent"},
	{"tcp", "{to} -j MARK --set-xmark 0x7/0xff; {to} -m mark --mark 0x7/0xff -j DROP", "silent"},
	{"tcp", "{to} -j MARK --or-mark 0x6; {to} -m mark --mark 0x7/0xff -j DROP", "delivered"},
	{"tcp", "{to} -j CONNMARK --set-xmark 0x8/0xff; {to} -m connmark --mark 0x8/0xff -j DROP", "silent"},
	{"udp", "{to} -j CONNMARK --set-xmark 0x9/0xff; {from} -j CONNMARK --restore-mark --nfmask 0xff --ctmask 0xff; {from} -m mark --mark 0x9/0xff -j DROP", "silent"},
	{"tcp", "{to} --tcp-flags SYN,RST SYN -j TCPMSS --set-mss 500; {to} -m tcpmss --mss 500 -j DROP", "silent"},
	{"tcp", "{to} -m set ! --match-set {set} dst -j SET --add-set added{family} dst; {to} -m set --match-set added{family} dst -j DROP", "silent"},
	// What remembers other packets.
	{"udp", "{to} -m limit --limit 1/day --limit-burst 1 -j ACCEPT; {to} -j DROP", "one"},
	{"udp", "{to} -m hashlimit --hashlimit-upto 1/day --hashlimit-burst 1 --hashlimit-mode srcip --hashlimit-name upto{port}{family} -j ACCEPT; {to} -j DROP", "one"},
	{"tcp", "{to} -m hashlimit --hashlimit-above 1/day --hashlimit-burst 1 --hashlimit-mode srcip,srcport --hashlimit-name above{port}{family} -j DROP", "mute"},
	{"udp", "{to} -m recent --name seen{port}{family} --rcheck --seconds 600 -j DROP; {to} -m recent --name seen{port}{family} --set -j ACCEPT", "one"},
}

// verdictCases are all of them, always in the same order.
func verdictCases() []verdictCase {
	out := slices.Clone(targetCases)
	for _, proto := range slices.Sorted(maps.Keys(hits)) {
		for _, match := range hits[proto] {
			out = append(out, verdictCase{proto, "{to} " + match + " -j DROP", "silent"})
		}
	}
	for _, proto := range slices.Sorted(maps.Keys(misses)) {
		for _, match := range misses[proto] {
			out = append(out, verdictCase{proto, "{to} " + match + " -j DROP", "delivered"})
		}
	}
	for _, family := range slices.Sorted(maps.Keys(rejections)) {
		for _, name := range slices.Sorted(maps.Keys(rejections[family])) {
			out = append(out, verdictCase{"udp" + family, "{to} -j REJECT --reject-with " + name, rejections[family][name]})
		}
	}
	return out
}
