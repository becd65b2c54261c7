package bridge_test

import (
	"context"
	"net/netip"
	"os"
	"testing"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/internal/netns"
)

// A rulesOnly is a firewall without links, in a namespace of its own.
type rulesOnly struct {
	*bridge.Firewall
	ns *os.File
}

func openRulesOnly(t testing.TB) *rulesOnly {
	t.Helper()
	return openRulesOnlyTraced(t, nil)
}

// openRulesOnlyTraced tells trace of each transaction.
func openRulesOnlyTraced(t testing.TB, trace func(bridge.Transaction)) *rulesOnly {
	t.Helper()
	ns, err := netns.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ns.Close() })
	fw, err := bridge.Open(context.Background(), bridge.Config{NetNS: ns, RulesOnly: true, Trace: trace})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = fw.Close() })
	return &rulesOnly{fw, ns}
}

// web creates the network web with the endpoint c1.
func (fw *rulesOnly) web(t testing.TB) {
	t.Helper()
	update(t, fw.Firewall, func(tx *bridge.Tx) {
		tx.CreateNetwork(bridge.NetworkSpec{
			Name: "web",
			IPv4: bridge.Gateway{Subnet: netip.MustParsePrefix("172.18.0.0/16")},
			IPv6: bridge.Gateway{Subnet: netip.MustParsePrefix("fd00:18::/64")},
		}).Attach(bridge.EndpointSpec{
			Name: "c1", IPv4: netip.MustParseAddr("172.18.0.2"), IPv6: netip.MustParseAddr("fd00:18::2"),
		})
	})
}
