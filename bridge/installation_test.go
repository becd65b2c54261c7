package bridge_test

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/compat"
	"github.com/seawall-net/seawall/nft"
)

// What is on a host is told in every layout, and opening with it changes nothing.
func TestInstalled(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for _, name := range compat.LayoutNames() {
		layout, err := compat.LayoutNamed(name)
		if err != nil {
			t.Fatal(err)
		}
		w := newWorld(t, bridge.Config{Layout: layout, DropForward: true, UserlandProxy: true})
		subnets := []string{"172.30.4.0/24", "fd00:30:4::/64"}
		if strings.HasPrefix(name, "docker-1.") || strings.HasPrefix(name, "docker-17") {
			subnets = subnets[:1] // there was no IPv6
		}
		w.network("x", subnets...)
		w.attach("x", "c1", 2, "8080:80", "8081:80")
		if err := w.fw.Close(); err != nil {
			t.Fatal(err)
		}
		generation := w.generation()
		is, err := bridge.Installed(ctx, w.host.File())
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		want := bridge.Installation{
			Layout: name, Host: bridge.Host{DropForward: true, UserlandProxy: true}, Generation: generation,
			Networks: 1, Endpoints: 1, Bindings: 2,
		}
		if *is != want {
			t.Errorf("%s: %+v, want %+v", name, *is, want)
		}
		w.cfg = is.Config()
		w.cfg.Layout, w.cfg.NetNS = layout, w.host.File()
		w.open()
		if g := w.generation(); g != generation || w.fw.Generation() != generation {
			t.Errorf("%s: generation %d, and %d of the firewall; want %d", name, g, w.fw.Generation(), generation)
		}
		if err := w.fw.Teardown(ctx); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, err := bridge.Installed(ctx, w.host.File()); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: after the teardown: %v", name, err)
		}
	}
}

// Tables that are damaged, or another version's, are reported and left as they are.
func TestInstalledReportsDamage(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bridge.Config{})
	w.networkA()
	ip, ip6 := nft.TableRef{Family: nft.IPv4, Name: "seawall"}, nft.TableRef{Family: nft.IPv6, Name: "seawall"}
	set := ip.Set("facts")
	element := func(record string) *nft.Element {
		return &nft.Element{Set: set, Key: nft.Key(nft.MarkValue(77), nft.MarkValue(77)), Userdata: record}
	}
	none := "the record of the host is missing" // a network's is in its chain
	if *layoutName != "native" && *layoutName != "hybrid" {
		none = "no records"
	}
	for _, c := range []struct {
		name         string
		damage, mend func(b *nft.Batch)
		says         string
	}{
		{"another version", func(b *nft.Batch) { b.Add(element("H\x09\x06native\x00")) },
			func(b *nft.Batch) { b.Delete(element("")) }, "version 9"},
		{"truncated", func(b *nft.Batch) { b.Add(element("N\x00\x00\x00\x00\x00\x09")) }, nil, "element ip seawall facts"},
		{"part", func(b *nft.Batch) { b.Add(element("PN\x00\x00\x00\x00\x00\x09\x00\x02abc")) }, nil, "a part is missing"},
		{"no records", func(b *nft.Batch) {
			b.Flush(&nft.Set{Table: ip, Name: "facts"}, &nft.Set{Table: ip6, Name: "facts"})
		}, nil, none},
	} {
		before := w.generation()
		w.byHand(c.damage)
		if w.generation() != before+1 {
			t.Fatal("nothing was damaged")
		}
		_, err := bridge.Installed(context.Background(), w.host.File())
		if !errors.Is(err, bridge.ErrForeignTable) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", c.name, err, c.says)
		}
		var drift *bridge.DriftError
		if err := w.try(func(*bridge.Tx) {}); !errors.Is(err, bridge.ErrForeignTable) && !errors.As(err, &drift) {
			t.Errorf("%s: update: %v", c.name, err)
		}
		if g := w.generation(); g != before+1 {
			t.Errorf("%s: generation %d, want %d", c.name, g, before+1)
		}
		if c.mend != nil {
			w.byHand(c.mend)
		} else if _, err := w.fw.Heal(context.Background()); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
	}
}
