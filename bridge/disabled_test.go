package bridge_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/nft"
)

// disabling returns the configuration that disables the families of an index.
func disabling(families ...int) (cfg bridge.Config) {
	for _, i := range families {
		if i == 0 {
			cfg.DisableIPv4 = true
		} else {
			cfg.DisableIPv6 = true
		}
	}
	return cfg
}

// hooks is how many base chains a family's tables have. One of iptables' that does nothing stays for others.
func (w *world) hooks(family int) int {
	w.t.Helper()
	n := 0
	rs := w.load(w.tables(families[family])...)
	for o := range rs.Objects() {
		c, ok := o.(*nft.Chain)
		if ok && c.Hook != nft.NoHook && (c.Table.Name == "seawall" || c.Policy == nft.PolicyDrop || len(rs.Rules(c.Ref())) > 0) {
			n++
		}
	}
	return n
}

// enabledFates is what becomes of packets of a family that is enabled, disabledFates of one that is not: what is routed
// arrives as it was sent.
func enabledFates(family int) string {
	loopback := ""
	if family == 0 { // br_netfilter may be on
		loopback = "host tcpF loopback:8080 a1 sees gw-a"
	}
	return ofFamily(family, loopback+`
		ext   tcpF,udpF,sctpF  host:8080      a1 sees ext
		ext   tcpF,udpF,sctpF  a1:80          silent
		b1    tcpF,udpF        a1:80          silent
		b1    tcpF,udpF        host:8080      a1 sees gw-a  [other-networks: silent]
		a1    tcpF,udpF,sctpF  ext:80         ext sees host
		a2    tcpF,udpF        a1:81          a1 sees a2
		ext   tcpF             gw-a:8089      silent
		a1    tcpF             host:8089      host sees a1
	`)
}

func disabledFates(family int) string {
	// Published ports are held, for a proxy to be served: nothing else answers.
	return ofFamily(family, `
		ext   tcpF,udpF        host:8080      silent
		host  tcpF,udpF        loopback:8080  silent
		ext   tcpF,udpF,sctpF  a1:80          a1 sees ext
		ext   tcpF,udpF,sctpF  a1:81          a1 sees ext
		b1    tcpF,udpF        a1:80          a1 sees b1
		b1    tcpF,udpF        host:8080      silent
		a1    tcpF,udpF,sctpF  ext:80         ext sees a1
		a2    tcpF,udpF        a1:81          a1 sees a2
		host  tcpF,udpF,sctpF  a1:80          a1 sees gw-a
		ext   tcpF             gw-a:8089      host sees ext
		a1    tcpF             host:8089      host sees a1
	`)
}

func ofFamily(family int, table string) string {
	number := []string{"4", "6"}[family]
	return strings.NewReplacer("tcpF", "tcp"+number, "udpF", "udp"+number, "sctpF", "sctp"+number).Replace(table)
}

// familiesFates expects of each family what holds for it.
func (w *world) familiesFates() {
	w.t.Helper()
	for i, disabled := range []bool{w.cfg.DisableIPv4, w.cfg.DisableIPv6} {
		table, hooks := enabledFates(i), w.hooks(i)
		if disabled {
			table = disabledFates(i)
		}
		if disabled != (hooks == 0) {
			w.t.Errorf("%s has %d base chains, disabled is %t", families[i], hooks, disabled)
		}
		w.fates(table)
	}
}

// Packets of a disabled family are left alone, and the other family does not notice. Both have their links, and keep
// their facts.
func TestDisabledFamilies(t *testing.T) {
	t.Parallel()
	for _, off := range [][]int{{0}, {1}, {0, 1}} {
		t.Run(fmt.Sprint(off), func(t *testing.T) {
			t.Parallel()
			cfg := disabling(off...)
			w := newWorld(t, cfg)
			before := w.snapshot()
			w.networkA()
			w.networkB()
			w.network("four", "172.30.4.0/24")
			w.network("six", "fd00:30:6::/64")
			w.container("a", "a1", 2, "8080:80", "8080:80/udp", "8080:80/sctp", "127.0.0.1:8081:80", "[::1]:8081:80", "9000-9009:9000-9009")
			w.container("a", "a2", 3)
			w.container("b", "b1", 2)
			w.attach("four", "c4", 2, "8084:80")
			w.attach("six", "c6", 2, "8086:80")
			w.serve("host", 8089)
			w.familiesFates()
			for _, i := range off {
				w.hasNoRules(i)
			}
			if cfg.DisableIPv4 {
				if got := w.host.Sysctl("net.ipv4.conf.br-a.route_localnet"); got != "0" {
					t.Errorf("route_localnet is %s", got)
				}
			}
			// The facts are adopted, without writing anything, and hold: ports stay taken.
			want, generation := facts(w.fw), w.generation()
			w.reopen()
			w.sameAs("adopted", facts(w.fw), want)
			if got := w.generation(); got != generation {
				t.Errorf("generation %d, was %d", got, generation)
			}
			w.kernelIsDesired("adopted")
			for _, taken := range []string{"0.0.0.0:8080:81", "[::]:8080:81"} {
				err := w.try(func(tx *bridge.Tx) { tx.Network("a").Endpoint("a2").Publish(ports(taken)...) })
				if !errors.Is(err, fs.ErrExist) {
					t.Errorf("publish %s: %v, want fs.ErrExist", taken, err)
				}
			}
			if healed, err := w.fw.Heal(context.Background()); healed || err != nil {
				t.Errorf("healed %t, %v", healed, err)
			}
			w.unpublish("a", "a1", "8080:80/udp")
			w.kernelIsDesired("unpublished")
			for _, name := range []string{"a", "b", "four", "six"} {
				w.update(func(tx *bridge.Tx) { tx.RemoveNetwork(name) })
			}
			w.sameAs("all removed", w.snapshot(), before)
			if err := w.fw.Teardown(context.Background()); err != nil {
				t.Fatal(err)
			}
			if left := w.load(w.tables()...).Tables(); len(left) != 0 {
				t.Errorf("teardown left %v", left)
			}
		})
	}
}

// hasNoRules looks for rules in a family's table.
func (w *world) hasNoRules(family int) {
	w.t.Helper()
	for o := range w.load(w.tables(families[family])...).Objects() {
		if r, ok := o.(*nft.Rule); ok {
			w.t.Errorf("there is %s", r.ID())
		}
	}
}

// Each family can be disabled and enabled again when the firewall is opened. DOCKER-USER is the user's meanwhile.
func TestDisableLater(t *testing.T) {
	t.Parallel()
	w := twoNetworks(t, bridge.Config{})
	w.serve("host", 8089)
	var user []string
	if hasUserChain() {
		w.handAppend("a2", 81, drop)
		user = w.userRules()
	}
	want := facts(w.fw)
	routed := w.carriesLoopback
	for _, off := range [][]int{{0}, {1}, {}, {0, 1}, {1}, {}} {
		cfg := disabling(off...)
		w.cfg.DisableIPv4, w.cfg.DisableIPv6 = cfg.DisableIPv4, cfg.DisableIPv6
		w.reopen()
		when := fmt.Sprint("disabled: ", off)
		w.sameAs(when, facts(w.fw), want)
		w.kernelIsDesired(when)
		w.familiesFates()
		if len(off) == 0 {
			routed(true)
			w.fates(`
				b1   tcp,udp  a2:81  silent
			`)
		}
		if !hasUserChain() {
			continue
		}
		if len(off) == 0 {
			if got := w.userRules(); !slices.Equal(got, user) {
				t.Errorf("DOCKER-USER is %q, was %q", got, user)
			}
		}
		for _, f := range w.userFamilies() {
			if n := len(w.load(w.tables()...).Rules(userChain(f))); n != 1 {
				t.Errorf("%s: DOCKER-USER of %s has %d rules", when, f, n)
			}
		}
	}
}

// A user's chain that leads to one that has to go keeps it from going, with the reason; a chain in the place of one that
// has to come does so, too. Nothing changes.
func TestDisableIsRefused(t *testing.T) {
	nativeChains(t)
	t.Parallel()
	w := twoNetworks(t, bridge.Config{})
	table := seawallTables()[0]
	mine := &nft.Chain{Table: table, Name: "mine"}
	w.byHand(func(b *nft.Batch) {
		b.Add(mine, &nft.Rule{Chain: mine.Ref(), Statements: []nft.Statement{nft.Jump("publish")}})
	})
	before := w.snapshot()
	if err := w.fw.Close(); err != nil {
		t.Fatal(err)
	}
	off := w.cfg
	off.DisableIPv4 = true
	if _, err := bridge.Open(context.Background(), off); !errors.Is(err, unix.EBUSY) || !strings.Contains(err.Error(), "mine") {
		t.Errorf("disable: %v", err)
	}
	w.sameAs("refused", w.snapshot(), before)
	w.byHand(func(b *nft.Batch) { b.Flush(mine); b.Delete(mine) })
	on := w.cfg
	w.cfg = off
	w.open()
	if err := w.fw.Close(); err != nil {
		t.Fatal(err)
	}
	mine.Name = "publish"
	w.byHand(func(b *nft.Batch) { b.Add(mine) })
	before = w.snapshot()
	if _, err := bridge.Open(context.Background(), on); !errors.Is(err, fs.ErrExist) || !strings.Contains(err.Error(), "publish") {
		t.Errorf("enable: %v", err)
	}
	w.sameAs("refused", w.snapshot(), before)
	w.byHand(func(b *nft.Batch) { b.Delete(mine) })
	w.cfg = on
	w.open()
	w.kernelIsDesired("enabled")
}

// DOCKER-USER of a disabled family is without effect: who names it is told, and who names none means the others.
func TestUserChainOfADisabledFamily(t *testing.T) {
	t.Parallel()
	if userChain(nft.IPv6) == (nft.ChainRef{}) {
		t.Skipf("layout %s has no DOCKER-USER of IPv6", *layoutName)
	}
	w := newWorld(t, disabling(1))
	ctx := context.Background()
	rule := bridge.UserRule{Statements: []nft.Statement{nft.Drop()}}
	w.update(func(tx *bridge.Tx) { tx.UserChain().Append(rule) })
	rules, err := w.fw.UserRules(ctx, nft.IPv4)
	if err != nil || len(rules) != 1 {
		t.Fatalf("DOCKER-USER is %v, %v", rules, err)
	}
	six := *rules[0]
	six.Chain = userChain(nft.IPv6)
	before := w.snapshot()
	for name, do := range map[string]func(tx *bridge.Tx){
		"named":      func(tx *bridge.Tx) { tx.UserChain(nft.IPv6).Append(rule) },
		"one of two": func(tx *bridge.Tx) { tx.UserChain(nft.IPv4, nft.IPv6).Insert(rule) },
		"in the rule": func(tx *bridge.Tx) {
			tx.UserChain().Append(bridge.UserRule{Family: nft.IPv6, Statements: rule.Statements})
		},
		"flush":        func(tx *bridge.Tx) { tx.UserChain(nft.IPv6).Flush() },
		"delete":       func(tx *bridge.Tx) { tx.UserChain().Delete(&six) },
		"named, empty": func(tx *bridge.Tx) { tx.UserChain(nft.IPv6) },
	} {
		if err := w.try(do); !errors.Is(err, bridge.ErrFamilyDisabled) || !strings.Contains(err.Error(), userChain(nft.IPv6).String()) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := w.fw.UserRules(ctx, nft.IPv6); !errors.Is(err, bridge.ErrFamilyDisabled) {
		t.Errorf("UserRules: %v", err)
	}
	w.sameAs("refused", w.snapshot(), before)
	w.cfg.DisableIPv4 = true
	w.reopen()
	if err := w.try(func(tx *bridge.Tx) { tx.UserChain().Append(rule) }); !errors.Is(err, bridge.ErrFamilyDisabled) {
		t.Errorf("no family: %v", err)
	}
}

// A table that is needed no more stays for what is the user's in it, and is used again when it is needed again.
func TestDisableKeepsUsersTables(t *testing.T) {
	t.Parallel()
	w := twoNetworks(t, bridge.Config{})
	tables := seawallTables()
	for _, table := range []nft.TableRef{{Family: nft.Bridge, Name: "seawall"}, tables[0]} {
		chain := &nft.Chain{Table: table, Name: "mine", Hook: nft.Forward, Priority: 50}
		w.byHand(func(b *nft.Batch) {
			b.Add(chain, &nft.Rule{Chain: chain.Ref(), Statements: []nft.Statement{nft.Mark.Eq(7), nft.Counter()}})
		})
		for _, off := range [][]int{{0, 1}, {}, {0}, {0, 1}, {}} {
			cfg := disabling(off...)
			w.cfg.DisableIPv4, w.cfg.DisableIPv6 = cfg.DisableIPv4, cfg.DisableIPv6
			w.reopen()
			w.kernelIsDesired(fmt.Sprint("disabled: ", off))
			if n := len(w.load(table).Rules(chain.Ref())); n != 1 {
				t.Fatalf("disabled: %v: %d rules in the user's chain of %s", off, n, table)
			}
			if len(off) == 0 {
				w.fates(`
					ext  tcp  host:8080  a1 sees ext
					ext  tcp  a1:80      silent
				`)
			}
		}
	}
}
