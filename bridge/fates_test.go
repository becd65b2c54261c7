package bridge_test

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/seawall-net/seawall/internal/netlab"
)

// A fate is one line of a table: who sends what to whom, and what becomes of it.
type fate struct {
	line   string
	from   *netlab.Namespace
	family int
	proto  string
	to     netip.AddrPort
	want   string
}

// fates makes the probes that a table lists, all at once, and compares. A line is a sender, protocols, a destination,
// and the outcome:
//
//	ext   tcp,udp   host:8080   web sees ext
//	ext   tcp4      web:80      silent
//
// A protocol without a family is probed in both that the destination has. Names are those of the world, and so is the
// source address that a server sees. Closed is silent, or unreachable: whether neighbours find each other depends on what
// they remember. Lines that begin with # are comments. With other layouts some
// outcomes are others: see difference.
func (w *world) fates(table string) {
	w.t.Helper()
	all := w.parse(table)
	probes := make([]netlab.Probe, len(all))
	for i, f := range all {
		probes[i] = netlab.Probe{From: f.from, Proto: f.proto, To: f.to}
	}
	for i, r := range w.ProbeAll(probes) {
		got := w.outcome(r)
		if all[i].want == "closed" && (got == netlab.Silent.String() || got == netlab.Unreachable.String()) {
			continue
		}
		if got != all[i].want {
			w.t.Errorf("%s\n\t%s to %s: %s (%v)", all[i].line, all[i].proto, all[i].to, got, r)
		}
	}
}

// outcome says what became of a probe in the words of a table.
func (w *world) outcome(r netlab.Result) string {
	if r.Outcome != netlab.Delivered || r.Server == "" {
		return r.Outcome.String()
	}
	return r.Server + " sees " + w.nameOf(r.Source.Addr())
}

// nameOf returns the name of an address, or the address itself.
func (w *world) nameOf(a netip.Addr) string {
	for name, pair := range w.addrs {
		if a == pair[0] || a == pair[1] {
			return name
		}
	}
	return a.String()
}

func (w *world) parse(table string) []fate {
	w.t.Helper()
	var all []fate
	for line := range strings.Lines(table) {
		line = strings.TrimSpace(line)
		words := strings.Fields(line)
		if len(words) == 0 || words[0] == "#" {
			continue
		}
		if len(words) < 4 {
			w.t.Fatalf("%q: a line is a sender, protocols, a destination and an outcome", line)
		}
		name, port, _ := strings.Cut(words[2], ":")
		number, err := strconv.ParseUint("0"+port, 10, 16)
		pair, known := w.addrs[name]
		if w.spaces[words[0]] == nil || !known || err != nil {
			w.t.Fatalf("%q: unknown sender or destination", line)
		}
		of := false
		for proto := range strings.SplitSeq(words[1], ",") {
			base := strings.TrimRight(proto, "46")
			for i, addr := range pair {
				if base != proto && proto != fmt.Sprintf("%s%d", base, 4+2*i) {
					continue
				}
				if of = of || addr.IsValid() || w.ipv4Only; addr.IsValid() && w.probed(i, base) {
					all = append(all, fate{
						line: line, from: w.spaces[words[0]], family: i, proto: base,
						to: netip.AddrPortFrom(addr, uint16(number)), want: w.outcomeHere(strings.Join(words[3:], " "), i),
					})
				}
			}
		}
		if !of {
			w.t.Fatalf("%q: %s has no address of that family", line, name)
		}
	}
	return all
}

// frames sends the packets that a table lists as raw frames to the host, whatever their destination, all at once, and
// tells what a namespace, the last column's first word, does:
//
//	ext   tcp,udp   loopback:8080   web gets nothing
//	ext   tcp       loopback:9090   host stays quiet
//	ext   tcp       host:8080       web answers
//
// Only the host itself can stay quiet, since it gets every frame.
func (w *world) frames(table string) {
	w.t.Helper()
	all := w.parse(table)
	probes := make([]netlab.RawProbe, len(all))
	for i, f := range all {
		watch, _, _ := strings.Cut(f.want, " ")
		probes[i] = netlab.RawProbe{
			From: f.from, Interface: "eth0", DstMAC: w.hostMAC(f.from.Name()), Proto: f.proto, Dst: f.to,
			Src:   netip.AddrPortFrom(w.addrs[f.from.Name()][f.family], 0),
			Watch: w.spaces[watch],
		}
		if probes[i].Watch == nil {
			w.t.Fatalf("%q: unknown namespace %s", f.line, watch)
		}
	}
	for i, r := range w.RawProbeAll(probes) {
		got := probes[i].Watch.Name()
		switch {
		case r.Err != nil:
			got = r.Err.Error()
		case r.Answered:
			got += " answers"
		case r.Arrived && probes[i].Watch == w.host:
			got += " stays quiet"
		case r.Arrived:
			got += " gets it"
		default:
			got += " gets nothing"
		}
		if got != all[i].want {
			w.t.Errorf("%s\n\t%s to %s: %s (%v)", all[i].line, all[i].proto, all[i].to, got, r)
		}
	}
}

// hostMAC is the host's hardware address as a namespace's neighbour.
func (w *world) hostMAC(space string) []byte {
	w.t.Helper()
	if space == "ext" {
		return w.host.MAC("eth0")
	}
	for network, pair := range w.subnets {
		for i, p := range pair {
			if p.IsValid() && p.Contains(w.addrs[space][i]) {
				return w.host.MAC("br-" + network)
			}
		}
	}
	w.t.Fatalf("%s is no neighbour of the host", space)
	return nil
}
