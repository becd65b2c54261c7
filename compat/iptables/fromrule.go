package iptables

import (
	"errors"
	"fmt"
	"slices"

	"github.com/seawall-net/seawall/nft"
)

// ErrNoForm is wrapped by errors of [FromRule] about rules that iptables has no
// words for.
var ErrNoForm = errors.New("iptables has no form for it")

// FromRule reads a loaded rule of nf_tables as a rule of iptables, with its
// counters: rules that iptables has programmed, those that [Rule.Statements]
// compiles for either kind of table, and others that say no more than iptables
// can. The rule's comment becomes a comment match. A rule that says anything
// else is refused with an error that names the expression and wraps
// [ErrNoForm]: what is returned means exactly what the rule means.
func FromRule(r *nft.Rule) (Rule, error) {
	d := reader{rule: Rule{Family: r.Chain.Table.Family}}
	fail := func(err error) (Rule, error) {
		return Rule{}, fmt.Errorf("iptables: rule in %s: %w", r.Chain, err)
	}
	if f := d.rule.Family; f != nft.IPv4 && f != nft.IPv6 {
		return fail(fmt.Errorf("a table of family %s: %w", f, ErrNoForm))
	}
	for _, s := range r.Statements {
		if err := d.statement(s); err != nil {
			return fail(fmt.Errorf("%s: %w", s, err))
		}
	}
	if r.Comment != "" {
		d.rule.Matches = append(d.rule.Matches, Match{findModule("comment", false, d.rule.Family), comment{r.Comment}})
	}
	if err := d.rule.exact(Context{Family: d.rule.Family, Table: r.Chain.Table.Name}); err != nil {
		return fail(err)
	}
	return d.rule, nil
}

// exact checks that the rule's text says all there is to it. The kernel may hold
// what iptables would not have made.
func (r Rule) exact(c Context) error {
	text := r.String()
	again, err := ParseText(c, text)
	if err != nil {
		return fmt.Errorf("read as %q: %w: %w", text, err, ErrNoForm)
	}
	// Sets have numbers in the kernel, and names in the text.
	again, err = again.mapSets(func(u *setUse) error {
		_, err := fmt.Sscanf(u.name, "#%d", &u.index)
		u.name, u.resolved = "", true
		return err
	})
	if err != nil {
		return err
	}
	same := again.Protocol == r.Protocol && again.Source == r.Source && again.Destination == r.Destination &&
		again.In == r.In && again.Out == r.Out && again.Fragment == r.Fragment &&
		slices.EqualFunc(again.Matches, r.Matches, Match.same) && again.Target.same(r.Target)
	if !same {
		return fmt.Errorf("more than %q says: %w", text, ErrNoForm)
	}
	return nil
}

// same tells whether two matches do the same.
func (m Match) same(o Match) bool { return m.module == o.module && plain(m.value) == plain(o.value) }

func (t Target) same(o Target) bool {
	return t.Verdict == o.Verdict && t.module == o.module && plain(t.value) == plain(o.value)
}

// A reader makes a rule of statements.
type reader struct {
	rule Rule
	// counted is set behind the counter, ended behind the target.
	counted, ended bool
	// ordered is set behind a match whose place matters: iptables compares
	// addresses, interfaces and the protocol before all matches.
	ordered bool
}

func (d *reader) statement(s nft.Statement) error {
	if d.ended {
		return fmt.Errorf("a statement behind the target: %w", ErrNoForm)
	}
	if v, ok := s.(nft.Verdict); ok {
		return d.verdict(v)
	}
	if packets, bytes, ok := nft.Counted(s); ok {
		if d.counted {
			return fmt.Errorf("a second counter: %w", ErrNoForm)
		}
		d.rule.Counters, d.counted = Counters{packets, bytes}, true
		return nil
	}
	m, v, err := d.extension(s)
	if err != nil {
		return err
	}
	if m != nil && m.Target {
		d.rule.Target, d.ended = Target{module: m, value: v}, true
		return nil
	}
	if d.counted {
		return fmt.Errorf("a match behind the counter: %w", ErrNoForm)
	}
	if m != nil {
		return d.match(m, v, s)
	}
	if c, ok := nft.Compared(s); ok {
		if d.ordered {
			return fmt.Errorf("it stands behind a match: %w", ErrNoForm)
		}
		return d.packet(c)
	}
	return ErrNoForm
}

func (d *reader) verdict(v nft.Verdict) error {
	switch v.Kind {
	case nft.VerdictAccept, nft.VerdictDrop, nft.VerdictReturn, nft.VerdictJump, nft.VerdictGoto:
		d.rule.Target, d.ended = Target{Verdict: v}, true
		return nil
	}
	return ErrNoForm
}

// extension finds the module that a statement is of; nil for none.
func (d *reader) extension(s nft.Statement) (*Module, extension, error) {
	if x, ok := s.(nft.XT); ok {
		return d.decode(x)
	}
	for _, m := range registry {
		if m.read == nil || m.Family != 0 && m.Family != d.rule.Family {
			continue
		}
		if v, ok := m.read(s, &d.rule); ok {
			return m, v, nil
		}
	}
	return nil, nil, nil
}

// decode reads a match or target of xtables.
func (d *reader) decode(x nft.XT) (*Module, extension, error) {
	var first error
	for _, m := range registry {
		if m.xtName() != x.Name || m.Target != x.Target || m.Family != 0 && m.Family != d.rule.Family {
			continue
		}
		s := &structure{family: d.rule.Family, name: x.Name, revision: x.Revision, b: []byte(x.Info)}
		v := m.decode(s)
		s.end()
		if s.err == nil {
			return m, v, nil
		}
		if first == nil {
			first = fmt.Errorf("%s: %w: %w", m.Name, s.err, ErrNoForm)
		}
	}
	if first == nil {
		first = fmt.Errorf("the module is not supported: %w", ErrNoForm)
	}
	return nil, nil, first
}

// match appends a match, or adds to the last one.
func (d *reader) match(m *Module, v extension, s nft.Statement) error {
	_, isXT := s.(nft.XT)
	if len(m.Protocols) == 1 && !isXT {
		// A field of a protocol asks for the protocol.
		p := m.Protocols[0]
		switch have := d.rule.Protocol; {
		case have.Number == 0 && !d.ordered:
			d.rule.Protocol = Protocol{Number: p}
		case have != Protocol{Number: p}:
			return fmt.Errorf("the rule is not for protocol %s: %w", protocolName(p), ErrNoForm)
		}
	}
	d.ordered = d.ordered || isXT || m.Name == "limit"
	if last := len(d.rule.Matches) - 1; last >= 0 && !isXT && d.rule.Matches[last].module == m {
		if old, ok := d.rule.Matches[last].value.(merger); ok {
			if merged, ok := old.merge(v); ok {
				d.rule.Matches[last].value = merged
				return nil
			}
		}
	}
	d.rule.Matches = append(d.rule.Matches, Match{m, v})
	return nil
}

// packet reads what belongs to no module.
func (d *reader) packet(c nft.Comparison) error {
	r := &d.rule
	switch c.Field {
	case nft.MetaL4Proto.String(), nft.IPProtocol.String():
		p := Protocol{Number: uint8(c.Number(c.Value)), Invert: c.Invert}
		if c.Op != nft.Is || p.Number == 0 || r.Protocol.Number != 0 && r.Protocol != p {
			return ErrNoForm
		}
		r.Protocol = p
		return nil
	case nft.Saddr(r.Family).String():
		return readAddress(&r.Source, c, r.Family)
	case nft.Daddr(r.Family).String():
		return readAddress(&r.Destination, c, r.Family)
	case nft.IIFName.String():
		return readInterface(&r.In, c)
	case nft.OIFName.String():
		return readInterface(&r.Out, c)
	case nft.IPFragOff.String():
		if c.Op != nft.Masked || c.Number(c.Mask) != fragmentOffset || c.Number(c.Value) != 0 || r.Fragment != AnyFragment {
			return ErrNoForm
		}
		r.Fragment = HeadFragments
		if c.Invert {
			r.Fragment = LaterFragments
		}
		return nil
	}
	return ErrNoForm
}

func readAddress(to *Address, c nft.Comparison, f nft.Family) error {
	a := Address{Invert: c.Invert}
	switch c.Op {
	case nft.Is:
		a.Addr, a.Mask = c.Addr(c.Value), prefixMask(f, addrBits(f))
	case nft.InPrefix:
		a.Addr, a.Mask = c.Prefix.Addr(), prefixMask(f, c.Prefix.Bits())
	case nft.Masked:
		a.Addr, a.Mask = c.Addr(c.Value), c.Addr(c.Mask)
	default:
		return ErrNoForm
	}
	if to.Addr.IsValid() || maskAddr(a.Addr, a.Mask) != a.Addr || a.Mask.IsUnspecified() {
		return ErrNoForm
	}
	*to = a
	return nil
}

func readInterface(to *Interface, c nft.Comparison) error {
	i := Interface{Name: c.Name(), Invert: c.Invert}
	switch {
	case c.Op == nft.Begins && i.Name == "" && !c.Invert:
		return nil // "-i +"
	case c.Op == nft.Begins && len(i.Name) < 15:
		i.Name += "+"
	case c.Op != nft.Is || i.Name == "" || i.Name[len(i.Name)-1] == '+':
		return ErrNoForm
	case i.Name == noInterface && !c.Invert:
		i = Interface{Name: "+", Invert: true}
	}
	if _, err := parseInterface(i.Name, i.Invert); err != nil || to.Name != "" {
		return ErrNoForm
	}
	*to = i
	return nil
}
