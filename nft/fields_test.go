package nft

import (
	"strings"
	"testing"
)

// nft can neither list nor read the original port without knowing the protocol: such rules are refused.
func TestOriginalPortNeedsItsProtocol(t *testing.T) {
	t.Parallel()
	port := CTOriginalDport.Eq(8080)
	ports := Set{Name: "ports", Key: TypeOf(TypeInetProto, TypeInetService)}
	for _, c := range []struct {
		statements []Statement
		ok         bool
	}{
		{[]Statement{port}, false},
		{[]Statement{MetaL4Proto.Ne(TCP), port}, false},
		{[]Statement{MetaL4Proto.In(TCP, UDP), port}, false},
		{[]Statement{THDport.Eq(80), port}, false},
		{[]Statement{port, MetaL4Proto.Eq(TCP)}, false},
		{[]Statement{Concat(MetaL4Proto, CTOriginalDport).InSet(ports)}, false},
		{[]Statement{MetaL4Proto.Eq(TCP), port}, true},
		{[]Statement{TCPDport.Ne(80), port}, true},
		{[]Statement{MetaL4Proto.Eq(SCTP), Counter(), port, CTOriginalDport.NotIn(1, 2)}, true},
		{[]Statement{MetaL4Proto.Eq(TCP), Concat(MetaL4Proto, CTOriginalDport).InSet(ports)}, true},
	} {
		r := Rule{Chain: TableRef{IPv4, "t"}.Chain("c"), Statements: c.statements}
		_, err := r.compile()
		if (err == nil) != c.ok || err != nil && !strings.Contains(err.Error(), "ct original proto-dst needs to know the protocol") {
			t.Errorf("%s: %v", r, err)
		}
	}
}

// What does not exist in a table's packets, or cannot be said, is refused.
func TestFieldsOfOtherFamilies(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		family    Family
		statement Statement
		ok        bool
	}{
		{Bridge, EtherSaddr.Eq([6]byte{2}), true},
		{Netdev, EtherSaddr.Eq([6]byte{2}), true},
		{IPv4, EtherSaddr.Eq([6]byte{2}), false},
		{INet, EtherType.Eq(EtherARP), false},
		{IPv6, MetaProtocol.Eq(EtherIPv6), false},
		{Bridge, ARPOperation.Eq(ARPReply), true},
		{ARP, ARPOperation.Eq(ARPReply), true},
		{IPv4, ARPOperation.Eq(ARPReply), false},
		{INet, ARPOperation.Eq(ARPReply), false},
		{ARP, ICMPType.Eq(ICMPEchoReply), false},
		{IPv4, IP6Length.Eq(1), false},
		{Bridge, ICMPv6Bytes(8, 16).Eq(make([]byte, 16)), false}, // the protocol is not known
		{IPv4, Mark.EqMasked(1, 1), true},
		{IPv4, Mark.EqMasked(0, 0), false},
		{IPv4, Mark.EqMasked(3, 1), true}, // never matches
		{IPv4, Mark.AndXor(1<<32-1, 0), false},
		{IPv4, Mark.SetBits(0), false},
		{IPv4, MarkField{}.Set(1), false},
		{Bridge, EtherDaddr.Set([6]byte{2}), true},
		{Netdev, EtherDaddr.Set([6]byte{2}), true},
		{IPv4, EtherDaddr.Set([6]byte{2}), false},
		{INet, EtherDaddr.SetMap(IIFName, Set{Name: "m", Key: TypeIFName, Data: TypeEtherAddr}), false},
		{Bridge, MACField{}.Set([6]byte{2}), false},
		{Bridge, EtherDaddr.SetMap(IIFName, Set{Name: "m", Key: TypeIFName, Data: TypeEtherAddr}), true},
		{Bridge, EtherDaddr.SetMap(IIFName, Set{Name: "m", Key: TypeIFName, Data: TypeIPv4Addr}), false},
		{Bridge, EtherDaddr.SetMap(IIFName, Set{Name: "m", Key: TypeIFName}), false},
		{Bridge, EtherDaddr.SetMap(IIFName, Set{Name: "m", Key: TypeEtherAddr, Data: TypeEtherAddr}), false},
		{IPv4, SetPacketType(PacketOther), true},
		{Bridge, SetPacketType(PacketOther + 1), false},
	} {
		_, err := (&Rule{Chain: TableRef{c.family, "t"}.Chain("c"), Statements: []Statement{c.statement}}).compile()
		if (err == nil) != c.ok {
			t.Errorf("%s %s: %v", c.family, c.statement, err)
		}
	}
	for _, f := range []BytesField{ICMPv6Bytes(7, 1), ICMPv6Bytes(8, 0), ICMPv6Bytes(8, 17), ICMPv6Bytes(-1, 1), ICMPv6Bytes(1<<17, 1)} {
		r := Rule{Chain: TableRef{Bridge, "t"}.Chain("c"), Statements: []Statement{MetaL4Proto.Eq(ICMPv6), f.Eq(make([]byte, max(f.bytes, 0)))}}
		if _, err := r.compile(); err == nil || !strings.Contains(err.Error(), "from an offset of 8") {
			t.Errorf("%s: %v", r, err)
		}
	}
}
