package conntrack

import (
	"context"
	"net/netip"
	"os"
	"testing"

	"github.com/seawall-net/seawall/internal/netlab"
	"github.com/seawall-net/seawall/internal/netns"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { netlab.Main(m) }

// A table is the entries of a namespace of its own.
type table struct {
	*Conn
	tb testing.TB
	ns *os.File
}

func newTable(tb testing.TB) *table {
	tb.Helper()
	ns, err := netns.New()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = ns.Close() })
	c, err := Dial(ns)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = c.Close() })
	return &table{c, tb, ns}
}

// msgNew creates an entry.
const msgNew = unix.NFNL_SUBSYS_CTNETLINK << 8

// create makes entries, in a zone unless that is 0.
func (t *table) create(zone uint16, flows ...Flow) {
	t.tb.Helper()
	var d deletions
	for _, f := range flows {
		at := d.message(msgNew, unix.NLM_F_REQUEST|unix.NLM_F_CREATE|unix.NLM_F_EXCL, 0, f.family())
		d.tuple(ctaTupleOrig, f.Orig)
		d.tuple(ctaTupleReply, f.Reply)
		d.bytes(7, 0, 0, 2, 0) // CTA_TIMEOUT: 512 seconds
		if zone != 0 {
			d.bytes(ctaZone, byte(zone>>8), byte(zone))
		}
		d.end(at)
		d.ends = append(d.ends, len(d.b))
	}
	if n, err := t.delete(context.Background(), d); err != nil || n != len(flows) {
		t.tb.Fatalf("created %d of %d entries: %v", n, len(flows), err)
	}
}

func (e *encoder) tuple(typ uint16, t Tuple) {
	at := e.nest(typ)
	ip := e.nest(ctaTupleIP)
	src, dst := uint16(ctaIPv4Src), uint16(ctaIPv4Dst)
	if t.Src.Addr().Is6() {
		src, dst = ctaIPv6Src, ctaIPv6Dst
	}
	e.bytes(src, t.Src.Addr().AsSlice()...)
	e.bytes(dst, t.Dst.Addr().AsSlice()...)
	e.unnest(ip)
	proto := e.nest(ctaTupleProto)
	e.bytes(ctaProtoNum, t.Proto)
	switch t.Proto {
	case unix.IPPROTO_ICMP: // echo request and reply
		kind := byte(8)
		if typ == ctaTupleReply {
			kind = 0
		}
		e.bytes(4, 0, 1) // CTA_PROTO_ICMP_ID
		e.bytes(5, kind)
		e.bytes(6, 0)
	default:
		e.bytes(ctaProtoSrcPort, byte(t.Src.Port()>>8), byte(t.Src.Port()))
		e.bytes(ctaProtoDstPort, byte(t.Dst.Port()>>8), byte(t.Dst.Port()))
	}
	e.unnest(proto)
	e.unnest(at)
}

// flow is an entry of packets from a client to an address and port, which lead to another unless that is empty.
func flow(proto uint8, client, server, to string) Flow {
	src, dst := netip.MustParseAddrPort(client), netip.MustParseAddrPort(server)
	real := dst
	if to != "" {
		real = netip.MustParseAddrPort(to)
	}
	return Flow{Orig: Tuple{src, dst, proto}, Reply: Tuple{real, src, proto}}
}

// A pair is the tuples of a Flow, to be compared.
type pair struct{ Orig, Reply Tuple }

// flows lists the table.
func (t *table) flows(f Filter) map[pair]bool {
	t.tb.Helper()
	all := map[pair]bool{}
	n, err := t.Sweep(context.Background(), f, func(flow *Flow) bool {
		all[pair{flow.Orig, flow.Reply}] = true
		if flow.Status == 0 {
			t.tb.Errorf("%+v has no status", flow)
		}
		return false
	})
	if err != nil || n != 0 {
		t.tb.Fatal(n, err)
	}
	return all
}
