package bridge

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/seawall-net/seawall/portmap"
)

// A modelBinding is a binding and its scope, which is one of modelScopes.
type modelBinding struct {
	portmap.Binding
	scope int
}

// modelScopes are normalized. Families are as in modelNetwork.
var modelScopes = []struct {
	Scope
	families int
}{
	{Scope{}, 3}, {Scope{Interface: "eth0"}, 3}, {Scope{Interface: "lo"}, 3},
	{Scope{From: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}, 1},
	{Scope{From: []netip.Prefix{netip.MustParsePrefix("2001:db8::/32")}, Interface: "eth1"}, 2},
	{Scope{From: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("2001:db8::/32")}}, 3},
}

// refusesScope tells whether an endpoint cannot publish a binding because of its
// scope, or of that of another.
func (n modelNetwork) refusesScope(e int, b modelBinding) bool {
	kind, s := modelKinds[n.kind], modelScopes[b.scope]
	concerned := n.families & s.families
	if b.HostAddr.Is4() {
		concerned &= 1
	} else if b.HostAddr.Is6() {
		concerned &= 2
	}
	switch {
	case slices.ContainsFunc(n.endpoints[e], func(other modelBinding) bool { return other.Binding == b.Binding }):
		return true
	case b.scope == 0:
		return false
	}
	return concerned == 0 || kind.unprotected&concerned != 0 || b.HostAddr.IsLoopback() && strings.HasPrefix(s.Interface, "eth")
}
