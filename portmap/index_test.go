package portmap

import (
	"errors"
	"io/fs"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
)

// claim returns what spec takes of the family of its address, which it must
// name.
func claim(spec string) Claim { return MustParse(spec).Claims(true, true)[0] }

func mustAdd(t testing.TB, e *IndexEditor[string], spec, owner string) {
	t.Helper()
	for _, c := range MustParse(spec).Claims(true, true) {
		if err := e.Add(c, owner); err != nil {
			t.Fatal(err)
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
		edit := Index[string]{}.Edit()
		mustAdd(t, edit, test.published, "first")
		index := edit.Index()
		for _, c := range MustParse(test.wanted).Claims(true, true) {
			other, owner, found := index.Conflict(c)
			if found != test.conflict {
				t.Errorf("published %s, wanted %v: conflict %v", test.published, c, found)
			}
			if found && (owner != "first" || !slices.Contains(MustParse(test.published).Claims(true, true), other)) {
				t.Errorf("published %s, wanted %v: the conflict is with %v of %q", test.published, c, other, owner)
			}
			if err := edit.Add(c, "second"); errors.Is(err, fs.ErrExist) != test.conflict {
				t.Errorf("published %s, wanted %v: Add = %v", test.published, c, err)
			}
		}
	}
}

func TestIndexSingleFamily(t *testing.T) {
	edit := Index[string]{}.Edit()
	for _, c := range MustParse("80:80").Claims(true, false) {
		if err := edit.Add(c, "v4 only"); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range MustParse("80:80").Claims(false, true) {
		if err := edit.Add(c, "v6 only"); err != nil {
			t.Errorf("a container with IPv6 alone cannot publish what IPv4 has: %v", err)
		}
	}
	if edit.Index().Len() != 2 {
		t.Errorf("Len() = %d", edit.Index().Len())
	}
}

func TestConflictErrorText(t *testing.T) {
	edit := Index[string]{}.Edit()
	mustAdd(t, edit, "127.0.0.1:8080:80", "web/c7")
	err := edit.Add(claim("0.0.0.0:8080:80"), "web/c8")
	const want = "portmap: 0.0.0.0:8080/tcp: already published as 127.0.0.1:8080/tcp by web/c7"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	err = edit.Add(claim("127.0.0.1:8080:80"), "web/c8")
	var e *ConflictError[string]
	if !errors.As(err, &e) || e.Owner != "web/c7" || e.Error() != "portmap: 127.0.0.1:8080/tcp: already published by web/c7" {
		t.Errorf("got %v", err)
	}
}

func TestIndexRefusesInvalidClaims(t *testing.T) {
	edit := Index[string]{}.Edit()
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
		if err := edit.Add(bad, "x"); !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("Add(%v) = %v", bad, err)
		}
		if edit.Remove(bad) {
			t.Errorf("Remove(%v) found it", bad)
		}
	}
	mustAdd(t, edit, "1-65535:1-65535", "all")
	if _, _, found := edit.Index().Conflict(Claim{Addr: v4}); found {
		t.Error("a claim without ports conflicts")
	}
}

func TestIndexRemoveIsExact(t *testing.T) {
	edit := Index[string]{}.Edit()
	mustAdd(t, edit, "0.0.0.0:1000-1100:1000-1100", "range")
	for _, other := range []string{
		"0.0.0.0:1000:80", "0.0.0.0:1000-1099:1000-1099", "0.0.0.0:1000-1200:1000-1200", "127.0.0.1:1000-1100:1000-1100",
		"0.0.0.0:1000-1100:1000-1100/udp", "[::]:1000-1100:1000-1100", "0.0.0.0:1024-1087:1024-1087",
	} {
		if edit.Remove(claim(other)) {
			t.Errorf("Remove(%s) found it", other)
		}
	}
	if err := edit.Add(claim("0.0.0.0:1050:80"), "x"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("after removals of others: %v", err)
	}
	whole := claim("0.0.0.0:1000-1100:1000-1100")
	if !edit.Remove(whole) || edit.Remove(whole) {
		t.Error("Remove did not remove once")
	}
	if index := edit.Index(); index.Len() != 0 || index.cells.Len() != 0 {
		t.Errorf("%d claims and %d cells are left", index.Len(), index.cells.Len())
	}
}

func TestRangeIsFewCells(t *testing.T) {
	edit := Index[string]{}.Edit()
	mustAdd(t, edit, "0.0.0.0:10000-19999:10000-19999/udp", "rtp")
	if cells := edit.Index().cells.Len(); cells >= 300 {
		t.Errorf("10,000 ports are in %d cells", cells)
	}
}

// TestIndexAgainstModel runs random histories on few ports and addresses, where
// conflicts are frequent, against a list of claims that is searched port by port.
func TestIndexAgainstModel(t *testing.T) {
	addrs := []netip.Addr{
		netip.IPv4Unspecified(), netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("127.0.0.2"),
		netip.MustParseAddr("10.0.0.1"), netip.IPv6Unspecified(), netip.MustParseAddr("::1"), netip.MustParseAddr("fd00::1"),
	}
	excludes := func(a, b Claim) bool {
		if a.Proto != b.Proto || a.Addr.Is4() != b.Addr.Is4() {
			return false
		}
		sameAddr := a.Addr == b.Addr || a.Addr.IsUnspecified() || b.Addr.IsUnspecified()
		for port := int(a.Ports.First); port <= int(a.Ports.Last); port++ {
			if sameAddr && b.Ports.Contains(uint16(port)) {
				return true
			}
		}
		return false
	}
	rnd := rand.New(rand.NewPCG(3, 4))
	randomClaim := func() Claim {
		first := 1 + rnd.IntN(400)
		last := first
		switch rnd.IntN(4) {
		case 0:
			last += rnd.IntN(10)
		case 1:
			last += rnd.IntN(200)
		}
		return Claim{addrs[rnd.IntN(len(addrs))], Ports{uint16(first), uint16(last)}, Proto(rnd.IntN(2))}
	}

	type snapshot struct {
		index Index[int]
		model map[Claim]int
	}
	var kept []snapshot
	var index Index[int]
	model := make(map[Claim]int)
	added, refused := 0, 0
	for owner := range 6000 {
		edit := index.Edit()
		c := randomClaim()
		var blockers []Claim
		for other := range model {
			if excludes(c, other) {
				blockers = append(blockers, other)
			}
		}
		other, who, found := index.Conflict(c)
		if found != (len(blockers) > 0) {
			t.Fatalf("step %d: Conflict(%v) = %v, the model has %v", owner, c, found, blockers)
		}
		if found && (!slices.Contains(blockers, other) || model[other] != who) {
			t.Fatalf("step %d: Conflict(%v) = %v of %d, the model has %v", owner, c, other, who, blockers)
		}
		if err := edit.Add(c, owner); (err != nil) != found {
			t.Fatalf("step %d: Add(%v) = %v, the model has %v", owner, c, err, blockers)
		}
		if found {
			refused++
			// Make room: most histories otherwise end with everything taken.
			if !edit.Remove(blockers[0]) {
				t.Fatalf("step %d: Remove(%v) did not find it", owner, blockers[0])
			}
			delete(model, blockers[0])
		} else {
			added++
			model[c] = owner
		}
		index = edit.Index()
		if index.Len() != len(model) {
			t.Fatalf("step %d: Len() = %d, want %d", owner, index.Len(), len(model))
		}
		if owner%200 == 0 {
			kept = append(kept, snapshot{index, maps.Clone(model)})
		}
	}
	if added < 1000 || refused < 1000 {
		t.Fatalf("the history has %d additions and %d refusals: too few to say anything", added, refused)
	}

	kept = append(kept, snapshot{index, model})
	for i, s := range kept {
		edit := s.index.Edit()
		for c, owner := range s.model {
			if other, who, found := s.index.Conflict(c); !found || other != c || who != owner {
				t.Fatalf("snapshot %d: %v is %v of %d, want %d", i, c, other, who, owner)
			}
			if !edit.Remove(c) {
				t.Fatalf("snapshot %d: Remove(%v) did not find it", i, c)
			}
		}
		if left := edit.Index(); left.Len() != 0 || left.cells.Len() != 0 {
			t.Fatalf("snapshot %d: %d claims and %d cells are left", i, left.Len(), left.cells.Len())
		}
	}
}
