package portmap

import (
	"net/netip"

	"github.com/seawall-net/seawall/nft"
)

// With a userland proxy, a port of the host has a listener. What the host sends
// to its loopback addresses, and what comes from the network that the port leads
// to, is not translated, and reaches that listener.

// proxied holds what tells such packets from others. A packet from the LAN is
// asked for its interface once, whatever is published.
type proxied struct {
	// bridges holds the bridges of networks that publish. The other sets hold
	// ports of the host together with the bridge of the network that they lead
	// to: on one address, on every address, and ranges.
	bridges, one, any, ranges nft.Set
	// arriving asks own, and then publish.
	arriving, own nft.Chain
}

func newProxied(t nft.TableRef, userdata string) proxied {
	set := func(name string, key ...nft.Type) nft.Set {
		return nft.Set{Table: t, Name: name, Key: nft.TypeOf(key...), Userdata: userdata}
	}
	const br, proto, port = nft.TypeIFName, nft.TypeInetProto, nft.TypeInetService
	p := proxied{
		bridges:  set("own-bridges", br),
		one:      set("own-published", br, t.Family.AddrType(), proto, port),
		any:      set("own-published-any", br, proto, port),
		ranges:   set("own-ranges", br, t.Family.AddrType(), proto, port),
		arriving: nft.Chain{Table: t, Name: "arriving"},
		own:      nft.Chain{Table: t, Name: "own"},
	}
	p.ranges.Interval = true
	return p
}

// notLoopback matches what is neither from nor to a loopback address. What is
// from one could not leave by a bridge.
func (n *NAT) notLoopback() []nft.Statement {
	loopback := netip.MustParsePrefix("127.0.0.0/8")
	if n.table.Family == nft.IPv6 {
		loopback = netip.MustParsePrefix("::1/128")
	}
	return []nft.Statement{nft.Daddr(n.table.Family).NotIn(loopback), nft.Saddr(n.table.Family).NotIn(loopback)}
}

// proxyBase adds what every host with a proxy has.
func (n *NAT) proxyBase(h Host, add func(nft.Object)) {
	p := n.proxied
	add(&p.bridges)
	n.OwnPortSets(add)
	add(&p.arriving)
	add(&p.own)
	if h.Loopback != "" && n.table.Family == nft.IPv4 {
		n.rule(add, n.prerouting, "mirrored", nft.IIFName.Eq(h.Loopback),
			nft.IPDaddr.In(netip.MustParsePrefix("127.0.0.0/8")), nft.Accept())
	}
	n.rule(add, p.arriving, "own", nft.IIFName.InSet(p.bridges), nft.Jump(p.own.Name))
	n.rule(add, p.arriving, "publish", nft.Jump(n.publish.Name))
	for i, key := range []string{"published-any", "published", "ranges"} {
		n.rule(add, p.own, key, append(n.OwnPorts()[i], nft.Accept())...)
	}
}

// OwnPorts returns what matches packets to ports that are published for the
// network that the packet comes from, where there is a proxy: each element
// matches others of them.
func (n *NAT) OwnPorts() [][]nft.Statement {
	p, daddr := n.proxied, nft.Daddr(n.table.Family)
	address := nft.Concat(nft.IIFName, daddr, nft.MetaL4Proto, nft.THDport)
	return [][]nft.Statement{
		{nft.Concat(nft.IIFName, nft.MetaL4Proto, nft.THDport).InSet(p.any)},
		{address.InSet(p.one)},
		{address.InSet(p.ranges)},
	}
}

// OwnPortSets adds the sets that OwnPorts and LeaveToProxy need. Base adds them
// where there is a proxy.
func (n *NAT) OwnPortSets(add func(nft.Object)) {
	for _, s := range []nft.Set{n.proxied.one, n.proxied.any, n.proxied.ranges} {
		add(&s)
	}
}

// LeaveToProxy adds what leaves the ports of a claim to the proxy, for packets
// that come from the bridge of the network that they lead to.
func (n *NAT) LeaveToProxy(c Claim, bridge string, add func(nft.Object)) {
	br, proto, port := nft.Name(bridge), nft.Proto(c.Proto.l4()), nft.Port(c.Ports.First)
	switch {
	case c.Ports.Len() > 1:
		first, last := c.Span()
		add(&nft.Element{
			Set: n.proxied.ranges.Ref(),
			Key: nft.Key(br, nft.Addr(first), proto, port),
			End: nft.Key(br, nft.Addr(last), proto, nft.Port(c.Ports.Last)),
		})
	case c.Addr.IsUnspecified():
		add(&nft.Element{Set: n.proxied.any.Ref(), Key: nft.Key(br, proto, port)})
	default:
		add(&nft.Element{Set: n.proxied.one.Ref(), Key: nft.Key(br, nft.Addr(c.Addr), proto, port)})
	}
}
