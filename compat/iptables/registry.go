package iptables

import (
	"cmp"
	"slices"

	"github.com/seawall-net/seawall/nft"
)

// Modules lists the matches and targets that are supported, in the order of
// their names. ACCEPT, DROP and RETURN are not modules.
func Modules() []*Module {
	out := slices.Concat(coreModules(), connectionModules(), packetModules())
	slices.SortFunc(out, func(a, b *Module) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Family, b.Family))
	})
	return out
}

var registry = slices.Concat(coreModules(), connectionModules(), packetModules())

// findModule finds a match or target by its name; nil if it is unknown or not
// for the family.
func findModule(name string, target bool, f nft.Family) *Module {
	if !target && (name == "icmpv6" || name == "ipv6-icmp") {
		name = "icmp6"
	}
	for _, m := range registry {
		if m.Name == name && m.Target == target && (m.Family == 0 || m.Family == f) {
			return m
		}
	}
	return nil
}

// coreModules are those that nearly every ruleset uses.
func coreModules() []*Module {
	return []*Module{
		matchAddrtype(),
		matchComment(),
		matchConntrack(),
		matchICMP(),
		matchICMP6(),
		matchLimit(),
		matchMark(),
		matchMultiport(),
		matchSCTP(),
		matchState(),
		matchTCP(),
		matchUDP(),
		targetDNAT(),
		targetLOG(),
		targetMasquerade(),
		targetRedirect(),
		targetReject(),
		targetSNAT(),
	}
}
