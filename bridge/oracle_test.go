package bridge_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/internal/netns"
	"github.com/seawall-net/seawall/nft"
)

// runNFT runs the real nft in a network namespace. Without the tool a test has
// nothing to compare with; in CI that is a failure.
func runNFT(t *testing.T, ns *os.File, stdin string, args ...string) (out string, there bool) {
	t.Helper()
	path, err := exec.LookPath("nft")
	if err != nil {
		const missing = "the nft tool (package nftables, 1.0.6) is not installed: the native ruleset was not compared with it"
		if os.Getenv("CI") != "" {
			t.Fatal(missing)
		}
		t.Log(missing)
		return "", false
	}
	var stdout, stderr bytes.Buffer
	cmd := exec.Command(path, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	if err := netns.Do(ns, cmd.Run); err != nil {
		t.Fatalf("nft %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return stdout.String(), true
}

// The printed native ruleset is what nft lists, and nft can load it: the same
// comes out again.
func TestNativeRulesetIsNFTs(t *testing.T) {
	nativeText(t)
	t.Parallel()
	for _, cfg := range []bridge.Config{
		{}, {AllowDirectRouting: true}, {UserlandProxy: true, WSL2Mirrored: true, DropForward: true}, {WSL2Mirrored: true},
		{DisableIPv4: true}, {DisableIPv6: true, UserlandProxy: true},
	} {
		w := twoNetworks(t, cfg)
		w.attach("a", "more", 20, "9000-9009:9000-9009", "192.0.2.1:9100-9109:9100-9109/udp", "9200-9202:9300-9302/sctp",
			"127.0.0.1:9400:80", "[::1]:9400:80", "192.0.2.1:9500:80/udp", "[2001:db8:1::1]:9500:80/udp")
		w.publishWithin("a", "more", scope("eth0", "198.51.100.0/24", "192.0.2.7/32", "2001:db8::/29"), "9600:80", "9600:80/udp",
			"192.0.2.1:9601:80", "[2001:db8:1::1]:9601:80", "9610-9612:9610-9612", "9620-9622:9710-9712/sctp")
		w.publishWithin("a", "more", scope("lo"), "9602:80")
		w.create(with(networkSpec("c", "172.30.3.0/24", "fd00:30:3::/64"), func(s *bridge.NetworkSpec) {
			s.DisableICC, s.TrustedInterfaces = true, []string{"eth0", "eth1"}
		}))
		w.attach("c", "c1", 2)
		w.attach("c", "c2", 3)
		w.publishWithin("c", "c1", scope("eth0"), "9603:80")
		w.link("c", "c1", "c2", "80-81", "80/udp")
		w.handAppend("a1", 80, drop)
		rs, err := w.fw.Ruleset(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		var printed strings.Builder
		if err := rs.Print(&printed, nft.PrintOptions{Stateless: true}); err != nil {
			t.Fatal(err)
		}
		listed, there := runNFT(t, w.host.File(), "", "-s", "list", "ruleset")
		if !there {
			return
		}
		if printed.String() != listed {
			t.Errorf("printed:\n%s\nlisted by nft:\n%s", printed.String(), listed)
		}
		fresh, err := netns.New()
		if err != nil {
			t.Fatal(err)
		}
		defer fresh.Close()
		runNFT(t, fresh, rs.String(), "-f", "-")
		if again, _ := runNFT(t, fresh, "", "-s", "list", "ruleset"); again != listed {
			t.Errorf("loaded and listed again:\n%s\nbefore:\n%s", again, listed)
		}
	}
}
