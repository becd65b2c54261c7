package plan

import (
	"slices"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/compat/iptables"
	"github.com/seawall-net/seawall/examples/seawallctl/document"
	"github.com/seawall-net/seawall/nft"
)

// Options returns the line about the firewall's own options: none if they are the
// same.
func Options(haveLayout string, have *bridge.Host, wantLayout string, want *bridge.Host) []Line {
	changes := differs(document.ListHost(haveLayout, have), document.ListHost(wantLayout, want))
	if changes == "" {
		return nil
	}
	return []Line{{"~", "firewall", "", changes}}
}

// UserRules returns the lines about a family's user rules: none if they are the
// same. Rules are in order, so what is between the first and the last that differ
// goes and comes.
func UserRules(f nft.Family, have, want *iptables.Save) []Line {
	old, now := document.Lines(have), document.Lines(want)
	for len(old) > 0 && len(now) > 0 && old[0] == now[0] {
		old, now = old[1:], now[1:]
	}
	for len(old) > 0 && len(now) > 0 && old[len(old)-1] == now[len(now)-1] {
		old, now = old[:len(old)-1], now[:len(now)-1]
	}
	family := map[nft.Family]string{nft.IPv4: "ipv4", nft.IPv6: "ipv6"}[f]
	var lines []Line
	for _, l := range old {
		lines = append(lines, Line{"-", "user_rule", family, l})
	}
	for _, l := range now {
		lines = append(lines, Line{"+", "user_rule", family, l})
	}
	return slices.Clip(lines)
}
