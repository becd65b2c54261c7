package nft

import (
	"fmt"
	"strings"
)

// String returns the batch as the commands that would tell nft to do the same,
// one a line: for dry runs and for logs. nft has no words for keys, ranks and
// userdata. The keys of elements whose set is not in the batch are written with
// the types that their length suggests.
func (b Batch) String() string {
	var out strings.Builder
	sets := map[SetRef]*Set{}
	for _, o := range b.ops {
		if s, ok := o.object.(*Set); ok {
			sets[s.Ref()] = s
		}
		out.WriteString(o.print(sets[o.set]))
		out.WriteByte('\n')
	}
	return out.String()
}

// print writes the command for an op. The set is that of the elements, or nil.
func (o *op) print(s *Set) string {
	del := o.verb != verbAdd && o.verb != verbCreate && o.verb != verbInsert
	switch x := o.object.(type) {
	case *Table:
		return fmt.Sprintf("%s table %s%s", o.verb, x.Ref(), block(del, x.declaration()))
	case *Chain:
		if o.verb == verbPolicy {
			return fmt.Sprintf("chain %s { policy %s; }", x.Ref(), x.Policy)
		}
		return fmt.Sprintf("%s chain %s%s", o.verb, x.Ref(), block(del, x.lines()))
	case *Set:
		return fmt.Sprintf("%s %s %s%s", o.verb, x.word(), x.Ref(), block(del, x.declaration()))
	case *Rule:
		out := fmt.Sprintf("%s rule %s", o.verb, x.Chain)
		switch {
		case del:
			return out + fmt.Sprintf(" handle %d", x.Handle)
		case o.position != 0:
			out += fmt.Sprintf(" handle %d", o.position)
		}
		return out + " " + x.String()
	}
	words := make([]string, len(o.elements))
	for i, e := range o.elements {
		words[i] = e.command(s, del)
	}
	return fmt.Sprintf("%s element %s { %s }", o.verb, o.set, strings.Join(words, ", "))
}

// block puts properties in braces.
func block(none bool, lines []string) string {
	if none || len(lines) == 0 {
		return ""
	}
	return " { " + strings.Join(lines, "; ") + "; }"
}

// declaration lists the properties of the table.
func (t *Table) declaration() []string {
	var lines []string
	if t.Flags != 0 {
		lines = append(lines, "flags "+t.Flags.String())
	}
	if t.Comment != "" {
		lines = append(lines, "comment "+quote(t.Comment))
	}
	return lines
}

// lines lists the properties of the chain.
func (c *Chain) lines() []string {
	var lines []string
	if c.Hook != NoHook {
		lines = append(lines, strings.TrimSuffix(c.declaration(), ";"))
	}
	if c.Comment != "" {
		lines = append(lines, "comment "+quote(c.Comment))
	}
	return lines
}

// command writes the element as it stands in a command.
func (e *Element) command(s *Set, keyOnly bool) string {
	guess := Set{Key: guessType(e.Key), Data: guessType(e.Data)}
	if e.Verdict.Kind != NoVerdict {
		guess.Data = TypeVerdict
	}
	if s != nil {
		guess = *s
		guess.Counter = false
	}
	if keyOnly {
		return formatRange(guess.Key, e.Key, e.End)
	}
	return e.print(&guess, PrintOptions{})
}
