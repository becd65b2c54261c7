package bridge_test

import (
	"context"
	"net/netip"
	"testing"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/internal/netlab"
	"github.com/seawall-net/seawall/nft"
)

// networkApart is networkA without ICC.
func (w *world) networkApart() {
	w.t.Helper()
	spec := networkSpec("a", "172.30.1.0/24", "fd00:30:1::/64")
	spec.DisableICC = true
	w.create(spec)
}

// Without ICC no frame gets from one endpoint to another, whatever is in it; the host gets all of them.
func TestNoICCForFrames(t *testing.T) {
	t.Parallel()
	eachFilter(t, func(t *testing.T, filter string) {
		w := newWorld(t, bridge.Config{})
		w.networkApart()
		w.networkB()
		w.filterBridges(filter)
		w.container("a", "a1", 2)
		w.container("a", "a2", 3)
		w.endpoint("a", "free", 4, true, true, bridge.EndpointSpec{AllowSpoofing: true})
		w.container("b", "b1", 2)
		w.container("b", "b2", 3)
		me, sibling, host := w.station("a1", "eth0"), w.station("a2", "eth0"), w.station("gw-a", "br-a")
		free := w.station("free", "eth0")
		for _, sender := range []struct {
			name   string
			frames []linkFrame
		}{
			{"a1", honest(me, sibling, host)},
			// Who may spoof gets no further.
			{"free", append(honest(free, sibling, host), forged(free, sibling, host)...)},
		} {
			var others []*watcher
			for _, name := range []string{"a1", "a2", "free"} {
				if name != sender.name {
					others = append(others, w.watch(name, w.spaces[name], "eth0"))
				}
			}
			frames := wellFormed(sender.frames, filter)
			w.arrive(sender.name, nil, frames, w.watch("the host", w.host, "br-a"))
			for _, v := range others {
				v.sawNone(t, frames)
			}
		}
		// The same frames arrive in a network with ICC.
		me, sibling, host = w.station("b1", "eth0"), w.station("b2", "eth0"), w.station("gw-b", "br-b")
		w.arrive("b1", nil, wellFormed(honest(me, sibling, host), filter), w.watch("b2", w.spaces["b2"], "eth0"), w.watch("the host", w.host, "br-b"))
	})
}

// Published ports of siblings, and the endpoint's own, work without ICC, and nothing else does.
func TestNoICC(t *testing.T) {
	t.Parallel()
	for _, filter := range bridgeFilters(t) {
		eachDropLog(t, filter, func(t *testing.T, log *bridge.DropLog) {
			w := newWorld(t, bridge.Config{LogDrops: log})
			w.networkApart()
			w.networkB()
			w.filterBridges(filter)
			w.container("a", "a1", 2, "8080:80", "8080:80/udp", "8080:80/sctp")
			w.container("a", "a2", 3)
			w.container("b", "b1", 2)
			w.fates(`
			a2    tcp,udp,sctp  a1:80      silent
			a2    icmp          a1         silent
			a1    tcp,udp       a2:81      silent
			# By the host's addresses, but only there.
			a2    tcp,udp,sctp  host:8080  a1 sees gw-a  [siblings-without-icc: silent]
			a2    tcp,udp,sctp  gw-a:8080  a1 sees gw-a  [siblings-without-icc: silent]
			a1    tcp,udp,sctp  host:8080  a1 sees gw-a  [siblings-without-icc: silent]
			a1    tcp,udp,sctp  gw-a:8080  a1 sees gw-a  [siblings-without-icc: silent]
			a2    tcp,udp       host:81    refused
			# To everybody else the network is as others are.
			b1    tcp,udp,sctp  host:8080  a1 sees gw-a  [other-networks: silent]
			ext   tcp,udp,sctp  host:8080  a1 sees ext
			host  tcp,udp,sctp  a2:80      a2 sees gw-a
			a1    tcp,udp,sctp  ext:80     ext sees host
		`)
			w.noWayByTheHost("a2", "a1")
		})
	}
}

// noWayByTheHost sends packets to a sibling's address by way of the host's MAC, which must not pass them on.
func (w *world) noWayByTheHost(from, to string) {
	w.t.Helper()
	var probes []netlab.RawProbe
	for i := range w.families() {
		for _, proto := range []string{"tcp", "udp"} {
			probes = append(probes, netlab.RawProbe{
				From: w.spaces[from], Interface: "eth0", DstMAC: w.hostMAC(from), Proto: proto,
				Src: netip.AddrPortFrom(w.addrs[from][i], 0), Dst: netip.AddrPortFrom(w.addrs[to][i], 80), Watch: w.spaces[to],
			})
		}
	}
	for i, r := range w.RawProbeAll(probes) {
		if r.Err != nil || r.Arrived || r.Answered {
			w.t.Errorf("%s to %s by the host: %s", probes[i].Proto, probes[i].Dst, r)
		}
	}
}

// An internal network can be without ICC, too.
func TestNoICCOfAnInternalNetwork(t *testing.T) {
	t.Parallel()
	eachFilter(t, func(t *testing.T, filter string) {
		w := newWorld(t, bridge.Config{})
		w.create(with(specA, func(s *bridge.NetworkSpec) { s.Internal, s.DisableICC = true, true }))
		w.filterBridges(filter)
		w.container("a", "a1", 2)
		w.container("a", "a2", 3)
		w.fates(`
			a2    tcp,udp,sctp  a1:80      closed
			a2    icmp          a1         closed
			host  tcp,udp,sctp  a1:80      a1 sees gw-a
		`)
		w.noWayByTheHost("a2", "a1")
	})
}

// The mark has one bit, and it can be another one. What is only for networks without ICC goes with the last of them.
func TestNoICCMark(t *testing.T) {
	t.Parallel()
	eachFilter(t, func(t *testing.T, filter string) {
		const mark = 1 << 27
		w := newWorld(t, bridge.Config{Layout: bridge.NativeWith(bridge.NativeOptions{ICCMark: mark})})
		before := w.rules(w.tables()...)
		w.networkApart()
		w.filterBridges(filter)
		w.container("a", "a1", 2, "8080:80", "8080:80/udp")
		w.container("a", "a2", 3)
		// Somebody else marks everything, with all other bits.
		w.byHand(func(b *nft.Batch) {
			for _, f := range w.families() {
				table := &nft.Table{Family: f, Name: "marks"}
				chain := &nft.Chain{Table: table.Ref(), Name: "c", Hook: nft.Prerouting, Priority: nft.PriorityRaw}
				b.Add(table, chain, &nft.Rule{Chain: chain.Ref(), Statements: []nft.Statement{nft.Mark.Set(^uint32(mark))}})
			}
		})
		w.fates(`
			a2  tcp,udp  host:8080  a1 sees gw-a
			a2  tcp,udp  a1:80      silent
		`)
		w.reopen()
		if healed, err := w.fw.Heal(context.Background()); healed || err != nil {
			t.Errorf("heal: %t, %v", healed, err)
		}
		w.update(func(tx *bridge.Tx) { tx.RemoveNetwork("a") })
		w.sameAs("after the network", w.rules(w.tables()...), before)
	})
}
