package iptables

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/seawall-net/seawall/nft"
)

// Arguments are the options that a module was given, for its parse function. The
// accessors return zero values for options that were not given. The first error
// sticks.
type arguments struct {
	module *Module
	// word is where the module was named, or the option that loaded it.
	word   int
	values []*value
	// rule is what the rule says besides, without its matches and target.
	rule    *Rule
	context Context
	err     *SyntaxError
}

// family is the rule's.
func (a *arguments) family() nft.Family { return a.rule.Family }

// get returns an option's value, the last if there are several; nil if it was
// not given.
func (a *arguments) get(name string) *value {
	for i := len(a.values) - 1; i >= 0; i-- {
		if a.values[i].option.Name == name {
			return a.values[i]
		}
	}
	return nil
}

// has tells whether an option was given.
func (a *arguments) has(name string) bool { return a.get(name) != nil }

// inverted tells whether "!" stands before an option.
func (a *arguments) inverted(name string) bool {
	v := a.get(name)
	return v != nil && v.invert
}

// text is the value of an option of KindText, or of any other as it was given.
func (a *arguments) text(name string) string {
	if v := a.get(name); v != nil {
		return v.text
	}
	return ""
}

// word2 is the second word of a value that has two.
func (a *arguments) word2(name string) string {
	if v := a.get(name); v != nil && len(v.more) > 0 {
		return v.more[0]
	}
	return ""
}

// number is the value of an option with one number.
func (a *arguments) number(name string) uint64 {
	if v := a.get(name); v != nil && len(v.numbers) > 0 {
		return v.numbers[0]
	}
	return 0
}

// span is the value of KindRange and KindPortRange; one number is both ends.
func (a *arguments) span(name string) (lo, hi uint64) {
	v := a.get(name)
	if v == nil || len(v.numbers) == 0 {
		return 0, 0
	}
	return v.numbers[0], v.numbers[len(v.numbers)-1]
}

// masked is the value and the mask of KindMark and KindTOS.
func (a *arguments) masked(name string) (val, mask uint32) {
	v := a.get(name)
	if v == nil || len(v.numbers) < 2 {
		return 0, 0
	}
	return uint32(v.numbers[0]), uint32(v.numbers[1])
}

// network is the value of KindAddress and KindNetwork.
func (a *arguments) network(name string) (addr, mask netip.Addr) {
	if v := a.get(name); v != nil {
		return v.addr, v.mask
	}
	return addr, mask
}

// fail refuses the value of an option.
func (a *arguments) fail(name, format string, args ...any) {
	if a.err != nil {
		return
	}
	a.err = &SyntaxError{Word: a.word, Text: a.module.Name, Reason: fmt.Sprintf(format, args...)}
	if v := a.get(name); v != nil {
		a.err.Word, a.err.Text = v.word, v.text
		a.err.Reason = "--" + name + ": " + a.err.Reason
		return
	}
	a.err.Reason = a.module.Name + ": " + a.err.Reason
}

// check holds the options against the module's table.
func (a *arguments) check() {
	for i := range a.module.Options {
		o := &a.module.Options[i]
		if !a.has(o.Name) {
			if o.Required {
				a.fail("", "--%s is missing", o.Name)
			}
			continue
		}
		for _, other := range o.Excludes {
			if a.has(other) {
				a.fail(o.Name, "cannot be used together with --%s", other)
			}
		}
		for _, other := range o.Also {
			if !a.has(other) {
				a.fail(o.Name, "needs --%s as well", other)
			}
		}
	}
	if len(a.module.OneOf) == 0 {
		return
	}
	for _, name := range a.module.OneOf {
		if a.has(name) {
			return
		}
	}
	a.fail("", "one of --%s is missing", strings.Join(a.module.OneOf, ", --"))
}
