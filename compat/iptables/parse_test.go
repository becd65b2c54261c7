package iptables

import (
	"errors"
	"strings"
	"testing"

	"github.com/seawall-net/seawall/nft"
)

func TestCanonicalForm(t *testing.T) {
	eachGoodCase(t, func(t *testing.T, c goodCase, ctx Context, chain, want string) {
		r, err := ParseText(ctx, c.rule)
		if err != nil {
			t.Errorf("%s %s: %v", ctx.Family, c.rule, err)
			return
		}
		if got := r.String(); got != want {
			t.Errorf("%s %s\n got %s\nwant %s", ctx.Family, c.rule, got, want)
		}
		again, err := ParseText(ctx, r.String())
		if err != nil || again.String() != r.String() {
			t.Errorf("%s %s: read back: %s, %v", ctx.Family, r, again, err)
		}
	})
}

// iptables lists these in another way than it programs them.
func TestCanonicalFormOfOurOwn(t *testing.T) {
	for _, rule := range []string{
		`-p tcp -m tcp --dport 80 -m tcp --dport 81`, // as the last match alone
		`-p icmp -m icmp --icmp-type 3/1:5`,          // as type 3/1
		`-m mark ! --mark 0x1/0x0`,
	} {
		r, err := ParseText(Context{Family: nft.IPv4}, rule)
		if err != nil || r.String() != rule {
			t.Errorf("%s: %s, %v", rule, r, err)
		}
	}
}

func TestRefused(t *testing.T) {
	for _, c := range []struct {
		place, rule string
		word        int
		reason      string
	}{
		{"", `-j DROP --foo`, 3, `unknown option "--foo"`},
		{"", `-j DROP -y`, 3, `unknown option "-y"`},
		{"", `--s 1.2.3.4`, 1, `option "--s" is ambiguous`},
		{"", `-j DROP bad`, 3, `unexpected "bad"`},
		{"", `-j DROP -- x`, 3, `"--" ends the options`},
		{"", `-j`, 1, `option -j needs a value`},
		{"", `-j DROP !`, 4, `nothing follows "!"`},
		{"", `! ! -s 10.0.0.1`, 2, `unexpected "!"`},
		{"", `-s ! 10.0.0.1 -j DROP`, 2, `"!" is not an IPv4 address`},
		{"", `-s !10.0.0.1 -j DROP`, 2, `not an IPv4 address`},
		{"", `! -j DROP`, 2, `no "!" is possible before --jump`},
		{"", `! -m tcp -p tcp`, 2, `no "!" is possible`},
		{"", `-s 10.0.0.1 -s 10.0.0.2`, 3, `--source was given before`},
		{"", `-p tcp --protocol udp`, 3, `--protocol was given before`},
		{"", `-j DROP -g OTHER`, 3, `cannot be used together`},
		{"", `-ptcp`, 1, `two words`},
		{"", `--jump=DROP`, 1, `two words`},
		{"", `-s 10.0.0.0/33`, 2, `neither a mask nor the length of a prefix`},
		{"", `-s 10.0.0.300`, 2, `not an IPv4 address`},
		{"", `-s example.com`, 2, `host names are not looked up`},
		{"", `-s 2001:db8::1`, 2, `not an IPv4 address`},
		{"", `! -s 10.0.0.1,10.0.0.2`, 3, `not possible with more than one address`},
		{"", `! -s 0.0.0.0/0`, 3, `no packet would match`},
		{"", `-p nosuch`, 2, `unknown protocol "nosuch"`},
		{"", `! -p all`, 3, `no packet would match`},
		{"", `-i abcdefghijklmnop`, 2, `more than 15 bytes`},
		{"", `-i ""`, 2, `empty`},
		{"", `-i a/b`, 2, `no interface`},
		{"", `-m nosuch`, 2, `"nosuch" is not supported`},
		{"", `-j TPROXY`, 2, `"TPROXY" exists in table mangle, hook prerouting only`},
		{"", `-m icmp6`, 2, `exists in ip6tables only`},
		{"", `-j INPUT`, 2, `not a chain to jump to`},
		{"", `-g ACCEPT`, 2, `not a chain to jump to`},
		{"", `-j 01234567890123456789012345678`, 2, `more than 28 bytes`},
		{"", `-c 1 x`, 1, `not two numbers`},
		{"", `-c 1`, 3, `-c needs`},
		{"", `-t nat`, 2, `for table filter`},
		{"", `-t nosuch`, 2, `no table`},
		{"", `-6`, 1, `ip6tables`},
		{"", `-A USER -j DROP`, 1, `--append is no part of a rule`},
		{"", `--verbose=1`, 1, `has no value`},
		{"", `-n -j DROP`, 1, `--numeric is no part of a rule`},
		{"", `-w x y`, 1, `not a number of seconds`},
		{"", `-W 5`, 1, `needs --wait`},
		{"", `-p tcp --dport 80,443`, 4, `"80,443" is not one port`},
		{"", `-p tcp --dport 65536`, 4, `more than 65535`},
		{"", `-p tcp --dport ntp`, 3, `unknown port "ntp"`},
		{"", `-p tcp --dport 5:4`, 3, `5 is more than 4`},
		{"", `-p tcp --dport x`, 4, `unknown port "x"`},
		{"", `-p tcp --dport 1 --dport 2`, 5, `--destination-port was given before`},
		{"", `-p tcp --syn --tcp-flags ALL SYN`, 3, `cannot be used together`},
		{"", `-p tcp --tcp-flags SYN`, 5, `needs 2 values`},
		{"", `-p tcp --tcp-flags SYN ODD`, 3, `unknown flag "ODD"`},
		{"", `-m tcp --dport 80`, 0, `needs -p tcp`},
		{"", `! -p tcp -m tcp --dport 80`, 0, `needs -p tcp`},
		{"", `--dport 80 -p tcp`, 1, `unknown option "--dport"`},
		{"", `-m comment -j DROP`, 2, `--comment is missing`},
		{"", `-m conntrack`, 2, `is missing`},
		{"", `-m conntrack --ctstate NEW,`, 3, `unknown word ""`},
		{"", `-m conntrack --ctstate OLD`, 3, `unknown word "OLD"`},
		{"", `-m conntrack --ctorigdst 10.1`, 4, `not an address in full`},
		{"", `-m conntrack --ctorigdst 10.1.2.3/255.0.255.0`, 4, `not in one piece`},
		{"", `-m conntrack --ctdir UP`, 3, `neither ORIGINAL nor REPLY`},
		{"", `-m state --state DNAT`, 3, `unknown word`},
		{"", `-m addrtype --limit-iface-in`, 2, `is missing`},
		{"", `-m addrtype --dst-type LOCAL --limit-iface-in --limit-iface-out`, 5, `cannot be used together`},
		{"", `-m mark --mark 0x100000000`, 4, `not a mark`},
		{"", `-m multiport --dports 80`, 0, `needs -p tcp or udp or`},
		{"", `-p tcp -m multiport --dports 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16`, 5, `more than 15`},
		{"", `-p tcp -m multiport --dports 2:1`, 5, `not less than`},
		{"", `-p tcp -m multiport --dports 1 --sports 2`, 7, `cannot be used together`},
		{"", `-p icmp --icmp-type echo`, 3, `ambiguous`},
		{"", `-p icmp --icmp-type 8:9`, 3, `range of types`},
		{"", `-p icmp --icmp-type 256`, 3, `unknown type`},
		{"", `-m limit --limit 0/s`, 3, `not a rate`},
		{"", `-m limit --limit 10001/s`, 3, `more than 10000`},
		{"", `-m limit --limit 5/fortnight`, 3, `not a rate`},
		{"", `-j LOG --log-level loud`, 4, `unknown log level`},
		{"", `-j LOG --log-prefix ""`, 4, `0 bytes`},
		{"", `-j REJECT --reject-with nosuch`, 3, `unknown type`},
		{"", `-j REJECT --reject-with tcp-reset`, 0, `tcp-reset needs -p tcp`},
		{"", `-j DNAT --to-destination 10.0.0.1`, 0, `table nat, not filter`},
		{"nat POSTROUTING", `-j DNAT --to-destination 10.0.0.1`, 0, `hook prerouting, output, not in postrouting`},
		{"nat PREROUTING", `-j DNAT`, 2, `--to-destination is missing`},
		{"nat PREROUTING", `-j DNAT --to-destination 10.0.0.1:80`, 3, `ports need -p`},
		{"nat PREROUTING", `-p tcp -j DNAT --to-destination 10.0.0.1:9-8`, 5, `9 is more than 8`},
		{"nat PREROUTING", `-j DNAT --to-destination 2001:db8::1`, 3, `not an address`},
		{"nat PREROUTING", `-j MASQUERADE`, 0, `hook postrouting`},
		{"nat PREROUTING", `-j REJECT`, 0, `table filter, not nat`},
		{"nat PREROUTING", `-j DROP`, 0, `not for filtering`},
		{"nat PREROUTING", `-o eth0 -j ACCEPT`, 1, `outgoing interface`},
		{"nat POSTROUTING", `-i eth0 -j ACCEPT`, 1, `incoming interface`},
		{"nat POSTROUTING", `-p tcp -j SNAT --to-source 10.0.0.1:1-2/3`, 5, `only DNAT can shift`},
	} {
		ctx, _ := goodCase{place: c.place}.placeOf(nft.IPv4)
		_, err := ParseText(ctx, c.rule)
		var e *SyntaxError
		if err == nil {
			t.Errorf("%s: accepted", c.rule)
			continue
		}
		if !errors.As(err, &e) {
			t.Errorf("%s: %v is no SyntaxError", c.rule, err)
			continue
		}
		if e.Word != c.word || !strings.Contains(err.Error(), c.reason) {
			t.Errorf("%s: %v: want word %d, %s", c.rule, err, c.word, c.reason)
		}
	}
}

func TestListsOfAddresses(t *testing.T) {
	ctx := Context{Family: nft.IPv4}
	rules, err := ParseAll(ctx, strings.Fields("-s 10.0.0.1,10.0.0.2/31 -d 10.1.0.1,10.1.0.2 -j DROP"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range rules {
		got = append(got, r.String())
	}
	want := []string{
		"-s 10.0.0.1/32 -d 10.1.0.1/32 -j DROP", "-s 10.0.0.1/32 -d 10.1.0.2/32 -j DROP",
		"-s 10.0.0.2/31 -d 10.1.0.1/32 -j DROP", "-s 10.0.0.2/31 -d 10.1.0.2/32 -j DROP",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got %q", got)
	}
	if _, err := ParseArgs(ctx, strings.Fields("-s 10.0.0.1,10.0.0.2")); err == nil || !strings.Contains(err.Error(), "2 rules") {
		t.Errorf("ParseArgs: %v", err)
	}
	if _, err := ParseAll(ctx, strings.Fields("! -s 10.0.0.1 -d 10.1.0.1,10.1.0.2")); err == nil {
		t.Error("! and a list were accepted")
	}
}

func TestFamilyIsNeeded(t *testing.T) {
	if _, err := ParseArgs(Context{}, nil); err == nil {
		t.Error("no family was accepted")
	}
}

func TestCounters(t *testing.T) {
	r, err := ParseText(Context{Family: nft.IPv4}, "-c 5 600 -j DROP")
	if err != nil || r.Counters != (Counters{5, 600}) {
		t.Errorf("%v, %v", r.Counters, err)
	}
}
