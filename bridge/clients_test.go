package bridge_test

import (
	"context"
	"fmt"
	"net/netip"
	"strings"

	"github.com/seawall-net/seawall/internal/conntrack"
	"github.com/seawall-net/seawall/internal/netlab"
)

// clients are those of a table of fates, who stay: each asks from the same port, and over the same connection, again and
// again. The outcomes of a line are what becomes of one question after the other:
//
//	ext   udp   host:8080   refused | a1 sees ext | refused
type clients struct {
	w     *world
	fates []fate
	flows []*netlab.Flow
	asked int
}

func (w *world) clients(table string) *clients {
	w.t.Helper()
	c := &clients{w: w, fates: w.parse(table)}
	for _, f := range c.fates {
		c.flows = append(c.flows, w.Flow(netlab.Probe{From: f.from, Proto: f.proto, To: f.to}))
	}
	return c
}

// ask asks the next question of each client.
func (c *clients) ask() {
	c.w.t.Helper()
	for i, r := range netlab.AskAll(c.flows) {
		outcomes := strings.Split(c.fates[i].want, "|")
		if c.asked >= len(outcomes) {
			c.w.t.Fatalf("%s\n\thas no outcome of question %d", c.fates[i].line, c.asked+1)
		}
		if got, want := c.w.outcome(r), strings.TrimSpace(outcomes[c.asked]); got != want {
			c.w.t.Errorf("%s\n\tquestion %d, %s to %s: %s (%v), want %s", c.fates[i].line, c.asked+1, c.fates[i].proto, c.fates[i].to, got, r, want)
		}
	}
	c.asked++
}

// patientTracking keeps tracked flows from ending by themselves during a test.
func (w *world) patientTracking() {
	w.t.Helper()
	for _, timeout := range []string{
		"udp_timeout", "udp_timeout_stream", "tcp_timeout_close", "tcp_timeout_syn_sent",
		"sctp_timeout_cookie_wait", "sctp_timeout_cookie_echoed", "sctp_timeout_closed",
	} {
		w.host.SetSysctl("net.netfilter.nf_conntrack_"+timeout, "600")
	}
}

// tracked are the flows that the host knows.
func (w *world) tracked() map[conntrack.Tuple]conntrack.Tuple {
	w.t.Helper()
	conn, err := conntrack.Dial(w.host.File())
	if err != nil {
		w.t.Fatal(err)
	}
	defer conn.Close()
	all := map[conntrack.Tuple]conntrack.Tuple{}
	_, err = conn.Sweep(context.Background(), conntrack.Filter{}, func(f *conntrack.Flow) bool {
		all[f.Orig] = f.Reply
		return false
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return all
}

// ends makes a change, and checks which of the tracked flows it ends: all of those, and no others.
func (w *world) ends(change func(), those func(orig, reply conntrack.Tuple) bool) {
	w.t.Helper()
	before := w.tracked()
	change()
	after := w.tracked()
	ended := 0
	for orig, reply := range before {
		_, goesOn := after[orig]
		if ends := those(orig, reply); ends == goesOn {
			w.t.Errorf("flow %s: ends %v, want %v", flowString(orig, reply), !goesOn, ends)
		} else if ends {
			ended++
		}
	}
	if ended == 0 {
		w.t.Error("no flow had to end: the test proves nothing")
	}
}

func flowString(orig, reply conntrack.Tuple) string {
	return fmt.Sprintf("%d %s to %s, reply %s to %s", orig.Proto, orig.Src, orig.Dst, reply.Src, reply.Dst)
}

// among tells whether an address has one of the names.
func (w *world) among(a netip.Addr, names ...string) bool {
	for _, name := range names {
		if pair := w.addrs[name]; a == pair[0] || a == pair[1] {
			return true
		}
	}
	return false
}
