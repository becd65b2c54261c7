package bridge_test

import (
	"context"
	"net/netip"
	"testing"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/internal/netlab"
	"github.com/seawall-net/seawall/nft"
)

// Published ports are not closed for a moment while they move.
func TestGatewayMovesWithoutAGap(t *testing.T) {
	t.Parallel()
	w := severalNetworks(t)
	done := make(chan struct{})
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		for to, from := "b", "a"; ; to, from = from, to {
			select {
			case <-done:
				return
			default:
			}
			if err := w.fw.UseGateway(context.Background(), to, "c", w.spaces["c"].File()); err != nil {
				t.Error(err)
				return
			}
			if err := w.try(func(tx *bridge.Tx) {
				tx.Network(from).Endpoint("c").MovePorts(tx.Network(to).Endpoint("c"))
			}); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	// A closed port refuses. A packet may be lost: one that is between two hooks of the kernel while it changes the rules
	// is translated by the old and judged by the new ones, and so dropped; and connections that are there end.
	var probes []netlab.Probe
	for i := range w.families() {
		for _, proto := range []string{"tcp", "udp"} {
			probes = append(probes, netlab.Probe{From: w.ext, Proto: proto, To: netip.AddrPortFrom(w.addrs["host"][i], 8080)})
		}
	}
	delivered := 0
	for range 50 {
		for i, r := range w.ProbeAll(probes) {
			switch r.Outcome {
			case netlab.Delivered:
				delivered++
			case netlab.Refused:
				t.Errorf("%s: %v", probes[i].Proto, r)
			}
		}
	}
	close(done)
	<-finished
	if delivered == 0 {
		t.Error("nothing was delivered: the test shows nothing")
	}
}

// Clients that go on asking are led to where the ports have moved.
func TestFlowsFollowTheGateway(t *testing.T) {
	t.Parallel()
	w := severalNetworks(t)
	c := w.clients(`
		ext   udp4  host:8080  c sees ext  | c sees ext  | c sees ext  | c sees ext
		ext   udp6  host:8080  c sees ext  | c sees ext  | c sees ext  | c sees ext
		host  udp4  host:8080  c sees gw-a | c sees gw-b | c sees gw-b | c sees gw-a  [fixed-source-for-host: c sees gw-a | c sees host2 | c sees host2 | c sees gw-a]
		host  udp6  host:8080  c sees gw-a | c sees gw-a | c sees gw-b | c sees gw-a  [fixed-source-for-host: c sees gw-a | c sees gw-a | c sees host2 | c sees gw-a]
		ext   sctp  host:8080  c sees ext  | c sees ext  | c sees ext  | c sees ext
	`)
	c.ask()
	w.useGateway("b", "c", nft.IPv4)
	w.movePorts("c", "a", "b", nft.IPv4)
	c.ask()
	w.useGateway("b", "c", nft.IPv6)
	w.movePorts("c", "a", "b", nft.IPv6)
	c.ask()
	w.useGateway("a", "c")
	w.movePorts("c", "b", "a")
	c.ask()
}
