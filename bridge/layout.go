package bridge

import (
	"errors"

	"github.com/seawall-net/seawall/nft"
)

// A Layout decides how facts look as nft objects. A layout is pure: what it
// makes of a fact depends on nothing else, and it does no I/O. The ruleset is
// the union of what it makes of all facts; objects with the same ID must be
// equal.
type Layout interface {
	// Name identifies the layout in the kernel: "native".
	Name() string
	// Tables are the tables that the layout's objects are in. All are open:
	// users may have chains and sets of their own there. A table whose Userdata
	// is not empty may be others', and is deleted only if it has that Userdata,
	// and so was made for the layout.
	Tables() []nft.TableRef
	// UserChain is the chain of a family, ip or ip6, that belongs to the user.
	// The zero ChainRef is none.
	UserChain(nft.Family) nft.ChainRef
	// Check returns an error if the layout cannot do what a fact asks for: whoever
	// asks gets it in a [*LayoutError]. It is
	// called before Compile, and nothing has happened yet. The fact is final but
	// for its records, and the host ports of a binding.
	Check(f Fact) error
	// Compile calls add with each object that the fact needs, containers
	// before their contents. Rules that different facts put into one chain
	// need different ranks: equal ones stand in the order of arrival, which
	// the next process does not know.
	Compile(f Fact, add func(nft.Object))
}

// A UserInitializer is a [Layout] whose DOCKER-USER has rules from the start.
type UserInitializer interface {
	// InitialUserRules returns rules, without keys, that a new firewall appends
	// to the chain of a family where they are not there. From then on they are
	// the user's, but for the end: a Teardown does not take them for such.
	InitialUserRules(nft.Family) []*nft.Rule
}

// A LayoutError says that a layout cannot do what was asked for. It matches
// errors.ErrUnsupported.
type LayoutError struct {
	// Layout is the layout's name.
	Layout string
	// Err is why not, as [Layout].Check says it.
	Err error
}

// Error names the layout, what it cannot do, and why.
func (e *LayoutError) Error() string { return "bridge: layout " + e.Layout + ": " + e.Err.Error() }

// Unwrap returns Err, and errors.ErrUnsupported.
func (e *LayoutError) Unwrap() []error { return []error{e.Err, errors.ErrUnsupported} }

// ErrNoUserChain says that the layout has no chain for the user's rules.
var ErrNoUserChain = errors.New("the layout has none")
