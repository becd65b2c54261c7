package iptables

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/seawall-net/seawall/nft"
)

// A Save is what iptables-save writes: tables with their chains and rules.
type Save struct {
	// Family is nft.IPv4 or nft.IPv6.
	Family nft.Family
	Tables []SaveTable
}

// A SaveTable is a table of a save file.
type SaveTable struct {
	// Name is filter, nat, raw or mangle.
	Name string
	// Chains are in the order of the file.
	Chains []SaveChain
}

// A SaveChain is a chain of a save file.
type SaveChain struct {
	Name string
	// Policy is nft.PolicyAccept or nft.PolicyDrop for the chains of iptables, to
	// which Base refers; other chains have none.
	Policy nft.Policy
	// Base tells the chains of iptables, such as FORWARD, from chains of one's own.
	Base     bool
	Counters Counters
	Rules    []Rule
}

// Chain finds a chain; nil if there is none.
func (t *SaveTable) Chain(name string) *SaveChain {
	for i := range t.Chains {
		if t.Chains[i].Name == name {
			return &t.Chains[i]
		}
	}
	return nil
}

// Table finds a table; nil if the file has none of the name.
func (s *Save) Table(name string) *SaveTable {
	for i := range s.Tables {
		if s.Tables[i].Name == name {
			return &s.Tables[i]
		}
	}
	return nil
}

// String returns the file as iptables-save writes it, with counters and without
// remarks. [ParseSave] reads it back as it was.
func (s *Save) String() string {
	var b strings.Builder
	for _, t := range s.Tables {
		fmt.Fprintf(&b, "*%s\n", t.Name)
		for _, c := range t.Chains {
			policy := "-"
			if c.Base {
				policy = strings.ToUpper(c.Policy.String())
			}
			var w words
			w.name(c.Name)
			fmt.Fprintf(&b, ":%s %s [%d:%d]\n", w.String(), policy, c.Counters.Packets, c.Counters.Bytes)
		}
		for _, c := range t.Chains {
			for _, r := range c.Rules {
				fmt.Fprintf(&b, "[%d:%d] %s\n", r.Counters.Packets, r.Counters.Bytes, r.Line(c.Name))
			}
		}
		b.WriteString("COMMIT\n")
	}
	return b.String()
}

// ParseSave reads a save file, which iptables-restore takes into empty tables.
// One wrong line refuses the whole file: the error is a *[SyntaxError] with the
// line and the word. Rules may be added and inserted, chains made; commands that
// delete or list are refused, as are rules for chains that the file does not
// have. Lines of the other family (-4, -6) are left out, as iptables-restore
// does.
func ParseSave(f nft.Family, text string) (*Save, error) {
	p := saveParser{save: &Save{Family: f}}
	if f != nft.IPv4 && f != nft.IPv6 {
		return nil, wholeRule("no save files for family %s: want ip or ip6", f)
	}
	n := 0
	for line := range strings.Lines(text) {
		n++
		if err := p.line(strings.TrimSuffix(line, "\n"), n); err != nil {
			return nil, inLine(err, n)
		}
	}
	if p.table != nil {
		return nil, inLine(&SyntaxError{Word: 1, Reason: fmt.Sprintf("the table %s ends without COMMIT", p.table.Name)}, n+1)
	}
	return p.save, nil
}

func inLine(err error, n int) error {
	var e *SyntaxError
	if errors.As(err, &e) {
		if e.Line == 0 {
			e.Line = n
		}
		return e
	}
	return &SyntaxError{Line: n, Reason: err.Error()}
}

// A saveParser reads a save file line by line.
type saveParser struct {
	save *Save
	// table is the open one; nil between tables.
	table *SaveTable
	// jumps are the chains that rules lead to, and where.
	jumps []saveJump
}

type saveJump struct {
	chain      string
	line, word int
}

func (p *saveParser) line(line string, n int) error {
	switch {
	case line == "" || line[0] == '#':
		return nil
	case p.table == nil && line[0] != '*':
		return refuse(1, line, "no table is open: want *filter or the like")
	case line[0] == '*':
		return p.open(line)
	case line == "COMMIT":
		return p.commit()
	case line[0] == ':':
		return p.chain(line)
	}
	return p.rule(line, n)
}

func (p *saveParser) open(line string) error {
	name := strings.TrimRight(line[1:], " \t")
	switch {
	case p.table != nil:
		return refuse(1, line, "the table %s has not ended: COMMIT is missing", p.table.Name)
	case !isIPTables(name):
		return refuse(1, line, "there is no table %q: want filter, nat, raw or mangle", name)
	case p.save.Table(name) != nil:
		return refuse(1, line, "the file has table %s already", name)
	}
	p.table = &SaveTable{Name: name}
	return nil
}

// commit checks that chains exist that rules lead to, and closes the table.
func (p *saveParser) commit() error {
	for _, j := range p.jumps {
		if p.table.Chain(j.chain) == nil {
			return &SyntaxError{Line: j.line, Word: j.word, Text: j.chain, Reason: fmt.Sprintf("the file has no chain %s", j.chain)}
		}
	}
	p.save.Tables = append(p.save.Tables, *p.table)
	p.table, p.jumps = nil, nil
	return nil
}

// chain reads ":NAME POLICY [packets:bytes]".
func (p *saveParser) chain(line string) error {
	args, err := Split(line[1:])
	if err != nil {
		return err
	}
	if len(args) < 2 || len(args) > 3 {
		return refuse(1, line, "not a chain: want :NAME POLICY [packets:bytes]")
	}
	c := SaveChain{Name: args[0], Base: isBaseChain(p.table.Name, args[0])}
	switch policy := args[1]; {
	case !c.Base && policy == "-":
	case !c.Base:
		return refuse(2, policy, "only chains of iptables have a policy, not %s in table %s: want -", c.Name, p.table.Name)
	case policy == "ACCEPT" || policy == "-":
	case policy == "DROP" && p.table.Name == "nat":
		return refuse(2, policy, "the nat table is not for filtering: no DROP there")
	case policy == "DROP":
		c.Policy = nft.PolicyDrop
	default:
		return refuse(2, policy, "%q is no policy: want ACCEPT or DROP", policy)
	}
	if len(args) == 3 {
		var ok bool
		if c.Counters, ok = parseCounters(args[2]); !ok {
			return refuse(3, args[2], "not counters: want [packets:bytes]")
		}
	}
	return p.addChain(c)
}

func (p *saveParser) addChain(c SaveChain) error {
	if !c.Base {
		if err := checkChainName(c.Name); err != nil {
			return refuse(1, c.Name, "%s", err)
		}
	}
	if p.table.Chain(c.Name) != nil {
		return refuse(1, c.Name, "the table has chain %s already", c.Name)
	}
	p.table.Chains = append(p.table.Chains, c)
	return nil
}

// isBaseChain tells whether the table has the chain of iptables' own.
func isBaseChain(table, chain string) bool {
	switch chain {
	case "PREROUTING":
		return table != "filter"
	case "POSTROUTING":
		return table == "nat" || table == "mangle"
	case "INPUT":
		return table != "raw"
	case "FORWARD":
		return table == "filter" || table == "mangle"
	case "OUTPUT":
		return true
	}
	return false
}

// parseCounters reads "[packets:bytes]".
func parseCounters(text string) (c Counters, ok bool) {
	inner, hasOpen := strings.CutPrefix(text, "[")
	inner, hasClose := strings.CutSuffix(inner, "]")
	packets, bytes, hasColon := strings.Cut(inner, ":")
	var err, err2 error
	c.Packets, err = strconv.ParseUint(packets, 10, 64)
	c.Bytes, err2 = strconv.ParseUint(bytes, 10, 64)
	return c, hasOpen && hasClose && hasColon && err == nil && err2 == nil
}

// rule reads "[packets:bytes] -A CHAIN …" and the like.
func (p *saveParser) rule(line string, n int) error {
	args, err := Split(line)
	if err != nil {
		return err
	}
	if len(args) == 0 {
		return refuse(1, line, "no rule")
	}
	skipped := 0
	var counters *Counters
	if strings.HasPrefix(args[0], "[") {
		c, ok := parseCounters(args[0])
		if !ok {
			return refuse(1, args[0], "not counters: want [packets:bytes]")
		}
		counters, skipped = &c, 1
	}
	err = p.command(args[skipped:], counters, n, skipped)
	var e *SyntaxError
	if errors.As(err, &e) && e.Word != 0 && e.Line == 0 {
		e.Word += skipped
	}
	return err
}

// command handles the arguments of a line.
func (p *saveParser) command(args []string, counters *Counters, n, skipped int) error {
	q := newParser(Context{Family: p.save.Family, Table: p.table.Name}, args)
	q.commands, q.restore = true, true
	if err := q.parse(); err != nil {
		return err
	}
	switch {
	case q.otherFamily:
		return nil
	case q.command == "":
		return refuse(1, "", "no command: want -A CHAIN")
	case q.command == "new-chain":
		if len(args) != 2 {
			return refuse(3, "", "nothing may follow the name of a new chain")
		}
		return p.addChain(SaveChain{Name: q.chain})
	case counters != nil && q.given["set-counters"] != 0:
		return refuse(q.given["set-counters"], "-c", "the line has counters already")
	}
	rules, err := q.rules()
	if err != nil {
		return err
	}
	c, err := p.target(q)
	if err != nil {
		return err
	}
	if counters != nil {
		for i := range rules {
			rules[i].Counters = *counters
		}
	}
	if v := q.rule.Target.Verdict; v.Chain != "" {
		p.jumps = append(p.jumps, saveJump{v.Chain, n, skipped + 1 + max(q.given["jump"], q.given["goto"])})
	}
	at := len(c.Rules)
	if q.command == "insert" {
		if at = q.position - 1; at > len(c.Rules) {
			return refuse(1, "-I", "chain %s has only %d rules", c.Name, len(c.Rules))
		}
		if q.given["source"]+q.given["destination"] != 0 && len(rules) > 1 {
			// iptables inserts one after the other at the same place.
			reverse(rules)
		}
	}
	c.Rules = append(c.Rules[:at:at], append(rules, c.Rules[at:]...)...)
	return nil
}

func reverse(rules []Rule) {
	for i, j := 0, len(rules)-1; i < j; i, j = i+1, j-1 {
		rules[i], rules[j] = rules[j], rules[i]
	}
}

// target finds the chain that a rule is for. Those of iptables need no line of
// their own.
func (p *saveParser) target(q *parser) (*SaveChain, error) {
	if c := p.table.Chain(q.chain); c != nil {
		return c, nil
	}
	if !isBaseChain(p.table.Name, q.chain) {
		return nil, refuse(2, q.chain, "the table has no chain %s", q.chain)
	}
	if err := p.addChain(SaveChain{Name: q.chain, Base: true}); err != nil {
		return nil, err
	}
	return p.table.Chain(q.chain), nil
}
