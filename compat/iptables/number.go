package iptables

import (
	"strconv"
	"strings"
)

// leadingNumber reads a number at the beginning of text as iptables does: in
// decimal, in hexadecimal after 0x, in octal after 0, with no sign but "+". It
// returns what follows. ok is false if there is none or it needs more than 64
// bits.
func leadingNumber(text string) (n uint64, rest string, ok bool) {
	text = strings.TrimLeft(text, " \t\n\v\f\r")
	text = strings.TrimPrefix(text, "+")
	base, digits := 10, text
	switch {
	case len(text) > 2 && (text[:2] == "0x" || text[:2] == "0X") && isDigit(text[2], 16):
		base, digits = 16, text[2:]
	case strings.HasPrefix(text, "0"):
		base = 8
	}
	end := 0
	for end < len(digits) && isDigit(digits[end], base) {
		end++
	}
	n, err := strconv.ParseUint(digits[:end], base, 64)
	return n, digits[end:], err == nil
}

func isDigit(c byte, base int) bool {
	switch {
	case '0' <= c && c <= '9':
		return int(c-'0') < base
	case 'a' <= c && c <= 'f', 'A' <= c && c <= 'F':
		return base == 16
	}
	return false
}

// wholeNumber reads text that is nothing but a number from lo to hi.
func wholeNumber(text string, lo, hi uint64) (uint64, bool) {
	n, rest, ok := leadingNumber(text)
	return n, ok && rest == "" && lo <= n && n <= hi
}
