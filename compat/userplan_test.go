package compat_test

import (
	"context"
	"errors"
	"io/fs"
	"net/netip"
	"testing"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/compat"
	"github.com/seawall-net/seawall/internal/netlab"
)

// A planned restore is one transaction with other changes; the plan itself changes nothing, and one that others have
// overtaken fails with all of the update.
func TestUserChainPlanRestore(t *testing.T) {
	t.Parallel()
	eachUserChain(t, func(t *testing.T, c compat.UserChain, _ *netlab.Namespace) {
		ctx := context.Background()
		ok(t, c.Append(ctx, rules(t, "-j RETURN")...))
		save := parsed(t, c.Family, "*filter\n:DOCKER-USER - [0:0]\n:MINE - [0:0]\n-A DOCKER-USER -j MINE\n-A MINE -j DROP\nCOMMIT\n")
		plan, err := c.PlanRestore(ctx, save, false)
		ok(t, err)
		holds(t, c, "-j RETURN")
		update := func(name string, subnet string) error {
			return c.Firewall.Update(ctx, func(tx *bridge.Tx) error {
				tx.CreateNetwork(bridge.NetworkSpec{Name: name, IPv4: bridge.Gateway{Subnet: netip.MustParsePrefix(subnet)}})
				tx.EditUserChains(plan)
				return nil
			})
		}
		ok(t, update("a", "172.30.1.0/24"))
		holds(t, c, "-j MINE")
		if c.Firewall.View().Network("a") == nil {
			t.Error("the network is missing")
		}
		// The plan creates MINE, which is there by now.
		if err := update("b", "172.30.2.0/24"); !errors.Is(err, fs.ErrExist) || c.Firewall.View().Network("b") != nil {
			t.Errorf("an old plan: %v", err)
		}
		holds(t, c, "-j MINE")
	})
}
