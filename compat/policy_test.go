package compat_test

import (
	"context"
	"net/netip"
	"testing"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/compat"
	"github.com/seawall-net/seawall/internal/netlab"
	"github.com/seawall-net/seawall/nft"
)

// forwardPolicies reads the policy of FORWARD in both families; absent is accept.
func forwardPolicies(t *testing.T, host *netlab.Namespace) (out [2]nft.Policy) {
	t.Helper()
	conn, err := nft.Dial(nft.Config{NetNS: host.File()})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for i, f := range []nft.Family{nft.IPv4, nft.IPv6} {
		table := nft.TableRef{Family: f, Name: "filter"}
		rs, err := conn.LoadChains(context.Background(), table)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range rs.Chains(table) {
			if c.Name == "FORWARD" {
				out[i] = c.Policy
			}
		}
	}
	return out
}

// dropForward makes FORWARD as `iptables -P FORWARD DROP` leaves it.
func dropForward(t *testing.T, host *netlab.Namespace) {
	t.Helper()
	conn, err := nft.Dial(nft.Config{NetNS: host.File()})
	ok(t, err)
	defer conn.Close()
	for _, f := range []nft.Family{nft.IPv4, nft.IPv6} {
		table := &nft.Table{Family: f, Name: "filter"}
		var b nft.Batch
		b.Add(table, &nft.Chain{Table: table.Ref(), Name: "FORWARD", Hook: nft.Forward, Policy: nft.PolicyDrop})
		_, err := conn.Commit(context.Background(), b)
		ok(t, err)
	}
}

// Where Docker switches forwarding on, it sets FORWARD's policy, and so does the layout; at the end it is as before. Where
// the host forwards already, or drops already, nothing is set.
func TestForwardPolicy(t *testing.T) {
	t.Parallel()
	drop, accept := nft.PolicyDrop, nft.PolicyAccept
	for _, c := range []struct {
		name             string
		forwards, drops  bool
		during, afterEnd nft.Policy
	}{
		{"no router", false, false, drop, accept},
		{"a router", true, false, accept, accept},
		{"no router, and it drops already", false, true, drop, drop},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ctx, host := context.Background(), netlab.New(t).Namespace("host")
			if c.forwards {
				host.Forward()
			}
			if c.drops {
				dropForward(t, host)
			}
			cfg := bridge.Config{NetNS: host.File(), Layout: compat.Docker1805()}
			expect := func(when string, want nft.Policy) {
				t.Helper()
				if got := forwardPolicies(t, host); got != [2]nft.Policy{want, want} {
					t.Errorf("%s the policies are %v, want %v", when, got, want)
				}
			}
			before := accept
			if c.drops {
				before = drop
			}
			fw, err := bridge.Open(ctx, cfg)
			ok(t, err)
			expect("without networks", before)
			create := func(tx *bridge.Tx) error {
				tx.CreateNetwork(bridge.NetworkSpec{
					Name: "a", Bridge: "br-a",
					IPv4: bridge.Gateway{Subnet: netip.MustParsePrefix("172.30.1.0/24")},
					IPv6: bridge.Gateway{Subnet: netip.MustParsePrefix("fd00:30:1::/64")},
				})
				return nil
			}
			ok(t, fw.Update(ctx, create))
			expect("with a network", c.during)
			ok(t, fw.Close())
			fw, err = bridge.Open(ctx, cfg)
			ok(t, err)
			expect("opened again", c.during)
			ok(t, fw.Update(ctx, func(tx *bridge.Tx) error { tx.RemoveNetwork("a"); return nil }))
			expect("when it is removed", before)
			ok(t, fw.Update(ctx, create))
			ok(t, fw.Teardown(ctx))
			expect("at the end", c.afterEnd)
		})
	}
}
