package isolation

import (
	"net/netip"

	"github.com/seawall-net/seawall/nft"
)

// UserChain is the chain that judges forwarded packets before anything else
// does. Its contents belong to the user.
const UserChain = "DOCKER-USER"

// A Filter makes the objects that filter packets in one table of family ip or
// ip6. It is immutable.
type Filter struct {
	table nft.TableRef

	// bridges holds the bridge of every network.
	bridges nft.Set
	// guard leads from the address of an endpoint, or of a gateway, to its
	// network's guard chain. late does the same for the endpoints of networks
	// whose connections have to be known first.
	guard, late nft.Set
	// from and to lead from a bridge to its network's chains; host leads to the
	// chain about the host's own services, where a network has one.
	from, to, host nft.Set
	// translated leads from the bridges whose packets never leave with their own
	// source addresses to the chains that drop what would.
	translated nft.Set
	// open holds the ports of endpoints that are published one by one, and
	// openRanges those that are published as ranges, together with the
	// addresses of the host that they are published on.
	open, openRanges nft.Set
	openRef          nft.SetRef // every port needs it
	// direct holds the ports of endpoints that may be reached without a
	// translation, where the network allows that.
	direct nft.Set
	// within leads from such ports that are not for everybody to the chains that
	// say for whom they are.
	within nft.Set
	// links holds the addresses of endpoints with the ports of siblings that
	// they may open connections to although the network's ICC is disabled.
	links nft.Set
	// neighbours holds the addresses by which such siblings find each other.
	neighbours nft.Set

	raw, tracked, input, forward, leave, output nft.Chain

	// judging says how, and the other two are what stands behind it.
	judging                FilterOptions
	backstop, backstopDrop nft.Chain
}

// NewFilter returns the filter of a table. userdata is kept with every set, so
// that it can be told from other sets there.
func NewFilter(t nft.TableRef, userdata string) *Filter {
	return NewFilterWith(t, userdata, FilterOptions{})
}

// NewFilterWith returns the filter of a table, with options.
func NewFilterWith(t nft.TableRef, userdata string, o FilterOptions) *Filter {
	addr := t.Family.AddrType()
	port := nft.TypeOf(addr, nft.TypeInetProto, nft.TypeInetService)
	set := func(name string, key, data nft.Type) nft.Set {
		return nft.Set{Table: t, Name: name, Key: key, Data: data, Userdata: userdata}
	}
	base := func(name string, hook nft.Hook, priority int32) nft.Chain {
		return nft.Chain{Table: t, Name: name, Hook: hook, Priority: priority}
	}
	f := &Filter{
		table:      t,
		bridges:    set("bridges", nft.TypeIFName, 0),
		guard:      set("guard", addr, nft.TypeVerdict),
		late:       set("guard-late", addr, nft.TypeVerdict),
		from:       set("from-bridge", nft.TypeIFName, nft.TypeVerdict),
		to:         set("to-bridge", nft.TypeIFName, nft.TypeVerdict),
		host:       set("host-from-bridge", nft.TypeIFName, nft.TypeVerdict),
		translated: set("translated", nft.TypeIFName, nft.TypeVerdict),
		open:       set("open", port, 0),
		direct:     set("direct", port, 0),
		within:     set("within", port, nft.TypeVerdict),
		links:      set("links", nft.TypeOf(addr, addr, nft.TypeInetProto, nft.TypeInetService), 0),
		neighbours: set("link-neighbours", nft.TypeOf(addr, addr), 0),
		openRanges: set("open-ranges", nft.TypeOf(addr, nft.TypeInetProto, nft.TypeInetService, addr), 0),

		raw:     base("raw-prerouting", nft.Prerouting, nft.PriorityRaw),
		tracked: base("late-prerouting", nft.Prerouting, nft.PriorityMangle),
		input:   base("input", nft.Input, nft.PriorityFilter),
		forward: base("forward", nft.Forward, nft.PriorityFilter),
		leave:   base("leave", nft.Forward, nft.PriorityFilter+1),
		output:  base("link-output", nft.Output, nft.PriorityFilter),

		judging:      o,
		backstop:     base("backstop", nft.Forward, priorityBackstop),
		backstopDrop: base("backstop-drop", nft.Forward, priorityBackstop+1),
	}
	if o.carries() {
		f.forward.Priority--
	}
	f.openRanges.Interval = true
	f.openRef = f.open.Ref()
	return f
}

// A Host is what the filter has to know of the host.
type Host struct {
	// Loopback is an interface by which packets to 127.0.0.0/8 come from the
	// host's own side, as they do by lo. Empty is none.
	Loopback string
	// DropOthers drops what is forwarded and belongs to no network.
	DropOthers bool
	// Log notes what is dropped and concerns no network. Nil notes nothing.
	Log DropLogger
}

// Base adds what every host has: the base chains, DOCKER-USER, and the sets
// that they look packets up in.
func (f *Filter) Base(h Host, add func(nft.Object)) {
	sets := []nft.Set{f.bridges, f.guard, f.from, f.to, f.open, f.openRanges}
	if f.judging.GuardOnly {
		sets = sets[:2]
	}
	for _, s := range sets {
		add(&s)
	}
	f.User(add)
	add(&f.raw)
	if !f.judging.GuardOnly {
		add(&f.forward)
	}

	daddr := nft.Daddr(f.table.Family)
	// The host itself may use all of its addresses.
	f.rule(add, f.raw, "host", nft.IIFName.Eq("lo"), nft.Accept())
	if h.Loopback != "" && f.table.Family == nft.IPv4 {
		f.rule(add, f.raw, "mirrored", nft.IIFName.Eq(h.Loopback), daddr.In(loopback(nft.IPv4)), nft.Accept())
	}
	// A raw frame to a loopback address would be delivered to a publication
	// there, whatever route_localnet says: DNAT comes before routing.
	f.dropAtOnce(add, f.raw, "loopback", h.Log, ReasonLoopback, daddr.In(loopback(f.table.Family)))
	// What comes from a network is judged in forward, by both networks.
	f.rule(add, f.raw, "bridges", nft.IIFName.InSet(f.bridges), nft.Accept())
	f.rule(add, f.raw, "guard", daddr.VMap(f.guard))

	if f.judging.GuardOnly {
		return
	}
	f.judge(add)
	if h.DropOthers {
		f.DropOthers(h.Log, add)
	}
}

// User adds DOCKER-USER by itself, unless it is elsewhere. It is part of Base.
func (f *Filter) User(add func(nft.Object)) {
	if !f.judging.GuardOnly && !f.judging.carries() {
		add(&nft.Chain{Table: f.table, Name: UserChain, Open: true})
	}
}

func loopback(f nft.Family) netip.Prefix {
	if f == nft.IPv6 {
		return netip.PrefixFrom(netip.IPv6Loopback(), 128)
	}
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{127}), 8)
}

// rule adds a rule to a chain.
func (f *Filter) rule(add func(nft.Object), chain nft.Chain, key string, statements ...nft.Statement) {
	add(&nft.Rule{Chain: chain.Ref(), Key: key, Statements: statements})
}
