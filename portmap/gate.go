package portmap

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"

	"github.com/seawall-net/seawall/nft"
)

// A gate stands before the translation of ports that are not for everybody. What
// is out of scope is not translated, and where a proxy listens, it is dropped.
// There is a chain for each scope, and maps lead to them, which are asked only
// while there are such ports.

// rankGates is before everything else of the chains that translate.
const rankGates = -1

// Gate adds what keeps a claim, which Publish publishes, to packets that come
// from one of the prefixes, of any address if there are none, and by an interface,
// by any if it is empty. Interface "lo" is what the host itself sends. proxy is
// the Host's, and log returns what notes the packets that are dropped then, if it is
// not nil: networks share the rules.
func (n *NAT) Gate(c Claim, from []netip.Prefix, iface string, proxy bool, log func(reason string) []nft.Statement, add func(nft.Object)) {
	gates := n.gatesBase(proxy, add)
	chain := n.gate(from, iface, proxy, log, add)
	daddr := nft.Daddr(n.table.Family)
	e := &nft.Element{Verdict: nft.Jump(chain.Name)}
	m, rank, selector := n.gates, 0, nft.Concat(daddr, nft.MetaL4Proto, nft.THDport)
	proto, port := nft.Proto(c.Proto.l4()), nft.Port(c.Ports.First)
	switch {
	case c.Ports.Len() > 1:
		first, last := c.Span()
		m, rank = n.gateRanges, 2
		e.Key = nft.Key(nft.Addr(first), proto, port)
		e.End = nft.Key(nft.Addr(last), proto, nft.Port(c.Ports.Last))
	case c.Addr.IsUnspecified():
		m, rank, selector = n.gatesAny, 1, nft.Concat(nft.MetaL4Proto, nft.THDport)
		e.Key = nft.Key(proto, port)
	default:
		e.Key = nft.Key(nft.Addr(c.Addr), proto, port)
	}
	e.Set = m.Ref()
	add(&m)
	add(&nft.Rule{Chain: gates.Ref(), Key: m.Name, Rank: rank, Statements: []nft.Statement{selector.VMap(m)}})
	add(e)
}

// gatesBase adds the chain that asks for gates, and what leads to it: before
// translation or, with a proxy, before it is known whether there is one.
func (n *NAT) gatesBase(proxy bool, add func(nft.Object)) nft.Chain {
	gates := nft.Chain{Table: n.table, Name: "gates"}
	add(&gates)
	jump := func(from nft.Chain, statements ...nft.Statement) {
		add(&nft.Rule{Chain: from.Ref(), Key: "gates", Rank: rankGates, Statements: append(statements, nft.Jump(gates.Name))})
	}
	if !proxy {
		jump(n.publish)
		return gates
	}
	for _, c := range []nft.Chain{n.prerouting, n.output} {
		jump(c, nft.FibDaddrType.Eq(nft.AddrLocal))
	}
	return gates
}

// gate adds the chain that returns what is in a scope, to be translated, and
// ends the way of the rest.
func (n *NAT) gate(from []netip.Prefix, iface string, proxy bool, log func(reason string) []nft.Statement, add func(nft.Object)) nft.Chain {
	sum := sha256.Sum256(fmt.Append(nil, from, " ", iface))
	chain := nft.Chain{Table: n.table, Name: "gate-" + hex.EncodeToString(sum[:16])}
	add(&chain)
	if len(from) == 0 {
		from = []netip.Prefix{netip.PrefixFrom(unspecified(n.table.Family), 0)}
	}
	for i, p := range from {
		var match []nft.Statement
		switch iface {
		case "":
		case "lo":
			match = append(match, nft.IIF.Eq(0))
		default:
			match = append(match, nft.IIFName.Eq(iface))
		}
		if p.Bits() > 0 {
			match = append(match, nft.Saddr(n.table.Family).In(p))
		}
		n.rule(add, chain, fmt.Sprint("in-", i), append(match, nft.Counter(), nft.Return())...)
	}
	if proxy {
		n.drop(add, chain, "out", log, ReasonOutOfScope)
	} else {
		n.rule(add, chain, "out", nft.Counter(), nft.Accept())
	}
	return chain
}
