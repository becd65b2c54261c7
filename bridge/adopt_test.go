package bridge_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/nft"
)

// A new process finds the facts in the kernel, writes nothing, and goes on.
func TestAdopt(t *testing.T) {
	t.Parallel()
	var transactions int
	w := newWorld(t, bridge.Config{Trace: func(bridge.Transaction) { transactions++ }})
	w.networkA()
	w.network("four", "172.30.4.0/24")
	specs := []string{"8080:80", "127.0.0.1:8081:80", "[::1]:8081:80/udp", "9000-9009:9000-9009/sctp", "9100-9101:80-81"}
	w.container("a", "a1", 2, specs...)
	w.container("four", "c4", 2, "192.0.2.3:8082:80")
	networks, count := []string{"a", "four"}, 2+2+len(ports(specs...))+1
	if !w.ipv4Only {
		w.network("six", "fd00:30:6::/64")
		w.container("six", "c6", 2, "8083:80/udp")
		networks, count = append(networks, "six"), count+3
	}
	if hasUserChain() {
		w.handAppend("a1", 81, drop)
	}

	before, kernel, generation := facts(w.fw), w.snapshot(), w.generation()
	if len(before) != count {
		t.Fatalf("the view holds %q", before)
	}
	transactions = 0
	w.reopen()
	if after := facts(w.fw); !slices.Equal(after, before) {
		t.Errorf("the view is\n%s\nwas\n%s", strings.Join(after, "\n"), strings.Join(before, "\n"))
	}
	if transactions != 0 || w.generation() != generation {
		t.Errorf("open wrote %d transactions", transactions)
	}
	w.sameAs("opened", w.snapshot(), kernel)
	w.kernelIsDesired("opened")

	// What was published before can be taken back, and conflicts are known.
	err := w.try(func(tx *bridge.Tx) { tx.Network("a").Endpoint("a1").Publish(ports("8082:80")...) })
	if err == nil || !strings.Contains(err.Error(), "by four/c4") {
		t.Errorf("conflict: %v", err)
	}
	w.container("a", "a2", 3, "8090:80")
	w.unpublish("a", "a1", "9100-9101:80-81")
	w.fates(`
		ext   tcp       host:8080      a1 sees ext
		ext   tcp       host:8090      a2 sees ext
		ext   tcp       host:9100      refused
		host  tcp4      loopback:8081  a1 sees gw-a
		ext   tcp4      host2:8082     c4 sees ext
		ext   udp6      host:8083      c6 sees ext
		a2    tcp,udp   a1:80          a1 sees a2
		ext   tcp,udp   a2:80          silent
	`)
	for _, name := range networks {
		w.update(func(tx *bridge.Tx) { tx.RemoveNetwork(name) })
	}
	w.kernelIsDesired("all removed")
	if left := facts(w.fw); len(left) != 0 {
		t.Errorf("left: %q", left)
	}
}

// A ruleset that was changed while nobody watched is not taken over in silence.
func TestOpenReportsDrift(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bridge.Config{})
	w.networkA()
	w.attach("a", "a1", 2, "8080:80")
	if err := w.fw.Close(); err != nil {
		t.Fatal(err)
	}
	w.byHand(func(b *nft.Batch) { b.Flush(&nft.Chain{Table: seawallTables()[1], Name: "raw-prerouting"}) })
	generation := w.generation()
	fw, err := bridge.Open(context.Background(), w.cfg)
	var drift *bridge.DriftError
	if !errors.As(err, &drift) || fw != nil {
		t.Fatalf("open: %v, %v", fw, err)
	}
	if g := w.generation(); g != generation {
		t.Errorf("a failed open wrote %d transactions", g-generation)
	}
}

// A table of our name that somebody else has made is refused, and left as it is.
func TestOpenRefusesForeignTables(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bridge.Config{})
	if err := w.fw.Teardown(context.Background()); err != nil {
		t.Fatal(err)
	}
	foreign := []nft.Object{
		&nft.Set{Table: seawallTables()[0], Name: "guard", Key: nft.TypeIPv4Addr},
		&nft.Chain{Table: seawallTables()[0], Name: "raw-prerouting"},
		&nft.Chain{Table: seawallTables()[0], Name: "raw-prerouting", Hook: nft.Prerouting, Userdata: "something else"},
	}
	if user := userChain(nft.IPv4); user.Table == seawallTables()[0] {
		foreign = append(foreign, &nft.Chain{Table: user.Table, Name: user.Name, Hook: nft.Forward})
	}
	for _, o := range foreign {
		w.byHand(func(b *nft.Batch) { b.Add(&nft.Table{Family: nft.IPv4, Name: "seawall"}, o) })
		before := w.rules()
		fw, err := bridge.Open(context.Background(), w.cfg)
		if !errors.Is(err, bridge.ErrForeignTable) || fw != nil {
			t.Errorf("%s: open: %v, %v", o.ID(), fw, err)
		}
		w.sameAs(o.ID().String(), w.rules(), before)
		w.byHand(func(b *nft.Batch) { b.Delete(&nft.Table{Family: nft.IPv4, Name: "seawall"}) })
	}
}
