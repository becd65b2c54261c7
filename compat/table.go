package compat

import "github.com/seawall-net/seawall/nft"

// tableNames are the tables of iptables that rules of Docker are in.
var tableNames = [...]string{"filter", "nat", "raw", "mangle"}

// tables is one of iptables' tables with the chains that Docker uses there.
type tables struct {
	table  *nft.Table
	chains []*nft.Chain
	// sometimes says that the table is there for those facts only that have rules in it.
	sometimes bool
}

// baseChains are iptables' own chains that Docker puts rules into, as
// iptables-nft makes them.
var baseChains = map[string][]nft.Chain{
	"filter": {{Name: "FORWARD", Hook: nft.Forward, Priority: nft.PriorityFilter}},
	"nat": {
		{Name: "PREROUTING", Type: nft.NATChain, Hook: nft.Prerouting, Priority: nft.PriorityDNAT},
		{Name: "OUTPUT", Type: nft.NATChain, Hook: nft.Output, Priority: nft.PriorityDNAT},
		{Name: "POSTROUTING", Type: nft.NATChain, Hook: nft.Postrouting, Priority: nft.PrioritySNAT},
	},
	"raw":    {{Name: "PREROUTING", Hook: nft.Prerouting, Priority: nft.PriorityRaw}},
	"mangle": {{Name: "POSTROUTING", Hook: nft.Postrouting, Priority: nft.PriorityMangle}},
}

// newTable describes a table with chains of Docker's own. Others may put rules
// into all of its chains.
func newTable(f nft.Family, name string, own []string) *tables {
	ref := nft.TableRef{Family: f, Name: name}
	t := &tables{
		table:     &nft.Table{Family: f, Name: name, Open: true, Userdata: made},
		sometimes: name == "raw" || name == "mangle",
	}
	for _, c := range baseChains[name] {
		c.Table, c.Shared, c.Userdata = ref, true, made
		t.chains = append(t.chains, &c)
	}
	for _, c := range own {
		t.chains = append(t.chains, &nft.Chain{Table: ref, Name: c, Open: true})
	}
	return t
}

func (t *tables) addAll(add func(nft.Object)) {
	add(t.table)
	for _, c := range t.chains {
		add(c)
	}
}
