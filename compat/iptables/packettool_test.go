package iptables

import (
	"context"
	"strings"
	"testing"

	"github.com/seawall-net/seawall/internal/netns"
	"github.com/seawall-net/seawall/nft"
)

// The real iptables lists, finds and deletes the rules that are compiled, and
// programs the same itself.
func TestToolAgreesOnPacketRules(t *testing.T) {
	if !haveTool(t) {
		return
	}
	t.Parallel()
	h := newHost(t)
	conn := h.dial()
	for _, r := range packetRules() {
		if err := h.agrees(conn, forwarding(r.family), "USER", r.words(), []string{r.want()}); err != nil {
			t.Errorf("%s %s: %v", r.family, r.args, err)
		}
	}
}

// It refuses what is refused, unless it would do something else than what was
// said.
func TestToolRefusesPacketRules(t *testing.T) {
	if !haveTool(t) {
		return
	}
	t.Parallel()
	h := newHost(t)
	for _, r := range packetRefusals() {
		args := append([]string{"-A", "FORWARD"}, packetRule{args: r.args}.words()...)
		if _, err := h.run(r.family, args...); (err == nil) != r.stricter {
			t.Errorf("%s %s: the tool says %v", r.family, r.args, err)
		}
	}
}

// The kernel takes the rules in a table of our own, too, and what it then holds
// is the same rule.
func TestPacketRulesInOtherTables(t *testing.T) {
	t.Parallel()
	ns, err := netns.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ns.Close() })
	h := host{t, ns}
	conn := h.dial()
	for _, f := range []nft.Family{nft.IPv4, nft.IPv6} {
		table := nft.TableRef{Family: f, Name: "seawall"}
		var b nft.Batch
		b.Add(&nft.Table{Family: f, Name: "seawall"}, &nft.Chain{Table: table, Name: "user", Hook: nft.Forward})
		if _, err := conn.Commit(context.Background(), b); err != nil {
			t.Fatal(err)
		}
		var want []string
		for _, r := range packetRules() {
			if r.family != f {
				continue
			}
			if err := h.commit(conn, table.Chain("user"), mustParse(t, r)); err != nil {
				t.Errorf("%s %s: %v", f, r.args, err)
				continue
			}
			want = append(want, r.want())
		}
		var got []string
		for _, r := range h.rules(conn, table.Chain("user")) {
			rule, err := FromRule(r)
			if err != nil {
				t.Error(err)
			}
			got = append(got, rule.String())
		}
		if strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("%s: %s\nwant:\n%s", f, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}
