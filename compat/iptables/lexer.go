package iptables

import (
	"fmt"
	"strings"
)

// ParseText is [ParseArgs] for a rule as one text, with words in quotes as
// `iptables -S` and iptables-save write them.
func ParseText(ctx Context, text string) (Rule, error) {
	args, err := Split(text)
	if err != nil {
		return Rule{}, err
	}
	return ParseArgs(ctx, args)
}

// Split takes a line of iptables-save apart: words are separated by spaces and
// tabs; a word, or a part of one, in double or single quotes may have them
// inside; a backslash takes the next character as it is. The error is a
// *[SyntaxError].
func Split(line string) ([]string, error) {
	var (
		out    []string
		word   strings.Builder
		inWord bool
		quote  rune
		escape bool
	)
	for _, c := range line {
		switch {
		case c == '\n' || c == '\r':
			return nil, refuse(len(out)+1, word.String(), "a line break within a rule")
		case escape:
			word.WriteRune(c)
			escape = false
		case c == '\\':
			escape, inWord = true, true
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(c)
		case c == '"' || c == '\'':
			quote, inWord = c, true
		case c == ' ' || c == '\t':
			if inWord {
				out = append(out, word.String())
				word.Reset()
				inWord = false
			}
		default:
			word.WriteRune(c)
			inWord = true
		}
	}
	if quote != 0 || escape {
		return nil, refuse(len(out)+1, word.String(), "%s", unended(quote))
	}
	if inWord {
		out = append(out, word.String())
	}
	return out, nil
}

func unended(quote rune) string {
	if quote == 0 {
		return "nothing follows the backslash"
	}
	return fmt.Sprintf("the quote %c is not closed", quote)
}
