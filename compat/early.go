package compat

import (
	"strconv"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/nft"
)

// isolationStyle is how a Docker before 28 keeps networks from each other.
type isolationStyle int

const (
	// subnetPairs: two drops in FORWARD for each two networks, by subnets.
	subnetPairs isolationStyle = iota
	// bridgePairs: two drops in DOCKER-ISOLATION for each two, by bridges.
	bridgePairs
	// stages: for each network one rule in each of two chains.
	stages
)

// early is the rules of Docker before 28: the goldens in testdata name the source
// of each.
type early struct {
	isolation isolationStyle
	// acceptsFirst puts the rule for established connections before the jump to
	// DOCKER.
	acceptsFirst bool
	// user is whether there is a DOCKER-USER.
	user bool
	// skipsOwn returns from the chain of translations for what comes from the
	// port's own network, if there is a userland proxy.
	skipsOwn bool
	// repeats is whether what two ports of the host need is there twice.
	repeats bool
	// innerICC is whether the containers of an internal network are let to each other.
	innerICC bool
	// checksums fills in the checksums of SCTP.
	checksums bool
	// mirrored knows of WSL 2 with mirrored networking.
	mirrored bool
}

// isolationChain is the chain that keeps networks from each other, or "".
func (d early) isolationChain() string {
	switch d.isolation {
	case bridgePairs:
		return "DOCKER-ISOLATION"
	case stages:
		return "DOCKER-ISOLATION-STAGE-1"
	}
	return ""
}

const isolationStage2 = "DOCKER-ISOLATION-STAGE-2"

func (d early) chains(nft.Family) map[string][]string {
	filter := []string{"DOCKER"}
	if d.isolation == stages {
		filter = append(filter, d.isolationChain(), isolationStage2)
	} else if d.isolation == bridgePairs {
		filter = append(filter, d.isolationChain())
	}
	return map[string][]string{"filter": filter, "nat": {"DOCKER"}}
}

// userChain: only IPv4 has one (v20.10 firewall_linux.go: "TODO IPv6 support").
func (d early) userChain(f nft.Family) bool { return d.user && f == nft.IPv4 }

func (d early) finalReturn() bool { return true }

func (d early) host(h *bridge.Host, s sheet) {
	if d.isolation != subnetPairs {
		s.in("filter", d.isolationChain()).append(at(0, 0), "return", to("RETURN")...)
	}
	if d.isolation == stages {
		s.in("filter", isolationStage2).append(at(0, 0), "return", to("RETURN")...)
	}
	if d.userChain(s.family) {
		s.in("filter", "FORWARD").rule("user", rankFirst, to(userChain)...)
	}
	if d.mirrored && h.WSL2Mirrored && h.UserlandProxy && s.family == nft.IPv4 {
		s.in("nat", "DOCKER").insert(at(0, 0), "wsl2", wsl2Return()...)
	}
}

func (d early) network(n *bridge.Network, s sheet) {
	if d.isolation == stages && !n.Spec.Internal {
		d.stage(n, s) // in both families, whatever the network has
	}
	if !exists(n, s.family) {
		return
	}
	if d.isolation != subnetPairs {
		s.in("filter", "FORWARD").rule("isolation", rankSecond, to(d.isolationChain())...)
	}
	if n.Spec.Internal {
		d.internal(n, s)
		return
	}
	d.translation(n, s)
	d.forward(n, s)
}

// The places of a network's rules in FORWARD. A rule of a pair has bit 31.
const (
	forwardICC = iota
	forwardOut
	forwardAnswers
	forwardDocker
	forwardAnswersLast
)

func (d early) forward(n *bridge.Network, s sheet) {
	br, forward := n.Spec.Bridge, s.in("filter", "FORWARD")
	icc(n, forward)
	forward.insert(at(n.Order, forwardOut), key("n", n.Order, "out"), "-i", br, "!", "-o", br, "-j", "ACCEPT")
	answers := int64(forwardAnswers)
	if d.acceptsFirst {
		answers = forwardAnswersLast
	}
	forward.insert(at(n.Order, answers), key("n", n.Order, "answers"), answersTo(br)...)
	forward.insert(at(n.Order, forwardDocker), key("n", n.Order, "docker"), "-o", br, "-j", "DOCKER")
}

// answersTo accepts packets of established connections.
func answersTo(br string) []string {
	return []string{"-o", br, "-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED", "-j", "ACCEPT"}
}

// icc accepts or drops what the containers of a network send each other.
func icc(n *bridge.Network, forward chainSheet) {
	args := []string{"-i", n.Spec.Bridge, "-o", n.Spec.Bridge}
	k := key("n", n.Order, "icc")
	if n.Spec.DisableICC {
		forward.append(at(n.Order, forwardICC), k, words(args, to("DROP"))...)
		return
	}
	forward.insert(at(n.Order, forwardICC), k, words(args, to("ACCEPT"))...)
}

func (d early) internal(n *bridge.Network, s sheet) {
	br, subnet := n.Spec.Bridge, n.Gateway(s.family).Subnet.String()
	isolation := s.in("filter", d.isolationChain())
	isolation.insert(at(n.Order, 0), key("n", n.Order, "in"), "!", "-d", subnet, "-i", br, "-j", "DROP")
	isolation.insert(at(n.Order, 1), key("n", n.Order, "out"), "!", "-s", subnet, "-o", br, "-j", "DROP")
	if d.innerICC {
		icc(n, s.in("filter", "FORWARD"))
	}
}

func (d early) translation(n *bridge.Network, s sheet) {
	br, g := n.Spec.Bridge, n.Gateway(s.family)
	docker, postrouting := s.in("nat", "DOCKER"), s.in("nat", "POSTROUTING")
	jumpToNAT(n.Host, s)
	if !n.Spec.DisableMasquerade {
		postrouting.insert(at(n.Order, 0), key("n", n.Order, "out"),
			words([]string{"-s", g.Subnet.String(), "!", "-o", br}, sourceTarget(g))...)
		if d.skipsOwn && !hairpin(n) {
			docker.insert(at(n.Order, 0), key("n", n.Order, "own"), "-i", br, "-j", "RETURN")
		}
	}
	if hairpin(n) {
		postrouting.insert(at(n.Order, 1), key("n", n.Order, "host"), fromHost(br, g)...)
	}
}

// fromHost translates what the host sends to a network.
func fromHost(br string, g bridge.Gateway) []string {
	return words([]string{"-o", br, "-m", "addrtype", "--src-type", "LOCAL"}, sourceTarget(g))
}

// jumpToNAT leads what is for the host to its translations.
func jumpToNAT(h *bridge.Host, s sheet) {
	local := []string{"-m", "addrtype", "--dst-type", "LOCAL", "-j", "DOCKER"}
	s.in("nat", "PREROUTING").append(at(0, 0), "docker", local...)
	if h.UserlandProxy {
		local = words([]string{"!", "-d", loopback(s.family)}, local)
	}
	s.in("nat", "OUTPUT").append(at(0, 0), "docker", local...)
}

// stage is the network's part in the isolation by stages.
func (d early) stage(n *bridge.Network, s sheet) {
	br, k := n.Spec.Bridge, key("n", n.Order, "")
	s.in("filter", d.isolationChain()).insert(at(n.Order, 0), k, "-i", br, "!", "-o", br, "-j", isolationStage2)
	s.in("filter", isolationStage2).insert(at(n.Order, 0), k, "-o", br, "-j", "DROP")
}

// pair keeps two networks from each other. Docker does this when it makes the
// newer one, and takes the older ones in no order; here the oldest comes first.
func (d early) pair(older, newer *bridge.Network, s sheet) {
	if older.Spec.Internal || newer.Spec.Internal || !exists(older, s.family) || !exists(newer, s.family) {
		return
	}
	chain, in, out := s.in("filter", "FORWARD"), "-s", "-d"
	a, b := newer.Gateway(s.family).Subnet.String(), older.Gateway(s.family).Subnet.String()
	switch d.isolation {
	case bridgePairs:
		chain, in, out = s.in("filter", d.isolationChain()), "-i", "-o"
		a, b = newer.Spec.Bridge, older.Spec.Bridge
	case stages:
		return
	}
	k := key("n", newer.Order, strconv.FormatUint(older.Order, 10))
	p := at(newer.Order, 1<<31|int64(min(older.Order, 1<<30-1))<<1)
	chain.insert(p, k+".there", in, a, out, b, "-j", "DROP")
	p.within++
	chain.insert(p, k+".back", in, b, out, a, "-j", "DROP")
}

func (d early) endpoint(*bridge.Endpoint, sheet) {}

func (d early) binding(b *bridge.Binding, s sheet) {
	mappings(b, s.family, func(m mapping) {
		shared, k := ofSortedPort(b.Endpoint, b.Port.Proto, m.container), sharedKey(b, m.container)
		if d.repeats {
			shared, k = inSortedMap(b, m.container), m.key("")
		}
		to, proto := b.Endpoint.Addr(s.family), b.Port.Proto.String()
		dnat := words(m.hostAddr(), m.notOwn(), portMatch(proto, "--dport", m.host), dnatTarget(to, m.container))
		s.in("nat", "DOCKER").append(inSortedMap(b, m.container), m.key(""), dnat...)
		s.in("filter", "DOCKER").append(shared, k, accept(b, s.family, m.container)...)
		s.in("nat", "POSTROUTING").append(shared, k, ownPort(b, s.family, m.container)...)
		if d.checksums && proto == "sctp" {
			// One rule for all containers with that port, by whichever came first.
			s.in("mangle", "POSTROUTING").append(at(0, int64(m.container)), "sctp"+strconv.Itoa(int(m.container)),
				words(portMatch(proto, "--sport", m.container), []string{"-j", "CHECKSUM", "--checksum-fill"})...)
		}
	})
}

// notOwn leaves what comes from the port's own network to the userland proxy.
func (m mapping) notOwn() []string {
	n := m.binding.Endpoint.Network
	if hairpin(n) {
		return nil
	}
	return []string{"!", "-i", n.Spec.Bridge}
}

func (d early) link(l *bridge.ContainerLink, s sheet) { link(l, s) }
