package iptables

import "strings"

// A scanner takes an argument list apart as getopt_long(3) does for iptables:
// long options may be shortened as long as they are unambiguous, short ones
// may share a word, values may be attached or follow.
type scanner struct {
	args []string
	next int
	// cluster are the short options that are left of the word at next-1.
	cluster string
	// modules are those whose options are known, the latest first; each once.
	modules []*Module
	base    []Option
}

// A scanned is what a scanner found.
type scanned struct {
	kind scannedKind
	// module is whose option it is; nil for those of every rule.
	module *Module
	option *Option
	value  string
	// attached tells that the value is in the same word.
	attached bool
	hasValue bool
	// word is the word of the option, and text what it says.
	word int
	text string
	// reason says what is wrong.
	reason string
}

type scannedKind uint8

const (
	scannedEnd scannedKind = iota
	scannedOption
	// scannedWord is a word that belongs to no option.
	scannedWord
	// scannedUnknown may become an option when another module is loaded.
	scannedUnknown
)

// scan returns the next option.
func (s *scanner) scan() scanned {
	if s.cluster != "" {
		return s.short()
	}
	if s.next == len(s.args) {
		return scanned{kind: scannedEnd, word: s.next + 1}
	}
	word := s.args[s.next]
	s.next++
	out := scanned{kind: scannedWord, word: s.next, text: word}
	switch {
	case len(word) < 2 || word[0] != '-':
		return out
	case word == "--":
		out.reason = `"--" ends the options: nothing may follow`
		return out
	case strings.HasPrefix(word, "--"):
		return s.long(out)
	}
	s.cluster = word[1:]
	return s.short()
}

// peek returns the next word if it can be a value: it does not begin with "-"
// or "!".
func (s *scanner) peek() (string, bool) {
	if s.cluster != "" || s.next == len(s.args) {
		return "", false
	}
	word := s.args[s.next]
	return word, word != "" && word[0] != '-' && word[0] != '!'
}

// take consumes the next word.
func (s *scanner) take() (string, bool) {
	if s.next == len(s.args) {
		return "", false
	}
	s.next++
	return s.args[s.next-1], true
}

func (s *scanner) short() scanned {
	letter := s.cluster[0]
	s.cluster = s.cluster[1:]
	out := scanned{kind: scannedUnknown, word: s.next, text: s.args[s.next-1], reason: `unknown option "-` + string(rune(letter)) + `"`}
	for i := range s.base {
		if o := &s.base[i]; o.Short == letter {
			out.kind, out.option = scannedOption, o
		}
	}
	if out.option == nil || out.option.Kind == KindFlag {
		return out
	}
	if s.cluster != "" {
		out.value, out.hasValue, out.attached = s.cluster, true, true
		s.cluster = ""
		return out
	}
	return s.value(out, "-"+string(rune(letter)))
}

// value takes the next word as an option's value.
func (s *scanner) value(out scanned, name string) scanned {
	if out.option.Kind == KindFlag || out.option.Optional {
		return out
	}
	if out.value, out.hasValue = s.take(); !out.hasValue {
		out.kind, out.reason = scannedUnknown, "option "+name+" needs a value"
	}
	return out
}

func (s *scanner) long(out scanned) scanned {
	name, val, attached := strings.Cut(out.text[2:], "=")
	out.kind, out.reason = scannedUnknown, `unknown option "--`+name+`"`
	var found []scanned
	exact := false
	consider := func(m *Module, options []Option) {
		for i := range options {
			o := &options[i]
			switch {
			case exact:
			case o.hasName(name):
				found, exact = []scanned{{module: m, option: o}}, true
			case o.hasPrefix(name):
				found = append(found, scanned{module: m, option: o})
			}
		}
	}
	consider(nil, s.base)
	for _, m := range s.modules {
		consider(m, m.Options)
	}
	if len(found) == 0 {
		return out
	}
	if len(found) > 1 {
		var names []string
		for _, f := range found {
			names = append(names, "--"+f.option.Name)
		}
		out.reason = `option "--` + name + `" is ambiguous: ` + strings.Join(names, ", ")
		return out
	}
	out.module, out.option = found[0].module, found[0].option
	if attached && out.option.Kind == KindFlag {
		out.reason = "option --" + out.option.Name + " has no value"
		return out
	}
	out.kind = scannedOption
	if attached {
		out.value, out.hasValue, out.attached = val, true, true
		return out
	}
	return s.value(out, "--"+out.option.Name)
}

func (o *Option) hasPrefix(p string) bool {
	if p == "" {
		return false
	}
	if strings.HasPrefix(o.Name, p) {
		return true
	}
	for _, a := range o.Aliases {
		if strings.HasPrefix(a, p) {
			return true
		}
	}
	return false
}
