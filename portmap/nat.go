package portmap

import (
	"net/netip"

	"github.com/seawall-net/seawall/nft"
)

// A NAT makes the objects that translate addresses in one table of family ip or
// ip6. It is immutable.
type NAT struct {
	table nft.TableRef

	// bridges leads from the bridge that a packet came in by to its network's
	// chain, and local from the bridge that a packet of the host's own goes
	// out by.
	bridges, local nft.Set
	// published leads from an address and a port of the host to an endpoint's,
	// publishedAny from a port on every address.
	published, publishedAny       nft.Set
	publishedRef, publishedAnyRef nft.SetRef // every port needs them
	// endpointLen is how long the maps' data is.
	endpointLen int
	// ranges leads from ranges of ports to endpoints; the port stays.
	ranges nft.Set
	// gates, gatesAny and gateRanges lead from the same keys to the gates of
	// ports that are not for everybody.
	gates, gatesAny, gateRanges nft.Set

	prerouting, output, publish, postrouting nft.Chain

	proxied proxied
}

// A Host is what address translation has to know of the host.
type Host struct {
	// UserlandProxy leaves what the host sends to its loopback addresses, and
	// what endpoints send to ports of their own network, to a proxy.
	UserlandProxy bool
	// Loopback is an interface by which packets to 127.0.0.0/8 come from the
	// host's own side, as they do by lo. Empty is none.
	Loopback string
}

// The reasons for which packets are dropped: the comments of the rules that do so.
const (
	// ReasonForgedSource is what would leave a network untranslated, since its source is
	// not in the network's subnet.
	ReasonForgedSource = "forged source"
	// ReasonOutOfScope is what is sent to a port that is published for others, where a
	// proxy would take it.
	ReasonOutOfScope = "out of scope"
)

// drop adds what drops packets for a reason. log, if not nil, returns what notes
// them.
func (n *NAT) drop(add func(nft.Object), chain nft.Chain, key string, log func(reason string) []nft.Statement, reason string, match ...nft.Statement) {
	match = match[:len(match):len(match)]
	if log != nil {
		n.rule(add, chain, key+"-log", append(match, log(reason)...)...)
	}
	add(&nft.Rule{Chain: chain.Ref(), Key: key, Comment: reason, Statements: append(match, nft.Counter(), nft.Drop())})
}

// NewNAT returns the address translation of a table. userdata is kept with every
// set, so that it can be told from other sets there.
func NewNAT(t nft.TableRef, userdata string) *NAT {
	addr := t.Family.AddrType()
	port := nft.TypeOf(nft.TypeInetProto, nft.TypeInetService)
	hostPort := nft.TypeOf(addr, nft.TypeInetProto, nft.TypeInetService)
	endpoint := nft.TypeOf(addr, nft.TypeInetService)
	set := func(name string, key, data nft.Type) nft.Set {
		return nft.Set{Table: t, Name: name, Key: key, Data: data, Userdata: userdata}
	}
	base := func(name string, hook nft.Hook, priority int32) nft.Chain {
		return nft.Chain{Table: t, Name: name, Type: nft.NATChain, Hook: hook, Priority: priority}
	}
	n := &NAT{
		table:        t,
		bridges:      set("nat-from-bridge", nft.TypeIFName, nft.TypeVerdict),
		local:        set("nat-to-bridge", nft.TypeIFName, nft.TypeVerdict),
		published:    set("published", hostPort, endpoint),
		publishedAny: set("published-any", port, endpoint),
		ranges:       set("ranges", hostPort, addr),
		gates:        set("gates", hostPort, nft.TypeVerdict),
		gatesAny:     set("gates-any", port, nft.TypeVerdict),
		gateRanges:   set("gate-ranges", hostPort, nft.TypeVerdict),
		prerouting:   base("nat-prerouting", nft.Prerouting, nft.PriorityDNAT),
		output:       base("nat-output", nft.Output, nft.PriorityDNAT),
		postrouting:  base("nat-postrouting", nft.Postrouting, nft.PrioritySNAT),
		publish:      nft.Chain{Table: t, Name: "publish"},
		proxied:      newProxied(t, userdata),
	}
	n.ranges.Interval, n.gateRanges.Interval = true, true
	// How many flows each port got. Only their first packets come here.
	n.published.Counter, n.publishedAny.Counter, n.ranges.Counter = true, true, true
	n.publishedRef, n.publishedAnyRef = n.published.Ref(), n.publishedAny.Ref()
	n.endpointLen = len(nft.Key(nft.Addr(unspecified(t.Family)), nft.Port(0)))
	return n
}

func unspecified(f nft.Family) netip.Addr {
	if f == nft.IPv6 {
		return netip.IPv6Unspecified()
	}
	return netip.IPv4Unspecified()
}

// Base adds what every host has: the base chains and the maps.
func (n *NAT) Base(h Host, add func(nft.Object)) {
	for _, s := range []nft.Set{n.bridges, n.local, n.published, n.publishedAny, n.ranges} {
		add(&s)
	}
	for _, c := range []nft.Chain{n.prerouting, n.output, n.publish, n.postrouting} {
		add(&c)
	}

	// Only what is addressed to the host itself: never what it forwards.
	toHost := nft.FibDaddrType.Eq(nft.AddrLocal)
	var arriving, leaving []nft.Statement
	if n.table.Family == nft.IPv6 {
		// A link-local client's address means nothing behind the bridge.
		arriving = append(arriving, nft.IP6Saddr.NotIn(netip.MustParsePrefix("fe80::/10")))
	}
	arriving = append(arriving, toHost, nft.Jump(n.publish.Name))
	if h.UserlandProxy {
		arriving[len(arriving)-1] = nft.Jump(n.proxied.arriving.Name)
		leaving = n.notLoopback()
		n.proxyBase(h, add)
	}
	n.rule(add, n.prerouting, "publish", arriving...)
	n.rule(add, n.output, "publish", append(leaving, toHost, nft.Jump(n.publish.Name))...)

	daddr := nft.Daddr(n.table.Family)
	n.rule(add, n.publish, "published", nft.DNATMap(nft.Concat(daddr, nft.MetaL4Proto, nft.THDport), n.published))
	n.rule(add, n.publish, "published-any", nft.DNATMap(nft.Concat(nft.MetaL4Proto, nft.THDport), n.publishedAny))
	n.rule(add, n.publish, "ranges", nft.DNATMap(nft.Concat(daddr, nft.MetaL4Proto, nft.THDport), n.ranges))

	n.rule(add, n.postrouting, "bridges", nft.IIFName.VMap(n.bridges))
	// The host's own packets came in by no interface; nor did, as far as this
	// hook can see, what br_netfilter passes from port to port of a bridge.
	if !h.UserlandProxy {
		n.rule(add, n.postrouting, "local", nft.IIF.Eq(0), nft.OIFName.VMap(n.local))
	}
	if h.Loopback != "" && !h.UserlandProxy && n.table.Family == nft.IPv4 {
		n.rule(add, n.postrouting, "mirrored", nft.IIFName.Eq(h.Loopback), nft.OIFName.VMap(n.local))
	}
}

func (n *NAT) rule(add func(nft.Object), chain nft.Chain, key string, statements ...nft.Statement) {
	add(&nft.Rule{Chain: chain.Ref(), Key: key, Statements: statements})
}

// Publish adds what leads from a claim on ports of the host to an endpoint's
// ports, which are as many. userdata is kept with the element of the first
// port.
func (n *NAT) Publish(c Claim, to netip.Addr, ports Ports, userdata string, add func(nft.Object)) {
	if c.Ports.Len() > 1 && c.Ports == ports {
		first, last := c.Span()
		add(&nft.Element{
			Set:      n.ranges.Ref(),
			Key:      nft.Key(nft.Addr(first), nft.Proto(c.Proto.l4()), nft.Port(ports.First)),
			End:      nft.Key(nft.Addr(last), nft.Proto(c.Proto.l4()), nft.Port(ports.Last)),
			Data:     nft.Key(nft.Addr(to)),
			Userdata: userdata,
		})
		return
	}
	proto, addr := nft.Proto(c.Proto.l4()), nft.Addr(to)
	for i := range c.Ports.Len() {
		host, port := nft.Port(c.Ports.First+uint16(i)), nft.Port(ports.First+uint16(i))
		// Key and data are made as one value and cut in two: there may be very
		// many, and each would take memory of its own.
		e := &nft.Element{Set: n.publishedAnyRef, Userdata: userdata}
		var both nft.Value
		if c.Addr.IsUnspecified() {
			both = nft.Key(proto, host, addr, port)
		} else {
			e.Set = n.publishedRef
			both = nft.Key(nft.Addr(c.Addr), proto, host, addr, port)
		}
		cut := len(both) - n.endpointLen
		e.Key, e.Data = both[:cut], both[cut:]
		add(e)
		userdata = ""
	}
}

func (p Proto) l4() nft.L4Proto { return nft.L4Proto(p.Number()) }

// Span is the addresses that the claim is on: all of a family if its address
// is unspecified, itself otherwise.
func (c Claim) Span() (first, last netip.Addr) {
	switch {
	case !c.Addr.IsUnspecified():
		return c.Addr, c.Addr
	case c.Addr.Is4():
		return c.Addr, netip.AddrFrom4([4]byte{255, 255, 255, 255})
	}
	var all [16]byte
	for i := range all {
		all[i] = 0xff
	}
	return c.Addr, netip.AddrFrom16(all)
}
