package portmap

import (
	"errors"
	"io/fs"
	"net/netip"
	"slices"
	"testing"
)

// claim returns what spec takes of the family of its address, which it must
// name.
func claim(spec string) Claim { return MustParse(spec).Claims(true, true)[0] }

func mustAdd(t testing.TB, x *Index[string], spec, owner string) {
	t.Helper()
	for _, c := range MustParse(spec).Claims(true, true) {
		if err := x.Add(c, owner); err != nil {
			t.Fatal(err)
		}
	}
}

// checkEmpty checks that nothing is left of claims that have been removed.
func checkEmpty[Owner any](t *testing.T, x *Index[Owner]) {
	t.Helper()
	if x.Len() != 0 || len(x.whole) != 0 {
		t.Errorf("%d claims and %d whole blocks are left", x.Len(), len(x.whole))
	}
	for at, p := range x.pieces {
		if p.used != 0 {
			t.Errorf("block %#x still uses ports %#x", at, p.used)
		}
		for n, there := range p.ports {
			if there.first != nil || there.more != nil {
				t.Errorf("port %d of block %#x still has tenants", n, at)
			}
		}
	}
}

func TestIndexConflicts(t *testing.T) {
	for _, test := range []struct {
		published, wanted string
		conflict          bool
	}{
		{"0.0.0.0:80:80", "0.0.0.0:80:81", true},
		{"0.0.0.0:80:80", "0.0.0.0:81:80", false},
		{"0.0.0.0:80:80", "0.0.0.0:80:80/udp", false},
		{"0.0.0.0:80:80/udp", "0.0.0.0:80:80/sctp", false},
		{"0.0.0.0:80:80", "[::]:80:80", false},
		{"0.0.0.0:80:80", "127.0.0.1:80:80", true},
		{"127.0.0.1:80:80", "0.0.0.0:80:80", true},
		{"127.0.0.1:80:80", "127.0.0.1:80:80", true},
		{"127.0.0.1:80:80", "127.0.0.2:80:80", false},
		{"127.0.0.1:80:80", "192.0.2.1:80:80", false},
		{"127.0.0.1:80:80", "[::1]:80:80", false},
		{"[::]:80:80", "[::1]:80:80", true},
		{"[::1]:80:80", "[::]:80:80", true},
		{"[::1]:80:80", "[::1]:80:80", true},
		{"[::1]:80:80", "[::2]:80:80", false},
		{"80:80", "127.0.0.1:80:80", true},
		{"80:80", "[::1]:80:80", true},
		{"80:80", "80:80", true},
		{"80:80", "81:81", false},
		// Ranges: inside one block, across blocks, whole blocks, the ends.
		{"0.0.0.0:8000-8009:1-10", "0.0.0.0:8009:80", true},
		{"0.0.0.0:8000-8009:1-10", "0.0.0.0:8010:80", false},
		{"0.0.0.0:8000-8009:1-10", "0.0.0.0:7999:80", false},
		{"0.0.0.0:8005:80", "0.0.0.0:8000-8009:1-10", true},
		{"0.0.0.0:1000-2000:1000-2000", "127.0.0.1:1500:80", true},
		{"127.0.0.1:1500:80", "0.0.0.0:1000-2000:1000-2000", true},
		{"127.0.0.1:1500:80", "127.0.0.2:1000-2000:1000-2000", false},
		{"0.0.0.0:1000-2000:1000-2000", "0.0.0.0:2000-3000:2000-3000", true},
		{"0.0.0.0:1000-2000:1000-2000", "0.0.0.0:2001-3000:2001-3000", false},
		{"0.0.0.0:64-127:64-127", "0.0.0.0:63:80", false},
		{"0.0.0.0:64-127:64-127", "0.0.0.0:64:80", true},
		{"0.0.0.0:64-127:64-127", "0.0.0.0:127:80", true},
		{"0.0.0.0:64-127:64-127", "0.0.0.0:128:80", false},
		{"0.0.0.0:64-127:64-127", "0.0.0.0:64-127:64-127/udp", false},
		{"0.0.0.0:64-127:64-127", "0.0.0.0:100-200:100-200", true},
		{"0.0.0.0:100-200:100-200", "0.0.0.0:64-127:64-127", true},
		{"0.0.0.0:1-65535:1-65535", "10.0.0.1:65535:80", true},
		{"10.0.0.1:65535:80", "0.0.0.0:1-65535:1-65535", true},
		{"0.0.0.0:65500-65535:1-36", "0.0.0.0:65535:80", true},
	} {
		var index Index[string]
		mustAdd(t, &index, test.published, "first")
		for _, c := range MustParse(test.wanted).Claims(true, true) {
			other, owner, found := index.Conflict(c)
			if found != test.conflict {
				t.Errorf("published %s, wanted %v: conflict %v", test.published, c, found)
			}
			if found && (owner != "first" || !slices.Contains(MustParse(test.published).Claims(true, true), other)) {
				t.Errorf("published %s, wanted %v: the conflict is with %v of %q", test.published, c, other, owner)
			}
			if err := index.Add(c, "second"); errors.Is(err, fs.ErrExist) != test.conflict {
				t.Errorf("published %s, wanted %v: Add = %v", test.published, c, err)
			}
		}
	}
}

func TestIndexSingleFamily(t *testing.T) {
	var index Index[string]
	for _, c := range MustParse("80:80").Claims(true, false) {
		if err := index.Add(c, "v4 only"); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range MustParse("80:80").Claims(false, true) {
		if err := index.Add(c, "v6 only"); err != nil {
			t.Errorf("a container with IPv6 alone cannot publish what IPv4 has: %v", err)
		}
	}
	if index.Len() != 2 {
		t.Errorf("Len() = %d", index.Len())
	}
}

func TestConflictErrorText(t *testing.T) {
	var index Index[string]
	mustAdd(t, &index, "127.0.0.1:8080:80", "web/c7")
	err := index.Add(claim("0.0.0.0:8080:80"), "web/c8")
	const want = "portmap: 0.0.0.0:8080/tcp: already published as 127.0.0.1:8080/tcp by web/c7"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	err = index.Add(claim("127.0.0.1:8080:80"), "web/c8")
	var e *ConflictError[string]
	if !errors.As(err, &e) || e.Owner != "web/c7" || e.Error() != "portmap: 127.0.0.1:8080/tcp: already published by web/c7" {
		t.Errorf("got %v", err)
	}
}

func TestIndexRefusesInvalidClaims(t *testing.T) {
	var index Index[string]
	v4 := netip.MustParseAddr("192.0.2.1")
	for _, bad := range []Claim{
		{},
		{Addr: v4},
		{Ports: Port(80)},
		{Addr: v4, Ports: Ports{2, 1}},
		{Addr: v4, Ports: Ports{0, 1}},
		{Addr: v4, Ports: Port(80), Proto: 3},
		{Addr: netip.MustParseAddr("::ffff:192.0.2.1"), Ports: Port(80)},
		{Addr: netip.MustParseAddr("fe80::1%x"), Ports: Port(80)},
		claim("0.0.0.0:8000-8010:80"), // not settled
		claim("0.0.0.0::80"),
	} {
		if err := index.Add(bad, "x"); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("Add(%v) = %v", bad, err)
		}
		if index.Remove(bad) {
			t.Errorf("Remove(%v) found it", bad)
		}
	}
	mustAdd(t, &index, "1-65535:1-65535", "all")
	if _, _, found := index.Conflict(Claim{Addr: v4}); found {
		t.Error("a claim without ports conflicts")
	}
}

func TestIndexRemoveIsExact(t *testing.T) {
	var index Index[string]
	mustAdd(t, &index, "0.0.0.0:1000-1100:1000-1100", "range")
	for _, other := range []string{
		"0.0.0.0:1000:80", "0.0.0.0:1000-1099:1000-1099", "0.0.0.0:1000-1200:1000-1200", "127.0.0.1:1000-1100:1000-1100",
		"0.0.0.0:1000-1100:1000-1100/udp", "[::]:1000-1100:1000-1100", "0.0.0.0:1024-1087:1024-1087",
	} {
		if index.Remove(claim(other)) {
			t.Errorf("Remove(%s) found it", other)
		}
	}
	if err := index.Add(claim("0.0.0.0:1050:80"), "x"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("after removals of others: %v", err)
	}
	whole := claim("0.0.0.0:1000-1100:1000-1100")
	if !index.Remove(whole) || index.Remove(whole) {
		t.Error("Remove did not remove once")
	}
	checkEmpty(t, &index)
}

func TestRangeIsFewBlocks(t *testing.T) {
	var index Index[string]
	mustAdd(t, &index, "0.0.0.0:10000-19999:10000-19999/udp", "rtp")
	if n := len(index.whole) + len(index.pieces); n > 157 {
		t.Errorf("10,000 ports are in %d blocks", n)
	}
}

func TestIndexAllocations(t *testing.T) {
	var index Index[int]
	for n := range 2000 {
		if err := index.Add(Claim{Addr: netip.IPv6Unspecified(), Ports: Port(uint16(1 + n))}, n); err != nil {
			t.Fatal(err)
		}
	}
	free := Claim{Addr: netip.MustParseAddr("192.0.2.1"), Ports: Port(80)}
	taken := Claim{Addr: netip.MustParseAddr("::1"), Ports: Ports{2000, 3000}}
	if n := testing.AllocsPerRun(100, func() { index.Conflict(free); index.Conflict(taken) }); n != 0 {
		t.Errorf("Conflict allocates %v times", n)
	}
	if n := testing.AllocsPerRun(100, func() {
		if err := index.Add(free, 1); err != nil || !index.Remove(free) {
			t.Fatal("not added and removed")
		}
	}); n > 1 {
		t.Errorf("Add and Remove allocate %v times", n)
	}
}
