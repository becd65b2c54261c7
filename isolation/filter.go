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
	// guard leads from the address of an endpoint to its network's guard chain.
	guard nft.Set
	// from and to lead from a bridge to its network's chains.
	from, to nft.Set
	// open holds the ports of endpoints that are published one by one, and
	// openRanges those that are published as ranges, together with the
	// addresses of the host that they are published on.
	open, openRanges nft.Set
	openRef          nft.SetRef // every port needs it
	// direct holds the ports of endpoints that may be reached without a
	// translation, where direct routing is allowed.
	direct nft.Set

	raw, forward nft.Chain
}

// NewFilter returns the filter of a table.
func NewFilter(t nft.TableRef) *Filter {
	addr := t.Family.AddrType()
	port := nft.TypeOf(addr, nft.TypeInetProto, nft.TypeInetService)
	f := &Filter{
		table:      t,
		bridges:    nft.Set{Table: t, Name: "bridges", Key: nft.TypeIFName},
		guard:      nft.Set{Table: t, Name: "guard", Key: addr, Data: nft.TypeVerdict},
		from:       nft.Set{Table: t, Name: "from-bridge", Key: nft.TypeIFName, Data: nft.TypeVerdict},
		to:         nft.Set{Table: t, Name: "to-bridge", Key: nft.TypeIFName, Data: nft.TypeVerdict},
		open:       nft.Set{Table: t, Name: "open", Key: port},
		direct:     nft.Set{Table: t, Name: "direct", Key: port},
		openRanges: nft.Set{Table: t, Name: "open-ranges", Key: nft.TypeOf(addr, nft.TypeInetProto, nft.TypeInetService, addr), Interval: true},
		raw: nft.Chain{Table: t, Name: "raw-prerouting",
			Hook: nft.Prerouting, Priority: nft.PriorityRaw},
		forward: nft.Chain{Table: t, Name: "forward", Hook: nft.Forward, Priority: nft.PriorityFilter},
	}
	f.openRef = f.open.Ref()
	return f
}

// Base adds what every host has: the base chains, DOCKER-USER, and the sets
// that they look packets up in. userdata is kept with one of the chains.
func (f *Filter) Base(userdata string, add func(nft.Object)) {
	for _, s := range []nft.Set{f.bridges, f.guard, f.from, f.to, f.open, f.openRanges} {
		add(&s)
	}
	user := nft.Chain{Table: f.table, Name: UserChain, Open: true}
	add(&user)
	raw := f.raw
	raw.Userdata = userdata
	add(&raw)
	add(&f.forward)

	daddr := nft.Daddr(f.table.Family)
	// A raw frame to a loopback address would be delivered to a publication
	// there, whatever route_localnet says: DNAT comes before routing.
	f.rule(add, f.raw, "loopback", nft.IIFName.Ne("lo"), daddr.In(loopback(f.table.Family)), nft.Counter(), nft.Drop())
	// What comes from a network is judged in forward, by both networks.
	f.rule(add, f.raw, "bridges", nft.IIFName.InSet(f.bridges), nft.Accept())
	f.rule(add, f.raw, "guard", daddr.VMap(f.guard))

	f.rule(add, f.forward, "user", nft.Jump(UserChain))
	f.rule(add, f.forward, "established", nft.CTState.Any(nft.CTEstablished|nft.CTRelated), nft.Counter(), nft.Accept())
	f.rule(add, f.forward, "from", nft.IIFName.VMap(f.from))
	f.rule(add, f.forward, "to", nft.OIFName.VMap(f.to))
}

// DropOthers adds what drops packets that belong to no network.
func (f *Filter) DropOthers(userdata string, add func(nft.Object)) {
	add(&nft.Rule{
		Chain: f.forward.Ref(), Key: "others", Rank: 1, Userdata: userdata,
		Statements: []nft.Statement{nft.Counter(), nft.Drop()},
	})
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
