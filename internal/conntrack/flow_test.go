package conntrack

import (
	"bytes"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// encoded is a flow as the kernel tells it.
func encoded(f Flow) []byte {
	var e encoder
	e.tuple(ctaTupleOrig, f.Orig)
	e.tuple(ctaTupleReply, f.Reply)
	e.bytes(ctaID, 1, 2, 3, 4)
	e.bytes(ctaStatus, 0, 0, 1, 0x2e)
	return e.b
}

func TestDecode(t *testing.T) {
	t.Parallel()
	for _, want := range variety() {
		b := encoded(want)
		var got Flow
		if err := got.decode(b); err != nil {
			t.Fatal(err)
		}
		if got.Orig != want.Orig || got.Reply != want.Reply || got.Status != 0x12e || got.Status&SeenReply == 0 {
			t.Errorf("%+v\nwant %+v", got, want)
		}
		if got.Translated() != (want.Orig.Dst != want.Reply.Src) {
			t.Errorf("%+v: translated %v", got, got.Translated())
		}
		// Half an entry is none.
		for n := range b[:len(b)-16] {
			if err := got.decode(b[:n]); err == nil {
				t.Errorf("%d of %d bytes: %+v", n, len(b), got)
			}
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	good := encoded(variety()[1])
	v6 := encoded(variety()[3])
	half := len(good) / 2
	var mixed encoder
	mixed.tuple(ctaTupleOrig, variety()[1].Orig)
	mixed.tuple(ctaTupleReply, variety()[3].Reply)
	short := func(at int, size byte) []byte {
		b := bytes.Clone(good)
		b[at] = size
		return b
	}
	for name, b := range map[string][]byte{
		"empty":            {},
		"two families":     mixed.b,
		"a status of 2":    slices.Concat(good, []byte{6, 0, ctaStatus, 0, 1, 2, 0, 0}),
		"length 0":         short(0, 0),
		"length 3":         short(0, 3),
		"nested length 1":  short(4, 1),
		"an address of 3":  short(8, 7),
		"another tuple v6": slices.Concat(good, v6[:half]),
	} {
		var f Flow
		if err := f.decode(b); err == nil {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, flow := range variety() {
		f.Add(encoded(flow))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var flow Flow
		if flow.decode(b) != nil {
			return
		}
		if !flow.Orig.Src.IsValid() || !flow.Reply.Dst.IsValid() || flow.Orig.Src.Addr().Zone() != "" ||
			flow.Orig.Src.Addr().BitLen() != flow.Reply.Dst.Addr().BitLen() {
			t.Errorf("%+v", flow)
		}
		// What deletes it names it, and can be read.
		var d deletions
		d.add(&flow)
		if len(d.ends) == 0 {
			t.Fatal("no deletion")
		}
		m, rest, err := cut(d.b)
		if err != nil || len(rest) > 0 || m.typ != msgDelete {
			t.Fatalf("%+v, %x, %v", m, rest, err)
		}
		typ, _, whole, _, err := next(m.attributes())
		if err != nil || typ != ctaTupleOrig || !bytes.Equal(whole[:len(flow.orig)], flow.orig) {
			t.Errorf("%d %x %v, want %x", typ, whole, err, flow.orig)
		}
	})
}

func FuzzCut(f *testing.F) {
	var d deletions
	for _, flow := range variety() {
		_ = flow.decode(encoded(flow))
		d.add(&flow)
	}
	f.Add(d.b)
	f.Fuzz(func(t *testing.T, b []byte) {
		for len(b) > 0 {
			m, rest, err := cut(b)
			if err != nil {
				return
			}
			if len(rest) > len(b)-unix.SizeofNlMsghdr || len(m.body) > len(b) {
				t.Fatalf("%d bytes are left of %d", len(rest), len(b))
			}
			_ = m.err()
			for a := m.attributes(); len(a) > 0; {
				if _, _, _, a, err = next(a); err != nil {
					break
				}
			}
			b = rest
		}
	})
}
