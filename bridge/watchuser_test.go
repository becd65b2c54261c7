package bridge_test

import (
	"strings"
	"testing"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/nft"
)

// userRuleset is what a user types: rules in DOCKER-USER, by a chain and sets of his own.
const userRuleset = `
	add set ip seawall friends { type ipv4_addr; }
	add element ip seawall friends { 192.0.2.2, 192.0.2.77 }
	add chain ip seawall mine
	add rule ip seawall mine ip saddr @friends tcp dport 81 accept
	add rule ip seawall mine udp dport { 80, 82 } drop comment "no datagrams"
	add rule ip seawall DOCKER-USER iifname "eth0" jump mine
	add rule ip seawall DOCKER-USER ip saddr 198.51.100.7 drop
	add rule ip6 seawall DOCKER-USER iifname "eth0" udp dport 80 drop
`

// userListing is what nft prints of the user's chains.
func (w *world) userListing() string {
	w.t.Helper()
	out := ""
	for _, chain := range []string{"ip seawall DOCKER-USER", "ip seawall mine", "ip6 seawall DOCKER-USER"} {
		out += w.tool("", "nft", append([]string{"-s", "list", "chain"}, strings.Fields(chain)...)...)
	}
	return out
}

// userFatesOf is what the rules mean.
const userFatesOf = `
	ext  udp  host:8080  silent
	ext  tcp  host:8080  a1 sees ext
	b1   udp  host:8080  a1 sees gw-a
`

// A flush of everything takes the user's rules along: they come back. An edit is the user's.
func TestWatchKeepsUserRules(t *testing.T) {
	nativeText(t)
	t.Parallel()
	w := twoNetworks(t, impatient)
	v := watch(t, w.fw)
	w.tool(userRuleset, "nft", "-f", "-")
	before := w.userListing()
	for _, damage := range []string{"flush ruleset", "delete table ip seawall; delete table ip6 seawall", "flush table ip seawall; flush table ip6 seawall"} {
		v.settle(w)
		w.tool("", "nft", damage)
		_, repair := v.repaired("nft")
		if repair.UserRules == 0 || repair.Reason != "" {
			t.Errorf("%s: %+v", damage, repair)
		}
		// The set that was written into a rule has a name now.
		if after := strings.ReplaceAll(w.userListing(), "@kept__set0", "{ 80, 82 }"); after != before {
			t.Errorf("%s: the user's chains were\n%sand are\n%s", damage, before, after)
		}
		w.kernelIsDesired(damage)
	}
	w.fates(userFatesOf)

	// Edits.
	w.tool("", "nft", "flush chain ip seawall DOCKER-USER")
	w.tool("", "nft", "delete chain ip seawall mine")
	w.tool("", "nft", "insert rule ip6 seawall DOCKER-USER tcp dport 80 iifname eth0 drop")
	v.quiet(w)
	if after := w.fwUserRules(nft.IPv4); after != 0 {
		t.Errorf("%d rules", after)
	}
	w.tool("", "nft", "flush ruleset")
	_, repair := v.repaired("nft")
	if repair.UserRules != 2 {
		t.Errorf("%+v", repair)
	}
	w.fates(`
		ext  udp4  host:8080  a1 sees ext
		ext  tcp4  host:8080  a1 sees ext
		ext  udp6  host:8080  silent
		ext  tcp6  host:8080  silent
	`)
}

// settle waits until the Watch knows what users have done last.
func (v *vigil) settle(w *world) {
	v.t.Helper()
	w.byHand(func(b *nft.Batch) { b.Flush(&nft.Chain{Table: seawallTables()[0], Name: "raw-prerouting"}) })
	for e := v.next(); e.Kind != bridge.Damaged || !strings.Contains(strings.Join(e.Changes, ""), "of chain ip seawall raw-prerouting"); e = v.next() {
	}
	v.until(bridge.Repaired)
}

func (w *world) fwUserRules(f nft.Family) int {
	w.t.Helper()
	rules, err := w.fw.UserRules(w.t.Context(), f)
	if err != nil {
		w.t.Fatal(err)
	}
	return len(rules)
}

// It can be turned off.
func TestWatchForgetsUserRules(t *testing.T) {
	nativeText(t)
	t.Parallel()
	cfg := impatient
	cfg.Watch.ForgetUserRules = true
	w := twoNetworks(t, cfg)
	w.handAppend("a1", 80, drop)
	v := watch(t, w.fw)
	w.tool("", "nft", "flush ruleset")
	if _, repair := v.repaired("nft"); repair.UserRules != 0 {
		t.Errorf("%+v", repair)
	}
	if n := w.fwUserRules(nft.IPv4); n != 0 {
		t.Errorf("%d rules", n)
	}
}

// What cannot be put back is told, and the rest is.
func TestWatchTellsOfLostUserRules(t *testing.T) {
	nativeText(t)
	t.Parallel()
	w := twoNetworks(t, impatient)
	w.handAppend("a1", 80, drop)
	w.tool("", "nft", "add rule ip seawall DOCKER-USER ip saddr { 10.0.0.0/8, 192.168.0.0/16 } drop")
	w.tool("", "nft", "add rule ip seawall DOCKER-USER quota over 5 mbytes drop")
	v := watch(t, w.fw)
	w.tool("", "nft", "flush ruleset")
	_, repair := v.repaired("nft")
	if repair.UserRules != 2 || !strings.Contains(repair.Reason, "could not be put back") {
		t.Errorf("%+v", repair)
	}
	w.kernelIsDesired("repaired")
	w.fates(`ext tcp,udp host:8080 silent`)
}

// A listing that is loaded again, as backups are, ends with everything as it should be, DOCKER-USER included.
func TestWatchThroughListing(t *testing.T) {
	nativeText(t)
	t.Parallel()
	cfg := impatient
	cfg.Watch.NoAnchor = true
	w := twoNetworks(t, cfg)
	w.tool(userRuleset, "nft", "-f", "-")
	v := watch(t, w.fw)
	before, listing := w.userListing(), ""
	for range 3 {
		listing = w.tool("", "nft", "list", "ruleset")
		w.tool("", "nft", "flush ruleset")
		w.tool(listing, "nft", "-f", "-")
		v.awaitDesired(w)
		v.settle(w)
	}
	if after := strings.ReplaceAll(w.userListing(), "@kept__set0", "{ 80, 82 }"); after != before {
		t.Errorf("the user's chains were\n%sand are\n%s", before, after)
	}
	w.fates(goodUserFates)
}

const goodUserFates = userFatesOf + `
	b1   tcp,udp  a1:80      silent
	ext  tcp,udp  a1:80      silent
	a1   tcp,udp  ext:80     ext sees host
`

// awaitDesired takes events until the kernel is as it should be.
func (v *vigil) awaitDesired(w *world) {
	v.t.Helper()
	for {
		if d := nft.Diff(w.load(w.tables()...), w.fw.Desired()); d.Len() == 0 {
			break
		}
		v.next()
	}
	w.kernelIsDesired("after the repairs")
}
