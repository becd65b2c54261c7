package bridge

import (
	"slices"

	"github.com/seawall-net/seawall/nft"
)

// A PairLayout is a [Layout] that has rules for each two networks.
type PairLayout interface {
	// CompilePair calls add with each object that two networks need together:
	// rules, in chains that the Host has. What it makes depends on nothing else.
	CompilePair(older, newer *Network, add func(nft.Object))
}

// compileFact compiles a fact, and a network with each of others.
func (fw *Firewall) compileFact(f Fact, others networkSet, add func(nft.Object)) {
	fw.layout.Compile(f, add)
	layout, ok := fw.layout.(PairLayout)
	n, isNetwork := f.(*Network)
	if !ok || !isNetwork {
		return
	}
	for _, other := range others() {
		switch {
		case other.Order < n.Order:
			layout.CompilePair(other, n, add)
		case other.Order > n.Order:
			layout.CompilePair(n, other, add)
		}
	}
}

// A networkSet returns networks, in no order.
type networkSet func() []*Network

// networkFacts returns the networks there are.
func (s *state) networkFacts() []*Network {
	out := make([]*Network, 0, len(s.networks))
	for _, n := range s.networks {
		out = append(out, n.fact)
	}
	return out
}

// compileBack compiles the opposite of what was done, the last first.
func (fw *Firewall) compileBack(log []applied, c *nft.Change) {
	now := fw.state.networkFacts()
	set := func() []*Network { return now }
	for _, a := range slices.Backward(log) {
		n, isNetwork := a.fact.(*Network)
		if a.add {
			if isNetwork {
				now = slices.DeleteFunc(now, func(other *Network) bool { return other == n })
			}
			fw.compileFact(a.fact, set, c.Remove)
			continue
		}
		fw.compileFact(a.fact, set, c.Add)
		if isNetwork {
			now = append(now, n)
		}
	}
}
