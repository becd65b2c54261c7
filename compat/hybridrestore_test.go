package compat_test

import (
	"context"
	"strings"
	"testing"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/nft"
	"github.com/seawall-net/seawall/portmap"
)

// saved is what iptables-save prints for a family, without what it has counted and the time.
func (w *hybridWorld) saved(family string) string {
	w.t.Helper()
	var out strings.Builder
	for line := range strings.Lines(w.tool("", family+"-save")) {
		if !strings.HasPrefix(line, "#") {
			if line[0] == ':' {
				line, _, _ = strings.Cut(line, "[")
			}
			out.WriteString(strings.TrimSpace(line) + "\n")
		}
	}
	return out.String()
}

// saveAndRestore does what iptables-persistent and the like do, and checks that nothing is lost.
func (w *hybridWorld) saveAndRestore() {
	w.t.Helper()
	for _, family := range []string{"iptables", "ip6tables"} {
		before := w.saved(family)
		w.tool(w.tool("", family+"-save", "-c"), family+"-restore", "-c")
		if after := w.saved(family); after != before {
			w.t.Errorf("%s: from\n%sa restore made\n%s", family, before, after)
		}
	}
}

const userRules = `
	-A DOCKER-USER -p tcp -d @a2 --dport 81 -j ACCEPT
	-A DOCKER-USER -p udp -s @ext -d @a1 -j DROP
	-A DOCKER-USER -p tcp -s @far -j RETURN
	-A DOCKER-USER -p tcp -d @b2 -j DROP
	-A FORWARD -i eth0 -o eth1 -p udp -j DROP
`

const userFates = `
	b1    tcp   a2:81      a2 sees gw-a
	b1    udp   a2:81      silent
	ext   tcp   host:8080  a1 sees ext
	ext   udp   host:8080  silent
	far   udp   host:8080  a1 sees far
	far   tcp   host:8090  b2 sees far
	ext   tcp   host:8090  silent
	ext   tcp   far:80     far sees ext
	ext   udp   far:80     silent
	in1   tcp   ext:80     silent
	p1    tcp   p2:80      closed
	p2    tcp   host:8060  p1 sees gw-apart
	a1    tcp   ext:80     ext sees host
	ext   tcp   r1:80      r1 sees ext
	ext   tcp   r1:81      silent
`

// Saving and restoring leaves every packet's fate as it is, and so do we afterwards.
func TestHybridSaveAndRestore(t *testing.T) {
	t.Parallel()
	w := populated(t, bridge.Config{})
	w.iptables(userRules)
	w.fates(userFates)
	w.saveAndRestore()
	w.fates(userFates)

	// It is no drift, nothing is made twice, and the firewall goes on.
	before := [2]string{w.saved("iptables"), w.saved("ip6tables")}
	w.update(func(tx *bridge.Tx) { tx.Network("a").Endpoint("a1").Publish(portmap.MustParse("8089:81")) })
	w.fates(userFates + `
		far   tcp   host:8089  a1 sees far
	`)
	w.saveAndRestore()
	w.reopen()
	w.saveAndRestore()
	if healed, err := w.fw.Heal(context.Background()); err != nil || healed {
		t.Errorf("healed: %t, %v", healed, err)
	}
	if after := [2]string{w.saved("iptables"), w.saved("ip6tables")}; after != before {
		t.Errorf("%q became %q", before, after)
	}
	w.fates(userFates)

	// What was restored goes with the firewall, and what is the user's stays.
	w.saveAndRestore()
	if err := w.fw.Teardown(context.Background()); err != nil {
		t.Fatal(err)
	}
	for _, family := range []string{"iptables", "ip6tables"} {
		if got := w.saved(family); strings.Contains(got, "-j DOCKER-") || strings.Contains(got, "0x2000000") || !strings.Contains(got, "-A DOCKER-USER") {
			t.Errorf("after the end, %s-save prints\n%s", family, got)
		}
	}
}

// What a host's own service has restored when it starts is found, and taken for what it is.
func TestHybridAfterRestoreAtStart(t *testing.T) {
	t.Parallel()
	first := newHybridWorld(t, bridge.Config{})
	first.iptables(`
		-A DOCKER-USER -i eth0 -p udp -j DROP
		-P FORWARD DROP
	`)
	families := []string{"iptables", "ip6tables"}
	var dump, listing [2]string
	for i, family := range families {
		dump[i], listing[i] = first.tool("", family+"-save"), first.tool("", family, "-S")
	}
	w := populated(t, bridge.Config{}, func(w *hybridWorld) {
		for i, family := range families {
			w.tool(dump[i], family+"-restore")
		}
	})
	for i, family := range families {
		if got := w.tool("", family, "-S"); got != listing[i] {
			t.Errorf("%s -S prints\n%sand before\n%s", family, got, listing[i])
		}
	}
	w.fates(`
		ext   tcp   host:8080  a1 sees ext
		ext   udp   host:8080  silent
		b1    tcp   a2:81      silent
		ext   tcp   far:80     silent
	`)
}

// The printed ruleset is what nft lists, which loads it, too.
func TestHybridRulesetIsNFTs(t *testing.T) {
	t.Parallel()
	w := populated(t, bridge.Config{DropForward: true})
	rs, err := w.fw.Ruleset(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	var printed strings.Builder
	if err := rs.Print(&printed, nft.PrintOptions{Stateless: true}); err != nil {
		t.Fatal(err)
	}
	if listed := w.tool("", "nft", "-s", "list", "ruleset"); printed.String() != listed {
		t.Errorf("printed:\n%s\nlisted by nft:\n%s", printed.String(), listed)
	}
	w.tool("flush ruleset\n"+printed.String(), "nft", "-f", "-")
	if listed := w.tool("", "nft", "-s", "list", "ruleset"); printed.String() != listed {
		t.Errorf("printed:\n%s\nloaded and listed by nft:\n%s", printed.String(), listed)
	}
}
