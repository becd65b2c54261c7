package nft

import (
	"context"
	"testing"
)

// What is made anew goes on counting, in sets of each kind.
func TestWithCounters(t *testing.T) {
	t.Parallel()
	c := dial(t, newNetNS(t))
	table := &Table{Family: IPv4, Name: "t"}
	chain := &Chain{Table: table.Ref(), Name: "c"}
	port := TypeOf(TypeInetProto, TypeInetService)
	sets := []*Set{
		{Table: table.Ref(), Name: "plain", Key: port, Counter: true},
		{Table: table.Ref(), Name: "map", Key: port, Data: TypeIPv4Addr, Counter: true},
		{Table: table.Ref(), Name: "verdicts", Key: port, Data: TypeVerdict, Counter: true},
		{Table: table.Ref(), Name: "ranges", Key: port, Interval: true, Counter: true},
		{Table: table.Ref(), Name: "uncounted", Key: port},
	}
	var b Batch
	b.Add(table, chain)
	for _, s := range sets {
		b.Add(s)
		for i := range 3 {
			e := &Element{Set: s.Ref(), Key: Key(Proto(TCP), Port(uint16(80+10*i))), Userdata: "x"}
			switch s.Name {
			case "map":
				e.Data = Value("\x0a\x00\x00\x01")
			case "verdicts":
				e.Verdict = Accept()
			case "ranges":
				e.End = Key(Proto(TCP), Port(uint16(85+10*i)))
			}
			b.Add(e)
		}
	}
	for _, key := range []string{"a", "b", "quiet"} {
		statements := []Statement{MetaL4Proto.Eq(TCP), Counter(), Accept()}
		if key == "quiet" {
			statements = []Statement{Accept()}
		}
		b.Add(&Rule{Chain: chain.Ref(), Key: key, Statements: statements})
	}
	kept := func(o Object) (packets, bytes uint64) {
		id := o.ID()
		switch {
		case id.Name == "uncounted", id.Key == "b", id.Key == string(Key(Proto(TCP), Port(90))):
			return 0, 0
		}
		return 7, 700
	}
	resumed := b.WithCounters(kept)
	if _, err := c.Commit(context.Background(), resumed); err != nil {
		t.Fatal(err)
	}
	have, err := c.LoadCounters(context.Background(), table.Ref())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range sets {
		n := 0
		for _, e := range have.Elements(s.Ref()) {
			n++
			if packets, bytes := kept(e); e.Packets != packets || e.Bytes != bytes {
				t.Errorf("%s has counted %d packets of %d bytes, want %d of %d", e.ID(), e.Packets, e.Bytes, packets, bytes)
			}
		}
		if want := map[bool]int{true: 3}[s.Counter]; n != want {
			t.Errorf("%d elements of %s were read, want %d", n, s.Name, want)
		}
	}
	for _, r := range have.Rules(chain.Ref()) {
		packets, bytes, counts := r.Count()
		wantPackets, wantBytes := kept(r)
		if r.Key == "quiet" {
			wantPackets, wantBytes = 0, 0
		}
		if packets != wantPackets || bytes != wantBytes || counts == (r.Key == "quiet") {
			t.Errorf("%s: %d packets of %d bytes, %t", r.ID(), packets, bytes, counts)
		}
	}
	// The batch itself, and what is compared, is as it was.
	want := mustRuleset(t)
	for o := range b.Objects() {
		if e, ok := o.(*Element); ok && e.Packets != 0 {
			t.Errorf("%s was changed in the original", e.ID())
		}
		if err := want.Add(o); err != nil {
			t.Fatal(err)
		}
	}
	if d := Diff(load(t, c), want); d.Len() != 0 {
		t.Errorf("counters count as a difference: %d objects", d.Len())
	}
}
