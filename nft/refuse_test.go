package nft

import (
	"context"
	"errors"
	"io/fs"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A fault is an object that the kernel refuses, put somewhere into a large
// batch.
type fault struct {
	name string
	put  func(b *Batch)
	// object is part of the name that the error gives the object; op is what
	// was to be done to it.
	op, object string
	kind       Kind
	errno      error
	// reason is part of what the kernel says beyond the number; where it is
	// empty the kernel says nothing.
	reason string
}

func faults() []fault {
	ref := TableRef{IPv4, "t"}
	missing := TableRef{IPv4, "missing"}
	chain := ref.Chain("chain")
	_, set, _ := portMap(1)
	there := &Element{Set: set.Ref(), Key: Key(Addr(netip.AddrFrom4([4]byte{192, 0, 2, 1})), Proto(TCP), Port(1)),
		Data: Key(Addr(netip.AddrFrom4([4]byte{192, 0, 2, 1})), Port(2))}
	other := *there
	other.Data = Key(Addr(netip.AddrFrom4([4]byte{192, 0, 2, 1})), Port(3))
	absent := *there
	absent.Key = Key(Addr(netip.AddrFrom4([4]byte{192, 0, 2, 9})), Proto(TCP), Port(1))
	short := *there
	short.Key = Key(Port(1))
	return []fault{
		{"jump to a missing chain", func(b *Batch) {
			b.Add(&Rule{Chain: chain, Key: "bad", Statements: []Statement{Jump("nowhere")}})
		}, "add", "rule ip t chain { jump nowhere }", KindRule, unix.ENOENT, ""},
		{"rule in a missing chain", func(b *Batch) {
			b.Add(&Rule{Chain: ref.Chain("nowhere"), Key: "bad", Statements: []Statement{Accept()}})
		}, "add", "rule ip t nowhere { accept }", KindRule, unix.ENOENT, ""},
		{"rule of a missing set", func(b *Batch) {
			b.Add(&Rule{Chain: chain, Key: "bad", Statements: []Statement{TCPDport.InSet(Set{Table: ref, Name: "nowhere", Key: TypeInetService})}})
		}, "add", "rule ip t chain { tcp dport @nowhere }", KindRule, unix.ENOENT, ""},
		{"rule that is not there", func(b *Batch) {
			b.Delete(&Rule{Chain: chain, Key: "bad", Handle: 4711})
		}, "delete", "rule ip t chain", KindRule, unix.ENOENT, ""},
		{"chain in a missing table", func(b *Batch) {
			b.Add(&Chain{Table: missing, Name: "c"})
		}, "add", "chain ip missing c", KindChain, unix.ENOENT, ""},
		{"chain that is there", func(b *Batch) {
			b.Create(&Chain{Table: ref, Name: "chain"})
		}, "create", "chain ip t chain", KindChain, unix.EEXIST, ""},
		{"chain in use", func(b *Batch) {
			b.Delete(&Chain{Table: ref, Name: "used"})
		}, "delete", "chain ip t used", KindChain, unix.EBUSY, ""},
		{"base chain without a hook of that number", func(b *Batch) {
			b.Add(&Chain{Table: ref, Name: "c", Hook: 9})
		}, "add", "chain ip t c", KindChain, unix.EOPNOTSUPP, ""},
		{"set that is there", func(b *Batch) { b.Create(set) }, "create", "set ip t published", KindSet, unix.EEXIST, ""},
		{"set of another type", func(b *Batch) {
			b.Add(&Set{Table: ref, Name: set.Name, Key: TypeMark})
		}, "add", "set ip t published", KindSet, unix.EEXIST, ""},
		{"table that is there", func(b *Batch) {
			b.Create(&Table{Family: IPv4, Name: "t"})
		}, "create", "table ip t", KindTable, unix.EEXIST, ""},
		{"table that is not there", func(b *Batch) {
			b.Delete(&Table{Family: IPv4, Name: "missing"})
		}, "delete", "table ip missing", KindTable, unix.ENOENT, ""},
		{"element that is there", func(b *Batch) { b.Create(there) },
			"create", "element ip t published { 192.0.2.1 . tcp . 1 }", KindElement, unix.EEXIST, ""},
		{"element with other data", func(b *Batch) { b.Add(&other) },
			"add", "element ip t published { 192.0.2.1 . tcp . 1 }", KindElement, unix.EEXIST, ""},
		{"element that is not there", func(b *Batch) { b.Delete(&absent) },
			"delete", "element ip t published { 192.0.2.9 . tcp . 1 }", KindElement, unix.ENOENT, ""},
		{"element with a short key", func(b *Batch) { b.Add(&short) },
			"add", "element ip t published", KindElement, unix.EINVAL, ""},
		{"elements beyond the size", func(b *Batch) {
			full := ref.Set("full")
			b.Add(&Element{Set: full, Key: Key(Port(1))}, &Element{Set: full, Key: Key(Port(2))})
		}, "add", "element ip t full { 2 }", KindElement, unix.ENFILE, "full"},
		{"element of a missing set", func(b *Batch) {
			e := *there
			e.Set = e.Set.Table().Set("nowhere")
			b.Add(&e)
		}, "add", "ip t nowhere", KindElement, unix.ENOENT, ""},
	}
}

// A batch that the kernel refuses somewhere changes nothing, and the error
// names the object.
func TestRefusedBatchChangesNothing(t *testing.T) {
	t.Parallel()
	c := dial(t, newNetNS(t))
	table, set, elements := portMap(1500)
	chain := &Chain{Table: table.Ref(), Name: "chain"}
	used := &Chain{Table: table.Ref(), Name: "used"}
	there := &Element{Set: set.Ref(), Key: Key(Addr(netip.AddrFrom4([4]byte{192, 0, 2, 1})), Proto(TCP), Port(1)),
		Data: Key(Addr(netip.AddrFrom4([4]byte{192, 0, 2, 1})), Port(2))}
	full := &Set{Table: table.Ref(), Name: "full", Key: TypeInetService, Size: 1}
	add(t, c, table, set, there, full, chain, used, &Rule{Chain: chain.Ref(), Key: "k", Statements: []Statement{Jump("used")}})
	before := load(t, c)
	fresh := []Object{&Table{Family: IPv6, Name: "t"}, &Chain{Table: TableRef{IPv6, "t"}, Name: "c"},
		&Rule{Chain: TableRef{IPv6, "t"}.Chain("c"), Key: "k", Statements: []Statement{Accept()}}}
	for _, f := range faults() {
		for place, build := range map[string]func(b *Batch){
			"alone": f.put,
			"first": func(b *Batch) { f.put(b); b.Add(fresh...); b.Add(elements...) },
			"amid":  func(b *Batch) { b.Add(fresh...); b.Add(elements[:700]...); f.put(b); b.Add(elements[700:]...) },
			"last":  func(b *Batch) { b.Add(fresh...); b.Add(elements...); f.put(b) },
		} {
			for _, generation := range []uint32{0, before.Generation} {
				b := Batch{Generation: generation}
				build(&b)
				_, err := c.Commit(context.Background(), b)
				var oe *ObjectError
				if !errors.As(err, &oe) {
					t.Fatalf("%s, %s: %v", f.name, place, err)
				}
				if !errors.Is(err, f.errno) || oe.Op != f.op || oe.ID.Kind != f.kind || !strings.Contains(oe.Object, f.object) ||
					(oe.Reason == "") != (f.reason == "") || !strings.Contains(oe.Reason, f.reason) {
					t.Errorf("%s, %s: %s of %s, reason %q: %v", f.name, place, oe.Op, oe.Object, oe.Reason, err)
				}
				if after, err := c.Generation(context.Background()); err != nil || after != before.Generation {
					t.Fatalf("%s, %s: generation %d, before %d, %v", f.name, place, after, before.Generation, err)
				}
			}
		}
	}
	unchanged(t, c, before)
	// The connection goes on working.
	add(t, c, append(fresh, elements...)...)
	compareElements(t, load(t, c).Elements(set.Ref()), append(elements, there))
}

// Several faults: the first is named.
func TestTheFirstFaultIsNamed(t *testing.T) {
	t.Parallel()
	c := dial(t, newNetNS(t))
	table, set, elements := portMap(4000)
	add(t, c, table, set)
	add(t, c, elements[2222:2230]...)
	var b Batch
	b.Create(elements...)
	b.Create(table)
	_, err := c.Commit(context.Background(), b)
	var oe *ObjectError
	if !errors.As(err, &oe) || oe.ID != elements[2222].ID() || !errors.Is(err, fs.ErrExist) {
		t.Errorf("got %v, want element %s", err, elements[2222].ID())
	}
}

// What cannot even be encoded is refused before anything is sent.
func TestUnencodableObjectsAreNamed(t *testing.T) {
	t.Parallel()
	c := dial(t, newNetNS(t))
	before := load(t, c)
	ref := TableRef{IPv4, "t"}
	long := strings.Repeat("x", 300)
	for name, o := range map[string]Object{
		"table name":    &Table{Family: IPv4, Name: long},
		"empty name":    &Table{Family: IPv4},
		"NUL":           &Chain{Table: ref, Name: "a\x00b"},
		"chain policy":  &Chain{Table: ref, Name: "c", Policy: PolicyDrop},
		"chain text":    &Chain{Table: ref, Name: "c", Userdata: long},
		"set type":      &Set{Table: ref, Name: "s"},
		"data type":     &Set{Table: ref, Name: "s", Key: TypeMark, Data: 5},
		"comment":       &Set{Table: ref, Name: "s", Key: TypeMark, Comment: long},
		"no key":        &Element{Set: ref.Set("s")},
		"userdata":      &Element{Set: ref.Set("s"), Key: Key(Port(1)), Userdata: long},
		"rule key":      &Rule{Chain: ref.Chain("c"), Key: long},
		"unknown":       &Rule{Chain: ref.Chain("c"), Statements: []Statement{Unknown{Name: "limit"}}},
		"wrong family":  &Rule{Chain: ref.Chain("c"), Statements: []Statement{DNAT(netip.MustParseAddrPort("[::1]:1"))}},
		"rule userdata": &Rule{Chain: ref.Chain("c"), Userdata: long},
	} {
		var b Batch
		b.Add(&Table{Family: IPv4, Name: "t"}, o)
		_, err := c.Commit(context.Background(), b)
		var oe *ObjectError
		if !errors.As(err, &oe) || oe.ID != o.ID() || oe.Op != "add" {
			t.Errorf("%s: %v", name, err)
		}
	}
	unchanged(t, c, before)
}
