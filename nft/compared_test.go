package nft

import (
	"net/netip"
	"testing"
)

func TestCompared(t *testing.T) {
	t.Parallel()
	a := netip.MustParseAddr
	addr := func(s string) Value { return Addr(a(s)).value() }
	for _, tt := range []struct {
		statement Statement
		want      Comparison
	}{
		{IPSaddr.Eq(a("10.0.0.1")), Comparison{Field: "ip saddr", Type: TypeIPv4Addr, Op: Is, Value: addr("10.0.0.1")}},
		{IPDaddr.NotIn(netip.MustParsePrefix("10.0.0.0/8")), Comparison{Field: "ip daddr", Type: TypeIPv4Addr, Op: InPrefix, Invert: true,
			Prefix: netip.MustParsePrefix("10.0.0.0/8")}},
		{IPSaddr.EqMasked(a("1.0.3.0"), a("255.0.255.0")), Comparison{Field: "ip saddr", Type: TypeIPv4Addr, Op: Masked,
			Value: addr("1.0.3.0"), Mask: addr("255.0.255.0")}},
		{IPSaddr.NeMasked(a("1.2.3.4"), a("255.255.0.0")), Comparison{Field: "ip saddr", Type: TypeIPv4Addr, Op: InPrefix, Invert: true,
			Prefix: netip.MustParsePrefix("1.2.0.0/16")}},
		{IIFName.Ne("eth0"), Comparison{Field: "iifname", Type: TypeIFName, Op: Is, Invert: true, Value: Name("eth0").value(), host: true}},
		{OIFName.HasPrefix("br-"), Comparison{Field: "oifname", Type: TypeIFName, Op: Begins, Value: "br-", host: true}},
		{TCPDport.In(80, 90), Comparison{Field: "tcp dport", Type: TypeInetService, Op: Between, Value: "\x00\x50", To: "\x00\x5a"}},
		{UDPSport.NotIn(80, 90), Comparison{Field: "udp sport", Type: TypeInetService, Op: Between, Invert: true, Value: "\x00\x50", To: "\x00\x5a"}},
		{UDPDport.AtMost(80), Comparison{Field: "udp dport", Type: TypeInetService, Op: AtMost, Value: "\x00\x50"}},
		{IPTTL.Above(5), Comparison{Field: "ip ttl", Type: typeNumber, Op: Above, Value: "\x05"}},
		{IPTTL.Below(5), Comparison{Field: "ip ttl", Type: typeNumber, Op: Below, Value: "\x05"}},
		{IPTTL.AtLeast(5), Comparison{Field: "ip ttl", Type: typeNumber, Op: AtLeast, Value: "\x05"}},
		{MetaL4Proto.Ne(TCP), Comparison{Field: "meta l4proto", Type: TypeInetProto, Op: Is, Invert: true, Value: "\x06"}},
		{Mark.NeMasked(1, 3), Comparison{Field: "meta mark", Type: TypeMark, Op: Masked, Invert: true,
			Value: MarkValue(1).value(), Mask: MarkValue(3).value(), host: true}},
		{CTState.None(CTNew), Comparison{Field: "ct state", Type: TypeCTState, Op: AnyBits, Invert: true, Value: MarkValue(8).value(), host: true}},
		{TCPFlags.EqMasked(TCPSyn, TCPSyn|TCPAck), Comparison{Field: "tcp flags", Type: typeTCPFlags, Op: Masked, Value: "\x02", Mask: "\x12"}},
	} {
		if got, ok := Compared(tt.statement); !ok || got != tt.want {
			t.Errorf("%s:\n got %+v, %t\nwant %+v", tt.statement, got, ok, tt.want)
		}
		if tt.want.Field == IIFName.String() && tt.want.Name() != "eth0" {
			t.Error(tt.want.Name())
		}
	}
	for _, s := range []Statement{Accept(), Counter(), XT{Name: "a"}, Limit{}, nil, Unknown{}} {
		if c, ok := Compared(s); ok {
			t.Errorf("%v is %+v", s, c)
		}
	}
}

func TestComparisonReadsValues(t *testing.T) {
	t.Parallel()
	mark, _ := Compared(Mark.Eq(0x1000))
	port, _ := Compared(TCPDport.In(8000, 8010))
	addr, _ := Compared(IP6Daddr.Eq(netip.MustParseAddr("fd00::1")))
	group, _ := Compared(IIFGroup.Eq(7))
	begins, _ := Compared(IIFName.HasPrefix("veth"))
	for i, ok := range []bool{
		mark.Number(mark.Value) == 0x1000, port.Number(port.Value) == 8000, port.Number(port.To) == 8010, group.Number(group.Value) == 7,
		addr.Addr(addr.Value) == netip.MustParseAddr("fd00::1"), addr.Number(addr.Value) == 0, !mark.Addr(mark.Value).IsValid(),
		begins.Name() == "veth", Is.String() == "is", Begins.String() == "begins", Operator(99).String() == "operator(99)",
	} {
		if !ok {
			t.Errorf("check %d: %+v %+v %+v %+v %+v", i, mark, port, addr, group, begins)
		}
	}
}

func TestCounted(t *testing.T) {
	t.Parallel()
	if p, b, ok := Counted(CounterAt(3, 180)); p != 3 || b != 180 || !ok {
		t.Error(p, b, ok)
	}
	if _, _, ok := Counted(Accept()); ok {
		t.Error("a verdict has counted")
	}
}
