package compat_test

import (
	"errors"
	"testing"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/compat"
	"github.com/seawall-net/seawall/compat/iptables"
	"github.com/seawall-net/seawall/nft"
)

var _ bridge.RuleSource = compat.Rule{}

func TestParseRule(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text, want string
		ipv4, ipv6 int
	}{
		{"-i eth0 ! -s 192.0.2.0/24 -m conntrack --ctstate NEW -j DROP", "! -s 192.0.2.0/24 -i eth0 -m conntrack --ctstate NEW -j DROP", 1, 0},
		{"-s 2001:db8::1 -j RETURN", "-s 2001:db8::1/128 -j RETURN", 0, 1},
		{"-p tcp --dport 80 -j ACCEPT", "-p tcp -m tcp --dport 80 -j ACCEPT", 1, 1},
		{"-s 192.0.2.1,192.0.2.2 -j DROP", "-s 192.0.2.1/32 -j DROP\n-s 192.0.2.2/32 -j DROP", 2, 0},
		{`-m comment --comment "two words" -j DROP`, `-m comment --comment "two words" -j DROP`, 1, 1},
	} {
		r, err := compat.ParseRule(c.text)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		if got := compat.Format(r); got != c.want || len(r.In(nft.IPv4)) != c.ipv4 || len(r.In(nft.IPv6)) != c.ipv6 {
			t.Errorf("%s: %q, %d rules for IPv4, %d for IPv6", c.text, got, len(r.In(nft.IPv4)), len(r.In(nft.IPv6)))
		}
	}
}

func TestParseRuleNamesTheWord(t *testing.T) {
	t.Parallel()
	for text, word := range map[string]int{
		"-i eth0 -s 192.0.2.0/33 -j DROP":       4,
		"-s 2001:db8::1 -i":                     3,
		"-i eth0 --foo -j DROP":                 3,
		"-p tcp -m nonsense -j DROP":            4,
		`-m comment --comment "open -j DROP`:    4,
		"-i eth0 -j DROP and what comes behind": 5,
	} {
		_, err := compat.ParseRule(text)
		var bad *iptables.SyntaxError
		if !errors.As(err, &bad) || bad.Word != word {
			t.Errorf("%s: %v", text, err)
		}
	}
}
