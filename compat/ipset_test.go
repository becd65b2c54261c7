package compat

import (
	"errors"
	"os"
	"runtime"
	"strings"
	"testing"

	mdlayher "github.com/mdlayher/netlink"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/seawall-net/seawall/compat/iptables"
	"github.com/seawall-net/seawall/internal/netns"
	"github.com/seawall-net/seawall/nft"
)

// setsNetNS makes a network namespace with the sets v4 and v6, and one that is
// for both families.
func setsNetNS(t *testing.T) *os.File {
	t.Helper()
	ns, err := netns.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ns.Close() })
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		done <- func() error {
			if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
				return err
			}
			if err := netlink.IpsetCreate("v4", "hash:ip", netlink.IpsetCreateOptions{}); err != nil {
				return err
			}
			if err := netlink.IpsetCreate("v6", "hash:ip", netlink.IpsetCreateOptions{Family: unix.AF_INET6}); err != nil {
				return err
			}
			return createForBoth("both")
		}()
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return ns
}

// createForBoth makes a list of sets in the thread's namespace, as ipset does it:
// of no family.
func createForBoth(name string) error {
	conn, err := mdlayher.Dial(unix.NETLINK_NETFILTER, nil)
	if err != nil {
		return err
	}
	defer conn.Close()
	const create, attrType, attrRevision, attrData = 2, 3, 4, 7
	attrs, err := mdlayher.MarshalAttributes([]mdlayher.Attribute{
		{Type: ipsetAttrProtocol, Data: []byte{ipsetProtocol}},
		{Type: ipsetAttrName, Data: append([]byte(name), 0)},
		{Type: attrType, Data: []byte("list:set\x00")},
		{Type: attrRevision, Data: []byte{3}},
		{Type: ipsetAttrFamily, Data: []byte{0}},
		{Type: attrData | unix.NLA_F_NESTED},
	})
	if err != nil {
		return err
	}
	_, err = conn.Execute(mdlayher.Message{
		Header: mdlayher.Header{Type: unix.NFNL_SUBSYS_IPSET<<8 | create, Flags: mdlayher.Request | mdlayher.Acknowledge},
		Data:   append([]byte{unix.AF_INET, unix.NFNETLINK_V0, 0, 0}, attrs...),
	})
	return err
}

func openSets(t *testing.T, ns *os.File) *Sets {
	t.Helper()
	sets, err := OpenSets(ns)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sets.Close() })
	return sets
}

func TestSetsAreFound(t *testing.T) {
	sets := openSets(t, setsNetNS(t))
	seen := map[uint16]bool{}
	for name, family := range map[string]nft.Family{"v4": nft.IPv4, "v6": nft.IPv6, "both": 0} {
		index, f, err := sets.Index(name)
		if err != nil || f != family || seen[index] {
			t.Errorf("%s: number %d, family %s, %v", name, index, f, err)
		}
		seen[index] = true
		if back, err := sets.Name(index); back != name || err != nil {
			t.Errorf("number %d: %q, %v, want %s", index, back, err, name)
		}
	}
}

// Sets belong to a network namespace.
func TestSetsThatDoNotExist(t *testing.T) {
	setsNetNS(t)
	ns, err := netns.New()
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	sets := openSets(t, ns)
	_, _, err = sets.Index("v4")
	if !errors.Is(err, ErrNoSet) || !errors.Is(err, unix.ENOENT) || !strings.Contains(err.Error(), `"v4"`) {
		t.Error(err)
	}
	if _, err := sets.Name(0); !errors.Is(err, ErrNoSet) {
		t.Error(err)
	}
	if _, _, err := sets.Index(strings.Repeat("x", 40)); err == nil {
		t.Error("a set with an impossible name was found")
	}
	if err := sets.Close(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := sets.Index("v4"); err == nil || errors.Is(err, ErrNoSet) {
		t.Error(err)
	}
}

// A rule gets the numbers of its sets from the kernel, which accepts them.
func TestRulesAreResolved(t *testing.T) {
	ns := setsNetNS(t)
	sets := openSets(t, ns)
	conn, err := nft.Dial(nft.Config{NetNS: ns})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, tt := range []struct {
		family nft.Family
		text   string
		refuse string
	}{
		{nft.IPv4, "-m set --match-set v4 src -j DROP", ""},
		{nft.IPv4, "-m set ! --match-set both src,dst -j DROP", ""},
		{nft.IPv4, "-m set --match-set both dst -j SET --add-set v4 src --exist", ""},
		{nft.IPv6, "-j SET --add-set v6 src --del-set v6 dst", ""},
		{nft.IPv6, "-m set --match-set v4 src -j DROP", "set v4 is for family ip"},
		{nft.IPv4, "-m set --match-set v4 src -j SET --add-set v7 dst", `find set "v7"`},
	} {
		ref := nft.TableRef{Family: tt.family, Name: "filter"}.Chain("user")
		rule, err := iptables.ParseArgs(iptables.Context{Family: tt.family, Table: "filter"}, strings.Fields(tt.text))
		if err != nil {
			t.Fatal(err)
		}
		resolved, err := rule.Resolve(sets)
		if tt.refuse != "" {
			if err == nil || !strings.Contains(err.Error(), tt.refuse) || !strings.Contains(err.Error(), tt.text) {
				t.Errorf("%s: error %v", tt.text, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", tt.text, err)
			continue
		}
		statements, _, err := resolved.Statements(ref)
		if err != nil {
			t.Fatal(err)
		}
		want, err := nft.NewRuleset(&nft.Table{Family: tt.family, Name: "filter"}, &nft.Chain{Table: ref.Table, Name: "user"},
			&nft.Rule{Chain: ref, Statements: statements})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Commit(t.Context(), nft.Diff(&nft.Ruleset{}, want)); err != nil {
			t.Errorf("%s: %v", tt.text, err)
			continue
		}
		if _, err := conn.Commit(t.Context(), nft.Diff(want, &nft.Ruleset{})); err != nil {
			t.Fatal(err)
		}
	}
}
