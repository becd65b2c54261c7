package iptables

import (
	"fmt"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/seawall-net/seawall/internal/netns"
	"github.com/seawall-net/seawall/nft"
)

// testSets are the sets that makeSets makes: their names end in their numbers,
// which the kernel gives away from 0 on. Any other name has number 1, except
// foo and those that begin with "no", which do not exist.
type testSets struct{}

func (testSets) Index(name string) (uint16, nft.Family, error) {
	switch {
	case name == "s0":
		return 0, nft.IPv4, nil
	case name == "six2":
		return 2, nft.IPv6, nil
	case name == "foo", strings.HasPrefix(name, "no"):
		return 0, 0, fmt.Errorf("there is no set %s", name)
	}
	return 1, 0, nil
}

func (testSets) Name(index uint16) (string, error) {
	names := []string{"s0", "s1", "six2"}
	if int(index) >= len(names) {
		return "", fmt.Errorf("there is no set with number %d", index)
	}
	return names[index], nil
}

// makeSets makes the sets of testSets.
func (h host) makeSets() {
	h.t.Helper()
	err := netns.Do(h.ns, func() error {
		counters := netlink.IpsetCreateOptions{Counters: true}
		for _, name := range []string{"s0", "s1"} {
			if err := netlink.IpsetCreate(name, "hash:ip,port", counters); err != nil {
				return err
			}
		}
		counters.Family = unix.AF_INET6
		return netlink.IpsetCreate("six2", "hash:ip,port", counters)
	})
	if err != nil {
		h.t.Fatal(err)
	}
}

// readBack reads a loaded rule, with the names of its sets.
func readBack(r *nft.Rule) (Rule, error) {
	back, err := FromRule(r)
	if err != nil {
		return back, err
	}
	return back.Resolve(testSets{})
}

func TestSetsHaveToBeResolved(t *testing.T) {
	ctx := Context{Family: nft.IPv4}
	ref := nft.TableRef{Family: nft.IPv4, Name: "filter"}.Chain("USER")
	r, err := ParseText(ctx, "-m set --match-set s0 src,dst -j SET --del-set s1 dst")
	if err != nil {
		t.Fatal(err)
	}
	if !r.UsesSets() {
		t.Error("the rule uses no sets")
	}
	if _, _, err := r.Statements(ref); err == nil || !strings.Contains(err.Error(), "set s0 is not resolved") {
		t.Error(err)
	}
	resolved, err := r.Resolve(testSets{})
	if err != nil || resolved.String() != r.String() {
		t.Fatal(resolved, err)
	}
	if _, _, err := r.Statements(ref); err == nil {
		t.Error("resolving a rule changed it")
	}
	s, _, err := resolved.Statements(ref)
	if err != nil {
		t.Fatal(err)
	}
	back, err := FromRule(&nft.Rule{Chain: ref, Statements: s})
	if err != nil || back.String() != "-m set --match-set #0 src,dst -j SET --del-set #1 dst" {
		t.Errorf("%s, %v", back, err)
	}
	if back, err = back.Resolve(testSets{}); err != nil || back.String() != r.String() {
		t.Errorf("%s, %v", back, err)
	}
}

func TestSetsThatCannotBeResolved(t *testing.T) {
	for rule, reason := range map[string]string{
		"-m set --match-set nowhere src":  "there is no set nowhere",
		"-j SET --add-set nowhere src":    "there is no set nowhere",
		"-m set ! --match-set six2 src":   "set six2 is for family ip6",
		"-j SET --del-set six2 src":       "set six2 is for family ip6",
		"-j SET --add-set s0 src --exist": "",
		"-m comment --comment x -j DROP":  "",
	} {
		r, err := ParseText(Context{Family: nft.IPv4}, rule)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Resolve(testSets{}); reason == "" && err != nil ||
			reason != "" && (err == nil || !strings.Contains(err.Error(), reason) || !strings.Contains(err.Error(), rule)) {
			t.Errorf("%s: %v", rule, err)
		}
		if want := strings.Contains(rule, "set"); r.UsesSets() != want {
			t.Errorf("%s: sets %t", rule, !want)
		}
	}
}
