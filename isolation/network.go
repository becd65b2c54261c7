package isolation

import (
	"net/netip"

	"github.com/seawall-net/seawall/nft"
)

// A Network is what the filter has to know of a network.
type Network struct {
	// Bridge is the name of the network's Linux bridge.
	Bridge string
	// AllowDirectRouting lets packets from outside reach ports that are
	// published on all addresses by the endpoint's own, if they are routed here.
	AllowDirectRouting bool
}

func (n Network) chain(prefix string) string { return prefix + "-" + n.Bridge }

// Network adds what a network needs. userdata is kept with one of its chains.
func (f *Filter) Network(n Network, userdata string, add func(nft.Object)) {
	from := nft.Chain{Table: f.table, Name: n.chain("from"), Userdata: userdata}
	to := nft.Chain{Table: f.table, Name: n.chain("to")}
	add(&from)
	add(&to)
	guard := nft.Chain{Table: f.table, Name: n.chain("guard")}
	add(&guard)
	if !n.AllowDirectRouting {
		f.rule(add, guard, "drop", nft.Counter(), nft.Drop())
	}

	// What leaves the network: to its own endpoints, to other networks if they
	// let it in, and to everywhere else.
	f.rule(add, from, "own", nft.OIFName.Eq(n.Bridge), nft.Counter(), nft.Accept())
	f.rule(add, from, "others", nft.OIFName.VMap(f.to))
	f.rule(add, from, "out", nft.Counter(), nft.Accept())

	// What enters it: published ports only. Without direct routing they are
	// reached through a translation of the host's address and not otherwise.
	f.rule(add, to, "open", nft.CTStatus.Any(nft.CTDNAT), f.port().InSet(f.open), nft.Counter(), nft.Accept())
	f.rule(add, to, "open-ranges", n.published(
		nft.Concat(f.port(), nft.CTOriginalDaddr(f.table.Family)).InSet(f.openRanges), nft.Counter(), nft.Accept())...)
	if n.AllowDirectRouting {
		add(&f.direct)
		f.rule(add, to, "direct", f.port().InSet(f.direct), nft.Counter(), nft.Accept())
	}
	f.rule(add, to, "drop", nft.Counter(), nft.Drop())

	bridge := nft.Key(nft.Name(n.Bridge))
	add(&nft.Element{Set: f.bridges.Ref(), Key: bridge})
	add(&nft.Element{Set: f.from.Ref(), Key: bridge, Verdict: nft.Jump(from.Name)})
	add(&nft.Element{Set: f.to.Ref(), Key: bridge, Verdict: nft.Jump(to.Name)})
}

func (n Network) published(statements ...nft.Statement) []nft.Statement {
	if n.AllowDirectRouting {
		return statements
	}
	return append([]nft.Statement{nft.CTStatus.Any(nft.CTDNAT)}, statements...)
}

// port is an endpoint's port as a packet names it.
func (f *Filter) port() nft.Concatenation {
	return nft.Concat(nft.Daddr(f.table.Family), nft.MetaL4Proto, nft.THDport)
}

// Endpoint adds what an endpoint with an address needs. userdata is kept with
// the address.
func (f *Filter) Endpoint(n Network, addr netip.Addr, userdata string, add func(nft.Object)) {
	add(&nft.Element{
		Set: f.guard.Ref(), Key: nft.Key(nft.Addr(addr)),
		Verdict: nft.Goto(n.chain("guard")), Userdata: userdata,
	})
}

// Open adds what lets packets in to a port of an endpoint.
func (f *Filter) Open(addr netip.Addr, proto nft.L4Proto, port uint16, add func(nft.Object)) {
	add(&nft.Element{Set: f.openRef, Key: nft.Key(nft.Addr(addr), nft.Proto(proto), nft.Port(port))})
}

// OpenDirect adds what lets packets in to a port of an endpoint that were sent to
// the endpoint's own address.
func (f *Filter) OpenDirect(addr netip.Addr, proto nft.L4Proto, port uint16, add func(nft.Object)) {
	add(&f.direct)
	add(&nft.Element{Set: f.direct.Ref(), Key: nft.Key(nft.Addr(addr), nft.Proto(proto), nft.Port(port))})
}

// OpenRange adds what lets packets in to the ports first to last of an
// endpoint, if they were sent to one of the host's addresses from hostFirst to
// hostLast.
func (f *Filter) OpenRange(addr netip.Addr, proto nft.L4Proto, first, last uint16, hostFirst, hostLast netip.Addr, add func(nft.Object)) {
	add(&nft.Element{
		Set: f.openRanges.Ref(),
		Key: nft.Key(nft.Addr(addr), nft.Proto(proto), nft.Port(first), nft.Addr(hostFirst)),
		End: nft.Key(nft.Addr(addr), nft.Proto(proto), nft.Port(last), nft.Addr(hostLast)),
	})
}
