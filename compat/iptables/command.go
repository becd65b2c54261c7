package iptables

import (
	"fmt"
	"strconv"
)

// commandOption handles a command, which only a save file may have.
func (p *parser) commandOption(v *value) error {
	name := v.option.Name
	if !p.commands || name != "append" && name != "insert" && name != "new-chain" {
		return refuse(v.word, "--"+name, "--%s is no part of a rule", name)
	}
	if p.command != "" {
		return refuse(v.word, "--"+name, "--%s was given before", p.command)
	}
	p.command, p.chain = name, v.text
	if name != "insert" {
		return nil
	}
	p.position = 1
	if next, ok := p.peek(); ok {
		n, err := strconv.ParseUint(next, 10, 31)
		if err != nil || n == 0 {
			return refuse(p.next+1, next, "--insert: %q is not the number of a rule", next)
		}
		p.position = int(n)
		p.scanner.take()
	}
	return nil
}

// decimal reads a number as counters have it.
func decimal(text string) (uint64, bool) {
	n, err := strconv.ParseUint(text, 10, 64)
	return n, err == nil
}

// context errors that are about the rule as a whole.
func wholeRule(format string, args ...any) error {
	return &SyntaxError{Reason: fmt.Sprintf(format, args...)}
}
