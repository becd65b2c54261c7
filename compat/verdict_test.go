package compat_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/compat"
	"github.com/seawall-net/seawall/internal/netlab"
	"github.com/seawall-net/seawall/nft"
)

// verdictTimeout is how long silence is waited for, once for all cases: their
// many probes go out at the same moment.
const verdictTimeout = 3 * time.Second

// A verdictProbe is a case in a family, and its port.
type verdictProbe struct {
	verdictCase
	proto  string
	family int // index into families
	port   uint16
}

var verdictFamilies = []nft.Family{nft.IPv4, nft.IPv6}

// Rules of DOCKER-USER in iptables' syntax mean what iptables says, in our tables
// and in its own: matches, targets, and the order of rules and chains.
func TestVerdicts(t *testing.T) {
	for _, name := range []string{"native", "hybrid", "docker-28"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			layout, err := compat.LayoutNamed(name)
			ok(t, err)
			w := newHybridWorld(t, bridge.Config{Layout: layout})
			w.host.SetSysctl("net.ipv4.icmp_ratelimit", "0")
			w.host.SetSysctl("net.ipv6.icmp.ratelimit", "0")
			probes := w.prepareVerdicts()
			answers := w.ext.Capture("eth0", func(f netlab.CapturedFrame) bool { return f.Proto == "icmp" && !f.Outgoing })
			fates := w.probeVerdicts(probes)
			codes := icmpCodes(answers.Seen())
			for i, p := range probes {
				got := fates[i]
				if code := codes[p.key()]; code != "" {
					got += " " + code
				}
				if got != p.fate {
					t.Errorf("%s %s %s: %s, want %s", p.proto, verdictFamilies[p.family], p.rules, got, p.fate)
				}
			}
		})
	}
}

// prepareVerdicts loads the rules of all cases at once, and lets far listen.
func (w *hybridWorld) prepareVerdicts() []verdictProbe {
	w.t.Helper()
	ctx := context.Background()
	var probes []verdictProbe
	all := make([][]compat.Rule, len(verdictFamilies))
	for i, c := range verdictCases() {
		base := strings.TrimRight(c.proto, "46")
		port := uint16(2000 + i)
		w.spaces["far"].Listen(base, fmt.Sprint(":", port))
		for f, suffix := range []string{"4", "6"} {
			if base != c.proto && base+suffix != c.proto {
				continue
			}
			p := verdictProbe{c, base, f, port}
			probes = append(probes, p)
			all[f] = append(all[f], rules(w.t, p.lines(w)...)...)
		}
	}
	for f, family := range verdictFamilies {
		ok(w.t, w.host.Do(func() error { return createVerdictSets(family, w.addrs["ext"][f]) }))
		chain := func(name string) compat.UserChain {
			return compat.UserChain{Firewall: w.fw, Family: family, Name: name}
		}
		for name, target := range map[string]string{"DENY": "-j DROP", "BACK": "-j RETURN", "END": "-i lo -j DROP", "FINAL": "-j ACCEPT"} {
			ok(w.t, chain(name).Create(ctx))
			ok(w.t, chain(name).Append(ctx, rules(w.t, target)...))
		}
		ok(w.t, chain("").Append(ctx, all[f]...))
	}
	return probes
}

// lines are the rules of a case, with what its words stand for.
func (p verdictProbe) lines(w *hybridWorld) []string {
	suffix := []string{"4", "6"}[p.family]
	words := strings.NewReplacer(
		"{to}", fmt.Sprintf("-p %s --dport %d", p.proto, p.port),
		"{from}", fmt.Sprintf("-p %s --sport %d", p.proto, p.port),
		"{port}", fmt.Sprint(p.port),
		"{ext}", w.addrs["ext"][p.family].String(),
		"{far}", w.addrs["far"][p.family].String(),
		"{mac}", w.ext.MAC("eth0").String(),
		"{set}", "clients"+suffix,
		"{family}", suffix,
	)
	return strings.Split(words.Replace(p.rules), "; ")
}

// createVerdictSets makes a set that holds an address, and an empty one.
func createVerdictSets(f nft.Family, held netip.Addr) error {
	suffix := map[nft.Family]string{nft.IPv4: "4", nft.IPv6: "6"}[f]
	for _, name := range []string{"clients", "added"} {
		if err := netlink.IpsetCreate(name+suffix, "hash:ip", netlink.IpsetCreateOptions{Family: uint8(f)}); err != nil {
			return err
		}
	}
	return netlink.IpsetAdd("clients"+suffix, &netlink.IPSetEntry{IP: net.IP(held.AsSlice())})
}

// probeVerdicts sends what all cases are about, and returns what became of it.
func (w *hybridWorld) probeVerdicts(probes []verdictProbe) []string {
	var all []netlab.Probe
	for _, p := range probes {
		probe := netlab.Probe{From: w.ext, Proto: p.proto, To: netip.AddrPortFrom(w.addrs["far"][p.family], p.port), Timeout: verdictTimeout}
		all = append(all, slices.Repeat([]netlab.Probe{probe}, p.flows())...)
	}
	results := w.ProbeAll(all)
	var out []string
	for _, p := range probes {
		own := results[:p.flows()]
		results = results[p.flows():]
		got := own[0].Outcome.String()
		if len(own) > 1 {
			delivered := 0
			for _, r := range own {
				if r.Outcome == netlab.Delivered {
					delivered++
				}
			}
			if got = fmt.Sprint(delivered, " of ", len(own)); delivered == 1 {
				got = "one"
			}
		}
		out = append(out, got)
	}
	return out
}

// flows is how many flows a case needs.
func (p verdictProbe) flows() int {
	if p.fate == "one" {
		return 2
	}
	return 1
}

func (p verdictProbe) key() string { return fmt.Sprint(p.family, " ", p.port) }

// icmpCodes returns type and code of ICMP errors, by family and port of what
// they are about.
func icmpCodes(seen []netlab.CapturedFrame) map[string]string {
	out := map[string]string{}
	for _, f := range seen {
		family, header, kind := 0, 20, byte(3)
		if f.From.Addr().Is6() {
			family, header, kind = 1, 40, 1
		}
		if b := f.Payload; len(b) >= 8+header+4 && b[0] == kind {
			port := uint16(b[8+header+2])<<8 | uint16(b[8+header+3])
			out[fmt.Sprint(family, " ", port)] = fmt.Sprintf("%d/%d", b[0], b[1])
		}
	}
	return out
}

// What is behind a port that is published is judged with the container's port, and
// with the published one only where the connection is asked.
func TestVerdictsOnPublishedPorts(t *testing.T) {
	for _, name := range []string{"native", "hybrid", "docker-28"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			layout, err := compat.LayoutNamed(name)
			ok(t, err)
			w := newHybridWorld(t, bridge.Config{Layout: layout})
			w.network(1, "a", func(*bridge.NetworkSpec) {})
			w.container("a", "a1", 2, "8080:80", "8080:80/udp", "8082:81", "8083:81/udp")
			for i, family := range verdictFamilies {
				source := w.addrs["ext"][i].String()
				ok(t, compat.UserChain{Firewall: w.fw, Family: family}.Append(context.Background(), rules(t,
					"-i eth+ -m conntrack --ctstate RELATED,ESTABLISHED -j RETURN",
					// By the published port, from one source only.
					"-i eth+ -p tcp -m conntrack --ctorigdstport 8080 --ctorigdst "+w.addrs["host"][i].String()+" -s "+source+" -j RETURN",
					"-i eth+ -p tcp -m conntrack --ctorigdstport 8080 --ctdir ORIGINAL -j DROP",
					// These are ports of the host, which nothing has here.
					"-p tcp -m multiport --dports 8080,8082 -j DROP",
					"-p udp --dport 8083 -j DROP",
					// And this is the container's.
					"-i eth0 -p udp --dport 80 -m conntrack --ctstate DNAT -j REJECT",
					"-i eth1 -p udp --dport 81 -m conntrack --ctstate NEW -j DROP",
				)...))
			}
			w.fates(`
				ext   tcp   host:8080   a1 sees ext
				far   tcp   host:8080   silent
				ext   tcp   host:8082   a1 sees ext
				far   tcp   host:8082   a1 sees far
				ext   udp   host:8080   refused
				far   udp   host:8080   a1 sees far
				ext   udp   host:8083   a1 sees ext
				far   udp   host:8083   silent
				a1    tcp   ext:80      ext sees host
			`)
		})
	}
}
