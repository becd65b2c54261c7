package iptables

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/seawall-net/seawall/nft"
)

// ParseArgs reads the arguments of iptables that make up a rule, without the
// command and the chain: {"-s", "192.0.2.0/24", "-j", "DROP"}. The error is a
// *[SyntaxError] whose Word counts them from 1. A list of addresses is refused:
// use [ParseAll].
func ParseArgs(ctx Context, args []string) (Rule, error) {
	rules, err := ParseAll(ctx, args)
	if err != nil {
		return Rule{}, err
	}
	if len(rules) != 1 {
		return Rule{}, &SyntaxError{Reason: fmt.Sprintf("the lists of addresses make %d rules of it, not one", len(rules))}
	}
	return rules[0], nil
}

// ParseAll is ParseArgs for rules whose -s or -d may be lists: iptables makes a
// rule of every combination, in the order returned.
func ParseAll(ctx Context, args []string) ([]Rule, error) {
	p := newParser(ctx, args)
	if err := p.parse(); err != nil {
		return nil, err
	}
	return p.rules()
}

// A parser reads one argument list.
type parser struct {
	scanner
	context Context
	// commands allows -A, -I and -N, as in save files.
	commands bool
	restore  bool
	// otherFamily tells that the line of a save file is for the other family.
	otherFamily bool

	rule    Rule
	matches []*arguments
	target  *arguments
	sources []Address
	dests   []Address

	given map[string]int // base options, and where
	// protoName is set once the module that -p implies was tried.
	protoTried bool
	// command, chain and position are those of -A and -I.
	command  string
	chain    string
	position int
}

func newParser(ctx Context, args []string) *parser {
	return &parser{
		scanner: scanner{args: args, base: append(BaseOptions(), commandOptions()...)},
		context: ctx, rule: Rule{Family: ctx.Family}, given: map[string]int{},
	}
}

// refuse makes the error for a word.
func refuse(word int, text, format string, args ...any) *SyntaxError {
	return &SyntaxError{Word: word, Text: text, Reason: fmt.Sprintf(format, args...)}
}

func (p *parser) parse() error {
	if f := p.context.Family; f != nft.IPv4 && f != nft.IPv6 {
		return &SyntaxError{Reason: fmt.Sprintf("no rules for family %s: want ip or ip6", f)}
	}
	for i, a := range p.args {
		if strings.ContainsRune(a, 0) || !utf8.ValidString(a) {
			return refuse(i+1, a, "not text")
		}
		if strings.ContainsAny(a, "\n\r") {
			return refuse(i+1, a, "a line break cannot be part of a rule")
		}
	}
	invert := 0
	for !p.otherFamily {
		start, cluster := p.next, p.cluster
		got := p.scan()
		switch got.kind {
		case scannedEnd:
			if invert != 0 {
				return refuse(got.word, "", `nothing follows "!"`)
			}
			return p.finish()
		case scannedWord:
			if got.text == "!" && invert == 0 {
				invert = got.word
				continue
			}
			if got.reason == "" {
				got.reason = fmt.Sprintf("unexpected %q", got.text)
			}
			return refuse(got.word, got.text, "%s", got.reason)
		case scannedUnknown:
			if !p.loadProtocol(got.word) {
				return refuse(got.word, got.text, "%s", got.reason)
			}
			p.next, p.cluster = start, cluster // try again
			continue
		}
		if err := p.take(got, invert != 0); err != nil {
			return err
		}
		invert = 0
	}
	return nil
}

// take handles an option.
func (p *parser) take(got scanned, invert bool) error {
	o := got.option
	v := &value{option: o, word: got.word, invert: invert, text: got.value}
	name := "--" + o.Name
	if invert && !o.Invert {
		return refuse(got.word, got.text, `no "!" is possible before %s`, name)
	}
	if got.module == nil {
		if p.given[o.Name] != 0 && !o.Multi {
			return refuse(got.word, got.text, "%s was given before", name)
		}
		p.given[o.Name] = got.word
		if got.attached {
			switch o.Short {
			case 'p', 's', 'd', 'i', 'o', 'j':
				return refuse(got.word, got.text, "iptables takes the option for a part of the value: write them as two words")
			}
		}
		if err := p.baseOption(v); err != nil {
			return at(got, v, err)
		}
		return nil
	}
	for range o.Words {
		w, ok := p.peek()
		if !ok {
			return refuse(p.next+1, "", "%s needs %d values", name, o.Words+1)
		}
		v.more = append(v.more, w)
		p.scanner.take()
	}
	a := p.argumentsOf(got.module)
	if a.has(o.Name) && !o.Multi {
		return refuse(got.word, got.text, "%s was given before", name)
	}
	if err := v.read(p.context.Family); err != nil {
		return at(got, v, fmt.Errorf("%s: %w", name, err))
	}
	a.values = append(a.values, v)
	return nil
}

// at says where an error is: the value's word, if it has one.
func at(got scanned, v *value, err error) error {
	var e *SyntaxError
	if errors.As(err, &e) {
		return e
	}
	word := got.word
	if got.hasValue && !got.attached {
		word++
	}
	return refuse(word, v.text, "%s", err)
}

// argumentsOf finds the latest use of a module.
func (p *parser) argumentsOf(m *Module) *arguments {
	if m.Target {
		return p.target
	}
	for i := len(p.matches) - 1; ; i-- {
		if p.matches[i].module == m {
			return p.matches[i]
		}
	}
}

// load makes a module's options known.
func (p *parser) load(m *Module, word int) *arguments {
	known := false
	for _, l := range p.modules {
		known = known || l == m
	}
	if !known {
		p.modules = append([]*Module{m}, p.modules...)
	}
	a := &arguments{module: m, word: word, rule: &p.rule, context: p.context}
	if m.Target {
		p.target = a
	} else {
		p.matches = append(p.matches, a)
	}
	return a
}

// loadProtocol loads the match that is named after the protocol, as iptables
// does when it meets an option that it does not know. It tells whether that was
// new.
func (p *parser) loadProtocol(word int) bool {
	if p.given["protocol"] == 0 || p.protoTried {
		return false
	}
	m := protocolModule(p.rule.Protocol.Number, p.context.Family)
	if m == nil {
		return false
	}
	p.protoTried = true
	p.load(m, word)
	return true
}

// protocolModule is the match that a protocol implies.
func protocolModule(n uint8, f nft.Family) *Module {
	if n == 0 {
		return nil
	}
	m := findModule(protocolName(n), false, f)
	if m == nil || len(m.Protocols) == 0 || m.Protocols[0] != n {
		return nil
	}
	return m
}

// finish makes values of the modules' options, and checks the rule.
func (p *parser) finish() error {
	if (p.given["wait-interval"] != 0) && p.given["wait"] == 0 {
		return refuse(p.given["wait-interval"], "", "--wait-interval needs --wait as well")
	}
	for _, a := range p.matches {
		v, err := a.build()
		if err != nil {
			return err
		}
		if n, ok := v.(dropped); ok && n.isDropped() {
			continue
		}
		p.rule.Matches = append(p.rule.Matches, Match{module: a.module, value: v})
	}
	if p.target != nil {
		v, err := p.target.build()
		if err != nil {
			return err
		}
		p.rule.Target.module, p.rule.Target.value = p.target.module, v
	}
	return p.check()
}

// build makes the value of a module.
func (a *arguments) build() (extension, error) {
	a.check()
	if a.err == nil {
		if v := a.module.parse(a); a.err == nil {
			return v, nil
		}
	}
	return nil, a.err
}

// rules expands lists of addresses.
func (p *parser) rules() ([]Rule, error) {
	if p.sources == nil {
		p.sources = []Address{{}}
	}
	if p.dests == nil {
		p.dests = []Address{{}}
	}
	if len(p.sources)*len(p.dests) > maxAddresses {
		return nil, &SyntaxError{Reason: fmt.Sprintf("the lists of addresses make more than %d rules of it", maxAddresses)}
	}
	if len(p.sources)*len(p.dests) > 1 && (p.sources[0].Invert || p.dests[0].Invert) {
		return nil, &SyntaxError{Reason: `"!" is not possible before -s or -d if one of them is a list`}
	}
	var out []Rule
	for _, s := range p.sources {
		for _, d := range p.dests {
			r := p.rule
			r.Source, r.Destination = s, d
			out = append(out, r)
		}
	}
	return out, nil
}
