package compat

import (
	"slices"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/nft"
)

var _ bridge.PolicyLayout = docker{}

// PolicyChain is FORWARD, whose policy Docker sets since 1.13 (setupIPForwarding),
// where it has switched forwarding on.
func (l docker) PolicyChain(f nft.Family) nft.ChainRef {
	if l.version < version1706 || !slices.Contains(l.version.families(), f) {
		return nft.ChainRef{}
	}
	return nft.TableRef{Family: f, Name: "filter"}.Chain("FORWARD")
}
