package compat_test

import (
	"context"
	"errors"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/seawall-net/seawall/compat"
	"github.com/seawall-net/seawall/internal/netlab"
	"github.com/seawall-net/seawall/nft"
)

// makeSets makes the sets v4 and v6 of addresses, with the first number free.
func makeSets(t testing.TB, host *netlab.Namespace) {
	t.Helper()
	ok(t, host.Do(func() error {
		for name, family := range map[string]uint8{"decoy": unix.AF_INET, "v4": unix.AF_INET, "v6": unix.AF_INET6} {
			if err := netlink.IpsetCreate(name, "hash:ip", netlink.IpsetCreateOptions{Family: family}); err != nil {
				return err
			}
		}
		return netlink.IpsetDestroy("decoy")
	}))
}

// Sets are known by their names to those who write rules, and by numbers to the
// kernel.
func TestUserChainWithSets(t *testing.T) {
	t.Parallel()
	eachUserChain(t, func(t *testing.T, c compat.UserChain, host *netlab.Namespace) {
		ctx := context.Background()
		makeSets(t, host)
		own, other := "v4", "v6"
		if c.Family == nft.IPv6 {
			own, other = other, own
		}
		text := "-m set --match-set " + own + " src -j DROP"
		all := rules(t, text, "-i eth0 -m set ! --match-set "+own+" dst -m comment --comment named -j SET --add-set "+own+" src --exist")
		ok(t, c.Append(ctx, all...))
		holds(t, c, text, "-i eth0 -m set ! --match-set "+own+" dst -m comment --comment named -j SET --add-set "+own+" src --exist")
		if is, err := c.Contains(ctx, all[1]); err != nil || !is {
			t.Errorf("the rule is not there: %v", err)
		}
		if err := c.Append(ctx, rules(t, "-m set --match-set "+other+" src -j DROP")...); err == nil {
			t.Error("a set of the other family is accepted")
		}
		if err := c.Append(ctx, rules(t, "-j ACCEPT", "-m set --match-set nowhere src -j DROP")...); !errors.Is(err, compat.ErrNoSet) {
			t.Errorf("a set that does not exist: %v", err)
		}
		ok(t, c.Delete(ctx, all[0]))
		ok(t, c.Delete(ctx, all[1]))
		holds(t, c)
	})
}

// Resolve leaves a rule to the families that have its sets.
func TestRuleResolve(t *testing.T) {
	t.Parallel()
	host := netlab.New(t).Namespace("host")
	makeSets(t, host)
	sets, err := compat.OpenSets(host.File())
	ok(t, err)
	defer sets.Close()
	for text, families := range map[string][2]int{
		"-j DROP":                               {1, 1},
		"-s 192.0.2.1,192.0.2.2 -j DROP":        {2, 0},
		"-m set --match-set v4 src -j DROP":     {1, 0},
		"-m set ! --match-set v6 dst -j DROP":   {0, 1},
		"-j SET --add-set v6 src":               {0, 1},
		"-i eth0 -m set --match-set v4 dst,src": {1, 0},
	} {
		r, err := rules(t, text)[0].Resolve(sets)
		ok(t, err)
		if got := [2]int{len(r.In(nft.IPv4)), len(r.In(nft.IPv6))}; got != families {
			t.Errorf("%s: %d rules of each family, want %d", text, got, families)
		}
		for _, family := range []nft.Family{nft.IPv4, nft.IPv6} {
			_, err := compat.Compile(r, nft.TableRef{Family: family, Name: "filter"}.Chain("user"))
			ok(t, err)
		}
	}
	for _, text := range []string{"-m set --match-set no src -j DROP", "-m set --match-set v4 src -j SET --add-set v6 src"} {
		if _, err := rules(t, text)[0].Resolve(sets); err == nil {
			t.Errorf("%s: no error", text)
		}
	}
}
