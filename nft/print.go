package nft

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// PrintOptions choose how a ruleset is written. The zero value writes what
// `nft list ruleset` does.
type PrintOptions struct {
	// Stateless leaves out the values of counters, as `nft --stateless` does.
	Stateless bool
}

// String returns the ruleset in nft syntax, counters included.
//
// The text is the one that `nft list ruleset` (1.0.6) shows when the kernel
// holds the same objects in the same order, with two exceptions: nft names the
// program that owns a table, and it writes the interfaces of [IIF] and [OIF]
// with the names that they have where it runs. `nft -f` reads the text back,
// but keeps only what nft knows: keys, ranks and userdata are lost. Objects
// that hold something this package cannot express are written so that nft
// refuses them.
func (rs *Ruleset) String() string {
	var b strings.Builder
	_ = rs.Print(&b, PrintOptions{}) // a Builder never fails
	return b.String()
}

// Print writes the ruleset in nft syntax, as [Ruleset.String] does, and
// returns the writer's error.
func (rs *Ruleset) Print(w io.Writer, o PrintOptions) error {
	b := bufio.NewWriter(w)
	p := printer{Writer: b, o: o}
	for _, t := range rs.Tables() {
		p.table(rs, t)
	}
	return b.Flush()
}

// A printer writes objects. Errors stick to the underlying bufio.Writer.
type printer struct {
	*bufio.Writer
	o PrintOptions
}

func (p *printer) line(parts ...string) {
	for _, s := range parts {
		p.WriteString(s)
	}
	p.WriteByte('\n')
}

func (p *printer) table(rs *Ruleset, t *Table) {
	p.line("table ", t.Ref().String(), " {")
	// nft leaves an empty line before the first set or chain only behind flags.
	empty := t.Flags != 0
	for _, l := range t.declaration() {
		p.line("\t", l)
	}
	gap := func() {
		if empty {
			p.WriteByte('\n')
		}
		empty = true
	}
	for _, s := range rs.Sets(t.Ref()) {
		gap()
		p.set(s, rs.Elements(s.Ref()))
	}
	for _, c := range rs.Chains(t.Ref()) {
		gap()
		p.chain(c, rs.Rules(c.Ref()))
	}
	p.line("}")
}

func (p *printer) chain(c *Chain, rules []*Rule) {
	p.line("\tchain ", c.Name, " {")
	if c.Comment != "" {
		p.line("\t\tcomment ", quote(c.Comment))
	}
	if c.Hook != NoHook {
		p.line("\t\t", c.declaration())
	}
	if c.foreign != "" {
		p.line("\t\t", foreignMark)
	}
	for _, r := range rules {
		p.line("\t\t", r.print(p.o))
	}
	p.line("\t}")
}

// declaration is what makes a chain a base chain.
func (c *Chain) declaration() string {
	return fmt.Sprintf("type %s hook %s priority %s; policy %s;",
		c.Type, c.Hook, priorityWord(c.Priority, c.Table.Family, c.Hook), c.Policy)
}

// A namedPriority is a priority that nft has a word for, in some families and
// hooks. NoHook stands for any.
type namedPriority struct {
	value int32
	name  string
	hook  Hook
}

var (
	ipPriorities = []namedPriority{
		{PriorityRaw, "raw", NoHook}, {PriorityMangle, "mangle", NoHook}, {PriorityDNAT, "dstnat", Prerouting},
		{PriorityFilter, "filter", NoHook}, {PrioritySecurity, "security", NoHook}, {PrioritySNAT, "srcnat", Postrouting},
	}
	bridgePriorities = []namedPriority{
		{PriorityBridgeDNAT, "dstnat", Prerouting}, {PriorityBridgeFilter, "filter", NoHook},
		{PriorityBridgeOut, "out", Output}, {PriorityBridgeSNAT, "srcnat", Postrouting},
	}
	otherPriorities = []namedPriority{{PriorityFilter, "filter", NoHook}}
)

// priorityWord writes a priority as nft does: by the name of a well-known one
// that is at most 10 away, as "filter + 5", or as a number.
func priorityWord(priority int32, family Family, hook Hook) string {
	names := otherPriorities
	switch family {
	case IPv4, IPv6, INet:
		names = ipPriorities
	case Bridge:
		names = bridgePriorities
	}
	for _, n := range names {
		off := int64(priority) - int64(n.value)
		if off < -10 || off > 10 || n.hook != NoHook && n.hook != hook {
			continue
		}
		switch {
		case off > 0:
			return fmt.Sprintf("%s + %d", n.name, off)
		case off < 0:
			return fmt.Sprintf("%s - %d", n.name, -off)
		}
		return n.name
	}
	return fmt.Sprint(priority)
}
