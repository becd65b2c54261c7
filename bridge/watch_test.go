package bridge_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/seawall-net/seawall/bridge"
)

const goodFates = `
	ext  tcp,udp  host:8080  a1 sees ext
	b1   tcp,udp  a1:80      silent
	ext  tcp,udp  a1:80      silent
	a1   tcp,udp  ext:80     ext sees host
	b1   tcp      host:8080  a1 sees gw-a  [other-networks: silent]
	host tcp4     loopback:8080  a1 sees gw-a
`

// impatient hardly ever backs off.
var impatient = bridge.Config{Watch: bridge.WatchConfig{MinDelay: 1, MaxDelay: 1}}

// What a stranger does by nft is noticed, told with his name, and repaired exactly.
func TestWatchRepairsByNFT(t *testing.T) {
	nativeChains(t)
	t.Parallel()
	w := twoNetworks(t, impatient)
	v := watch(t, w.fw)
	for _, c := range []struct {
		damage  string
		changes []string
	}{
		{"delete table ip seawall", []string{"deleted table ip seawall"}},
		{"flush chain ip seawall to-br-a", []string{"deleted 3 rules of chain ip seawall to-br-a"}},
		{"flush table ip6 seawall", nil},
		{"delete element ip seawall published-any { tcp . 8080 }", []string{"deleted element ip seawall published-any { tcp . 8080 }"}},
		{"delete element ip6 seawall guard { fd00:30:1::2 }", []string{"deleted element ip6 seawall guard { fd00:30:1::2 }"}},
		{"add element ip seawall open { 172.30.1.3 . tcp . 81 }", []string{"added element ip seawall open { 172.30.1.3 . tcp . 81 }"}},
		{"insert rule ip seawall forward drop", []string{"added a rule to chain ip seawall forward"}},
		{"chain ip seawall forward { policy drop; }", []string{"changed chain ip seawall forward"}},
		{"flush chain ip6 seawall judged", []string{"deleted a rule of chain ip6 seawall judged"}},
		{"delete chain ip seawall judged", []string{"deleted chain ip seawall judged"}},
		{"flush set ip seawall bridges", nil},
		{"table ip seawall { flags dormant; }", []string{"changed table ip seawall"}},
		{"flush ruleset", []string{"deleted table ip seawall", "deleted table ip6 seawall", "deleted table bridge seawall"}},
	} {
		w.tool("", "nft", c.damage)
		damage, repair := v.repaired("nft", c.changes...)
		t.Logf("%s: %s; %s", c.damage, damage, repair)
		w.kernelIsDesired(c.damage)
	}
	w.fates(goodFates)
	v.end()
	for _, table := range w.load().Tables() {
		for _, c := range w.load().Chains(table.Ref()) {
			vouches := strings.HasPrefix(c.Name, "judged") && len(w.load().Rules(c.Ref())) > 0
			if table.Name == "seawall-anchor" || vouches {
				t.Errorf("left behind: %s", c.ID())
			}
		}
	}
	w.kernelIsDesired("the end")
}

// Updates go on beside a Watch, and inside its loop, and are no damage.
func TestWatchLetsUpdate(t *testing.T) {
	t.Parallel()
	w := twoNetworks(t, bridge.Config{})
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for e, err := range w.fw.Watch(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Kind != bridge.Watching {
			t.Fatal(e)
		}
		w.networkC()
		w.publish("a", "a2", "8099:80")
		w.update(func(tx *bridge.Tx) { tx.RemoveNetwork("c") })
		if healed, err := w.fw.Heal(ctx); healed || err != nil {
			t.Error(healed, err)
		}
		for _, err := range w.fw.Watch(ctx) {
			if !errors.Is(err, bridge.ErrWatched) {
				t.Error(err)
			}
		}
		break
	}
	v := watch(t, w.fw)
	w.publish("a", "a2", "8100:80")
	v.quiet(w)
	w.fates(goodFates)
	v.end()
	v = watch(t, w.fw)
	if err := w.fw.Close(); err != nil {
		t.Error(err)
	}
	if err := <-v.errs; !errors.Is(err, bridge.ErrClosed) {
		t.Error(err)
	}
	w.open()
}

func (w *world) networkC() {
	w.t.Helper()
	w.create(networkSpec("c", "172.30.3.0/24", "fd00:30:3::/64"))
}
