package bridge_test

import (
	"regexp"
	"slices"

	"github.com/seawall-net/seawall/compat"
)

// A difference is a reason for which another outcome is right with some layouts: what Docker of that time did, which
// people who ask for its rules want to keep. A line of a table of fates names it with that outcome, behind the one that
// holds otherwise:
//
//	a2   tcp,udp   host:8080   a1 sees gw-a   [siblings-without-icc: silent]
type difference struct {
	// first and last are the layouts that have it, of the oldest Docker and of the newest; "" is the end of the list.
	first, last string
	// ipv6Only says that IPv4 is no different.
	ipv6Only bool
	// bug says that it is not wanted: it is asserted so that its end is noticed.
	bug bool
}

// A reason with an entry in docs/differences.md has its name.
var differences = map[string]difference{
	// What a network without ICC sends to itself is dropped, also where its way leads by the host and a published port
	// (moby #53713).
	"siblings-without-icc": {},
	// What the host sends to its own address on a bridge is masqueraded: the rule asks for the subnet, and for another
	// interface than the bridge. The rules of IPv6 are the same, but the kernel takes another source there.
	"own-addresses": {},
	// To the rules, a packet that is forwarded to a group leaves like any other: POSTROUTING masquerades it.
	"multicast": {},
	// DNAT in OUTPUT excludes destinations of 127.0.0.0/8 and not sources: nobody could answer these.
	"loopback-clients": {},
	// The rule for what the host sends to a network has the fixed source, too.
	"fixed-source-for-host": {first: "docker-18.05"},
	// Links are rules of IPv4 only.
	"links-of-ipv4": {ipv6Only: true},
	// A link has a rule for each direction, neither of which asks for a connection: the sibling may send from the linked
	// port to any port.
	"links-both-ways": {},
	// Raw drops what is for a container and comes from elsewhere than its bridge. That is before DOCKER-USER, before
	// marks are looked at, and before connections are known: what accepts it later accepts nothing, and without
	// masquerade no answer comes back.
	"raw-is-first": {first: "docker-28"},
	// Raw drops what is for a port that is published on a loopback address.
	"raw-guards-loopback": {first: "docker-28"},
	// Chain DOCKER, with the rules of links and for ICMP to routed networks, is asked for networks that are not internal, and before ICC.
	"links-of-internal": {first: "docker-28"},
	"icmp-of-routed":    {first: "docker-28"},
	// Under br_netfilter, a bridged packet with a source of the host's is masqueraded: rules do not see where it is from.
	"forged-host-source": {},
	// A port that is published on one address of the host is open by the container's own address, where that is reached at all.
	"one-address": {first: "docker-28", bug: true},
	// What belongs to no network is dropped behind iptables' tables, where an accept of the user's does not count.
	"drop-forward-is-last": {bug: true},
}

// differs tells whether a difference is one of the tested layout, in a family.
func (w *world) differs(reason string, family int) bool {
	w.t.Helper()
	d, known := differences[reason]
	if !known {
		w.t.Fatalf("unknown difference %q", reason)
	}
	names := compat.LayoutNames() // the newest first
	age := func(name string) int { return slices.Index(names, name) }
	first, last := age("docker-1.9"), age("docker-28")
	if d.first != "" {
		first = age(d.first)
	}
	if d.last != "" {
		last = age(d.last)
	}
	if first < 0 || last < 0 {
		w.t.Fatalf("difference %q names an unknown layout", reason)
	}
	mine := age(*layoutName)
	return mine >= last && mine <= first && (family == 1 || !d.ipv6Only)
}

var otherwise = regexp.MustCompile(`\s*\[([a-z0-9-]+): ([^\]]+)\]`)

// outcomeHere is what a line says with the tested layout, in a family.
func (w *world) outcomeHere(want string, family int) string {
	w.t.Helper()
	here := otherwise.ReplaceAllString(want, "")
	for _, m := range otherwise.FindAllStringSubmatch(want, -1) {
		if w.differs(m[1], family) {
			return m[2]
		}
	}
	return here
}
