package iptables

import (
	"fmt"
	"math"
	"strings"

	"github.com/seawall-net/seawall/nft"
)

// u32 compares words of the packet, taken from computed places.
type u32 struct {
	invert bool
	n      int
	tests  [maxU32]u32Test
}

// A u32Test is one of the comparisons that must all fit.
type u32Test struct {
	steps, ranges int
	// step says how the word is found.
	step [maxU32]u32Step
	// values are what it may be.
	values [maxU32]u32Range
}

// A u32Step is a number and what is done with it; the first one's operator means
// nothing.
type u32Step struct {
	operator u32Operator
	number   uint32
}

type u32Operator uint8

// The kernel's operators (XT_U32_*).
const (
	u32And u32Operator = iota
	u32Left
	u32Right
	u32At
)

var u32Operators = [...]string{u32And: "&", u32Left: "<<", u32Right: ">>", u32At: "@"}

type u32Range struct{ lo, hi uint32 }

// Sizes: what iptables takes of each, and what the kernel's structure holds.
const (
	maxU32  = 10
	sizeU32 = 11
)

func matchU32() *Module {
	return &Module{
		Name:    "u32",
		Options: []Option{{Name: "u32", Kind: KindText, Invert: true, Required: true, Value: "tests"}},
		parse: func(a *arguments) extension {
			p := u32Parser{text: a.text("u32")}
			out, err := p.parse()
			if err != nil {
				a.fail("u32", "at byte %d: %s", p.at+1, err)
			}
			out.invert = a.inverted("u32")
			return out
		},
		decode: decodeU32,
	}
}

// A u32Parser reads tests: location = value[,value…] && ….
type u32Parser struct {
	text string
	at   int
}

func (p *u32Parser) parse() (u32, error) {
	var out u32
	for {
		if out.n == maxU32 {
			return out, fmt.Errorf("there are more than %d tests", maxU32)
		}
		t := &out.tests[out.n]
		if err := p.location(t); err != nil {
			return out, err
		}
		if err := p.ranges(t); err != nil {
			return out, err
		}
		out.n++
		if p.rest() == "" {
			return out, nil
		}
		if !p.skip("&&") {
			return out, fmt.Errorf(`want "," or "&&"`)
		}
	}
}

// rest is what is left, without white space at its beginning.
func (p *u32Parser) rest() string {
	left := strings.TrimLeft(p.text[p.at:], " \t\n\v\f\r")
	p.at = len(p.text) - len(left)
	return left
}

func (p *u32Parser) skip(token string) bool {
	if !strings.HasPrefix(p.rest(), token) {
		return false
	}
	p.at += len(token)
	return true
}

func (p *u32Parser) number() (uint32, error) {
	left := p.rest()
	n, rest, ok := leadingNumber(left)
	if !ok || n > math.MaxUint32 || strings.HasPrefix(left, "+") {
		return 0, fmt.Errorf("want a number of 32 bits")
	}
	p.at = len(p.text) - len(rest)
	return uint32(n), nil
}

func (p *u32Parser) location(t *u32Test) error {
	for {
		var s u32Step
		if t.steps > 0 {
			if p.skip("=") {
				return nil
			}
			found := false
			for i, op := range u32Operators {
				if found = p.skip(op); found {
					s.operator = u32Operator(i)
					break
				}
			}
			if !found {
				return fmt.Errorf(`want "=", "&", "<<", ">>" or "@"`)
			}
		}
		if t.steps == maxU32 {
			return fmt.Errorf("there are more than %d numbers", maxU32)
		}
		var err error
		if s.number, err = p.number(); err != nil {
			return err
		}
		t.step[t.steps] = s
		t.steps++
	}
}

func (p *u32Parser) ranges(t *u32Test) error {
	for {
		if t.ranges == maxU32 {
			return fmt.Errorf("there are more than %d values", maxU32)
		}
		lo, err := p.number()
		if err != nil {
			return err
		}
		hi := lo
		if p.skip(":") {
			if hi, err = p.number(); err != nil {
				return err
			}
		}
		t.values[t.ranges] = u32Range{lo, hi}
		t.ranges++
		if !p.skip(",") {
			return nil
		}
	}
}

func (u u32) format(w *words) {
	var b strings.Builder
	for i, t := range u.tests[:u.n] {
		if i > 0 {
			b.WriteString("&&")
		}
		for j, s := range t.step[:t.steps] {
			if j > 0 {
				b.WriteString(u32Operators[s.operator])
			}
			fmt.Fprintf(&b, "0x%x", s.number)
		}
		for j, v := range t.values[:t.ranges] {
			b.WriteByte("=,"[min(j, 1)])
			if v.lo == v.hi {
				fmt.Fprintf(&b, "0x%x", v.lo)
			} else {
				fmt.Fprintf(&b, "0x%x:0x%x", v.lo, v.hi)
			}
		}
	}
	w.option(u.invert, "u32", quoted(b.String()))
}

func (u u32) xt(nft.Family) (uint32, []byte) {
	var l layout
	for i := range sizeU32 {
		var t u32Test
		if i < u.n {
			t = u.tests[i]
		}
		for j := range sizeU32 {
			var s u32Step
			if j < t.steps {
				s = t.step[j]
			}
			l.u32(s.number)
			l.u8(uint8(s.operator))
		}
		for j := range sizeU32 {
			var v u32Range
			if j < t.ranges {
				v = t.values[j]
			}
			l.u32(v.lo)
			l.u32(v.hi)
		}
		l.u8(uint8(t.steps))
		l.u8(uint8(t.ranges))
		l.align(4)
	}
	l.u8(uint8(u.n))
	l.bool(u.invert)
	l.align(4)
	return 0, l.b
}

func decodeU32(s *structure) extension {
	s.only(0)
	var out u32
	var read [sizeU32]u32Test
	for i := range read {
		read[i] = decodeU32Test(s)
	}
	out.n, out.invert = int(s.u8()), s.bool()
	s.zero(2)
	if out.n == 0 || out.n > maxU32 {
		s.fail("%d tests", out.n)
		return out
	}
	copy(out.tests[:], read[:out.n])
	for i, t := range read {
		if i < out.n && (t.steps == 0 || t.ranges == 0) || i >= out.n && t != (u32Test{}) {
			s.fail("test %d has %d numbers and %d values", i, t.steps, t.ranges)
		}
	}
	return out
}

func decodeU32Test(s *structure) u32Test {
	var t u32Test
	var steps [sizeU32]u32Step
	var values [sizeU32]u32Range
	for i := range steps {
		number := s.u32()
		if steps[i] = (u32Step{u32Operator(s.u8()), number}); steps[i].operator > u32At {
			s.fail("unknown operator %d", steps[i].operator)
		}
	}
	for i := range values {
		values[i] = u32Range{s.u32(), s.u32()}
	}
	t.steps, t.ranges = int(s.u8()), int(s.u8())
	s.zero(2)
	if t.steps > maxU32 || t.ranges > maxU32 {
		s.fail("a test of %d numbers and %d values", t.steps, t.ranges)
		return u32Test{}
	}
	if steps[0].operator != 0 {
		s.fail("the first number has an operator")
	}
	copy(t.step[:], steps[:t.steps])
	copy(t.values[:], values[:t.ranges])
	for _, v := range steps[t.steps:] {
		if v != (u32Step{}) {
			s.fail("a number that is not used")
		}
	}
	for _, v := range values[t.ranges:] {
		if v != (u32Range{}) {
			s.fail("a value that is not used")
		}
	}
	return t
}
