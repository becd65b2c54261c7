package nft

import (
	"context"
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// structure lays out one of the kernel's structures: values at offsets, zeros
// elsewhere.
func structure(size int, at map[int]any) string {
	b := make([]byte, size)
	for offset, v := range at {
		switch v := v.(type) {
		case uint8:
			b[offset] = v
		case uint16:
			binary.NativeEndian.PutUint16(b[offset:], v)
		case uint32:
			binary.NativeEndian.PutUint32(b[offset:], v)
		case uint64:
			binary.NativeEndian.PutUint64(b[offset:], v)
		case string:
			copy(b[offset:], v)
		}
	}
	return string(b)
}

// xtModules are modules with parts in their structures that the kernel keeps
// for itself, and others that are much used. Sizes are those of the structures,
// which end before a multiple of 8 here and there.
var xtModules = []XT{
	{Name: "conntrack", Revision: 3, Info: structure(164, map[int]any{146: uint16(1), 150: uint16(6)})},
	{Name: "addrtype", Revision: 1, Info: structure(8, map[int]any{2: uint16(4), 4: uint32(2)})},
	{Name: "limit", Info: structure(40, map[int]any{0: uint32(2000), 4: uint32(5)})},
	{Name: "hashlimit", Revision: 3, Info: structure(312, map[int]any{
		0: "ssh", 256: uint64(33333), 264: uint64(20), 272: uint32(4), 284: uint32(1000), 288: uint32(1000), 296: uint8(32), 297: uint8(32)})},
	{Name: "statistic", Info: structure(24, map[int]any{0: uint16(1), 4: uint32(2), 12: uint32(2)})},
	{Name: "recent", Revision: 1, Info: structure(228, map[int]any{0: uint32(3600), 8: uint8(4), 10: "bad", 212: strings.Repeat("\xff", 16)})},
	{Name: "connlimit", Revision: 1, Info: structure(32, map[int]any{0: strings.Repeat("\xff", 16), 16: uint32(50)})},
	{Name: "string", Revision: 1, Info: structure(160, map[int]any{2: uint16(0xffff), 4: "bm", 20: "GET", 148: uint8(3)})},
	{Name: "comment", Info: structure(256, map[int]any{0: "why"})},
	{Name: "mark", Revision: 1, Info: structure(12, map[int]any{0: uint32(1), 4: uint32(0xff)})},
	{Target: true, Name: "LOG", Info: structure(32, map[int]any{0: "\x04", 2: "dropped: "})},
	{Target: true, Name: "REJECT", Info: structure(4, map[int]any{0: uint32(3)})},
	{Target: true, Name: "MARK", Revision: 2, Info: structure(8, map[int]any{0: uint32(1), 4: uint32(0xff)})},
	{Target: true, Name: "TEE", Revision: 1, Info: structure(40, map[int]any{0: "\x0a\x00\x00\x09"})},
}

func xtRuleset(t *testing.T, rules ...[]Statement) *Ruleset {
	t.Helper()
	filter := &Chain{Table: TableRef{IPv4, "filter"}, Name: "user"}
	objects := []Object{&Table{Family: IPv4, Name: "filter"}, filter}
	for i, s := range rules {
		objects = append(objects, &Rule{Chain: filter.Ref(), Key: string(rune('A' + i)), Statements: s})
	}
	rs, err := NewRuleset(objects...)
	if err != nil {
		t.Fatal(err)
	}
	return rs
}

// What is sent is found again, whatever the kernel has made of its own part.
func TestXTIsLoadedAsSent(t *testing.T) {
	ns := newNetNS(t)
	err := onThread(func() error {
		if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
			return err
		}
		return netlink.IpsetCreate("blocked", "hash:ip", netlink.IpsetCreateOptions{})
	})
	if err != nil {
		t.Fatal(err)
	}
	blocked := XT{Name: "set", Revision: 4, Info: structure(48, map[int]any{2: "\x01\x02"})}
	var rules [][]Statement
	for _, x := range append(slices.Clone(xtModules), blocked) {
		rules = append(rules, []Statement{x, Counter()})
	}
	want := xtRuleset(t, rules...)
	nat := &Chain{Table: TableRef{IPv4, "nat"}, Name: "pre", Type: NATChain, Hook: Prerouting, Priority: PriorityDNAT}
	dnat := XT{Target: true, Name: "DNAT", Revision: 2, Info: structure(44, map[int]any{
		0: uint32(3), 4: "\x0a\x00\x00\x05", 20: "\x0a\x00\x00\x05", 36: "\x00\x50", 38: "\x00\x50"})}
	for _, o := range []Object{&Table{Family: IPv4, Name: "nat"}, nat,
		&Rule{Chain: nat.Ref(), Key: "dnat", Statements: []Statement{MetaL4Proto.Eq(TCP), dnat}}} {
		if err := want.Add(o); err != nil {
			t.Fatal(err)
		}
	}
	c := dial(t, ns)
	mustCommit(t, c, Diff(&Ruleset{}, want))
	have := load(t, c)
	compareRulesets(t, have, want)
	for _, r := range have.Rules(TableRef{IPv4, "filter"}.Chain("user")) {
		x, ok := r.Statements[0].(XT)
		sent := rules[int(r.Key[0]-'A')][0].(XT)
		sent.Info = alignXT(sent.Info)
		if !ok || x != sent {
			t.Errorf("%s: loaded %#v, sent %#v", r, r.Statements[0], sent)
		}
	}
}

// Modules that want to know the rule's protocol are told.
func TestXTTellsTheProtocol(t *testing.T) {
	t.Parallel()
	ports := XT{Name: "multiport", Revision: 1, Info: structure(48, map[int]any{0: "\x01\x02", 2: uint16(80), 4: uint16(443)})}
	mss := XT{Name: "tcpmss", Info: structure(8, map[int]any{0: uint16(500), 2: uint16(1000)})}
	clamp := XT{Target: true, Name: "TCPMSS", Info: structure(2, map[int]any{0: uint16(0xffff)})}
	for _, tt := range []struct {
		statements []Statement
		ok         bool
	}{
		{[]Statement{MetaL4Proto.Eq(TCP), ports}, true},
		{[]Statement{MetaL4Proto.Eq(UDP), ports}, true},
		{[]Statement{TCPDport.In(1, 1000), ports}, true},
		{[]Statement{TCPDport.Ne(80), mss, clamp}, true},
		{[]Statement{MetaL4Proto.Eq(TCP), IIFName.Eq("lo"), mss, Counter(), clamp}, true},
		{[]Statement{ports}, false},
		{[]Statement{MetaL4Proto.Ne(TCP), ports}, false},
		{[]Statement{MetaL4Proto.Eq(UDP), mss}, false},
		{[]Statement{MetaL4Proto.Eq(ICMP), ports}, false},
		{[]Statement{UDPDport.Eq(1), clamp}, false},
	} {
		c := dial(t, newNetNS(t))
		want := xtRuleset(t, tt.statements)
		_, err := c.Commit(context.Background(), Diff(&Ruleset{}, want))
		if (err == nil) != tt.ok {
			t.Errorf("%s: %v", want, err)
		}
		if err == nil {
			compareRulesets(t, load(t, c), want)
		}
	}
}

func TestXTThatCannotBe(t *testing.T) {
	t.Parallel()
	for _, x := range []XT{{}, {Name: strings.Repeat("x", 29)}, {Name: "a\x00b"}, {Name: "a", Info: strings.Repeat("x", maxXTInfo+1)}} {
		if _, err := (&Rule{Chain: TableRef{IPv4, "t"}.Chain("c"), Statements: []Statement{x}}).compile(); err == nil {
			t.Errorf("%#v compiles", x)
		}
	}
	if got := (XT{Name: "conntrack"}).String() + (XT{Target: true, Name: "LOG"}).String(); got != `xt match "conntrack"xt target "LOG"` {
		t.Error(got)
	}
}

// Rules that differ in one byte of a structure are different; those that
// differ in how it is filled up are not.
func TestXTAreToldApart(t *testing.T) {
	t.Parallel()
	x := XT{Name: "conntrack", Revision: 3, Info: structure(164, map[int]any{150: uint16(6)})}
	same := func(o Statement) bool {
		a := Rule{Chain: TableRef{IPv4, "t"}.Chain("c"), Statements: []Statement{x}}
		b := Rule{Chain: a.Chain, Statements: []Statement{o}}
		return a.same(&b)
	}
	padded, state, rev, name, target := x, x, x, x, x
	padded.Info = alignXT(x.Info)
	state.Info = structure(164, map[int]any{150: uint16(8)})
	rev.Revision = 2
	name.Name = "connmark"
	target.Target = true
	if !same(x) || !same(padded) {
		t.Error("equal matches differ")
	}
	for _, o := range []Statement{state, rev, name, target, CTState.Any(6)} {
		if same(o) {
			t.Errorf("%#v is the same as %#v", o, x)
		}
	}
}
