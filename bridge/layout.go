package bridge

import "github.com/seawall-net/seawall/nft"

// A Layout decides how facts look as nft objects. A layout is pure: what it
// makes of a fact depends on nothing else, and it does no I/O. The ruleset is
// the union of what it makes of all facts; objects with the same ID must be
// equal.
type Layout interface {
	// Name identifies the layout in the kernel: "native".
	Name() string
	// Tables are the tables that the layout's objects are in. If they are open,
	// users may have chains and sets of their own there.
	Tables() []nft.TableRef
	// UserChain is the chain of a family, ip or ip6, that belongs to the user.
	UserChain(nft.Family) nft.ChainRef
	// Compile calls add with each object that the fact needs, containers
	// before their contents. Rules that different facts put into one chain
	// need different ranks: equal ones stand in the order of arrival, which
	// the next process does not know.
	Compile(f Fact, add func(nft.Object))
}
