package iptables

import (
	"fmt"
	"slices"
	"strings"

	"github.com/seawall-net/seawall/nft"
)

// An Elsewhere is a match or target that iptables has, this package does not
// support, and the kernel does not accept in the table filter or not in hook
// forward: rules of user chains cannot use it, and are told why.
type Elsewhere struct {
	// Name is what follows -m or -j.
	Name string
	// Target tells a target from a match.
	Target bool
	// Family is set for what exists in one family only.
	Family nft.Family
	// Tables and Hooks are where the kernel has it; empty for all.
	Tables []string
	Hooks  []nft.Hook
}

// Elsewheres lists them, in the order of their names.
func Elsewheres() []Elsewhere {
	raw, nat, mangle := []string{"raw"}, []string{"nat"}, []string{"mangle"}
	return []Elsewhere{
		{Name: "CHECKSUM", Target: true, Tables: mangle},
		{Name: "CONNSECMARK", Target: true, Tables: []string{"mangle", "security"}},
		{Name: "CT", Target: true, Tables: raw},
		{Name: "DNPT", Target: true, Family: nft.IPv6, Tables: mangle, Hooks: []nft.Hook{nft.Prerouting, nft.Output}},
		{Name: "DSCP", Target: true, Tables: mangle},
		{Name: "ECN", Target: true, Family: nft.IPv4, Tables: mangle},
		{Name: "HL", Target: true, Family: nft.IPv6, Tables: mangle},
		{Name: "NETMAP", Target: true, Tables: nat},
		{Name: "NOTRACK", Target: true, Tables: raw},
		{Name: "SECMARK", Target: true, Tables: []string{"mangle", "security"}},
		{Name: "SNPT", Target: true, Family: nft.IPv6, Tables: mangle, Hooks: []nft.Hook{nft.Input, nft.Postrouting}},
		{Name: "TCPOPTSTRIP", Target: true, Tables: mangle},
		{Name: "TOS", Target: true, Tables: mangle},
		{Name: "TPROXY", Target: true, Tables: mangle, Hooks: []nft.Hook{nft.Prerouting}},
		{Name: "TTL", Target: true, Family: nft.IPv4, Tables: mangle},
		{Name: "rpfilter", Tables: []string{"mangle", "raw"}, Hooks: []nft.Hook{nft.Prerouting}},
		{Name: "socket", Hooks: []nft.Hook{nft.Prerouting, nft.Input}},
	}
}

// place says where it exists.
func (e *Elsewhere) place() string {
	var out []string
	if e.Tables != nil {
		out = append(out, "table "+strings.Join(e.Tables, " or "))
	}
	if e.Hooks != nil {
		var names []string
		for _, h := range e.Hooks {
			names = append(names, h.String())
		}
		out = append(out, "hook "+strings.Join(names, " or "))
	}
	return strings.Join(out, ", ")
}

// elsewhere refuses a module that is not supported in a place where the kernel
// does not have it either; nil if it does.
func elsewhere(name string, target bool, c Context) error {
	list := Elsewheres()
	i := slices.IndexFunc(list, func(e Elsewhere) bool { return e.Name == name && e.Target == target })
	if i < 0 {
		return nil
	}
	e := &list[i]
	kind := "match"
	if target {
		kind = "target"
	}
	switch {
	case e.Family != 0 && e.Family != c.Family:
		return fmt.Errorf("the %s %q exists in %s only", kind, name, toolName(e.Family))
	case e.Tables != nil && !slices.Contains(e.Tables, c.table()),
		e.Hooks != nil && c.Hook != nft.NoHook && !slices.Contains(e.Hooks, c.Hook):
		return fmt.Errorf("the %s %q exists in %s only", kind, name, e.place())
	}
	return nil
}
