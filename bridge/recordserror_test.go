package bridge_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/seawall-net/seawall/bridge"
)

// What was loaded from text has lost its records: Open says which objects, and what to do, and changes nothing.
func TestOpenOnTextBackup(t *testing.T) {
	nativeChains(t)
	t.Parallel()
	w := twoNetworks(t, bridge.Config{})
	listing := w.tool("", "nft", "list", "ruleset")
	if err := w.fw.Close(); err != nil {
		t.Fatal(err)
	}
	w.tool("flush ruleset\n"+listing, "nft", "-f", "-")
	before := w.generation()
	fw, err := bridge.Open(context.Background(), w.cfg)
	var lost *bridge.RecordsError
	if fw != nil || !errors.Is(err, bridge.ErrForeignTable) || !errors.As(err, &lost) || len(lost.Objects) == 0 {
		t.Fatalf("%v", err)
	}
	for _, want := range []string{"chain ip seawall ", "no records", "nft -f", "nft delete table ip seawall; nft delete table"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v: does not say %q", err, want)
		}
	}
	if after := w.generation(); after != before {
		t.Errorf("%d transactions", after-before)
	}
	// What it says helps.
	for _, table := range lost.Objects {
		w.tool("", "sh", "-c", "nft delete table "+table.Table.String()+" 2>/dev/null || true")
	}
	w.open()
}
