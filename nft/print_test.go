package nft

import (
	"errors"
	"os"
	"strings"
	"testing"
)

// The golden listing is what nft 1.0.6 shows; TestTextIsWhatNFTLists holds it
// to that. UPDATE_GOLDEN=1 writes it anew.
func TestGoldenListing(t *testing.T) {
	rs := everything(t)
	for _, table := range rs.Tables() {
		for _, c := range rs.Chains(table.Ref()) {
			if strings.HasPrefix(c.Name, "p-") {
				rs.Remove(c.ID()) // TestPriorityWord has these
			}
		}
	}
	const file = "testdata/everything.nft"
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(file, []byte(rs.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	sameText(t, file, rs.String(), string(want))
}

func TestPriorityWord(t *testing.T) {
	for _, test := range []struct {
		priority int32
		family   Family
		hook     Hook
		want     string
	}{
		{-300, IPv4, Prerouting, "raw"},
		{-150, IPv6, Output, "mangle"},
		{-100, IPv4, Prerouting, "dstnat"},
		{-100, IPv4, Output, "-100"},
		{-99, INet, Prerouting, "dstnat + 1"},
		{0, IPv4, Forward, "filter"},
		{5, IPv4, Forward, "filter + 5"},
		{-10, IPv4, Forward, "filter - 10"},
		{11, IPv4, Forward, "11"},
		{50, IPv4, Input, "security"},
		{100, IPv4, Postrouting, "srcnat"},
		{100, IPv4, Input, "100"},
		{-300, Bridge, Prerouting, "dstnat"},
		{-300, Bridge, Forward, "-300"},
		{-200, Bridge, Forward, "filter"},
		{0, Bridge, Forward, "0"},
		{100, Bridge, Output, "out"},
		{300, Bridge, Postrouting, "srcnat"},
		{0, ARP, Input, "filter"},
		{-300, ARP, Input, "-300"},
		{-1 << 31, IPv4, Forward, "-2147483648"},
	} {
		if got := priorityWord(test.priority, test.family, test.hook); got != test.want {
			t.Errorf("priorityWord(%d, %s, %s) = %q, want %q", test.priority, test.family, test.hook, got, test.want)
		}
	}
}

func TestWhatCannotBeExpressedIsVisible(t *testing.T) {
	table := TableRef{IPv4, "t"}
	s := &Set{Table: table, Name: "s", Key: TypeIPv4Addr, foreign: "\x01"}
	c := &Chain{Table: table, Name: "c", foreign: "devices"}
	rs, err := NewRuleset(&Table{Family: IPv4, Name: "t"}, s, c,
		&Element{Set: s.Ref(), Key: "\x01\x02\x03\x04", foreign: "\x01"},
		&Element{Set: s.Ref(), Key: "short"},
		&Rule{Chain: c.Ref(), Statements: []Statement{Unknown{Name: "limit"}, Accept()}})
	if err != nil {
		t.Fatal(err)
	}
	want := `table ip t {
	set s {
		type ipv4_addr
		<unknown attributes>
		elements = { 1.2.3.4 <unknown attributes>, 0x73686f7274 }
	}

	chain c {
		<unknown attributes>
		<unknown expression limit> accept
	}
}
`
	sameText(t, "listing", rs.String(), want)
}

func TestPrintReturnsTheWritersError(t *testing.T) {
	full := errors.New("full")
	if err := everything(t).Print(failingWriter{full}, PrintOptions{}); !errors.Is(err, full) {
		t.Errorf("got %v, want %v", err, full)
	}
}

type failingWriter struct{ err error }

func (w failingWriter) Write([]byte) (int, error) { return 0, w.err }

func TestValidComment(t *testing.T) {
	for _, s := range []string{"", "a b", "it's büro; {}", strings.Repeat("c", 128)} {
		if err := ValidComment(s); err != nil {
			t.Error(err)
		}
	}
	for _, s := range []string{`"`, "a\nb", "a\x00", "\xff", strings.Repeat("c", 129)} {
		if err := ValidComment(s); !errors.Is(err, ErrName) {
			t.Errorf("ValidComment(%q) = %v", s, err)
		}
	}
}

func TestBatchText(t *testing.T) {
	table := TableRef{IPv4, "seawall"}
	c := &Chain{Table: table, Name: "forward", Hook: Forward, Policy: PolicyDrop, Comment: "judge"}
	s := &Set{Table: table, Name: "published-any", Key: TypeOf(TypeInetProto, TypeInetService), Data: TypeIPv4Addr, Counter: true}
	e := &Element{Set: s.Ref(), Key: Key(Proto(TCP), Port(80)), Data: "\x0a\x00\x00\x02", Comment: "web"}
	r := &Rule{Chain: c.Ref(), Key: "k", Handle: 7, Statements: []Statement{TCPDport.Eq(80), Counter(), Accept()}, Comment: "c"}
	var b Batch
	b.Delete(r, e, &Element{Set: s.Ref(), Key: Key(Proto(UDP), Port(53))})
	b.Create(&Table{Family: IPv4, Name: "seawall", Flags: TableDormant | TableOwner})
	b.Add(c, s, e)
	b.Add(&Element{Set: table.Set("from-bridge"), Key: Key(Name("br-web")), Verdict: Jump("from-br-web")})
	b.Add(&Element{Set: table.Set("odd"), Key: "\x01\x02\x03"})
	b.InsertRule(r, 0)
	b.AddRule(r, 9)
	b.Flush(c, s)
	b.Delete(s, c)
	b.Destroy(&Table{Family: IPv6, Name: "seawall", Comment: "gone"})
	sameText(t, "batch", b.String(), `delete rule ip seawall forward handle 7
delete element ip seawall published-any { tcp . 80, udp . 53 }
create table ip seawall { flags dormant,owner; }
add chain ip seawall forward { type filter hook forward priority filter; policy drop; comment "judge"; }
add map ip seawall published-any { type inet_proto . inet_service : ipv4_addr; counter; }
add element ip seawall published-any { tcp . 80 comment "web" : 10.0.0.2 }
add element ip seawall from-bridge { "br-web" : jump from-br-web }
add element ip seawall odd { 0x010203 }
insert rule ip seawall forward tcp dport 80 counter packets 0 bytes 0 accept comment "c"
add rule ip seawall forward handle 9 tcp dport 80 counter packets 0 bytes 0 accept comment "c"
flush chain ip seawall forward
flush map ip seawall published-any
delete map ip seawall published-any
delete chain ip seawall forward
destroy table ip6 seawall
`)
}

// FuzzFormatRange writes what the kernel might hold: whatever it is, something
// is written, and nft would not take what does not fit the type.
func FuzzFormatRange(f *testing.F) {
	concat := TypeOf(TypeIPv4Addr, TypeInetProto, TypeInetService)
	f.Add(uint32(TypeIPv4Addr), "\x0a\x00\x00\x00", "\x0a\xff\xff\xff")
	f.Add(uint32(concat), "\x0a\x00\x00\x00\x06\x00\x00\x00\x00\x50\x00\x00", "")
	f.Add(uint32(TypeIFName), "br-web\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", "x")
	f.Add(uint32(TypeVerdict), "", "")
	f.Add(uint32(63), "\x01", "\x02")
	f.Fuzz(func(t *testing.T, typ uint32, key, end string) {
		got := formatRange(Type(typ), Value(key), Value(end))
		if got == "" {
			t.Error("nothing was written")
		}
		if (!Type(typ).known() || len(key) != Type(typ).size()) && !strings.HasPrefix(got, "0x") {
			t.Errorf("%q does not fit %s and is written as %s", key, Type(typ), got)
		}
		_ = guessType(Value(key)).String()
	})
}
