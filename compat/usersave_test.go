package compat_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/seawall-net/seawall/compat"
	"github.com/seawall-net/seawall/compat/iptables"
	"github.com/seawall-net/seawall/internal/netlab"
	"github.com/seawall-net/seawall/nft"
)

const saved = `*filter
:DOCKER-USER - [0:0]
:mine - [0:0]
[3:180] -A DOCKER-USER -i eth0 -m comment --comment "two words" -j mine
[0:0] -A DOCKER-USER -p tcp -m tcp --dport 80 -j RETURN
[7:420] -A mine -m conntrack --ctstate NEW -j DROP
COMMIT
`

func parsed(t *testing.T, f nft.Family, text string) *iptables.Save {
	t.Helper()
	save, err := compat.ParseSave(f, text)
	ok(t, err)
	return save
}

// What is restored is saved as it was, counters included, and restored over what was there before.
func TestUserChainSaveAndRestore(t *testing.T) {
	t.Parallel()
	eachUserChain(t, func(t *testing.T, c compat.UserChain, _ *netlab.Namespace) {
		ctx := context.Background()
		other := c
		other.Name = "other"
		ok(t, other.Create(ctx))
		ok(t, c.Append(ctx, rules(t, "-i eth9 -j other")...))
		for range 2 {
			ok(t, c.Restore(ctx, parsed(t, c.Family, saved), false))
			save, err := c.Save(ctx)
			ok(t, err)
			if got := save.String(); got != saved {
				t.Errorf("saved:\n%s", got)
			}
		}
		if is, err := c.Chains(ctx); err != nil || slices.Contains(is, "other") {
			t.Errorf("the chains are %v, %v", is, err)
		}
		ok(t, other.Create(ctx)) // it was deleted
		ok(t, other.Remove(ctx))

		ok(t, c.Restore(ctx, parsed(t, c.Family, "*filter\n:DOCKER-USER - [0:0]\n-A DOCKER-USER -j DROP\nCOMMIT\n"), true))
		listed, err := c.List(ctx)
		if err != nil || len(listed) != 3 || listed[2].Rule.String() != "-j DROP" {
			t.Errorf("added: %v, %v", listed, err)
		}
		ok(t, c.Restore(ctx, parsed(t, c.Family, "*filter\nCOMMIT\n"), false))
		holds(t, c)
		if _, err := c.Firewall.Heal(ctx); err != nil {
			t.Error(err)
		}
	})
}

// A file that is not for the user's chains changes nothing.
func TestUserChainRestoreRefuses(t *testing.T) {
	t.Parallel()
	eachUserChain(t, func(t *testing.T, c compat.UserChain, _ *netlab.Namespace) {
		ctx := context.Background()
		ok(t, c.Restore(ctx, parsed(t, c.Family, saved), false))
		for name, text := range map[string]string{
			"another table":    "*nat\n:mine - [0:0]\nCOMMIT\n",
			"iptables' chain":  "*filter\n:FORWARD DROP [0:0]\nCOMMIT\n",
			"to a lost chain":  "*filter\n:DOCKER-USER - [0:0]\n-A DOCKER-USER -j nowhere\nCOMMIT\n",
			"a set of ipset":   "*filter\n:DOCKER-USER - [0:0]\n-A DOCKER-USER -m set --match-set nosuchset src -j DROP\nCOMMIT\n",
			"rules in a loop":  "*filter\n:DOCKER-USER - [0:0]\n:a - [0:0]\n-A DOCKER-USER -j a\n-A a -j DOCKER-USER\nCOMMIT\n",
			"the kernel's own": strings.Replace(saved, "-j DROP", "-m owner --uid-owner 0 -j DROP", 1),
		} {
			save, err := compat.ParseSave(c.Family, text)
			if err == nil {
				err = c.Restore(ctx, save, false)
			}
			if err == nil {
				t.Errorf("%s: it is restored", name)
			}
		}
		save, err := c.Save(ctx)
		ok(t, err)
		if got := save.String(); got != saved {
			t.Errorf("the chains are now:\n%s", got)
		}
	})
}
