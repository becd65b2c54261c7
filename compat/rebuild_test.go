package compat_test

import (
	"context"
	"errors"
	"testing"

	"github.com/seawall-net/seawall/bridge"
)

// With the hybrid layout a ruleset that was saved and loaded as text keeps its facts, too, and the user's rules their
// place, whether nft or iptables has saved table filter.
func TestHybridRebuild(t *testing.T) {
	t.Parallel()
	w := populated(t, bridge.Config{})
	w.iptables(`
		-A DOCKER-USER -p tcp -s @far -d @a1 --dport 80 -j DROP
		-A FORWARD -s @far -p sctp -j DROP
	`)
	const user = `
		far   tcp   host:8080    silent
		ext   tcp   host:8080    a1 sees ext
	`
	before, lines := w.tool("", "iptables", "-S"), len(w.fw.Desired().String())
	if err := w.fw.Close(); err != nil {
		t.Fatal(err)
	}
	w.tool("flush ruleset\n"+w.tool("", "nft", "list", "ruleset"), "nft", "-f", "-")
	if _, err := bridge.Open(context.Background(), w.cfg); !errors.As(err, new(*bridge.RecordsError)) {
		t.Fatal(err)
	}
	r, err := bridge.Rebuild(context.Background(), w.cfg)
	if err != nil {
		t.Fatal(err)
	}
	if r.Layout != "hybrid" || r.Networks != 5 || r.Endpoints != 8 {
		t.Errorf("%+v", r)
	}
	w.open()
	if healed, err := w.fw.Heal(context.Background()); healed || err != nil {
		t.Errorf("healed: %t, %v", healed, err)
	}
	if now := len(w.fw.Desired().String()); now < lines/2 {
		t.Errorf("%d bytes of rules, were %d", now, lines)
	}
	if after := w.tool("", "iptables", "-S"); after != before {
		t.Errorf("iptables -S prints\n%s\nprinted\n%s", after, before)
	}
	w.fates(user + closed + others)
}
