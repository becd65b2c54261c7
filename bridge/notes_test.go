package bridge

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"github.com/seawall-net/seawall/nft"
)

// What notes say is read back, whatever the options.
func TestNotes(t *testing.T) {
	t.Parallel()
	addr := netip.MustParseAddr
	for _, g := range []Gateway{
		{Subnet: netip.MustParsePrefix("172.18.0.0/16")},
		{Subnet: netip.MustParsePrefix("172.18.0.0/16"), Address: addr("172.18.255.254"), InhibitAddress: true, HostBinding: addr("127.0.0.1")},
		{Subnet: netip.MustParsePrefix("172.18.0.0/16"), ExplicitOnly: true},
	} {
		spec, err := NetworkSpec{Name: "web", IPv4: g, MTU: 1400, IfPrefix: "lan"}.normalize()
		if err != nil {
			t.Fatal(err)
		}
		notes := (&Network{Spec: spec}).notes(nft.IPv4)
		got := NetworkSpec{Bridge: spec.Bridge}
		if err := got.readNotes(&got.IPv4, notes); err != nil {
			t.Fatal(err)
		}
		if got, err = got.normalize(); err != nil || !reflect.DeepEqual(got, spec) {
			t.Errorf("%q say\n%+v\nwant\n%+v %v", notes, got, spec, err)
		}
	}
	long := &Endpoint{Network: &Network{}, Spec: EndpointSpec{Name: strings.Repeat("x", 128)}}
	if long.record = long.encode(); long.note() != "" {
		t.Error("a note that does not fit beside its record")
	}
}

// A ruleset may hold any comments, and keys of any length.
func FuzzNotes(f *testing.F) {
	f.Add("web", "172.18.0.0/16 gateway 172.18.0.254 inhibited", "host-binding 127.0.0.1 mtu 1400 prefix lan")
	f.Add("c2 on veth0123456 mac 02:42:ac:12:00:03", "fd00::/64", "explicit-only")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		var n NetworkSpec
		if n.readNotes(&n.IPv4, [3]string{a, b, c}) == nil {
			_, _ = n.normalize()
		}
		var e EndpointSpec
		if !e.readNote(a) && !reflect.DeepEqual(e, EndpointSpec{}) {
			t.Errorf("%q is no note, and left %+v", a, e)
		}
		for _, family := range []nft.Family{nft.IPv4, nft.IPv6} {
			for _, set := range []string{"published-any", "published", "ranges"} {
				_, _ = readPublished(family, set, &nft.Element{Key: nft.Value(a), End: nft.Value(b), Data: nft.Value(c)})
			}
		}
	})
}
