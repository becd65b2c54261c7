package bridge

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/seawall-net/seawall/nft"
)

// What others break is found and mended with all options, in disabled families, too.
func TestDriftAndHealWithOptions(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	for _, cfg := range []Config{
		{UserlandProxy: true}, {DisableIPv4: true}, {DisableIPv6: true, UserlandProxy: true}, {DisableIPv4: true, DisableIPv6: true},
		{DropForward: true}, {WSL2Mirrored: true}, {WSL2Mirrored: true, UserlandProxy: true},
	} {
		t.Run(fmt.Sprintf("%+v", *cfg.host()), func(t *testing.T) {
			t.Parallel()
			fw, _ := openNew(t, cfg)
			if err := fw.Update(ctx, beginnings); err != nil {
				t.Fatal(err)
			}
			before := remember(t, fw)
			// Each kind of object, and everything.
			objects := map[string]nft.Object{}
			for o := range fw.Desired().Objects() {
				switch o := o.(type) {
				case *nft.Rule:
					objects["rule in "+o.Chain.String()] = o
				case *nft.Element:
					objects["element in "+o.Set.String()] = o
				case *nft.Table:
					objects["table "+o.Ref().String()] = o
				}
			}
			if len(objects) < 4 {
				t.Fatalf("there is only %v", objects)
			}
			for name, o := range objects {
				if r, ok := o.(*nft.Rule); ok { // by its present handle
					o = &nft.Chain{Table: r.Chain.Table, Name: r.Chain.Name}
				}
				var b nft.Batch
				if c, ok := o.(*nft.Chain); ok {
					b.Flush(c)
				} else {
					b.Delete(o)
				}
				if _, err := fw.conn.Commit(ctx, b); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				var drift *DriftError
				if err := fw.Update(ctx, changes); !errors.As(err, &drift) {
					t.Fatalf("%s: update: %v, want drift", name, err)
				}
				if healed, err := fw.Heal(ctx); !healed || err != nil {
					t.Fatalf("%s: healed %t, %v", name, healed, err)
				}
				checkFirewall(t, fw)
			}
			if got := remember(t, fw); got.desired != before.desired {
				t.Errorf("desired is\n%s\nwas\n%s", got.desired, before.desired)
			}
			if err := fw.Update(ctx, changes); err != nil {
				t.Fatal(err)
			}
			checkFirewall(t, fw)
		})
	}
}
