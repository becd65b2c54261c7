package isolation

import (
	"slices"

	"github.com/seawall-net/seawall/nft"
)

// A LinkFilter makes the objects that filter frames in one table of family
// bridge: what endpoints send in others' names, and what passes between
// endpoints that are kept from each other. It is immutable.
//
//	   prerouting (-400)                         forward
//	frame ──► one of our ports? ──► by EtherType ──► both ports in icc-off? ──► drop
//	          │ no: accept          ▼ drop, or       ▼ no, or translated
//	          ▼                       accept           accept
//
// The first chain comes before connection tracking and before anything that
// br_netfilter shows to the ip families. A port is known by its name, so that the
// rules are in force before it exists. A frame costs the same with any number of
// ports: at most three lookups.
type LinkFilter struct {
	table nft.TableRef

	// ports holds the ports whose frames are judged.
	ports nft.Set
	// mac, ip4 and ip6 hold what a port may send from.
	mac, ip4, ip6 nft.Set
	// etherTypes and icmp6Types lead to the chains about them.
	etherTypes, icmp6Types nft.Set
	// nd and dad lead from a port to the chains about what it says of its IPv6
	// addresses, and asks before it has one.
	nd, dad nft.Set
	// spoofed leads from a port to the chain of its network that drops what was
	// sent in another's name.
	spoofed nft.Set
	// apart holds the ports that are kept from each other, and parted leads from
	// them to the chains of their networks that drop.
	apart, parted nft.Set
	// linked holds the pairs of such ports that a link has brought together;
	// hosts4 and hosts6 lead from such a port, and the MAC and address of the
	// other, to the host's MAC on the bridge.
	linked, hosts4, hosts6 nft.Set

	prerouting, toHost, forward nft.Chain
}

// The regular chains that every host has.
const (
	chainOther     = "other"
	chainARP       = "spoof-arp"
	chainARPSender = "own-arp"
	chainIPv4      = "spoof-ip4"
	chainOwnIPv4   = "own-ip4"
	chainIPv6      = "spoof-ip6"
	chainOwnIPv6   = "own-ip6"
	chainICMPv6    = "own-icmp6"
	chainND        = "own-nd"
	chainDAD       = "own-dad"
	chainUnsourced = "unsourced-icmp6"
	chainSpoofed   = "spoofed"
)

// priorityLink is before everything else that looks at frames.
const priorityLink = -400

// NewLinkFilter returns the filter of a table of family bridge. userdata is kept
// with every set, so that it can be told from other sets there.
func NewLinkFilter(t nft.TableRef, userdata string) *LinkFilter {
	set := func(name string, key, data nft.Type) nft.Set {
		return nft.Set{Table: t, Name: name, Key: key, Data: data, Userdata: userdata}
	}
	own := func(addr nft.Type) nft.Type { return nft.TypeOf(nft.TypeIFName, nft.TypeEtherAddr, addr) }
	return &LinkFilter{
		table:      t,
		ports:      set("ports", nft.TypeIFName, 0),
		mac:        set("own-mac", nft.TypeOf(nft.TypeIFName, nft.TypeEtherAddr), 0),
		ip4:        set("own-ip4", own(nft.TypeIPv4Addr), 0),
		ip6:        set("own-ip6", own(nft.TypeIPv6Addr), 0),
		etherTypes: set("ether-types", nft.TypeEtherType, nft.TypeVerdict),
		icmp6Types: set("icmp6-types", nft.TypeICMPv6Type, nft.TypeVerdict),
		nd:         set("nd-ports", nft.TypeIFName, nft.TypeVerdict),
		dad:        set("dad-ports", nft.TypeIFName, nft.TypeVerdict),
		spoofed:    set("spoofed-ports", nft.TypeIFName, nft.TypeVerdict),
		apart:      set("icc-off", nft.TypeIFName, 0),
		parted:     set("icc-ports", nft.TypeIFName, nft.TypeVerdict),
		linked:     set("linked", nft.TypeOf(nft.TypeIFName, nft.TypeIFName), 0),
		hosts4:     set("link-hosts-ip4", own(nft.TypeIPv4Addr), nft.TypeEtherAddr),
		hosts6:     set("link-hosts-ip6", own(nft.TypeIPv6Addr), nft.TypeEtherAddr),
		prerouting: nft.Chain{Table: t, Name: "prerouting", Hook: nft.Prerouting, Priority: priorityLink},
		toHost:     nft.Chain{Table: t, Name: "link-prerouting", Hook: nft.Prerouting, Priority: nft.PriorityBridgeDNAT},
		forward:    nft.Chain{Table: t, Name: "forward", Hook: nft.Forward, Priority: nft.PriorityBridgeFilter},
	}
}

// A LinkHost says which frames of a host are none of the filter's business. The
// zero value is none.
type LinkHost struct {
	// SkipIPv4 lets IPv4 and ARP pass, SkipIPv6 IPv6.
	SkipIPv4, SkipIPv6 bool
}

// skipped are the EtherTypes that pass.
func (h LinkHost) skipped() (types []uint16) {
	if h.SkipIPv4 {
		types = append(types, nft.EtherIPv4, nft.EtherARP)
	}
	if h.SkipIPv6 {
		types = append(types, nft.EtherIPv6)
	}
	return types
}

// Base adds what every host has: the sets, and the chains that look frames up in
// them.
func (f *LinkFilter) Base(h LinkHost, add func(nft.Object)) {
	for _, s := range []nft.Set{f.ports, f.mac, f.ip4, f.ip6, f.etherTypes, f.icmp6Types, f.nd, f.dad, f.spoofed} {
		add(&s)
	}
	for _, name := range []string{
		chainOther, chainARP, chainARPSender, chainIPv4, chainOwnIPv4,
		chainIPv6, chainOwnIPv6, chainICMPv6, chainND, chainDAD, chainUnsourced, chainSpoofed,
	} {
		add(&nft.Chain{Table: f.table, Name: name})
	}
	add(&f.prerouting)
	f.rule(add, chainSpoofed, "network", nft.IIFName.VMap(f.spoofed))
	f.rule(add, chainSpoofed, "drop", nft.Counter(), nft.Drop()) // whoever has it, the port is judged
	f.dispatch(h, add)
	f.other(add)
	f.arp(add)
	f.ipv4(add)
	f.ipv6(add)
	f.icmp6(add)
	f.neighbours(add)
}

// dispatch is the way from a frame to the chain about it.
func (f *LinkFilter) dispatch(h LinkHost, add func(nft.Object)) {
	f.rule(add, f.prerouting.Name, "others", nft.IIFName.NotInSet(f.ports), nft.Accept())
	f.rule(add, f.prerouting.Name, "type", nft.EtherType.VMap(f.etherTypes))
	f.rule(add, f.prerouting.Name, "mac", nft.Concat(nft.IIFName, nft.EtherSaddr).InSet(f.mac), nft.Goto(chainOther))
	f.drop(add, f.prerouting.Name)
	for _, e := range []struct {
		etherType uint16
		verdict   nft.Verdict
	}{
		{nft.EtherIPv4, nft.Goto(chainIPv4)},
		{nft.EtherARP, nft.Goto(chainARP)},
		{nft.EtherIPv6, nft.Goto(chainIPv6)},
		// What is in a tagged frame would not be judged.
		{nft.EtherVLAN, nft.Goto(chainSpoofed)},
		{nft.EtherQinQ, nft.Goto(chainSpoofed)},
		{0x9100, nft.Goto(chainSpoofed)}, // QinQ of before 802.1ad
		{0x9200, nft.Goto(chainSpoofed)},
	} {
		if slices.Contains(h.skipped(), e.etherType) {
			e.verdict = nft.Accept()
		}
		add(&nft.Element{Set: f.etherTypes.Ref(), Key: nft.Key(nft.EtherTypeValue(e.etherType)), Verdict: e.verdict})
	}
}

// other lets everything else pass that has the port's own MAC, but for what
// bridges say to each other (IEEE 802.1D).
func (f *LinkFilter) other(add func(nft.Object)) {
	first, last := [6]byte{0x01, 0x80, 0xc2}, [6]byte{0x01, 0x80, 0xc2, 0, 0, 0x0f}
	f.rule(add, chainOther, "bridges", nft.EtherDaddr.In(first, last), nft.Counter(), nft.Goto(chainSpoofed))
	f.rule(add, chainOther, "accept", nft.Accept())
}

// arp lets a port say that it has its own addresses, and ask whether anybody
// else has (RFC 5227).
func (f *LinkFilter) arp(add func(nft.Object)) {
	f.rule(add, chainARP, "mac",
		nft.ARPHtype.Eq(1), nft.ARPPtype.Eq(nft.EtherIPv4), nft.ARPHlen.Eq(6), nft.ARPPlen.Eq(4),
		nft.ARPOperation.In(nft.ARPRequest, nft.ARPReply),
		nft.Concat(nft.IIFName, nft.EtherSaddr).InSet(f.mac), nft.Goto(chainARPSender))
	f.drop(add, chainARP)

	f.rule(add, chainARPSender, "own", nft.Concat(nft.IIFName, nft.ARPSaddrEther, nft.ARPSaddrIP).InSet(f.ip4), nft.Accept())
	f.rule(add, chainARPSender, "probe", nft.ARPOperation.Eq(nft.ARPRequest), nft.ARPSaddrIP.Eq(unspecified4()),
		nft.Concat(nft.IIFName, nft.ARPSaddrEther, nft.ARPDaddrIP).InSet(f.ip4), nft.Accept())
	f.drop(add, chainARPSender)
}

// ipv4 lets a port send from its own address, but not as a DHCP server.
func (f *LinkFilter) ipv4(add func(nft.Object)) {
	f.rule(add, chainIPv4, "own", nft.Concat(nft.IIFName, nft.EtherSaddr, nft.IPSaddr).InSet(f.ip4), nft.Goto(chainOwnIPv4))
	f.drop(add, chainIPv4)
	f.ownIP(add, chainOwnIPv4, 67, 68)
	f.rule(add, chainOwnIPv4, "accept", nft.MetaL4Proto.Ne(nft.TCP), nft.Accept())
	f.drop(add, chainOwnIPv4)
}

// ownIP begins a chain about packets from a port's own address. A header that
// cannot be read has no protocol, and matches none of the rules.
func (f *LinkFilter) ownIP(add func(nft.Object), chain string, server, client uint16) {
	f.rule(add, chain, "tcp", nft.MetaL4Proto.Eq(nft.TCP), nft.Accept())
	f.rule(add, chain, "dhcp-from", nft.UDPSport.Eq(server), nft.Counter(), nft.Goto(chainSpoofed))
	f.rule(add, chain, "dhcp-to", nft.UDPDport.Eq(client), nft.Counter(), nft.Goto(chainSpoofed))
}

// drop ends a chain. Which of the rules it was, they count themselves; whose
// frame it was, the chain that they lead to knows.
func (f *LinkFilter) drop(add func(nft.Object), chain string) {
	f.rule(add, chain, "drop", nft.Counter(), nft.Goto(chainSpoofed))
}

// A LinkNetwork is what the filter has to know of a network.
type LinkNetwork struct {
	// Bridge is the name of the network's Linux bridge.
	Bridge string
	// Log notes what is dropped, if it is not nil.
	Log DropLogger
}

func (n LinkNetwork) spoofed() string { return "spoofed-" + n.Bridge }

// Network adds what a network needs: the chain that drops what its endpoints send
// in others' names.
func (f *LinkFilter) Network(n LinkNetwork, add func(nft.Object)) {
	chain := nft.Chain{Table: f.table, Name: n.spoofed()}
	add(&chain)
	n.Log.dropRules(add, dropped(chain.Ref(), "drop"), ReasonSpoofedFrame)
}

// rule adds a rule to a chain.
func (f *LinkFilter) rule(add func(nft.Object), chain, key string, statements ...nft.Statement) {
	add(&nft.Rule{Chain: f.table.Chain(chain), Key: key, Statements: statements})
}
