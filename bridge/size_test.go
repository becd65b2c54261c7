package bridge_test

import (
	"context"
	"testing"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/nft"
	"github.com/seawall-net/seawall/portmap"
)

// The numbers of messages and bytes do not depend on how much is there: what an
// update costs is what it changes.
func TestPublishingSendsTheSameAtAnySize(t *testing.T) {
	t.Parallel()
	var last bridge.Transaction
	fw := openRulesOnlyTraced(t, func(tr bridge.Transaction) { last = tr })
	fw.web(t)
	publishOne := func(port uint16) bridge.Transaction {
		p := portmap.Binding{Host: portmap.Port(port), Container: portmap.Port(port)}
		update(t, fw.Firewall, func(tx *bridge.Tx) { tx.Network("web").Endpoint("c1").Publish(p) })
		sent := last
		update(t, fw.Firewall, func(tx *bridge.Tx) { tx.Network("web").Endpoint("c1").Unpublish(p) })
		sent.Generation, sent.Duration = 0, 0
		return sent
	}
	before := publishOne(60_000)
	const many = 20_000
	update(t, fw.Firewall, func(tx *bridge.Tx) {
		for i := range many {
			tx.Network("web").Endpoint("c1").Publish(portmap.Binding{Host: portmap.Port(uint16(i + 1)), Container: portmap.Port(uint16(i + 1))})
		}
	})
	// The kernel has all of them, in both families.
	rs, err := fw.Ruleset(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []nft.Family{nft.IPv4, nft.IPv6} {
		table := nft.TableRef{Family: f, Name: "seawall"}
		for _, set := range []string{"published-any", "open"} {
			if n := len(rs.Elements(table.Set(set))); n != many {
				t.Errorf("%s %s has %d elements, want %d", table, set, n, many)
			}
		}
	}
	if drift := nft.Diff(rs, fw.Desired()); drift.Len() > 0 {
		t.Errorf("the kernel is not as desired: %d differences", drift.Len())
	}
	if after := publishOne(60_000); after != before {
		t.Errorf("one more port: %+v with %d ports, %+v with none", after, many, before)
	}
	if before.Objects != 4 { // an element of the map and one of the set, in each family
		t.Errorf("one port takes %d objects, want 4", before.Objects)
	}
}
