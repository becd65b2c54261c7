package isolation

import (
	"net/netip"

	"github.com/seawall-net/seawall/nft"
)

// port is an endpoint's port as a packet names it.
func (f *Filter) port() nft.Concatenation {
	return nft.Concat(nft.Daddr(f.table.Family), nft.MetaL4Proto, nft.THDport)
}

// hostRange is the same with the address that the connection was opened to.
func (f *Filter) hostRange() nft.Concatenation {
	return nft.Concat(f.port(), nft.CTOriginalDaddr(f.table.Family))
}

// Endpoint adds what an endpoint with an address needs. note and userdata are kept
// with the address, note as a comment.
func (f *Filter) Endpoint(n Network, addr netip.Addr, note, userdata string, add func(nft.Object)) {
	e := nft.Element{Set: f.guard.Ref(), Key: nft.Key(nft.Addr(addr)), Verdict: nft.Accept(), Comment: note, Userdata: userdata}
	if n.guarded() {
		guard := nft.Goto(n.chain("guard"))
		if n.Untranslated {
			add(&nft.Element{Set: f.late.Ref(), Key: e.Key, Verdict: guard})
		} else {
			e.Verdict = guard
		}
	}
	add(&e)
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
