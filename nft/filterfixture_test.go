package nft

import (
	"fmt"
	"net/netip"
)

// filterStatements are rules of what people write into filter chains, for a
// family: none of them twice.
func filterStatements(f Family) [][]Statement {
	mask, value := netip.MustParseAddr("255.0.255.0"), netip.MustParseAddr("10.0.3.0")
	length, hops := IPLength, IPTTL
	code, prohibited := ICMPCode, ICMPHostProhibited
	usual, answer := ICMPPortUnreachable, CTReplyIPSaddr
	if f == IPv6 {
		mask, value = netip.MustParseAddr("ffff:0:ffff::"), netip.MustParseAddr("fd00:0:1::")
		length, hops = IP6Length, IP6Hoplimit
		code, prohibited = ICMPv6Code, ICMPv6AdminProhibited
		usual, answer = ICMPv6PortUnreachable, CTReplyIP6Saddr
	}
	rules := [][]Statement{
		{Limit{Rate: 5, Per: PerSecond, Burst: 5}, Accept()}, {Limit{Rate: 10, Per: PerHour}},
		{Limit{Rate: 10, Per: PerWeek, Burst: 7, Over: true}, Drop()}, {Limit{Rate: 1, Per: PerDay, Burst: 1}},
		{Limit{Rate: 10 << 20, Per: PerMinute, Burst: 5 << 10, Bytes: true}}, {Limit{Rate: 1500, Per: PerSecond, Bytes: true, Over: true}},
		{Log{}}, {Log{Prefix: "dropped: ", Level: LogInfo}}, {Log{Level: LogEmerg, Flags: LogTCPSequence}}, {Log{Flags: logAllFlags}},
		{Log{Flags: LogTCPOptions | LogUID}}, {Log{Level: LogAudit}}, {Log{Netlink: true}},
		{Log{Prefix: "x", Netlink: true, Group: 65535, Snaplen: 64, Threshold: 9}}, {Log{Netlink: true, Group: 2, NoPacket: true}},
		{TCPDport.Eq(80), Counter(), Reject{Kind: RejectTCPReset}}, {MetaL4Proto.Eq(TCP), Counter(), Reject{Kind: RejectTCPReset}},
		{TCPFlags.EqMasked(TCPSyn, TCPFin|TCPSyn|TCPRst|TCPAck), TCPDport.Eq(80)}, {TCPFlags.NeMasked(TCPSyn, TCPFin|TCPSyn|TCPRst|TCPAck)},
		{TCPFlags.EqMasked(0, TCPFin|TCPSyn), TCPFlags.NeMasked(0, TCPFin), TCPFlags.EqMasked(TCPFin, TCPFin)},
		{TCPFlags.Eq(TCPSyn), TCPFlags.Ne(TCPSyn | TCPAck), TCPFlags.Eq(0)},
		{TCPMaxSeg.Eq(500), TCPMaxSeg.In(500, 1000), TCPMaxSeg.NotIn(1, 2)}, {TCPSport.Ne(80), TCPMaxSeg.Above(1400)},
		{hops.Eq(5), hops.Ne(6)}, {hops.Below(5)}, {hops.AtLeast(64)}, {length.In(64, 1500), length.AtMost(1000)},
		{MetaPktType.Eq(PacketBroadcast), MetaPktType.Ne(PacketHost)},
		{IIFGroup.Eq(1), OIFGroup.Ne(4000), IIFGroup.EqMasked(1, 0xff), OIFGroup.Eq(0)},
		{CTDirection.Eq(CTReply), CTDirection.Ne(CTOriginal), CTProtocol.Eq(TCP), CTProtocol.Ne(UDP)},
		{answer.Eq(value), MetaL4Proto.Eq(TCP), CTReplyDport.Eq(80), CTReplySport.NotIn(1, 5), CTOriginalSport.AtLeast(1024)},
		{code.Eq(3), code.Ne(prohibited)}, {code.In(1, 2)}, {code.Above(200)},
		{IIFName.HasPrefix("br-"), OIFName.NotPrefix("veth"), OIFName.HasPrefix("e")},
		{MetaL4Proto.Eq(TCP), IIFName.HasPrefix("14-letters-abc"), TCPDport.Eq(80)},
		{Saddr(f).EqMasked(value, mask), Daddr(f).NeMasked(value, mask)},
		{UDPDport.AtMost(32767)}, {UDPSport.Above(1024)}, {SCTPDport.Below(5)},
		{Mark.EqMasked(0xff, 0x0f), CTMark.NeMasked(0x01000000, 0xff000000)},
	}
	if f == IPv4 {
		rules = append(rules, [][]Statement{
			{IPFragOff.NeMasked(0, 0x1fff)}, {IPFragOff.EqMasked(0x2000, 0x2000), IPID.Eq(7)}, {IPProtocol.Eq(TCP), Counter(), TCPDport.Eq(80)},
			{IPProtocol.Ne(UDP), CTReplyIPDaddr.Eq(value), CTOriginalIPSaddr.Eq(value)},
			{ICMPType.Eq(ICMPUnreachable), ICMPCode.Eq(ICMPAdminProhibited)}, {Reject{}}, {Reject{Code: ICMPHostUnreachable}}, {Reject{Code: 99}},
		}...)
	} else {
		rules = append(rules, [][]Statement{
			{ICMPv6Type.Eq(1), ICMPv6Code.Eq(ICMPv6PortUnreachable)}, {Reject{}}, {Reject{Code: ICMPv6RejectRoute}},
			{CTReplyIP6Daddr.Eq(value), CTOriginalIP6Saddr.Eq(value)},
		}...)
	}
	return append(rules, []Statement{Reject{Code: usual}}, []Statement{Reject{Code: prohibited}})
}

// filterObjects are tables with them, and one of family inet.
func filterObjects() []Object {
	var out []Object
	add := func(f Family, rules [][]Statement) {
		table := &Table{Family: f, Name: "filters"}
		c := &Chain{Table: table.Ref(), Name: "forward", Hook: Forward}
		out = append(out, table, c)
		for i, s := range rules {
			out = append(out, &Rule{Chain: c.Ref(), Key: fmt.Sprint("k", i), Rank: i, Statements: s})
		}
	}
	add(IPv4, filterStatements(IPv4))
	add(IPv6, filterStatements(IPv6))
	add(INet, [][]Statement{
		{Reject{Kind: RejectICMPX, Code: ICMPXPortUnreachable}}, {Reject{Kind: RejectICMPX, Code: ICMPXNoRoute}},
		{TCPDport.Eq(80), Reject{Kind: RejectICMPX, Code: ICMPXAdminProhibited}}, {TCPDport.Eq(80), Reject{Kind: RejectTCPReset}},
		{MetaL4Proto.Eq(TCP), Reject{Kind: RejectTCPReset}}, {IPTTL.Eq(5), IPProtocol.Eq(TCP)}, {ICMPCode.Eq(3)}, {ICMPv6Code.Eq(3)},
		{IPSaddr.EqMasked(netip.MustParseAddr("10.0.3.0"), netip.MustParseAddr("255.0.255.0")), TCPFlags.Eq(TCPSyn)},
		{IIFName.HasPrefix("br-"), CTReplyIPSaddr.Eq(netip.MustParseAddr("1.2.3.4")), CTDirection.Eq(CTReply)},
	})
	return out
}
