package iptables

import (
	"slices"

	"github.com/seawall-net/seawall/nft"
)

// A Context says where a rule is for: what is valid, and what a name means,
// depends on it. The zero Family is refused.
type Context struct {
	// Family is nft.IPv4 (iptables) or nft.IPv6 (ip6tables).
	Family nft.Family
	// Table is "filter", "nat", "raw" or "mangle"; empty stands for filter, as in
	// iptables without -t.
	Table string
	// Hook is where packets come to the chain from, if that is known: some matches
	// and targets exist in some hooks only. A chain such as DOCKER-USER, which
	// FORWARD jumps to, has nft.Forward. NoHook, the zero value, refuses nothing.
	Hook nft.Hook
}

func (c Context) table() string {
	if c.Table == "" {
		return "filter"
	}
	return c.Table
}

// tableNames are the tables that iptables-nft owns and lists.
func tableNames() []string { return []string{"filter", "nat", "raw", "mangle"} }

// isIPTables tells whether iptables lists the table. The security table is not
// supported.
func isIPTables(table string) bool { return slices.Contains(tableNames(), table) }

// hookOf is the hook of iptables' built-in chains.
func hookOf(chain string) nft.Hook {
	switch chain {
	case "PREROUTING":
		return nft.Prerouting
	case "INPUT":
		return nft.Input
	case "FORWARD":
		return nft.Forward
	case "OUTPUT":
		return nft.Output
	case "POSTROUTING":
		return nft.Postrouting
	}
	return nft.NoHook
}
