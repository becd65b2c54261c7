package compat

import (
	"math"

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
//   - What is forwarded and belongs to no network is dropped, behind all that iptables judges,
//     if that is asked for or the firewall has switched forwarding on: for the latter, later
//     versions set a policy.
type companion struct {
	bridge.Layout
	families [2]companionFamily
}

// companionFamily is the companion's chains of one family.
type companionFamily struct {
	family nft.Family
	// drops says that what belongs to no network is dropped here where the
	// firewall has switched forwarding on: the version sets no policy.
	drops bool
	// bridges is a set of the native layout: the bridges of networks.
	bridges         nft.Set
	hairpin, others *nft.Chain
}

// newCompanion is the layout of the tables beside the rules of a version.
func newCompanion(drops bool) companion {
	c := companion{Layout: bridge.NativeWith(bridge.NativeOptions{GuardOnly: true})}
	for i, f := range families {
		table := nft.TableRef{Family: f, Name: "seawall"}
		c.families[i] = companionFamily{
			family:  f,
			drops:   drops,
			bridges: nft.Set{Table: table, Name: "bridges", Key: nft.TypeIFName},
			// Docker's own rules come first.
			hairpin: &nft.Chain{Table: table, Name: "hairpin", Type: nft.NATChain, Hook: nft.Postrouting, Priority: nft.PrioritySNAT + 1},
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
		if f.Family == c.family && c.drops {
			c.dropOthers(f.Host, add)
		}
	case *bridge.Network:
		g := f.Gateway(c.family)
		if !hairpin(f) || f.Spec.Internal || !g.Subnet.IsValid() || g.Mode != bridge.NAT && g.Mode != bridge.NATUnprotected {
			return
		}
		// Under br_netfilter, bridged packets have no interface that they came by here.
		add(&nft.Rule{Chain: c.hairpin.Ref(), Key: key("n", f.Order, ""), Rank: at(f.Order, 0).appended(), Statements: []nft.Statement{
			nft.OIFName.Eq(f.Spec.Bridge), nft.Saddr(c.family).In(g.Subnet), nft.CTStatus.Any(nft.CTDNAT), nft.Counter(), nft.Masquerade(0),
		}})
	}
}

func (c *companionFamily) dropOthers(h *bridge.Host, add func(nft.Object)) {
	add(c.others)
	for i, match := range []nft.Statement{nft.IIFName.InSet(c.bridges), nft.OIFName.InSet(c.bridges)} {
		add(&nft.Rule{Chain: c.others.Ref(), Key: []string{"from", "to"}[i], Rank: i, Statements: []nft.Statement{match, nft.Accept()}})
	}
	if note := h.NoteDrop("", bridge.NoNetwork); note != nil {
		add(&nft.Rule{Chain: c.others.Ref(), Key: "others-log", Rank: math.MaxInt - 1, Statements: note})
	}
	add(&nft.Rule{Chain: c.others.Ref(), Key: "others", Rank: math.MaxInt, Comment: string(bridge.NoNetwork),
		Statements: []nft.Statement{nft.Counter(), nft.Drop()}})
}
