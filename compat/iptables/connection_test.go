package iptables

import (
	"errors"
	"strings"
	"testing"

	"github.com/seawall-net/seawall/nft"
)

// A badCase is a rule that is refused, at a word and for a reason.
type badCase struct {
	families, place, rule string
	word                  int
	reason                string
	// ours is set where iptables and the kernel accept the rule, but list another
	// or one that means nothing.
	ours bool
}

var connectionBadCases = []badCase{
	{"46", "", `-m connbytes --connbytes 5:4 --connbytes-dir both --connbytes-mode bytes`, 3, `5 is more than 4`, false},
	{"46", "", `-m connbytes --connbytes 1:2:3 --connbytes-dir both --connbytes-mode bytes`, 4, `more than two`, false},
	{"46", "", `-m connbytes --connbytes -1 --connbytes-dir both --connbytes-mode bytes`, 4, `not a number`, false},
	{"46", "", `-m connbytes --connbytes 18446744073709551616 --connbytes-dir both --connbytes-mode bytes`, 4, `not a number`, false},
	{"46", "", `-m connbytes ! --connbytes 5:5 --connbytes-dir both --connbytes-mode bytes`, 4, `single number`, true},
	{"46", "", `-m connbytes --connbytes 5 --connbytes-dir up --connbytes-mode bytes`, 5, `"up" is none of`, false},
	{"46", "", `-m connbytes --connbytes 5 --connbytes-dir both --connbytes-mode bits`, 7, `"bits" is none of`, false},
	{"46", "", `-m connbytes --connbytes 5 --connbytes-dir both`, 2, `--connbytes-mode is missing`, false},
	{"46", "", `-m connlimit`, 2, `one of --connlimit-upto`, false},
	{"46", "", `-m connlimit --connlimit-upto 1 --connlimit-above 2`, 3, `cannot be used together`, false},
	{"46", "", `-m connlimit --connlimit-upto 4294967296`, 4, `not a number`, false},
	{"4", "", `-m connlimit --connlimit-upto 1 --connlimit-mask 33`, 6, `length of a prefix`, true},
	{"6", "", `-m connlimit --connlimit-upto 1 --connlimit-mask 129`, 6, `length of a prefix`, false},
	{"4", "", `-m connlimit --connlimit-upto 1 --connlimit-mask 255.0.255.0`, 5, `not in one piece`, true},
	{"46", "", `-m connlimit --connlimit-upto 1 --connlimit-saddr --connlimit-daddr`, 5, `cannot be used together`, false},
	{"46", "", `-m connmark`, 2, `--mark is missing`, false},
	{"46", "", `-m connmark --mark 1/2/3`, 4, `not a mark`, false},
	{"46", "", `-m hashlimit --hashlimit-upto 5/sec`, 2, `--hashlimit-name is missing`, false},
	{"46", "", `-m hashlimit --hashlimit-name c`, 2, `one of --hashlimit-upto`, false},
	{"46", "", `-m hashlimit --hashlimit-upto 5 --hashlimit-above 6 --hashlimit-name c`, 3, `cannot be used together`, false},
	{"46", "", `-m hashlimit --hashlimit-upto 0/sec --hashlimit-name c`, 3, `not a rate`, false},
	{"46", "", `-m hashlimit --hashlimit-upto 5/ --hashlimit-name c`, 3, `not a rate`, false},
	{"46", "", `-m hashlimit --hashlimit-upto 5/week --hashlimit-name c`, 3, `not a rate`, false},
	{"46", "", `-m hashlimit --hashlimit-upto 5x/sec --hashlimit-name c`, 3, `not a rate`, true},
	{"46", "", `-m hashlimit --hashlimit-upto 1000001/sec --hashlimit-name c`, 3, `more than a million`, false},
	{"46", "", `-m hashlimit --hashlimit-upto 15b/s --hashlimit-name c`, 3, `smallest rate`, true},
	{"46", "", `-m hashlimit --hashlimit-upto 100000000kb/s --hashlimit-name c`, 3, `too much`, true},
	{"46", "", `-m hashlimit --hashlimit-upto 65535mb/s --hashlimit-name c`, 3, `the kernel cannot count this`, false},
	{"46", "", `-m hashlimit --hashlimit-upto b/s --hashlimit-name c`, 3, `not a rate`, false},
	{"46", "", `-m hashlimit --hashlimit-upto 5/sec --hashlimit-name c --hashlimit-burst 0`, 7, `not a burst`, false},
	{"46", "", `-m hashlimit --hashlimit-upto 5/sec --hashlimit-name c --hashlimit-burst 1000001`, 7, `not a burst`, false},
	{"46", "", `-m hashlimit --hashlimit-upto 5/sec --hashlimit-name c --hashlimit-burst 2m`, 7, `more than 1000000 packets`, false},
	{"46", "", `-m hashlimit --hashlimit-upto 5/sec --hashlimit-name c --hashlimit-burst 5g`, 7, `not a burst`, true},
	{"46", "", `-m hashlimit --hashlimit-upto 2kb/s --hashlimit-name c --hashlimit-burst 1kb`, 7, `less than the rate`, false},
	{"46", "", `-m hashlimit --hashlimit-upto 2kb/s --hashlimit-name c --hashlimit-burst 5000mb`, 7, `too much`, true},
	{"46", "", `-m hashlimit --hashlimit-upto 1/day --hashlimit-name c --hashlimit-burst 4`, 3, `try a lower burst`, false},
	{"46", "", `-m hashlimit --hashlimit-upto 5/sec --hashlimit-name a/b`, 5, `has a "/"`, false},
	{"46", "", `-m hashlimit --hashlimit-upto 5/sec --hashlimit-name ..`, 5, `no list can have the name`, false},
	{"46", "", `-m hashlimit --hashlimit-upto 5/sec --hashlimit-name ""`, 6, `0 bytes`, false},
	{"46", "", `-m hashlimit --hashlimit-upto 5/sec --hashlimit-name c --hashlimit-mode srcip,mac`, 7, `unknown mode "mac"`, false},
	{"4", "", `-m hashlimit --hashlimit-upto 5/sec --hashlimit-name c --hashlimit-srcmask 33`, 8, `length of a prefix`, false},
	{"4", "", `-m hashlimit --hashlimit-upto 5/sec --hashlimit-name c --hashlimit-srcmask 0.0.0.255`, 7, `not in one piece`, false},
	{"46", "", `-m hashlimit --hashlimit-upto 5/sec --hashlimit-name c --hashlimit-htable-expire 0`, 8, `not a number`, false},
	{"46", "", `-m hashlimit --hashlimit-upto 5/sec --hashlimit-name c --hashlimit-htable-gcinterval 0`, 8, `not a number`, false},
	{"46", "", `-m hashlimit --hashlimit-upto 5/sec --hashlimit-name c --hashlimit-rate-interval 0`, 8, `not a number`, false},
	{"46", "", `-m helper`, 2, `--helper is missing`, false},
	{"46", "", `-m helper --helper 012345678901234567890123456789`, 4, `30 bytes`, true},
	{"46", "", `-m iprange`, 2, `one of --src-range`, false},
	{"4", "", `-m iprange --src-range 10.0.0.1-10.0.0.300`, 3, `not an IPv4 address`, false},
	{"4", "", `-m iprange --src-range 10.0.0.1-10.0.0.2-10.0.0.3`, 3, `not an IPv4 address`, false},
	{"4", "", `-m iprange --dst-range 2001:db8::1`, 3, `not an IPv4 address`, false},
	{"6", "", `-m iprange --dst-range 10.0.0.1`, 3, `not an IPv6 address`, false},
	{"46", "", `-m mac --mac-source 00:11:22:33:44`, 4, `not an Ethernet address`, false},
	{"46", "", `-m mac --mac-source 00:11:22:33:44:555`, 4, `not an Ethernet address`, false},
	{"46", "filter OUTPUT", `-m mac --mac-source 00:11:22:33:44:55`, 0, `not in output`, false},
	{"46", "", `-m physdev`, 2, `one of --physdev-in`, false},
	{"46", "", `-m physdev --physdev-in abcdefghijklmnop`, 3, `more than 15 bytes`, false},
	{"46", "", `-m physdev --physdev-in ""`, 3, `empty`, true},
	{"46", "filter OUTPUT", `-m physdev --physdev-out eth0`, 0, `not possible in hook output`, false},
	{"6", "", `-m realm --realm 1`, 2, `iptables only`, false},
	{"4", "", `-m realm --realm x`, 3, `not a realm`, false},
	{"4", "raw PREROUTING", `-m realm --realm 1`, 0, `not in prerouting`, false},
	{"46", "", `-m recent`, 2, `one of --set`, false},
	{"46", "", `-m recent --set --update`, 3, `cannot be used together`, false},
	{"46", "", `-m recent --set --seconds 5`, 3, `cannot be used together`, false},
	{"46", "", `-m recent --remove --hitcount 5`, 3, `cannot be used together`, false},
	{"46", "", `-m recent --update --reap`, 4, `needs --seconds`, false},
	{"46", "", `-m recent --update --seconds 0`, 5, `not a number`, false},
	{"46", "", `-m recent --update --hitcount 65536`, 5, `not a number`, false},
	{"46", "", `-m recent --set --name a/b`, 4, `has a "/"`, false},
	{"46", "", `-m recent --set --name ""`, 5, `0 bytes`, false},
	{"4", "", `-m recent --set --mask 24`, 5, `address in full`, true},
	{"4", "", `-j TEE --gateway 10.1`, 4, `address in full`, true},
	{"46", "", `-m string --algo bm`, 2, `one of --string`, false},
	{"46", "", `-m string --string x`, 2, `--algo is missing`, false},
	{"46", "", `-m string --string x --algo fsm`, 5, `"fsm" is none of`, false},
	{"46", "", `-m string --string "" --algo bm`, 4, `0 bytes`, false},
	{"46", "", `-m string --string ` + strings.Repeat("x", 129) + ` --algo bm`, 4, `129 bytes`, false},
	{"46", "", `-m string --hex-string ` + strings.Repeat("x", 129) + ` --algo bm`, 3, `129 bytes`, false},
	{"46", "", `-m string --string x --hex-string y --algo bm`, 3, `cannot be used together`, false},
	{"46", "", `-m string --hex-string "|0|" --algo bm`, 3, `end with a bar`, false},
	{"46", "", `-m string --hex-string "|0a" --algo bm`, 3, `end with a bar`, false},
	{"46", "", `-m string --hex-string "|0g|" --algo bm`, 3, `not two hexadecimal digits`, false},
	{"46", "", `-m string --hex-string "|0a\\|" --algo bm`, 3, `between bars`, false},
	{"46", "", `-m string --hex-string "x\\" --algo bm`, 3, `nothing follows the backslash`, false},
	{"46", "", `-m string --string x --algo bm --from 5 --to 4`, 7, `behind --to 4`, false},
	{"46", "", `-m string --string x --algo bm --to 65536`, 8, `not a number`, false},
	{"46", "", `-m time --timestart 24:00`, 3, `not a time`, false},
	{"46", "", `-m time --timestart 9`, 3, `not a time`, false},
	{"46", "", `-m time --timestop 9:00:00:00`, 3, `not a time`, false},
	{"46", "", `-m time --datestart 1969`, 3, `not a date`, false},
	{"46", "", `-m time --datestart 2026-13`, 3, `not a date`, false},
	{"46", "", `-m time --datestart 2026-12-31T24`, 3, `not a date`, false},
	{"46", "", `-m time --datestart 2026-12-31T23:59:59:1`, 3, `not a date`, false},
	{"46", "", `-m time --datestop 1970`, 3, `1970 is over`, true},
	{"46", "", `-m time --weekdays 0`, 3, `not a day`, false},
	{"46", "", `-m time --weekdays 8`, 3, `not a day`, true},
	{"46", "", `-m time --weekdays mon`, 3, `not a day`, false},
	{"46", "", `-m time ! --weekdays 1,2,3,4,5,6,7`, 4, `no day is left`, true},
	{"46", "", `-m time --monthdays 32`, 3, `not a day`, false},
	{"46", "", `-m time --monthdays 0`, 3, `not a day`, true},
	{"46", "", `-m time --utc --kerneltz`, 3, `cannot be used together`, false},
	{"46", "", `-m time --contiguous --timestart 5:00 --timestop 6:00`, 3, `no midnight`, false},
	{"46", "", `-m set`, 2, `--match-set is missing`, false},
	{"46", "", `-m set --match-set s1`, 5, `needs 2 values`, false},
	{"46", "", `-m set --match-set s1 source`, 3, `neither src nor dst`, false},
	{"4", "", `-m set --match-set s1 src,`, 3, `neither src nor dst`, false},
	{"4", "", `-m set --match-set s1 src,src,src,src,src,src,src`, 3, `more than 6`, false},
	{"46", "", `-m set --match-set 01234567890123456789012345678901 src`, 4, `32 bytes`, false},
	{"4", "", `-m set --match-set s1 src --match-set s1 src`, 6, `given before`, false},
	{"4", "", `-m set --match-set s1 src --packets-eq 1 --packets-gt 2`, 6, `cannot be used together`, false},
	{"4", "", `-m set --match-set s1 src ! --packets-gt 2`, 7, `no "!" is possible`, false},
	{"4", "", `-m set --match-set s1 src --bytes-eq x`, 7, `not a number`, false},
	{"46", "", `-j SET`, 2, `one of --add-set`, false},
	{"4", "", `-j SET --del-set s1 src --exist`, 6, `needs --add-set`, false},
	{"4", "", `-j SET --del-set s1 src --timeout 5`, 6, `needs --add-set`, false},
	{"4", "", `-j SET --add-set s1 src --timeout 4294967295`, 7, `not a number`, false},
	{"4", "", `-j SET --map-set s1 src --map-mark`, 3, `unknown option`, false},
	{"46", "", `-j MARK`, 2, `one of --set-xmark`, false},
	{"46", "", `-j MARK --set-mark 1 --or-mark 2`, 3, `cannot be used together`, false},
	{"46", "", `-j MARK --and-mark 1/2`, 4, `not a number`, false},
	{"46", "", `-j CONNMARK --mask 1`, 2, `one of --set-xmark`, false},
	{"46", "", `-j CONNMARK --save-mark --restore-mark`, 3, `cannot be used together`, false},
	{"46", "", `-j CONNMARK --save-mark --mask 1 --nfmask 1`, 6, `cannot be used together`, false},
	{"46", "", `-j CONNMARK --set-mark 1 --left-shift-mark 33`, 6, `not a number`, false},
	{"46", "", `-j CONNMARK --set-mark 1 --left-shift-mark 32`, 6, `not a number`, false},
	{"46", "", `-j CONNMARK --set-mark 1 --left-shift-mark 3 --right-shift-mark 3`, 5, `cannot be used together`, true},
	{"46", "", `-j TEE`, 2, `--gateway is missing`, false},
	{"4", "", `-j TEE --gateway 0.0.0.0`, 3, `not the address of a neighbour`, false},
	{"6", "", `-j TEE --gateway ::`, 3, `not the address of a neighbour`, false},
	{"4", "", `-j TEE --gateway 10.0.0.1 --oif abcdefghijklmnop`, 6, `16 bytes`, true},
	{"46", "", `-j AUDIT`, 2, `--type is missing`, false},
	{"46", "", `-j AUDIT --type log`, 3, `"log" is none of`, false},
}

func eachBadCase(t *testing.T, f func(c badCase, ctx Context, chain string)) {
	t.Helper()
	for _, c := range connectionBadCases {
		for _, n := range c.families {
			family := nft.IPv4
			if n == '6' {
				family = nft.IPv6
			}
			ctx, chain := goodCase{place: c.place}.placeOf(family)
			f(c, ctx, chain)
		}
	}
}

func TestConnectionModulesRefuse(t *testing.T) {
	eachBadCase(t, func(c badCase, ctx Context, _ string) {
		_, err := ParseText(ctx, c.rule)
		var syntax *SyntaxError
		switch {
		case err == nil:
			t.Errorf("%s %s: accepted", ctx.Family, c.rule)
		case !strings.Contains(err.Error(), c.reason):
			t.Errorf("%s %s: %v, want %q", ctx.Family, c.rule, err, c.reason)
		case c.word != 0 && (!errors.As(err, &syntax) || syntax.Word != c.word):
			t.Errorf("%s %s: %v, want word %d", ctx.Family, c.rule, err, c.word)
		}
	})
}

// What is refused, the tool or the kernel refuse as well, unless the case says
// otherwise.
func TestToolRefusesConnectionCases(t *testing.T) {
	if !haveTool(t) {
		return
	}
	h := newHost(t)
	eachBadCase(t, func(c badCase, ctx Context, chain string) {
		args, err := Split(c.rule)
		if err != nil {
			t.Fatal(err)
		}
		out, err := h.run(ctx.Family, append([]string{"-t", ctx.table(), "-A", chain}, args...)...)
		if (err == nil) != c.ours {
			t.Errorf("%s %s: the tool: %s, %v", ctx.Family, c.rule, out, err)
		}
	})
}
