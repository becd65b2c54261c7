package compat_test

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/compat"
	"github.com/seawall-net/seawall/internal/netlab"
	"github.com/seawall-net/seawall/nft"
)

// eachUserChain runs a test for DOCKER-USER of each family, in a layout of each kind.
func eachUserChain(t *testing.T, test func(t *testing.T, c compat.UserChain, host *netlab.Namespace)) {
	t.Helper()
	for _, name := range []string{"native", "hybrid", "docker-28"} {
		for _, f := range []nft.Family{nft.IPv4, nft.IPv6} {
			t.Run(name+" "+f.String(), func(t *testing.T) {
				t.Parallel()
				host := netlab.New(t).Namespace("host")
				layout, err := compat.LayoutNamed(name)
				if err != nil {
					t.Fatal(err)
				}
				fw, err := bridge.Open(context.Background(), bridge.Config{NetNS: host.File(), Layout: layout, RulesOnly: true})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = fw.Close() })
				test(t, compat.UserChain{Firewall: fw, Family: f}, host)
			})
		}
	}
}

func rules(t testing.TB, texts ...string) []compat.Rule {
	t.Helper()
	var out []compat.Rule
	for _, text := range texts {
		r, err := compat.ParseRule(text)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, r)
	}
	return out
}

// holds compares the chain with rules in iptables' syntax.
func holds(t testing.TB, c compat.UserChain, want ...string) {
	t.Helper()
	listed, err := c.List(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for i, r := range listed {
		if r.Err != nil || r.Number != i+1 {
			t.Errorf("rule %d: %v", r.Number, r.Err)
		}
		got = append(got, r.Rule.String())
	}
	if !slices.Equal(got, want) {
		t.Errorf("the chain holds\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestUserChain(t *testing.T) {
	t.Parallel()
	eachUserChain(t, func(t *testing.T, c compat.UserChain, _ *netlab.Namespace) {
		ctx := context.Background()
		all := rules(t, "-i eth0 -j DROP", "-p tcp --dport 80 -j ACCEPT", "-m conntrack --ctstate NEW -j RETURN",
			"-p udp -m multiport --dports 53,67:68 -m comment --comment names -j DROP")
		ok(t, c.Append(ctx, all[0], all[1]))
		ok(t, c.Insert(ctx, 2, all[2]))
		ok(t, c.Insert(ctx, 4, all[3]))
		holds(t, c, "-i eth0 -j DROP", "-m conntrack --ctstate NEW -j RETURN", "-p tcp -m tcp --dport 80 -j ACCEPT",
			"-p udp -m multiport --dports 53,67:68 -m comment --comment names -j DROP")
		for i, r := range all {
			if is, err := c.Contains(ctx, r); err != nil || !is {
				t.Errorf("rule %d is not there: %v", i, err)
			}
		}
		ok(t, c.Replace(ctx, 1, rules(t, "! -i lo -j RETURN")[0]))
		ok(t, c.Delete(ctx, all[2]))
		ok(t, c.DeleteAt(ctx, 2))
		holds(t, c, "! -i lo -j RETURN", "-p udp -m multiport --dports 53,67:68 -m comment --comment names -j DROP")
		if is, err := c.Contains(ctx, all[0]); err != nil || is {
			t.Errorf("a rule that was replaced: %v, %v", is, err)
		}
		for name, err := range map[string]error{
			"delete":        c.Delete(ctx, all[0]),
			"delete at 3":   c.DeleteAt(ctx, 3),
			"delete at 0":   c.DeleteAt(ctx, 0),
			"insert at 4":   c.Insert(ctx, 4, all[0]),
			"replace 3":     c.Replace(ctx, 3, all[0]),
			"to no chain":   c.Append(ctx, rules(t, "-j NOWHERE")...),
			"no such chain": compat.UserChain{Firewall: c.Firewall, Family: c.Family, Name: "NOWHERE"}.Append(ctx, all[0]),
		} {
			if !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: %v", name, err)
			}
		}
		ok(t, c.Flush(ctx))
		ok(t, c.Flush(ctx))
		holds(t, c)
	})
}

// A rule of the other family, and chains of the firewall's own, are refused.
func TestUserChainRefuses(t *testing.T) {
	t.Parallel()
	eachUserChain(t, func(t *testing.T, c compat.UserChain, _ *netlab.Namespace) {
		ctx := context.Background()
		other := "-s 192.0.2.1 -j DROP"
		if c.Family == nft.IPv4 {
			other = "-s 2001:db8::1 -j DROP"
		}
		if err := c.Append(ctx, rules(t, other)...); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("a rule of the other family: %v", err)
		}
		own := c
		for _, name := range []string{"forward", "DOCKER-FORWARD", "FORWARD"} {
			own.Name = name
			if !c.Firewall.Owns(c.Firewall.UserChain(c.Family).Table.Chain(name)) {
				continue
			}
			if err := own.Append(ctx, rules(t, "-j DROP")...); err == nil {
				t.Errorf("chain %s takes rules", name)
			}
		}
	})
}

// Chains of the user's own are made, led to, and removed again.
func TestUserChainOfAnotherName(t *testing.T) {
	t.Parallel()
	eachUserChain(t, func(t *testing.T, c compat.UserChain, _ *netlab.Namespace) {
		ctx := context.Background()
		mine := c
		mine.Name = "mine"
		ok(t, mine.Create(ctx))
		if err := mine.Create(ctx); !errors.Is(err, fs.ErrExist) {
			t.Errorf("a second time: %v", err)
		}
		ok(t, mine.Append(ctx, rules(t, "-p tcp -j DROP")...))
		ok(t, c.Append(ctx, rules(t, "-i eth0 -g mine", "-j mine")...))
		holds(t, c, "-i eth0 -g mine", "-j mine")
		if names, err := c.Chains(ctx); err != nil || !slices.Equal(names, []string{"DOCKER-USER", "mine"}) {
			t.Errorf("the chains are %v, %v", names, err)
		}
		if err := mine.Remove(ctx); err == nil {
			t.Error("it is removed with a rule in it")
		}
		ok(t, mine.Flush(ctx))
		if err := mine.Remove(ctx); err == nil {
			t.Error("it is removed although DOCKER-USER leads to it")
		}
		ok(t, c.Flush(ctx))
		ok(t, mine.Remove(ctx))
		if err := mine.Remove(ctx); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("removed twice: %v", err)
		}
		if names, err := c.Chains(ctx); err != nil || !slices.Equal(names, []string{"DOCKER-USER"}) {
			t.Errorf("the chains are %v, %v", names, err)
		}
	})
}
