package iptables

import (
	"fmt"
	"math"
	"slices"

	"github.com/seawall-net/seawall/nft"
)

// connbytes matches how much a connection has transferred so far.
type connbytes struct {
	from, to uint64
	invert   bool
	// what is an index into connbytesModes, direction into connbytesDirections.
	what, direction uint8
}

var (
	connbytesModes      = [...]string{"packets", "bytes", "avgpkt"}
	connbytesDirections = [...]string{"original", "reply", "both"}
)

func matchConnbytes() *Module {
	return &Module{
		Name: "connbytes",
		Options: []Option{
			{Name: "connbytes", Kind: KindRange, Max: math.MaxUint64, Invert: true, Required: true, Value: "from[:to]"},
			{Name: "connbytes-dir", Kind: KindText, Required: true, Value: "original|reply|both"},
			{Name: "connbytes-mode", Kind: KindText, Required: true, Value: "packets|bytes|avgpkt"},
		},
		parse:  parseConnbytes,
		decode: decodeConnbytes,
	}
}

func parseConnbytes(a *arguments) extension {
	c := connbytes{to: math.MaxUint64, invert: a.inverted("connbytes")}
	v := a.get("connbytes").numbers
	c.from = v[0]
	if len(v) == 2 {
		c.to = v[1]
	}
	switch {
	case c.from > c.to:
		a.fail("connbytes", "%d is more than %d", c.from, c.to)
	case c.from == c.to && c.invert: // the kernel's inversion is a range the wrong way round
		a.fail("connbytes", `"!" is not possible before a single number`)
	}
	c.what = a.choice("connbytes-mode", connbytesModes[:])
	c.direction = a.choice("connbytes-dir", connbytesDirections[:])
	return c
}

// choice is the place of an option's value among those that it can have.
func (a *arguments) choice(name string, of []string) uint8 {
	i := slices.Index(of, a.text(name))
	if i < 0 {
		a.fail(name, "%q is none of %q", a.text(name), of)
	}
	return uint8(max(i, 0))
}

// format leaves out the end of an open range, as iptables does. It also leaves
// out an end of 0, after which its output means the opposite; this does not.
func (c connbytes) format(w *words) {
	value := fmt.Sprint(c.from)
	if c.to != math.MaxUint64 {
		value += fmt.Sprintf(":%d", c.to)
	}
	w.option(c.invert, "connbytes", value)
	w.option(false, "connbytes-mode", connbytesModes[c.what])
	w.option(false, "connbytes-dir", connbytesDirections[c.direction])
}

func (c connbytes) xt(nft.Family) (uint32, []byte) {
	var l layout
	from, to := c.from, c.to
	if c.invert {
		from, to = to, from
	}
	l.u64(from)
	l.u64(to)
	l.u8(c.what)
	l.u8(c.direction)
	return 0, l.b
}

func decodeConnbytes(s *structure) extension {
	s.only(0)
	c := connbytes{from: s.u64(), to: s.u64(), what: s.u8(), direction: s.u8()}
	if c.from > c.to {
		c.from, c.to, c.invert = c.to, c.from, true
	}
	if int(c.what) >= len(connbytesModes) || int(c.direction) >= len(connbytesDirections) {
		s.fail("mode %d or direction %d is not known", c.what, c.direction)
		c.what, c.direction = 0, 0
	}
	return c
}
