package isolation

import (
	"net/netip"

	"github.com/seawall-net/seawall/nft"
)

// A Network is what the filter has to know of a network, in its family.
type Network struct {
	// Bridge is the name of the network's Linux bridge.
	Bridge string
	// Subnet is the network's prefix.
	Subnet netip.Prefix
	// Gateway is the host's address on the bridge. The zero Addr is none.
	Gateway netip.Addr
	// Access says what is reached from outside. The zero value is Published.
	Access Access
	// Untranslated says that packets leave with their own source addresses, so
	// that replies come to the endpoints' addresses. It is for accesses
	// Published and Direct.
	Untranslated bool
	// DisableICC keeps the endpoints from each other.
	DisableICC bool
	// Host says which of the host's own services the endpoints reach. The zero
	// value is all.
	Host HostAccess
	// HostPorts matches packets to ports of the host that the endpoints reach
	// whatever Host says, each by one list of statements.
	HostPorts [][]nft.Statement
	// Trusted are interfaces from which published ports are reached by the
	// endpoints' own addresses, too.
	Trusted []string
	// Mark and Mask select packets that reach every port: those whose mark has,
	// of the bits in Mask, those of Mark. A zero Mask selects none.
	Mark, Mask uint32
	// Log notes what is dropped, if it is not nil.
	Log DropLogger
	// Notes are comments of the network's elements: in the set of all bridges, and in the
	// maps that lead from and to it. A filter that only guards has the first.
	Notes [3]string
}

// Access says what packets from outside, other networks included, reach in a
// network. The host itself reaches everything.
type Access uint8

const (
	// Published are ports that are reached through a translation of one of the
	// host's addresses.
	Published Access = iota
	// Direct is Published, and the same ports by the endpoints' own addresses if
	// they are published on all of the host's.
	Direct
	// Routed are published ports by the endpoints' own addresses, and ICMP.
	Routed
	// All is every port of every endpoint, by the endpoints' own addresses, too.
	All
	// Nothing cuts the network off: in both directions.
	Nothing
)

func (n Network) chain(prefix string) string { return prefix + "-" + n.Bridge }

func (n Network) key() nft.Value { return nft.Key(nft.Name(n.Bridge)) }

// guarded tells whether packets from outside to the endpoints' own addresses are
// dropped before anything else.
func (n Network) guarded() bool { return n.Access == Published || n.Access == Nothing }

// Records is how many records Network can keep with a network, if it judges.
const Records = 3

// Network adds what a network needs. records are kept with its chains: at most
// Records, and none with a filter that only guards.
func (f *Filter) Network(n Network, records []string, add func(nft.Object)) {
	var userdata [Records]string
	copy(userdata[:], records)
	from := nft.Chain{Table: f.table, Name: n.chain("from"), Userdata: userdata[0]}
	to := nft.Chain{Table: f.table, Name: n.chain("to"), Userdata: userdata[1]}
	guard := nft.Chain{Table: f.table, Name: n.chain("guard"), Userdata: userdata[2]}
	chains := []nft.Chain{from, to, guard}
	if f.judging.GuardOnly {
		chains = chains[2:]
	}
	for _, c := range chains {
		add(&c)
	}
	f.guardRules(n, guard, add)
	if !f.judging.GuardOnly {
		f.fromRules(n, from, add)
		f.toRules(n, to, add)
	}
	f.hostRules(n, add)
	f.leaveRules(n, add)
	f.traffic(n, add)

	add(&nft.Element{Set: f.bridges.Ref(), Key: n.key(), Comment: n.Notes[0]})
	if f.judging.GuardOnly {
		return
	}
	add(&nft.Element{Set: f.from.Ref(), Key: n.key(), Verdict: nft.Jump(from.Name), Comment: n.Notes[1]})
	add(&nft.Element{Set: f.to.Ref(), Key: n.key(), Verdict: nft.Jump(to.Name), Comment: n.Notes[2]})
}

// fromRules are about what leaves the network.
func (f *Filter) fromRules(n Network, from nft.Chain, add func(nft.Object)) {
	own := nft.OIFName.Eq(n.Bridge)
	if n.DisableICC {
		// A sibling's published port is reached by the host's address only.
		f.rule(add, from, "own", f.accept(own, nft.CTStatus.Any(nft.CTDNAT), f.port().InSet(f.open))...)
		f.rule(add, from, "own-ranges", f.accept(own, nft.CTStatus.Any(nft.CTDNAT), f.hostRange().InSet(f.openRanges))...)
		f.dropJudged(add, from, "icc", n.Log, ReasonICCOff, own)
	} else {
		f.rule(add, from, "own", f.accept(own)...)
	}
	if n.Access == Nothing {
		f.dropJudged(add, from, "internal", n.Log, ReasonInternal)
		return
	}
	// Nobody sends in another's name.
	f.dropJudged(add, from, "source", n.Log, ReasonForgedSource, nft.Saddr(f.table.Family).NotIn(n.Subnet))
	// To other networks if they let it in, and to everywhere else.
	f.rule(add, from, "others", nft.OIFName.VMap(f.to))
	f.rule(add, from, "out", f.accept()...)
}

// toRules are about what enters the network.
func (f *Filter) toRules(n Network, to nft.Chain, add func(nft.Object)) {
	accept := func(key string, match ...nft.Statement) {
		f.rule(add, to, key, f.accept(match...)...)
	}
	translated := nft.CTStatus.Any(nft.CTDNAT)
	switch n.Access {
	case All:
		accept("all")
		return
	case Routed:
		add(&f.direct)
		accept("icmp", nft.MetaL4Proto.Eq(icmp(f.table.Family)))
		accept("direct", f.port().InSet(f.direct))
	case Direct:
		add(&f.direct)
		accept("open", translated, f.port().InSet(f.open))
		accept("open-ranges", f.hostRange().InSet(f.openRanges))
		accept("direct", f.port().InSet(f.direct))
	case Published:
		// open does not say on which of the host's addresses a port is published.
		// The translation does.
		accept("open", translated, f.port().InSet(f.open))
		accept("open-ranges", translated, f.hostRange().InSet(f.openRanges))
		for _, name := range n.Trusted {
			add(&f.direct)
			accept("trusted-"+name, nft.IIFName.Eq(name), f.port().InSet(f.direct))
			accept("trusted-ranges-"+name, nft.IIFName.Eq(name), f.hostRange().InSet(f.openRanges))
		}
	}
	if n.Mask != 0 && n.Access != Nothing {
		accept("mark", nft.Mark.EqMasked(n.Mark, n.Mask))
	}
	reason := ReasonNotPublished
	if n.Access == Nothing {
		reason = ReasonInternal
	}
	f.dropJudged(add, to, "drop", n.Log, reason)
}

// leaveRules keep what could not be translated from leaving. They come behind
// DOCKER-USER, whose accept would not ask what a packet is.
func (f *Filter) leaveRules(n Network, add func(nft.Object)) {
	if n.Access == Nothing || n.Access == Routed || n.Untranslated {
		return
	}
	add(&f.leave)
	add(&f.translated)
	f.rule(add, f.leave, "invalid", nft.CTState.Any(nft.CTInvalid), nft.IIFName.VMap(f.translated))
	chain := nft.Chain{Table: f.table, Name: n.chain("leave")}
	add(&chain)
	f.dropAtOnce(add, chain, "drop", n.Log, ReasonNoConnection)
	add(&nft.Element{Set: f.translated.Ref(), Key: n.key(), Verdict: nft.Goto(chain.Name)})
}

func icmp(f nft.Family) nft.L4Proto {
	if f == nft.IPv6 {
		return nft.ICMPv6
	}
	return nft.ICMP
}
