package nft

import (
	"net/netip"
	"testing"
)

// everything returns a ruleset with every kind of object, type, field and
// statement that this package can write.
func everything(t testing.TB) *Ruleset {
	t.Helper()
	rs, err := NewRuleset(everythingObjects()...)
	if err != nil {
		t.Fatal(err)
	}
	return rs
}

func everythingObjects() []Object {
	var all []Object
	add := func(o ...Object) { all = append(all, o...) }

	// A name that sorts before the others' comes last: the order is the
	// kernel's, not the alphabet's.
	ip := TableRef{IPv4, "seawall"}
	add(&Table{Family: IPv4, Name: "seawall", Comment: "bridge networks", Userdata: "\x00opaque"})
	published := &Set{Table: ip, Name: "published", Key: TypeOf(TypeIPv4Addr, TypeInetProto, TypeInetService),
		Data: TypeOf(TypeIPv4Addr, TypeInetService), Comment: "host address . protocol . port"}
	ranges := &Set{Table: ip, Name: "ranges", Key: TypeOf(TypeIPv4Addr, TypeInetProto, TypeInetService),
		Data: TypeIPv4Addr, Interval: true}
	dispatch := &Set{Table: ip, Name: "from-bridge", Key: TypeIFName, Data: TypeVerdict}
	open := &Set{Table: ip, Name: "open", Key: TypeOf(TypeIPv4Addr, TypeInetProto, TypeInetService), Counter: true, Size: 100000}
	guard := &Set{Table: ip, Name: "guard", Key: TypeIPv4Addr, Counter: true, Comment: "endpoints"}
	ports := &Set{Table: ip, Name: "ports", Key: TypeInetService}
	protos := &Set{Table: ip, Name: "protos", Key: TypeInetProto}
	marks := &Set{Table: ip, Name: "marks", Key: TypeMark, Data: TypeVerdict}
	ifport := &Set{Table: ip, Name: "if.port", Key: TypeOf(TypeIFName, TypeInetService)}
	anyPort := &Set{Table: ip, Name: "published-any", Key: TypeOf(TypeInetProto, TypeInetService), Data: TypeOf(TypeIPv4Addr, TypeInetService)}
	direct := &Set{Table: ip, Name: "direct", Key: TypeIPv4Addr, Data: TypeIPv4Addr}
	types := &Set{Table: ip, Name: "types", Key: TypeFibAddrType}
	states := &Set{Table: ip, Name: "states", Key: TypeCTState}
	empty := &Set{Table: ip, Name: "a_last", Key: TypeEtherAddr}
	add(published, ranges, dispatch, open, guard, ports, protos, marks, ifport, anyPort, direct, types, states, empty)
	chain := func(name string) *Chain { return &Chain{Table: ip, Name: name} }
	br := chain("from-br-web")
	br.Comment = "what comes from br-web"
	add(br, chain("eth0.100"), chain("DOCKER-USER"))
	a := netip.MustParseAddr
	key := func(addr string, proto L4Proto, port uint16) Value {
		return Key(Addr(a(addr)), Proto(proto), Port(port))
	}
	add(
		&Element{Set: published.Ref(), Key: key("192.0.2.1", UDP, 53), Data: Key(Addr(a("172.18.0.2")), Port(53))},
		&Element{Set: published.Ref(), Key: key("192.0.2.1", TCP, 8080), Data: Key(Addr(a("172.18.0.2")), Port(80)), Comment: "web/c1"},
		&Element{Set: published.Ref(), Key: key("127.0.0.1", SCTP, 443), Data: Key(Addr(a("172.18.0.3")), Port(443)), Userdata: "x"},
		&Element{Set: ranges.Ref(), Key: key("192.0.2.1", TCP, 9000), End: key("192.0.2.1", TCP, 9009), Data: Key(Addr(a("172.18.0.2")))},
		&Element{Set: ranges.Ref(), Key: key("10.0.0.0", TCP, 1), End: key("10.255.255.255", UDP, 1), Data: Key(Addr(a("172.18.0.2")))},
		&Element{Set: ranges.Ref(), Key: key("10.0.0.1", SCTP, 0), End: key("10.0.0.9", SCTP, 65535), Data: Key(Addr(a("172.18.0.4")))},
		&Element{Set: ranges.Ref(), Key: key("0.0.0.0", 50, 7), End: key("255.255.255.255", 50, 7), Data: Key(Addr(a("172.18.0.4"))), Comment: "all"},
		&Element{Set: dispatch.Ref(), Key: Key(Name("br-web")), Verdict: Jump("from-br-web")},
		&Element{Set: dispatch.Ref(), Key: Key(Name("docker0.100")), Verdict: Goto("eth0.100"), Comment: "vlan"},
		&Element{Set: dispatch.Ref(), Key: Key(Name("10")), Verdict: Accept()},
		&Element{Set: dispatch.Ref(), Key: Key(Name("br_x")), Verdict: Drop()},
		&Element{Set: dispatch.Ref(), Key: Key(Name("büro#1 "[:6])), Verdict: Return()},
		&Element{Set: dispatch.Ref(), Key: Key(Name("br-1a2b3c4d5e6f")), Verdict: Continue()},
		&Element{Set: open.Ref(), Key: key("172.18.0.2", TCP, 80)},
		&Element{Set: open.Ref(), Key: key("172.18.0.2", ICMP, 0), Comment: "ping"},
		&Element{Set: types.Ref(), Key: Key(MarkValue(2))},
		&Element{Set: types.Ref(), Key: Key(MarkValue(1))},
		&Element{Set: states.Ref(), Key: Key(MarkValue(8))},
		&Element{Set: states.Ref(), Key: Key(MarkValue(1))},
		&Element{Set: states.Ref(), Key: Key(MarkValue(2))},
		&Element{Set: states.Ref(), Key: Key(MarkValue(4))},
		&Element{Set: marks.Ref(), Key: Key(MarkValue(0x100)), Verdict: Drop()},
		&Element{Set: marks.Ref(), Key: Key(MarkValue(2)), Verdict: Accept()},
		&Element{Set: ifport.Ref(), Key: Key(Name("eth0"), Port(1))},
		&Element{Set: ifport.Ref(), Key: Key(Name("e1"), Port(256))},
		&Element{Set: ifport.Ref(), Key: Key(Name("zz"), Port(1))},
		&Element{Set: direct.Ref(), Key: Key(Addr(a("1.2.3.4"))), Data: Key(Addr(a("5.6.7.8")))},
		&Element{Set: anyPort.Ref(), Key: Key(Proto(TCP), Port(80)), Data: Key(Addr(a("172.18.0.2")), Port(80))},
	)
	for i := range 7 {
		add(&Element{Set: guard.Ref(), Key: Key(Addr(netip.AddrFrom4([4]byte{172, 18, byte(7 - i), 2})))})
	}
	for i := range 12 {
		add(&Element{Set: ports.Ref(), Key: Key(Port(uint16(1000 - 99*i)))})
	}
	for _, p := range []L4Proto{UDP, TCP, ICMP, SCTP, ICMPv6, 253, 50} {
		add(&Element{Set: protos.Ref(), Key: Key(Proto(p))})
	}

	n := 0
	in := func(c *Chain, comment string, s ...Statement) {
		n++
		add(&Rule{Chain: c.Ref(), Key: string(rune('A' + n)), Rank: n, Comment: comment, Statements: s})
	}
	base := func(t TableRef, name string, typ ChainType, h Hook, priority int32) *Chain {
		c := &Chain{Table: t, Name: name, Type: typ, Hook: h, Priority: priority}
		add(c)
		return c
	}
	everyPriority(ip, add)
	pre := base(ip, "nat-prerouting", NATChain, Prerouting, PriorityDNAT)
	in(pre, "specific", FibDaddrType.Eq(AddrLocal), DNATMap(Concat(IPDaddr, MetaL4Proto, THDport), *published))
	in(pre, "", FibDaddrType.Ne(AddrLocal), Return())
	in(pre, "", FibSaddrType.Eq(AddrMulticast), DNATMap(Concat(MetaL4Proto, THDport), *anyPort))
	in(pre, "", DNATMap(Concat(IPDaddr, MetaL4Proto, THDport), *ranges))
	in(pre, "", DNATMap(IPDaddr, *direct))
	in(pre, "", TCPDport.Eq(80), DNAT(netip.MustParseAddrPort("172.18.0.2:8080")))
	in(pre, "", IPDaddr.Eq(a("192.0.2.1")), DNAT(netip.AddrPortFrom(a("172.18.0.2"), 0)))
	post := base(ip, "nat-postrouting", NATChain, Postrouting, PrioritySNAT)
	in(post, "", IPSaddr.In(netip.MustParsePrefix("172.18.0.0/16")), OIFName.Ne("br-web"), Masquerade(0))
	in(post, "", Masquerade(NATRandom|NATPersistent))
	in(post, "", Masquerade(NATFullyRandom))
	in(post, "", CTStatus.Any(CTDNAT), SNAT(a("192.0.2.1"), NATPersistent))
	in(post, "", SNAT(a("192.0.2.1"), 0))
	fwd := base(ip, "forward", FilterChain, Forward, PriorityFilter)
	fwd.Policy = PolicyDrop
	fwd.Comment = "the judge"
	in(fwd, "first", Jump("DOCKER-USER"))
	in(fwd, "", CTState.Any(CTEstablished|CTRelated), Counter(), Accept())
	in(fwd, "", CTState.None(CTNew), CTState.None(CTInvalid|CTUntracked), CTState.Any(CTNew), Return())
	in(fwd, "", CTStatus.Any(CTSNAT|CTDNAT|CTExpected|CTSeenReply|CTAssured|CTConfirmed|CTDying), CTStatus.None(CTDNAT), Drop())
	in(fwd, "", CTMark.Eq(1), Mark.Ne(0xffffffff), Mark.Eq(0), Counter())
	in(fwd, "", CTOriginalIPDaddr.Eq(a("192.0.2.1")), CTOriginalIPDaddr.NotIn(netip.MustParsePrefix("127.0.0.0/8")), Accept())
	in(fwd, "", CTOriginalIPDaddr.InSet(*guard), Concat(CTOriginalIPDaddr, MetaL4Proto, UDPDport).InSet(*open), Accept())
	in(fwd, "", MetaL4Proto.Eq(TCP), CTOriginalDport.Eq(8080), CTOriginalDport.Ne(80), CTOriginalDport.In(8000, 8999), Drop())
	in(fwd, "", MetaL4Proto.Eq(SCTP), CTOriginalDport.NotIn(1, 1023), Accept())
	in(fwd, "", UDPDport.Eq(53), CTOriginalDport.Eq(5353), Accept())
	in(fwd, "", MetaL4Proto.Eq(UDP), CTOriginalDport.InSet(*ports), Counter(), THDport.Eq(53), Accept())
	in(fwd, "", MetaL4Proto.Eq(TCP), Concat(CTOriginalIPDaddr, MetaL4Proto, CTOriginalDport).InSet(*open), Accept())
	in(fwd, "", CTMark.EqMasked(0, 1), CTMark.SetBits(1), CTMark.Set(9), ICMPType.Eq(ICMPEchoReply), Accept())
	in(fwd, "", IIFName.VMap(*dispatch))
	in(fwd, "", Mark.VMap(*marks))
	in(fwd, "", IIFName.Eq("br-web"), OIFName.Eq("br-web"), Goto("from-br-web"))
	in(fwd, "", IIF.Eq(1), OIF.Ne(4711), IIF.Eq(0), Drop())
	in(fwd, "", IPDaddr.In(netip.MustParsePrefix("10.0.0.0/8")), IPDaddr.NotIn(netip.MustParsePrefix("10.64.0.0/10")),
		IPSaddr.In(netip.MustParsePrefix("0.0.0.0/0")), IPSaddr.In(netip.MustParsePrefix("1.2.3.4/32")), Accept())
	in(fwd, "", IPDaddr.Eq(a("1.2.3.4")), IPSaddr.Ne(a("1.2.3.5")), Accept())
	in(fwd, "", IPDaddr.InSet(*guard), IPSaddr.NotInSet(*guard), Drop())
	in(fwd, "", Concat(IPDaddr, MetaL4Proto, THDport).InSet(*open), Accept())
	in(fwd, "", Concat(IPDaddr, MetaL4Proto, TCPDport).NotInSet(*open), Accept())
	in(fwd, "", Concat(IIFName, UDPDport).InSet(*ifport), Accept())
	in(fwd, "", THDport.InSet(*ports), TCPSport.InSet(*ports), Accept())
	in(fwd, "", MetaL4Proto.InSet(*protos), MetaL4Proto.Eq(ICMP), Accept())
	in(fwd, "", MetaL4Proto.Eq(ICMPv6), Counter(), MetaL4Proto.Ne(253), MetaL4Proto.In(6, 17), MetaL4Proto.NotIn(100, 200))
	in(fwd, "", TCPDport.In(8000, 8010), TCPSport.Eq(1), Accept())
	in(fwd, "", UDPDport.NotIn(8000, 8010), UDPSport.Ne(1), Accept())
	in(fwd, "", SCTPDport.Eq(80), SCTPSport.In(1, 1023), Accept())
	in(fwd, "", THSport.Eq(80), THDport.Ne(81), Accept())
	in(fwd, "", MetaL4Proto.Eq(UDP), IPSaddr.Eq(a("1.2.3.4")), IIFName.VMap(*dispatch), UDPDport.In(5, 6), Accept())
	in(fwd, "", MetaL4Proto.Eq(TCP), Counter(), TCPDport.Eq(80), Accept())
	in(fwd, "", MetaL4Proto.Eq(TCP), Concat(IPDaddr, MetaL4Proto, THDport).InSet(*open), Accept())
	// nft -f writes these in its own way.
	odd := chain("rewritten")
	add(odd)
	in(odd, "the protocol first", MetaL4Proto.Eq(TCP), THDport.Eq(80), THSport.Eq(81), Accept())
	in(odd, "", TCPDport.Eq(80), Counter(), THSport.Eq(80), Accept())
	in(odd, "", MetaL4Proto.Eq(TCP), MetaL4Proto.Eq(TCP), TCPDport.Eq(80))
	in(odd, "")
	in(br, "", OIFName.Eq("eth0"), Accept())
	in(br, "", Continue())

	ip6 := TableRef{IPv6, "seawall"}
	add(&Table{Family: IPv6, Name: "seawall"})
	guard6 := &Set{Table: ip6, Name: "guard", Key: TypeIPv6Addr}
	pub6 := &Set{Table: ip6, Name: "published", Key: TypeOf(TypeIPv6Addr, TypeInetProto, TypeInetService), Data: TypeOf(TypeIPv6Addr, TypeInetService)}
	range6 := &Set{Table: ip6, Name: "ranges", Key: TypeOf(TypeIPv6Addr, TypeInetService), Interval: true}
	add(guard6, pub6, range6)
	for _, s := range []string{"fd00:18::2", "::1", "::", "::ffff:1.2.3.4", "::102:304", "::102:0", "64:ff9b::1", "1:0:0:2::3", "0:1::", "fe80::1"} {
		add(&Element{Set: guard6.Ref(), Key: Key(Datum{b: a(s).As16(), n: 16})})
	}
	add(
		&Element{Set: pub6.Ref(), Key: Key(Addr(a("::1")), Proto(TCP), Port(80)), Data: Key(Addr(a("fd00::2")), Port(80))},
		&Element{Set: range6.Ref(), Key: Key(Addr(a("fd00::")), Port(1)), End: Key(Addr(a("fd00::ffff")), Port(1))},
		&Element{Set: range6.Ref(), Key: Key(Addr(a("fe00::")), Port(2)), End: Key(Addr(a("fe00::2")), Port(5))},
	)
	pre6 := base(ip6, "nat", NATChain, Prerouting, PriorityDNAT)
	in(pre6, "", DNATMap(Concat(IP6Daddr, MetaL4Proto, THDport), *pub6))
	in(pre6, "", TCPDport.Eq(1), DNAT(netip.MustParseAddrPort("[fd00::2]:80")))
	in(pre6, "", DNAT(netip.AddrPortFrom(a("::1.2.3.4"), 0)))
	fwd6 := base(ip6, "forward", FilterChain, Forward, -1)
	in(fwd6, "", IP6Saddr.In(netip.MustParsePrefix("fe80::/10")), IP6Daddr.Eq(a("fd00::1")), IP6Daddr.NotIn(netip.MustParsePrefix("fd00::/64")), Drop())
	in(fwd6, "", MetaL4Proto.Eq(TCP), CTOriginalDport.Eq(8080), CTOriginalIP6Daddr.Ne(a("::1")), CTOriginalDport.Eq(8081), Drop())
	in(fwd6, "", CTOriginalIP6Daddr.In(netip.MustParsePrefix("fd00::/8")), CTOriginalIP6Daddr.Ne(a("::1")), Accept())
	in(fwd6, "", IP6Daddr.InSet(*guard6), Concat(IP6Daddr, UDPDport).InSet(*range6), Accept())

	inet := TableRef{INet, "x/y"}
	add(&Table{Family: INet, Name: "x/y", Flags: TableDormant, Comment: "asleep"})
	pubI := &Set{Table: inet, Name: "published", Key: TypeIPv4Addr, Data: TypeIPv4Addr}
	add(pubI, &Element{Set: pubI.Ref(), Key: Key(Addr(a("1.2.3.4"))), Data: Key(Addr(a("1.2.3.5")))})
	preI := base(inet, "pre", NATChain, Prerouting, -99)
	in(preI, "", CTOriginalIPDaddr.Eq(a("1.2.3.4")), CTOriginalIP6Daddr.Eq(a("::1")), Return())
	in(preI, "", CTOriginalIPDaddr.Eq(a("1.2.3.4")), IPDaddr.Eq(a("1.2.3.5")), Return())
	in(preI, "", CTOriginalIPDaddr.Eq(a("1.2.3.4")), Counter(), IPDaddr.Eq(a("1.2.3.5")), CTOriginalIPDaddr.Eq(a("1.2.3.4")))
	in(preI, "", MetaL4Proto.Eq(TCP), CTOriginalIPDaddr.Eq(a("1.2.3.4")), IPDaddr.Eq(a("1.2.3.5")), THDport.Eq(1), Return())
	in(preI, "", CTOriginalIPDaddr.Eq(a("1.2.3.4")), MetaL4Proto.Eq(TCP), IPDaddr.Eq(a("1.2.3.5")), THDport.Eq(1), Return())
	in(preI, "", IPDaddr.Eq(a("1.2.3.5")), CTOriginalIPDaddr.Eq(a("1.2.3.4")), Return())
	in(preI, "", CTOriginalIPDaddr.Eq(a("1.2.3.4")), Return())
	in(preI, "", IPDaddr.Eq(a("1.2.3.5")), TCPDport.Eq(80), CTOriginalDport.Eq(8080), CTOriginalIPDaddr.Eq(a("1.2.3.4")), Return())
	in(preI, "", DNATMap(IPDaddr, *pubI))
	in(preI, "", TCPDport.Eq(1), IP6Daddr.Eq(a("fd00::1")), DNAT(netip.MustParseAddrPort("[fd00::2]:80")))
	in(preI, "", IPDaddr.Eq(a("1.2.3.4")), TCPDport.Eq(1), DNAT(netip.MustParseAddrPort("1.2.3.5:80")))
	in(preI, "", IPDaddr.In(netip.MustParsePrefix("1.2.3.0/25")), IPSaddr.Eq(a("1.2.3.4")), DNAT(netip.AddrPortFrom(a("1.2.3.5"), 0)))
	postI := base(inet, "post", NATChain, Postrouting, 110)
	in(postI, "", SNAT(a("fd00::1"), NATRandom))
	in(postI, "", Masquerade(0))
	everyPriority(inet, add)

	bridge := TableRef{Bridge, "seawall"}
	add(&Table{Family: Bridge, Name: "seawall"})
	own := &Set{Table: bridge, Name: "own", Key: TypeOf(TypeIFName, TypeEtherAddr, TypeIPv4Addr)}
	macs := &Set{Table: bridge, Name: "macs", Key: TypeEtherAddr}
	et := &Set{Table: bridge, Name: "ethertypes", Key: TypeEtherType}
	add(own, macs, et,
		&Element{Set: own.Ref(), Key: Key(Name("veth1"), MAC([6]byte{2, 0x42, 0, 0, 0, 1}), Addr(a("172.18.0.2")))},
		&Element{Set: own.Ref(), Key: Key(Name("veth10"), MAC([6]byte{2, 0x42, 0, 0, 0, 0xfe}), Addr(a("172.18.0.1")))},
		&Element{Set: macs.Ref(), Key: Key(MAC([6]byte{2, 0x42, 0xac, 0, 0, 1}))},
		&Element{Set: macs.Ref(), Key: Key(MAC([6]byte{2, 0x42, 0xaa, 0, 0, 9}))},
	)
	for _, v := range []uint16{0x86dd, 0x800, 0x806, 0x1234, 1, 0x8100, 0x88a8} {
		add(&Element{Set: et.Ref(), Key: Key(Port(v))})
	}
	everyPriority(bridge, add)
	ops := &Set{Table: bridge, Name: "ops", Key: TypeARPOp}
	messages := &Set{Table: bridge, Name: "messages", Key: TypeICMPv6Type, Data: TypeVerdict}
	pings := &Set{Table: bridge, Name: "pings", Key: TypeICMPType}
	own6 := &Set{Table: bridge, Name: "own6", Key: TypeOf(TypeIFName, TypeEtherAddr, TypeIPv6Addr)}
	add(ops, messages, pings, own6)
	for _, v := range []uint16{9, 2, 1, 77, 3, 10, 500} {
		add(&Element{Set: ops.Ref(), Key: Key(Port(v))})
	}
	for i, v := range []ICMPv6Message{NDNeighborAdvert, NDRouterAdvert, MLDQuery, 200} {
		add(&Element{Set: messages.Ref(), Key: Key(Byte(uint8(v))), Verdict: []Verdict{Drop(), Accept()}[i%2]})
		add(&Element{Set: pings.Ref(), Key: Key(Byte(uint8(8 * i)))})
	}
	mac := [6]byte{2, 0x42, 0xac, 0x12, 0, 2}
	add(&Chain{Table: bridge, Name: "sender"})
	preB := base(bridge, "spoof", FilterChain, Prerouting, -400)
	in(preB, "", EtherType.Eq(EtherVLAN), Drop())
	in(preB, "", EtherType.In(0, 1535), EtherType.Ne(EtherIPv4), EtherType.InSet(*et), Drop())
	in(preB, "", EtherSaddr.Eq(mac), EtherDaddr.In([6]byte{1, 0x80, 0xc2}, [6]byte{1, 0x80, 0xc2, 0, 0, 15}), EtherSaddr.NotInSet(*macs), Drop())
	in(preB, "", Concat(IIFName, EtherSaddr, IPSaddr).InSet(*own), Accept())
	in(preB, "", Concat(IIFName, EtherSaddr, IP6Saddr).NotInSet(*own6), Drop())
	in(preB, "", MetaProtocol.Eq(EtherARP), Counter(), ARPOperation.Eq(ARPReply), Drop())
	in(preB, "", MetaProtocol.Ne(EtherARP), MetaProtocol.Eq(EtherQinQ), Drop())
	in(preB, "", MetaProtocol.Eq(EtherIPv4), UDPSport.Eq(67), UDPDport.Eq(68), Drop())
	in(preB, "", ARPHtype.Eq(1), ARPPtype.Eq(EtherIPv4), ARPHlen.Eq(6), ARPPlen.Eq(4), ARPOperation.In(ARPRequest, ARPReply), Goto("sender"))
	in(preB, "", ARPOperation.InSet(*ops), ARPOperation.Ne(7), ARPSaddrIP.Eq(a("0.0.0.0")), Concat(IIFName, ARPSaddrEther, ARPDaddrIP).InSet(*own), Accept())
	in(preB, "", ARPDaddrEther.Ne([6]byte{}), ARPDaddrIP.In(netip.MustParsePrefix("10.0.0.0/8")), Accept())
	in(preB, "", ICMPType.Eq(ICMPEchoRequest), ICMPType.NotIn(3, 5), ICMPType.InSet(*pings), Accept())
	in(preB, "", ICMPv6Type.VMap(*messages))
	in(preB, "", IP6Saddr.Eq(a("::")), ICMPv6Type.Eq(NDNeighborSolicit), ICMPv6Bytes(8, 16).Eq([]byte("\xfd\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02")), Accept())
	in(preB, "", ICMPv6Type.In(131, 132), IP6Length.Eq(32), IP6Nexthdr.Ne(TCP), IP6Hoplimit.Ne(255), ICMPv6Bytes(24, 8).Eq([]byte("\x01\x01\x02\x42\x00\x00\x00\x01")), Accept())
	in(preB, "", MetaL4Proto.Eq(ICMPv6), ICMPv6Bytes(24, 1).Ne([]byte{14}), Drop())
	in(preB, "", IP6Nexthdr.Eq(ICMPv6), ICMPv6Type.Eq(200), IP6Length.In(0, 100), IP6Hoplimit.NotIn(1, 255), Drop())
	in(preB, "", Mark.EqMasked(0x1000, 0x1000), Mark.NeMasked(1, 3), Mark.EqMasked(1<<30, 3<<30), Mark.NeMasked(5, 1<<32-1), Accept())
	in(preB, "", Mark.SetBits(0x1000), Mark.Set(7), Mark.AndXor(0xffffefff, 0), Mark.AndXor(1<<32-1, 3), Mark.AndXor(0xff, 0x101), Mark.AndXor(0, 5))
	in(preB, "", IP6LaterFragment(), MetaL4Proto.Eq(UDP), Accept())
	in(preB, "", MetaProtocol.Eq(EtherIPv6), IP6LaterFragment(), IP6Saddr.Eq(a("fd00::1")), Drop())
	hosts := &Set{Table: bridge, Name: "hosts", Key: TypeOf(TypeIFName, TypeEtherAddr, TypeIPv4Addr), Data: TypeEtherAddr}
	hosts6 := &Set{Table: bridge, Name: "hosts6", Key: TypeIPv6Addr, Data: TypeEtherAddr}
	add(hosts, hosts6,
		&Element{Set: hosts.Ref(), Key: Key(Name("veth1"), MAC(mac), Addr(a("172.18.0.3"))), Data: Key(MAC([6]byte{2, 0x42, 0xac, 0x12, 0, 1}))},
		&Element{Set: hosts6.Ref(), Key: Key(Addr(a("fd00::2"))), Data: Key(MAC([6]byte{2, 0x42, 0, 0, 0, 1}))},
	)
	in(preB, "", EtherDaddr.SetMap(Concat(IIFName, EtherDaddr, IPDaddr), *hosts), SetPacketType(PacketHost))
	in(preB, "", EtherDaddr.SetMap(IP6Daddr, *hosts6), SetPacketType(PacketOther), EtherDaddr.Set(mac), SetPacketType(PacketMulticast), Accept())
	fwdB := base(bridge, "icc", FilterChain, Forward, -200)
	in(fwdB, "", IIFName.Eq("veth1"), IPDaddr.Eq(a("172.18.0.2")), IPSaddr.Ne(a("172.18.0.3")), TCPDport.Eq(80), Drop())
	in(fwdB, "", IP6Daddr.In(netip.MustParsePrefix("fe80::/10")), UDPDport.Eq(53), Mark.Eq(3), Accept())
	in(fwdB, "", TCPDport.Eq(80), Accept())

	add(&Table{Family: IPv4, Name: "empty"})
	add(filterObjects()...)
	return all
}

// everyPriority adds a chain for every hook and every priority near which nft
// writes a name.
func everyPriority(t TableRef, add func(...Object)) {
	for h := Prerouting; h <= Postrouting; h++ {
		for i, p := range []int32{-400, -311, -310, -300, -290, -289, -205, -200, -150, -101, -100, -50, -11, -10, 0, 10, 11, 50, 95, 100, 300, 305, 1 << 30, -1 << 31} {
			add(&Chain{Table: t, Name: "p-" + h.String() + "-" + string(rune('a'+i)), Hook: h, Priority: p})
		}
	}
}
