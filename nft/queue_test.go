package nft

import (
	"strings"
	"testing"
)

// Not every kernel has the module, so these are compared with nft's words only.
func TestQueue(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		queue Queue
		want  string
	}{
		{Queue{Num: 3}, "queue to 3"},
		{Queue{Num: 3, Total: 1, Bypass: true}, "queue flags bypass to 3"},
		{Queue{Total: 4, Fanout: true}, "queue flags fanout to 0-3"},
		{Queue{Num: 65532, Total: 4, Bypass: true, Fanout: true}, "queue flags bypass,fanout to 65532-65535"},
	} {
		r := Rule{Chain: TableRef{IPv4, "t"}.Chain("c"), Statements: []Statement{tt.queue}}
		got := decompile(newFieldIndex(), IPv4, recompiled(t, r))
		again := Rule{Chain: r.Chain, Statements: got}
		if again.String() != tt.want || r.String() != tt.want || !again.same(&r) {
			t.Errorf("%#v is %s and becomes %s, want %s", tt.queue, r, again, tt.want)
		}
	}
}

// What the kernel would take for something else, or nft could not show, is
// refused.
func TestFilterStatementsThatCannotBe(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		family     Family
		statements []Statement
	}{
		{IPv4, []Statement{Queue{Num: 65535, Total: 2}}},
		{IPv4, []Statement{Limit{Per: PerSecond}}}, {IPv4, []Statement{Limit{Rate: 1}}}, {IPv4, []Statement{Limit{Rate: 1, Per: 2}}},
		{IPv4, []Statement{Log{Prefix: string(make([]byte, 5))}}}, {IPv4, []Statement{Log{Prefix: strings.Repeat("x", 128)}}},
		{IPv4, []Statement{Log{Level: LogAudit + 1}}}, {IPv4, []Statement{Log{Flags: 1 << 10}}},
		{IPv4, []Statement{Log{Group: 1}}}, {IPv4, []Statement{Log{Snaplen: 1}}},
		{IPv4, []Statement{Log{NoPacket: true}}}, {IPv4, []Statement{Log{Netlink: true, NoPacket: true, Snaplen: 1}}}, {IPv4, []Statement{Log{Netlink: true, Level: LogInfo}}},
		{IPv4, []Statement{Reject{Kind: RejectTCPReset}}}, {IPv4, []Statement{MetaL4Proto.Eq(UDP), Reject{Kind: RejectTCPReset}}},
		{IPv4, []Statement{TCPDport.Eq(1), Reject{Kind: RejectTCPReset, Code: 1}}}, {IPv4, []Statement{Reject{Kind: RejectICMPX + 1}}},
		{IPv4, []Statement{Reject{Kind: RejectICMPX}}}, {INet, []Statement{Reject{}}}, {INet, []Statement{Reject{Kind: RejectICMPX, Code: 4}}},
		{Bridge, []Statement{Reject{}}}, {ARP, []Statement{Reject{}}},
		{IPv4, []Statement{IIFName.HasPrefix("sixteen-letters-")}}, {IPv4, []Statement{IIFName.HasPrefix("a\x00b")}}, {IPv4, []Statement{IIFName.NotPrefix("")}},
		{IPv4, []Statement{Mark.AtMost(5)}}, {IPv4, []Statement{IIFName.Above("a")}}, {IPv4, []Statement{IIFGroup.In(1, 2)}},
		{IPv4, []Statement{TCPFlags.EqMasked(TCPSyn, 0)}}, {IPv6, []Statement{IPTTL.Eq(1)}},
		{IPv4, []Statement{CTReplyDport.Eq(1)}}, {IPv4, []Statement{CTReplyIP6Saddr.Eq(fixtureAddr(IPv6, 1))}},
	} {
		r := Rule{Chain: TableRef{tt.family, "t"}.Chain("c"), Statements: tt.statements}
		if _, err := r.compile(); err == nil {
			t.Errorf("%s: %s compiles", tt.family, r)
		}
	}
}
