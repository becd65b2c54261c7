package iptables

import "fmt"

// A SyntaxError says why text is not a rule, and where.
type SyntaxError struct {
	// Line is the line of a save file, counted from 1; 0 where there are no
	// lines.
	Line int
	// Word is the word that is wrong, counted from 1; one more than there are
	// when something is missing at the end, 0 if it is the rule as a whole.
	Word int
	// Text is that word; empty if it is none.
	Text string
	// Reason says what is wrong with it.
	Reason string
}

func (e *SyntaxError) Error() string {
	out := ""
	if e.Line != 0 {
		out = fmt.Sprintf("line %d: ", e.Line)
	}
	if e.Word != 0 {
		out += fmt.Sprintf("word %d: ", e.Word)
	}
	return out + e.Reason
}
