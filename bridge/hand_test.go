package bridge_test

import (
	"context"
	"net/netip"
	"regexp"
	"strconv"

	"github.com/seawall-net/seawall/nft"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// What others do to the host's ruleset, with connections of their own.

var (
	accept = nft.Statement(nft.Accept())
	drop   = nft.Statement(nft.Drop())
	fall   = nft.Statement(nft.Return())
)

// hand returns a stranger's connection.
func (w *world) hand() *nft.Conn {
	w.t.Helper()
	c, err := nft.Dial(nft.Config{NetNS: w.host.File()})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = c.Close() })
	return c
}

// byHand commits a stranger's batch.
func (w *world) byHand(f func(*nft.Batch)) {
	w.t.Helper()
	var b nft.Batch
	f(&b)
	if _, err := w.hand().Commit(context.Background(), b); err != nil {
		w.t.Fatal(err)
	}
}

// load reads tables as they are, or the whole ruleset.
func (w *world) load(tables ...nft.TableRef) *nft.Ruleset {
	w.t.Helper()
	rs, err := w.hand().Load(context.Background(), tables...)
	if err != nil {
		w.t.Fatal(err)
	}
	return rs
}

// handAppend appends to DOCKER-USER, in both families, a rule about what goes to a port of a container, and handInsert
// inserts one at its head.
func (w *world) handAppend(to string, port uint16, verdict nft.Statement) {
	w.t.Helper()
	w.byHand(func(b *nft.Batch) { w.eachUserRule(to, port, verdict, func(r *nft.Rule) { b.AddRule(r, 0) }) })
}

func (w *world) handInsert(to string, port uint16, verdict nft.Statement) {
	w.t.Helper()
	w.byHand(func(b *nft.Batch) { w.eachUserRule(to, port, verdict, func(r *nft.Rule) { b.InsertRule(r, 0) }) })
}

func (w *world) eachUserRule(to string, port uint16, verdict nft.Statement, do func(*nft.Rule)) {
	for i, f := range w.userFamilies() {
		do(&nft.Rule{Chain: userChain(f), Statements: []nft.Statement{
			nft.Daddr(f).Eq(w.addrs[to][i]), nft.THDport.Eq(port), verdict,
		}})
	}
}

// seawallTables are our own: the native layout has no others.
func seawallTables() []nft.TableRef {
	return []nft.TableRef{{Family: nft.IPv4, Name: "seawall"}, {Family: nft.IPv6, Name: "seawall"}, {Family: nft.Bridge, Name: "seawall"}}
}

// witness makes tables of others, that count what comes from the LAN for containers and reaches connection tracking.
func (w *world) witness(names ...string) {
	w.t.Helper()
	w.byHand(func(b *nft.Batch) {
		for i, f := range w.families() {
			t := &nft.Table{Family: f, Name: "witness"}
			c := &nft.Chain{Table: t.Ref(), Name: "tracked", Hook: nft.Prerouting, Priority: trackingPriority + 1}
			b.Add(t, c)
			for _, name := range names {
				b.Add(&nft.Rule{Chain: c.Ref(), Comment: name, Statements: []nft.Statement{
					nft.IIFName.Eq("eth0"), nft.Daddr(f).Eq(w.addrs[name][i]), nft.Counter(),
				}})
			}
		}
	})
}

// trackingPriority is that of connection tracking (NF_IP_PRI_CONNTRACK).
const trackingPriority = -200

// witnessed is how many packets for a name the witness has seen.
func (w *world) witnessed(name string) int {
	w.t.Helper()
	total := 0
	for _, f := range w.families() {
		t := nft.TableRef{Family: f, Name: "witness"}
		for _, r := range w.load(t).Rules(t.Chain("tracked")) {
			if r.Comment == name {
				total += w.packets(r)
			}
		}
	}
	return total
}

var counted = regexp.MustCompile(`counter packets (\d+)`)

// packets is the count of a rule.
func (w *world) packets(r *nft.Rule) int {
	w.t.Helper()
	m := counted.FindStringSubmatch(r.String())
	if m == nil {
		w.t.Fatalf("%s: has no counter", r)
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

// flowsFrom is how many connections the host has between two names, opened by the first.
func (w *world) flowsFrom(from, to string) int {
	w.t.Helper()
	total := 0
	err := w.host.Do(func() error {
		h, err := netlink.NewHandle(unix.NETLINK_NETFILTER)
		if err != nil {
			return err
		}
		defer h.Close()
		for i, family := range []netlink.InetFamily{unix.AF_INET, unix.AF_INET6} {
			flows, err := h.ConntrackTableList(netlink.ConntrackTable, family)
			if err != nil {
				return err
			}
			for _, f := range flows {
				src, _ := netip.AddrFromSlice(f.Forward.SrcIP)
				dst, _ := netip.AddrFromSlice(f.Forward.DstIP)
				if src.Unmap() == w.addrs[from][i] && dst.Unmap() == w.addrs[to][i] {
					total++
				}
			}
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return total
}

// deleteTables deletes what is ours, as a stranger would.
func (w *world) deleteTables() {
	w.t.Helper()
	var b nft.Batch
	for _, table := range w.load(w.tables()...).Tables() {
		b.Delete(table)
	}
	w.commit(b)
}

func (w *world) commit(b nft.Batch) {
	w.t.Helper()
	conn, err := nft.Dial(nft.Config{NetNS: w.host.File()})
	if err != nil {
		w.t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Commit(context.Background(), b); err != nil {
		w.t.Fatal(err)
	}
}

// trackElsewhere adds a stranger's tables, on account of which the kernel goes on tracking and translating without ours.
func (w *world) trackElsewhere() {
	w.t.Helper()
	var b nft.Batch
	for _, family := range families {
		table := nft.TableRef{Family: family, Name: "stranger"}
		nat := &nft.Chain{Table: table, Name: "nat", Type: nft.NATChain, Hook: nft.Prerouting, Priority: -90}
		b.Add(&nft.Table{Family: family, Name: "stranger"}, nat,
			&nft.Rule{Chain: nat.Ref(), Key: "track", Statements: []nft.Statement{nft.CTState.Any(nft.CTEstablished), nft.Accept()}})
	}
	w.commit(b)
}
