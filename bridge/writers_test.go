package bridge_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/nft"
	"github.com/seawall-net/seawall/portmap"
)

var writersUpdates = flag.Int("writers.updates", 200, "how many updates the processes of the test of busy writers make in all")

// writes publishes n ports from first on, one in each update; every other update takes back the port before the last. It
// returns what is left, and the longest that an update took.
func writes(fw *bridge.Firewall, first, n int) (left []uint16, worst time.Duration, err error) {
	for i := range n {
		begin := time.Now()
		err := fw.Update(context.Background(), func(tx *bridge.Tx) error {
			port := func(i int) portmap.Binding {
				return portmap.Binding{Host: portmap.Port(uint16(first + i)), Container: portmap.Port(80)}
			}
			c1(tx).Publish(port(i))
			if i%2 == 1 {
				c1(tx).Unpublish(port(i - 1))
			}
			return nil
		})
		if err != nil {
			return nil, 0, fmt.Errorf("update %d: %w", i, err)
		}
		worst = max(worst, time.Since(begin))
	}
	for i := range n {
		if i%2 == 1 || i == n-1 {
			left = append(left, uint16(first+i))
		}
	}
	return left, worst, nil
}

// writeAsTold is a process that does what writes does, and says how long the longest update took.
func writeAsTold(ns *os.File, args []string) error {
	first, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	fw, err := openChild(ns, bridge.Config{RulesOnly: true})
	if err != nil {
		return err
	}
	_, worst, err := writes(fw, first, n)
	fmt.Println(worst)
	return err
}

// strangers are what others do to the ruleset, again and again: each is a number of commands that leave it as it was.
var strangers = [][]string{
	{"nft add table ip busy1", "nft add chain ip busy1 c", "nft add rule ip busy1 c counter drop", "nft delete table ip busy1"},
	{"nft add table inet busy2", "nft add set inet busy2 s { type ipv4_addr; }", "nft add element inet busy2 s { 192.0.2.1 }", "nft delete table inet busy2"},
	{"iptables -A INPUT -s 198.51.100.1 -j DROP", "iptables -D INPUT -s 198.51.100.1 -j DROP"},
	{"ip6tables -I FORWARD -s 2001:db8:2::1 -j DROP", "ip6tables -D FORWARD -s 2001:db8:2::1 -j DROP"},
}

// Eight writers at once: nft and iptables, who never rest, and four firewalls, two of them in other processes. No update
// is lost, nobody starves, and nobody's rules are harmed. For 10,000 updates: make contention.
func TestEightWriters(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"nft", "iptables", "ip6tables"} {
		if _, err := exec.LookPath(name); err != nil {
			if os.Getenv("CI") != "" {
				t.Fatal(err)
			}
			t.Logf("%v: there are fewer writers", err)
		}
	}
	fw := openRulesOnly(t)
	fw.web(t)
	hand, err := nft.Dial(nft.Config{NetNS: fw.ns})
	if err != nil {
		t.Fatal(err)
	}
	defer hand.Close()
	// What strangers have, and want to keep.
	theirs := &nft.Table{Family: nft.IPv4, Name: "theirs"}
	chain := &nft.Chain{Table: theirs.Ref(), Name: "c", Hook: nft.Forward, Priority: 5}
	var b nft.Batch
	b.Add(theirs, chain, &nft.Rule{Chain: chain.Ref(), Statements: []nft.Statement{nft.Mark.Eq(uint32(7)), nft.Drop()}})
	user := fw.UserChain(nft.IPv4)
	b.Add(&nft.Rule{Chain: user, Statements: []nft.Statement{nft.Mark.Eq(uint32(8)), nft.Drop()}})
	if _, err := hand.Commit(context.Background(), b); err != nil {
		t.Fatal(err)
	}
	listing := func() string {
		rs, err := hand.Load(context.Background(), theirs.Ref())
		if err != nil {
			t.Fatal(err)
		}
		rules, err := hand.LoadRules(context.Background(), user)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(rs, rules)
	}
	before := listing()

	var busy sync.WaitGroup
	var done atomic.Bool
	var rounds [4]int
	for i, commands := range strangers {
		if _, err := exec.LookPath(strings.Fields(commands[0])[0]); err != nil {
			continue
		}
		busy.Go(func() {
			for !done.Load() && !t.Failed() {
				for _, command := range commands {
					words := strings.Fields(command)
					if err := runOn(fw.ns, words[0], words[1:]...); err != nil {
						t.Error(err)
					}
				}
				rounds[i]++
			}
		})
	}

	const firewalls = 4
	n := max(1, *writersUpdates/firewalls)
	if n > 12000 {
		t.Fatal("there are not that many ports")
	}
	published := map[uint16]bool{}
	begin := time.Now()
	var mu sync.Mutex
	var worst time.Duration
	var writers sync.WaitGroup
	for i := range firewalls {
		first := 1000 + 12000*i
		for j := range n {
			if j%2 == 1 || j == n-1 {
				published[uint16(first+j)] = true
			}
		}
		var took time.Duration
		if i < 2 {
			c := startChild(t, fw.ns, fmt.Sprintf("writer %d %d", first, n))
			writers.Go(func() {
				took, err := time.ParseDuration(c.wait(t))
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				worst = max(worst, took)
			})
			continue
		}
		mine := openAgain(t, fw.ns, bridge.Config{RulesOnly: true})
		writers.Go(func() {
			var err error
			if _, took, err = writes(mine, first, n); err != nil {
				t.Errorf("firewall %d: %v", i, err)
			}
			mu.Lock()
			defer mu.Unlock()
			worst = max(worst, took)
		})
	}
	writers.Wait()
	took := time.Since(begin)
	done.Store(true)
	busy.Wait()

	agree(t, fw.Firewall)
	v := fw.View()
	for b := range v.Bindings(v.Endpoint("web", "c1")) {
		if !published[b.Host().First] {
			t.Errorf("port %d is still published", b.Host().First)
		}
		delete(published, b.Host().First)
	}
	if len(published) > 0 {
		t.Errorf("%d updates are lost", len(published))
	}
	if after := listing(); after != before {
		t.Errorf("strangers have\n%s\nhad\n%s", after, before)
	}
	t.Logf("%d updates in %v next to %v rounds of strangers; the longest took %v", n*firewalls, took.Round(time.Millisecond), rounds, worst)
}
