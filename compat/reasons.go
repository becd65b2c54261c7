package compat

import (
	"strings"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/nft"
)

// DropReason implements [bridge.DropLayout]: Docker's rules have no comments. What
// versions before 17.06 put between each two networks is no network's own.
func (l docker) DropReason(r *nft.Rule) (bridge.Reason, bool) {
	if !drops(r) {
		return "", false
	}
	_, word, _ := strings.Cut(r.Key, ".")
	switch table, chain := r.Chain.Table.Name, r.Chain.Name; {
	case table == "raw" && r.Key[0] == 'e':
		return bridge.DirectAccess, true
	case table != "filter":
		return "", false
	case word == "icc":
		return bridge.ICCOff, true
	case word == "default":
		return bridge.NotPublished, true
	case word == "in", word == "out":
		return bridge.InternalNetwork, true
	case chain == isolationStage2:
		return bridge.BetweenNetworks, true
	}
	return "", false
}

// drops tells whether a rule ends with the verdict to drop.
func drops(r *nft.Rule) bool {
	n := len(r.Statements)
	return n > 0 && r.Statements[n-1] == nft.Statement(nft.Drop())
}
