package compat

import (
	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/isolation"
	"github.com/seawall-net/seawall/nft"
)

// HybridOptions are what the hybrid layout leaves to its user.
type HybridOptions struct {
	// AcceptMark and DropMark are the bits of packets' marks that carry a verdict
	// to iptables' rules: two different ones, that nobody else on the host uses.
	// Zero is [isolation.DefaultAcceptMark] and [isolation.DefaultDropMark].
	// While there are networks, they must stay as they are.
	AcceptMark, DropMark uint32
	// ICCMark is that of [bridge.NativeOptions].
	ICCMark uint32
}

// Hybrid returns the layout for hosts whose operators type iptables. Everything is
// judged and translated as in the native layout, in maps, and DOCKER-USER is in
// iptables' own table, where it means what it means in Docker: ACCEPT is final,
// RETURN goes on to our rules, DROP drops.
//
//	our tables           ip filter, ip6 filter (priority 0)        our tables
//	forward (-1)         -A FORWARD -j DOCKER-USER                 backstop (10)
//	sets one bit   ──►   -A FORWARD -j DOCKER-FORWARD        ──►   clears it
//	                     -A DOCKER-FORWARD: mark A: ACCEPT
//	                     -A DOCKER-FORWARD: mark D: DROP
//
// The lines in iptables' tables are the same whatever is published, and hold
// nothing that iptables could not read: it lists, saves and restores them without
// loss. There is no process of ours that has to run for it.
//
// A rule of the user's that sets the whole mark (-j MARK --set-mark) takes the
// verdict from the packet. Such a packet is judged again at the end, in favour of
// published ports, and never of others.
func Hybrid(o HybridOptions) bridge.Layout {
	if o.AcceptMark == 0 {
		o.AcceptMark = isolation.DefaultAcceptMark
	}
	if o.DropMark == 0 {
		o.DropMark = isolation.DefaultDropMark
	}
	return hybrid{
		Layout: bridge.NativeWith(bridge.NativeOptions{ICCMark: o.ICCMark, AcceptMark: o.AcceptMark, DropMark: o.DropMark}),
		accept: o.AcceptMark, drop: o.DropMark,
	}
}

// hybrid is the native layout, whose verdicts iptables' rules execute.
type hybrid struct {
	bridge.Layout
	accept, drop uint32
}

// made is kept with chains and tables that were made for the layout, and so go
// with it.
const made = "O"

// The chains of iptables' table filter.
const (
	chainForward       = "FORWARD"
	chainDockerForward = "DOCKER-FORWARD"
)

func (hybrid) Name() string { return "hybrid" }

// MarkBits are the bits of packets' marks that the layout uses.
func (l hybrid) MarkBits() uint32 {
	bits := l.accept | l.drop
	if native, ok := l.Layout.(bridge.MarkLayout); ok {
		bits |= native.MarkBits()
	}
	return bits
}

func (l hybrid) Tables() []nft.TableRef {
	return append(l.Layout.Tables(), filterTable(nft.IPv4), filterTable(nft.IPv6))
}

func (hybrid) UserChain(f nft.Family) nft.ChainRef {
	if f != nft.IPv4 && f != nft.IPv6 {
		return nft.ChainRef{}
	}
	return filterTable(f).Chain(isolation.UserChain)
}

func filterTable(f nft.Family) nft.TableRef { return nft.TableRef{Family: f, Name: "filter"} }

func (l hybrid) Compile(f bridge.Fact, add func(nft.Object)) {
	l.Layout.Compile(f, add)
	h, ok := f.(*bridge.Host)
	if !ok {
		return
	}
	for _, family := range []nft.Family{nft.IPv4, nft.IPv6} {
		if !h.Disabled(family) {
			l.lines(filterTable(family), add)
		}
	}
}

// lines adds what is in a family's iptables table.
func (l hybrid) lines(t nft.TableRef, add func(nft.Object)) {
	forward := nft.Chain{Table: t, Name: chainForward, Hook: nft.Forward, Priority: nft.PriorityFilter, Shared: true, Userdata: made}
	user := nft.Chain{Table: t, Name: isolation.UserChain, Shared: true, Userdata: made}
	judged := nft.Chain{Table: t, Name: chainDockerForward, Shared: true, Userdata: made}
	add(&nft.Table{Family: t.Family, Name: t.Name, Open: true, Userdata: made})
	for _, c := range []nft.Chain{forward, user, judged} {
		add(&c)
	}
	// Before the rules of others, in this order.
	head := func(chain nft.Chain, key string, rank int, statements ...nft.Statement) {
		add(&nft.Rule{Chain: chain.Ref(), Key: key, Rank: rank, Statements: statements})
	}
	head(forward, "user", -2, nft.Counter(), nft.Jump(user.Name))
	head(forward, "judged", -1, nft.Counter(), nft.Jump(judged.Name))
	head(judged, "accept", -2, nft.Mark.EqMasked(l.accept, l.accept), nft.Counter(), nft.Accept())
	head(judged, "drop", -1, nft.Mark.EqMasked(l.drop, l.drop), nft.Counter(), nft.Drop())
}
