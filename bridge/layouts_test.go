package bridge_test

import (
	"flag"
	"slices"
	"sync"
	"testing"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/compat"
	"github.com/seawall-net/seawall/nft"
	"github.com/seawall-net/seawall/portmap"
)

// layoutName is the layout of the firewalls whose tests name none. With another than the native one, tests of what the
// layout's Docker did not have are left out, and so is IPv6 where it had none; see the Makefile's target layouts.
var layoutName = flag.String("layout", "native", "the layout of the firewalls that are tested")

var testedLayout = sync.OnceValue(func() bridge.Layout {
	layout, err := compat.LayoutNamed(*layoutName)
	if err != nil {
		panic(err)
	}
	return layout
})

// nativeChains leaves a test to the layouts that have the chains, sets and maps of the native one: those that it names.
func nativeChains(t testing.TB) {
	t.Helper()
	if *layoutName != "native" && *layoutName != "hybrid" {
		t.Skipf("is about chains and sets that layout %s has not", *layoutName)
	}
}

// nativeText leaves a test to the native layout: it is about each word of its rules.
func nativeText(t testing.TB) {
	t.Helper()
	if *layoutName != "native" {
		t.Skipf("is about each word of the native layout's rules, or names its tables to nft: not of layout %s", *layoutName)
	}
}

// tables are those of the firewall's layout: its own, and those of iptables that it has rules in.
func (w *world) tables(families ...nft.Family) []nft.TableRef {
	return slices.DeleteFunc(slices.Clone(w.cfg.Layout.Tables()), func(t nft.TableRef) bool {
		return len(families) > 0 && !slices.Contains(families, t.Family)
	})
}

// userChain is DOCKER-USER of a family.
func userChain(f nft.Family) nft.ChainRef { return testedLayout().UserChain(f) }

// hasUserChain tells whether the layout has a DOCKER-USER. Tests that are not about it go on without.
func hasUserChain() bool { return userChain(nft.IPv4) != (nft.ChainRef{}) }

// lacksIPv6 and lacksSCTP tell whether the layout's Docker had none of it. Then tests have neither such networks and
// ports, nor such probes.
var lacksIPv6 = sync.OnceValue(func() bool {
	return testedLayout().Check(&bridge.Network{Host: &bridge.Host{}, Spec: specA}) != nil
})

var lacksSCTP = sync.OnceValue(func() bool {
	n := &bridge.Network{Host: &bridge.Host{}, Spec: networkSpec("a", "172.30.1.0/24")}
	return testedLayout().Check(&bridge.Binding{Endpoint: &bridge.Endpoint{Network: n}, Port: portmap.MustParse("80:80/sctp")}) != nil
})

// probed tells whether the layout's Docker knew of a probe's family and protocol.
func (w *world) probed(family int, proto string) bool {
	return (family == 0 || !w.ipv4Only) && (proto != "sctp" || !lacksSCTP())
}

// needsIPv6 leaves out a test that has nothing to show without IPv6.
func (w *world) needsIPv6() {
	w.t.Helper()
	if lacksIPv6() {
		w.t.Skipf("needs IPv6, for which the Docker of layout %s had no rules: 20.10 was the first", *layoutName)
	}
}

// here is a specification without what the layout has not: IPv6, where that leaves a network.
func here(spec bridge.NetworkSpec) bridge.NetworkSpec {
	if lacksIPv6() && spec.IPv4.Subnet.IsValid() {
		spec.IPv6 = bridge.Gateway{}
	}
	return spec
}

// families are those that the layout has.
func (w *world) families() []nft.Family {
	if w.ipv4Only {
		return families[:1]
	}
	return families[:]
}

// userFamilies are those in which the layout has a DOCKER-USER. From here on the test is about no others. A rule that the
// layout has put there goes: it returns, and who appends others has to delete it.
func (w *world) userFamilies() []nft.Family {
	w.t.Helper()
	if !hasUserChain() {
		w.t.Skipf("layout %s has no DOCKER-USER", *layoutName)
	}
	if userChain(nft.IPv6) == (nft.ChainRef{}) {
		w.ipv4Only = true
	}
	if layout, ok := testedLayout().(bridge.UserInitializer); ok {
		w.deleteUserRules(layout)
	}
	return w.families()
}

func (w *world) deleteUserRules(layout bridge.UserInitializer) {
	w.t.Helper()
	for _, f := range w.families() {
		for _, initial := range layout.InitialUserRules(f) {
			what, _ := initial.Signature()
			for _, r := range w.load(userChain(f).Table).Rules(userChain(f)) {
				if is, ok := r.Signature(); ok && is == what {
					w.byHand(func(b *nft.Batch) { b.Delete(r) })
				}
			}
		}
	}
}
