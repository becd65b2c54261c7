package iptables

import (
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/seawall-net/seawall/nft"
)

// search matches packets that contain a pattern.
type search struct {
	pattern       string
	algorithm     string
	from, to      uint16
	invert, icase bool
}

// Sizes and bits of the kernel's xt_string_info.
const (
	maxPattern     = 128
	algorithmBytes = 16
	stringInvert   = 1 << 0
	stringICase    = 1 << 1
)

func matchString() *Module {
	return &Module{
		Name: "string",
		Options: []Option{
			{Name: "from", Kind: KindNumber, Max: math.MaxUint16, Value: "offset"},
			{Name: "to", Kind: KindNumber, Max: math.MaxUint16, Value: "offset"},
			{Name: "algo", Kind: KindText, Required: true, Value: "bm|kmp"},
			{Name: "string", Kind: KindText, Min: 1, Max: maxPattern, Invert: true, Excludes: []string{"hex-string"}, Value: "pattern"},
			{Name: "hex-string", Kind: KindText, Min: 1, Invert: true, Excludes: []string{"string"}, Value: "pattern"},
			{Name: "icase"},
		},
		OneOf:  []string{"string", "hex-string"},
		parse:  parseString,
		decode: decodeString,
	}
}

// algorithms are the kernel's. It has a third, fsm, whose patterns are not text.
func algorithms() []string { return []string{"bm", "kmp"} }

func parseString(a *arguments) extension {
	t := search{pattern: a.text("string"), from: uint16(a.number("from")), to: math.MaxUint16, icase: a.has("icase")}
	t.invert = a.inverted("string") || a.inverted("hex-string")
	t.algorithm = algorithms()[a.choice("algo", algorithms())]
	if a.has("to") {
		t.to = uint16(a.number("to"))
	}
	if t.from > t.to {
		a.fail("from", "%d is behind --to %d", t.from, t.to)
	}
	if a.has("hex-string") {
		var err error
		if t.pattern, err = parseHexString(a.text("hex-string")); err != nil {
			a.fail("hex-string", "%s", err)
		}
	}
	return t
}

// parseHexString reads a pattern of text and, between bars, pairs of hexadecimal
// digits that spaces may follow. A backslash stands before a character of the
// text that would mean something else. What is odd in it is iptables'.
func parseHexString(s string) (string, error) {
	var out []byte
	inHex := false
	for i := 0; i < len(s); {
		if s[i] == '\\' {
			switch {
			case inHex:
				return "", fmt.Errorf("a backslash is not possible between bars")
			case i+1 == len(s):
				return "", fmt.Errorf("nothing follows the backslash")
			}
			out = append(out, s[i+1])
			i += 2
			continue
		}
		if s[i] == '|' {
			inHex = !inHex
			for inHex && i+1 < len(s) && s[i+1] == ' ' {
				i++
			}
			if i++; i == len(s) {
				break
			}
		}
		if !inHex {
			out = append(out, s[i])
			i++
			continue
		}
		if i+2 >= len(s) {
			return "", fmt.Errorf("%q does not end with a bar", s)
		}
		b, err := hex.DecodeString(s[i : i+2])
		if err != nil {
			return "", fmt.Errorf("%q is not two hexadecimal digits", s[i:i+2])
		}
		out = append(out, b...)
		if i += 2; s[i] == ' ' {
			i++
		}
	}
	if len(out) == 0 || len(out) > maxPattern {
		return "", fmt.Errorf("%q has %d bytes: want 1 to %d", s, len(out), maxPattern)
	}
	return string(out), nil
}

// format writes the pattern as text if all of it can be printed.
func (t search) format(w *words) {
	unprintable := func(c byte) bool { return c < ' ' || c > '~' }
	if slices.ContainsFunc([]byte(t.pattern), unprintable) || strings.HasSuffix(t.pattern, `\`) {
		w.option(t.invert, "hex-string", `"|`+hex.EncodeToString([]byte(t.pattern))+`|"`)
	} else {
		w.option(t.invert, "string", `"`+strings.NewReplacer(`"`, `\"`, `\`, `\\`).Replace(t.pattern)+`"`)
	}
	w.option(false, "algo", t.algorithm)
	if t.from != 0 {
		w.option(false, "from", fmt.Sprint(t.from))
	}
	if t.to != math.MaxUint16 {
		w.option(false, "to", fmt.Sprint(t.to))
	}
	if t.icase {
		w.option(false, "icase")
	}
}

func (t search) xt(nft.Family) (uint32, []byte) {
	var l layout
	l.u16(t.from)
	l.u16(t.to)
	l.text(t.algorithm, algorithmBytes)
	l.bytes([]byte(t.pattern))
	l.zero(maxPattern - len(t.pattern))
	l.u8(uint8(len(t.pattern)))
	l.u8(b2u(t.invert)*stringInvert | b2u(t.icase)*stringICase)
	l.u64(0) // the kernel's
	return 1, l.b
}

func decodeString(s *structure) extension {
	s.only(1)
	t := search{from: s.u16(), to: s.u16(), algorithm: s.text(algorithmBytes)}
	pattern := s.bytes(maxPattern)
	length := int(s.u8())
	n := min(length, maxPattern)
	flags := s.u8()
	t.pattern, t.invert, t.icase = string(pattern[:n]), flags&stringInvert != 0, flags&stringICase != 0
	switch {
	case n == 0 || n < length || strings.Trim(string(pattern[n:]), "\x00") != "":
		s.fail("a pattern of %d bytes", length)
	case flags > stringInvert|stringICase:
		s.fail("unknown flags %#x", flags)
	case !slices.Contains(algorithms(), t.algorithm):
		s.fail("unknown algorithm %q", t.algorithm)
	case t.from > t.to:
		s.fail("offset %d is behind %d", t.from, t.to)
	}
	s.kernelPart(8)
	return t
}
