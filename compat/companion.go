package compat

import (
	"math"
	"slices"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/nft"
)

// A companion stands beside the rules of a Docker, in tables that iptables does
// not list. It keeps the records of facts, and what the native layout promises
// and Docker's rules of that time did not hold.
//
//   - The guard, and what concerns frames: see [bridge.NativeOptions].GuardOnly.
//   - What a container sends to a sibling's published port comes back the same way: Docker has that
//     only with br_netfilter, which judges bridged packets.
//   - What comes from outside to an address of a network's that no endpoint has. The guard knows endpoints. Before 28
//     nothing but a policy was in the way, and where there is none, packets would wait for a container to get the address.
//   - An internal network without ICC is none before 17.06, for what the host forwards.
//   - What is forwarded and belongs to no network is dropped, behind all that iptables judges,
//     if that is asked for or the firewall has switched forwarding on: for the latter, later
//     versions set a policy.
type companion struct {
	bridge.Layout
	families [2]companionFamily
}

// companionFamily is the companion's chains of one family.
type companionFamily struct {
	family  nft.Family
	version version
	// bridges is a set of the native layout: the bridges of networks.
	bridges                 nft.Set
	hairpin, closed, others *nft.Chain
}

// newCompanion is the layout of the tables beside the rules of a version.
func newCompanion(v version) companion {
	c := companion{Layout: bridge.NativeWith(bridge.NativeOptions{GuardOnly: true})}
	for i, f := range families {
		table := nft.TableRef{Family: f, Name: "seawall"}
		c.families[i] = companionFamily{
			family:  f,
			version: v,
			bridges: nft.Set{Table: table, Name: "bridges", Key: nft.TypeIFName},
			// Docker's own rules come first.
			hairpin: &nft.Chain{Table: table, Name: "hairpin", Type: nft.NATChain, Hook: nft.Postrouting, Priority: nft.PrioritySNAT + 1},
			closed:  &nft.Chain{Table: table, Name: "closed", Hook: nft.Forward, Priority: nft.PriorityFilter + 10},
			others:  &nft.Chain{Table: table, Name: "others", Hook: nft.Forward, Priority: nft.PriorityFilter + 10},
		}
	}
	return c
}

func (c companion) Compile(f bridge.Fact, add func(nft.Object)) {
	c.Layout.Compile(f, add)
	h := hostOf(f)
	for i := range c.families {
		if family := &c.families[i]; !h.Disabled(family.family) {
			family.compile(f, add)
		}
	}
}

func (c *companionFamily) compile(f bridge.Fact, add func(nft.Object)) {
	switch f := f.(type) {
	case *bridge.Host:
		if !f.UserlandProxy {
			add(c.hairpin)
		}
		if f.DropForward {
			c.dropOthers(f, add)
		}
	case *bridge.Forwarding:
		// Later versions set a policy.
		if f.Family == c.family && c.version < version1706 {
			c.dropOthers(f.Host, add)
		}
	case *bridge.Network:
		g := f.Gateway(c.family)
		if g.Subnet.IsValid() {
			c.close(f, add)
		}
		if !hairpin(f) || f.Spec.Internal || !g.Subnet.IsValid() || g.Mode != bridge.NAT && g.Mode != bridge.NATUnprotected {
			return
		}
		// Under br_netfilter, bridged packets have no interface that they came by here.
		add(&nft.Rule{Chain: c.hairpin.Ref(), Key: key("n", f.Order, ""), Rank: at(f.Order, 0).appended(), Statements: []nft.Statement{
			nft.OIFName.Eq(f.Spec.Bridge), nft.Saddr(c.family).In(g.Subnet), nft.CTStatus.Any(nft.CTDNAT), nft.Counter(), nft.Masquerade(0),
		}})
	}
}

// close drops what a network's own rules leave open.
func (c *companionFamily) close(n *bridge.Network, add func(nft.Object)) {
	if c.version >= version28 {
		return
	}
	add(c.closed)
	outside := []nft.Statement{
		nft.IIFName.NotInSet(c.bridges), nft.OIFName.InSet(c.bridges), nft.CTState.None(nft.CTEstablished | nft.CTRelated),
		nft.CTStatus.None(nft.CTDNAT),
	}
	c.drop(n.Host, "", bridge.DirectAccess, nft.Rule{Chain: c.closed.Ref(), Key: "outside", Rank: 1, Statements: outside}, add)
	if br := n.Spec.Bridge; n.Spec.Internal && n.Spec.DisableICC && c.version < version1706 {
		siblings := []nft.Statement{nft.IIFName.Eq(br), nft.OIFName.Eq(br)}
		c.drop(n.Host, n.Spec.Name, bridge.ICCOff, nft.Rule{
			Chain: c.closed.Ref(), Key: key("n", n.Order, ""), Rank: at(n.Order, 1).appended(), Statements: siblings,
		}, add)
	}
}

// drop adds a rule that drops what it matches, and before it one that notes it where that is asked for.
func (c *companionFamily) drop(h *bridge.Host, network string, reason bridge.Reason, r nft.Rule, add func(nft.Object)) {
	match := slices.Clip(r.Statements)
	if note := h.NoteDrop(network, reason); note != nil {
		log := r
		log.Key, log.Rank, log.Statements = r.Key+"-log", r.Rank-1, append(match, note...)
		add(&log)
	}
	r.Comment, r.Statements = string(reason), append(match, nft.Counter(), nft.Drop())
	add(&r)
}

func (c *companionFamily) dropOthers(h *bridge.Host, add func(nft.Object)) {
	add(c.others)
	for i, match := range []nft.Statement{nft.IIFName.InSet(c.bridges), nft.OIFName.InSet(c.bridges)} {
		add(&nft.Rule{Chain: c.others.Ref(), Key: []string{"from", "to"}[i], Rank: i, Statements: []nft.Statement{match, nft.Accept()}})
	}
	c.drop(h, "", bridge.NoNetwork, nft.Rule{Chain: c.others.Ref(), Key: "others", Rank: math.MaxInt}, add)
}
