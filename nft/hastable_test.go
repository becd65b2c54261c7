package nft

import (
	"context"
	"errors"
	"os"
	"testing"
)

func TestHasTable(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	c, err := Dial(Config{NetNS: newNetNS(t)})
	if err != nil {
		t.Fatal(err)
	}
	table := &Table{Family: IPv6, Name: "here", Flags: TableOwner}
	var b Batch
	b.Add(table)
	if _, err := c.Commit(ctx, b); err != nil {
		t.Fatal(err)
	}
	for ref, want := range map[TableRef]bool{
		table.Ref():                   true,
		{Family: IPv4, Name: "here"}:  false,
		{Family: IPv6, Name: "there"}: false,
	} {
		if has, err := c.HasTable(ctx, ref); err != nil || has != want {
			t.Errorf("%s: %v, %v; want %v", ref, has, err, want)
		}
	}
	done, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := c.HasTable(done, table.Ref()); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.HasTable(ctx, table.Ref()); !errors.Is(err, os.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}
