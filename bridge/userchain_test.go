package bridge_test

import (
	"context"
	"slices"
	"testing"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/nft"
)

// A rule of DOCKER-USER sees packets after the translation of published ports, as in Docker: addresses and ports are
// the container's.
func TestUserChainVerdicts(t *testing.T) {
	t.Parallel()
	w := twoNetworks(t, bridge.Config{})
	w.container("a", "a3", 4, "8083:80", "8083:80/udp", "8084:81", "8084:81/udp")

	// An accept is final: what comes behind it in the chain, and in ours, is not asked.
	w.handAppend("a1", 81, accept)
	w.handAppend("a1", 81, drop)
	// A drop closes a published port.
	w.handAppend("a1", 80, drop)
	// A return falls through to our rules, past those behind it.
	w.handAppend("a3", 80, fall)
	w.handAppend("a3", 80, drop)
	w.handAppend("a2", 81, fall)
	w.handAppend("a2", 81, accept)
	w.fates(`
		b1     tcp,udp,sctp  a1:81       a1 sees gw-a  [raw-is-first: silent]
		ext    tcp,udp,sctp  host:8080   silent
		b1     tcp,udp,sctp  host:8080   silent
		ext    tcp,udp       host:8083   a3 sees ext
		b1     tcp,udp       host:8083   a3 sees gw-a
		b1     tcp,udp       a2:81       silent
		# Where no rule matches, ours decide.
		ext    tcp,udp       host:8084   a3 sees ext
		b1     tcp,udp       a2:80       silent
		# What comes from the host is not forwarded.
		host   tcp,udp       a1:80       a1 sees gw-a
	`)

	// The first rule that matches decides.
	w.handInsert("a1", 80, accept)
	w.handInsert("a1", 81, drop)
	w.fates(`
		ext    tcp,udp,sctp  host:8080   a1 sees ext
		b1     tcp,udp,sctp  host:8080   a1 sees gw-a
		b1     tcp,udp,sctp  a1:81       silent
	`)
}

// Within a network packets are bridged: DOCKER-USER is asked where br_netfilter says so.
func TestUserChainWithinANetwork(t *testing.T) {
	t.Parallel()
	for _, filter := range bridgeFilters(t) {
		t.Run(filter, func(t *testing.T) {
			t.Parallel()
			w := twoNetworks(t, bridge.Config{})
			w.filterBridges(filter)
			w.handAppend("a1", 80, drop)
			w.fates(`
				a2  tcp,udp  a1:80  ` + map[string]string{filterOff: "a1 sees a2", filterOn: "silent"}[filter] + `
				a2  tcp,udp  a1:81  a1 sees a2
			`)
		})
	}
}

// A rule of DOCKER-USER judges established connections, too: it is asked before they are let through.
func TestUserChainComesBeforeEstablished(t *testing.T) {
	t.Parallel()
	w := twoNetworks(t, bridge.Config{})
	w.byHand(func(b *nft.Batch) {
		for i, f := range w.userFamilies() {
			b.Add(&nft.Rule{Chain: userChain(f), Statements: []nft.Statement{
				nft.Saddr(f).Eq(w.addrs["a1"][i]), nft.CTState.Any(nft.CTEstablished), drop,
			}})
		}
	})
	w.fates(`
		ext    tcp,udp  host:8080   silent
		host   tcp,udp  a1:80       a1 sees gw-a
	`)
}

// DOCKER-USER sees the container's port; which one was published for it, only the connection knows.
func TestUserChainClosesOnePublication(t *testing.T) {
	t.Parallel()
	w := twoNetworks(t, bridge.Config{})
	w.container("a", "a3", 4, "8090:80", "8090:80/udp", "8091:80", "8091:80/udp", "192.0.2.3:8092:80")
	w.byHand(func(b *nft.Batch) {
		for _, f := range w.userFamilies() {
			for _, proto := range []nft.L4Proto{nft.TCP, nft.UDP} {
				b.Add(&nft.Rule{Chain: userChain(f), Statements: []nft.Statement{
					nft.MetaL4Proto.Eq(proto), nft.CTOriginalDport.Eq(8090), nft.Counter(), drop,
				}})
			}
		}
	})
	w.fates(`
		ext    tcp,udp  host:8090   silent
		b1     tcp,udp  host:8090   silent
		ext    tcp,udp  host:8091   a3 sees ext
		b1     tcp,udp  host:8091   a3 sees gw-a
		ext    tcp4     host2:8092  a3 sees ext
		# A container's own port is not the published one, and nobody else's is closed.
		a1     tcp,udp  a3:80       a3 sees a1
		ext    tcp,udp  host:8080   a1 sees ext
	`)
}

// What users write into DOCKER-USER by hand stays, in its order, whatever we do.
func TestUserRulesStay(t *testing.T) {
	t.Parallel()
	w := twoNetworks(t, bridge.Config{})
	want := w.userRules()
	expect := func(change string) {
		t.Helper()
		if got := w.userRules(); !slices.Equal(got, want) {
			t.Fatalf("%s: DOCKER-USER is %q, want %q", change, got, want)
		}
	}
	w.handAppend("a1", 80, drop)
	w.handInsert("a1", 81, accept)
	w.byHand(func(b *nft.Batch) {
		for _, f := range w.userFamilies() {
			b.AddRule(&nft.Rule{Chain: userChain(f), Comment: "the user's own words", Statements: []nft.Statement{
				nft.IIFName.Eq("eth7"), nft.Counter(), fall,
			}}, 0)
		}
	})
	if want = w.userRules(); len(want) != 3*len(w.userFamilies()) {
		t.Fatalf("DOCKER-USER is %q, want three in each family", want)
	}
	w.publish("a", "a1", "8085:80")
	expect("publish")
	w.unpublish("a", "a1", "8085:80")
	expect("unpublish")
	w.network("c", "172.30.3.0/24", "fd00:30:3::/64")
	expect("create a network")
	w.update(func(tx *bridge.Tx) { tx.RemoveNetwork("c") })
	expect("remove a network")
	w.reopen()
	expect("open again")
	w.cfg.AllowDirectRouting = true
	w.reopen()
	expect("open with other options")
	w.byHand(func(b *nft.Batch) { b.Flush(&nft.Chain{Table: seawallTables()[0], Name: "raw-prerouting"}) })
	if healed, err := w.fw.Heal(context.Background()); err != nil || !healed {
		t.Fatal(healed, err)
	}
	expect("heal")
	// They are in force: the order is insert, append.
	w.fates(`
		b1     tcp,udp  a1:81       a1 sees gw-a
		ext    tcp,udp  host:8080   silent
	`)
}

// userRules is what DOCKER-USER holds in both families, without counts.
func (w *world) userRules() []string {
	w.t.Helper()
	var all []string
	for _, f := range w.userFamilies() {
		rules, err := w.fw.UserRules(context.Background(), f)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, r := range rules {
			all = append(all, counted.ReplaceAllString(r.String(), "counter"))
		}
	}
	return all
}

// A Tx changes DOCKER-USER in the same transaction as everything else.
func TestUserChainInATx(t *testing.T) {
	t.Parallel()
	w := twoNetworks(t, bridge.Config{})
	to := func(name string, port uint16, verdict nft.Statement) bridge.UserRule {
		return bridge.UserRule{Comment: name, Statements: []nft.Statement{
			nft.IPDaddr.Eq(w.addrs[name][0]), nft.THDport.Eq(port), verdict,
		}}
	}
	w.update(func(tx *bridge.Tx) {
		u := tx.UserChain(nft.IPv4)
		u.Append(to("a1", 80, drop))
		u.Append(to("a2", 81, drop))
		u.Insert(to("a2", 81, accept))
	})
	w.fates(`
		ext    tcp4,udp4  host:8080   silent
		ext    tcp6,udp6  host:8080   a1 sees ext
		b1     tcp4,udp4  a2:81       a2 sees gw-a  [raw-is-first: silent]
		b1     tcp6,udp6  a2:81       silent
	`)
	rules, err := w.fw.UserRules(context.Background(), nft.IPv4)
	if err != nil || len(rules) != 3 || rules[0].Comment != "a2" || rules[1].Comment != "a1" {
		t.Fatal(rules, err)
	}
	w.update(func(tx *bridge.Tx) {
		tx.UserChain(nft.IPv4).Delete(rules[0])
		tx.UserChain(nft.IPv4).Delete(rules[1])
	})
	w.fates(`
		ext    tcp4,udp4  host:8080   a1 sees ext
		b1     tcp4,udp4  a2:81       silent
	`)
	w.update(func(tx *bridge.Tx) { tx.UserChain(nft.IPv4).Flush() })
	if left := w.userRules(); len(left) != 0 {
		t.Errorf("after a flush DOCKER-USER is %q", left)
	}
}

// Without a family, the chain is that of both, and a rule says whom it is for.
func TestUserChainOfBothFamilies(t *testing.T) {
	t.Parallel()
	w := twoNetworks(t, bridge.Config{})
	w.update(func(tx *bridge.Tx) {
		u := tx.UserChain()
		u.Append(bridge.UserRule{Statements: []nft.Statement{nft.TCPDport.Eq(80), drop}})
		u.Append(bridge.UserRule{Family: nft.IPv6, Statements: []nft.Statement{nft.UDPDport.Eq(80), drop}})
	})
	w.fates(`
		ext    tcp   host:8080   silent
		ext    udp4  host:8080   a1 sees ext
		ext    udp6  host:8080   silent
	`)
	w.update(func(tx *bridge.Tx) { tx.UserChain().Flush() })
	w.fates(`
		ext    tcp,udp  host:8080   a1 sees ext
	`)
}
