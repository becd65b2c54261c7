package bridge_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/internal/netlab"
	"github.com/seawall-net/seawall/nft"
)

// What the firewall does is told to a logger: what changes the rules at another's cause at Info, and the rest at Debug.
func TestLogger(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	handler := slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})
	cfg := bridge.Config{
		NetNS: netlab.New(t).Namespace("host").File(), RulesOnly: true, Layout: testedLayout(), Logger: slog.New(handler),
	}
	fw, err := bridge.Open(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	told := func(words ...string) {
		t.Helper()
		for line := range strings.Lines(log.String()) {
			found := true
			for _, w := range words {
				found = found && strings.Contains(line, w)
			}
			if found {
				return
			}
		}
		t.Errorf("nothing is told of %q in:\n%s", words, log.String())
	}
	told("level=INFO", `msg="firewall opened"`, "layout="+cfg.Layout.Name(), "networks=0")
	told("level=DEBUG", "op=open", "objects=")
	log.Reset()
	update(t, fw, func(tx *bridge.Tx) { tx.CreateNetwork(networkSpec("a", "172.30.1.0/24")) })
	told("level=DEBUG", "op=update", "messages=", "generation=", "took=")
	if strings.Contains(log.String(), "level=INFO") {
		t.Errorf("an update is nothing to tell at Info:\n%s", log.String())
	}
	c, err := nft.Dial(nft.Config{NetNS: cfg.NetNS})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	var b nft.Batch
	b.Delete(&nft.Table{Family: nft.Bridge, Name: "seawall"})
	if _, err := c.Commit(context.Background(), b); err != nil {
		t.Fatal(err)
	}
	if _, err := fw.Heal(context.Background()); err != nil {
		t.Fatal(err)
	}
	told("level=INFO", "op=heal")
	log.Reset()
	if _, err := fw.Heal(context.Background()); err != nil {
		t.Fatal(err)
	}
	if log.Len() > 0 {
		t.Errorf("nothing had to be healed, and is told:\n%s", log.String())
	}
	if err := fw.Teardown(context.Background()); err != nil {
		t.Fatal(err)
	}
	told("level=INFO", "op=teardown")
}
