package iptables

import (
	"fmt"
	"strings"
)

// words writes a rule, a word after the other.
type words struct{ b strings.Builder }

func (w *words) String() string { return w.b.String() }

// add writes words that need no quoting.
func (w *words) add(text ...string) {
	for _, t := range text {
		if w.b.Len() > 0 {
			w.b.WriteByte(' ')
		}
		w.b.WriteString(t)
	}
}

// option writes an option and its value, after "!" if inverted.
func (w *words) option(invert bool, name string, value ...string) {
	if invert {
		w.add("!")
	}
	w.add("--" + name)
	w.add(value...)
}

// addf writes one word.
func (w *words) addf(format string, args ...any) { w.add(fmt.Sprintf(format, args...)) }

// name writes a name that iptables never quotes, in quotes only if it could not
// be read back otherwise.
func (w *words) name(text string) {
	if text == "" || strings.ContainsAny(text, " \t\n\v\f\r\"'\\") {
		text = quoted(text)
	}
	w.add(text)
}

// quote writes text as iptables does: in quotes unless it has only letters,
// digits, "_" and "-".
func (w *words) quote(text string) { w.add(quote(text)) }

func quote(text string) string {
	plain := func(r rune) bool {
		return r == '_' || r == '-' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
	}
	if text != "" && !strings.ContainsFunc(text, func(r rune) bool { return !plain(r) }) {
		return text
	}
	return quoted(text)
}

func quoted(text string) string {
	return `"` + strings.NewReplacer(`"`, `\"`, `\`, `\\`, `'`, `\'`).Replace(text) + `"`
}
