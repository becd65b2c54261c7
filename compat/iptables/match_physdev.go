package iptables

import (
	"bytes"
	"fmt"

	"github.com/seawall-net/seawall/nft"
)

// physdev matches the ports of a bridge that a packet came and goes by. It needs
// the kernel's br_netfilter.
type physdev struct {
	in, out Interface
	// isIn, isOut and isBridged were given if their bit of given is set.
	given, invert uint8
}

// Bits of the kernel's xt_physdev_info.
const (
	physdevIn = 1 << iota
	physdevOut
	physdevIsBridged
	physdevIsIn
	physdevIsOut
	physdevAll = 1<<iota - 1
)

// physdevFlags are the options without a value.
var physdevFlags = [...]struct {
	name string
	bit  uint8
}{{"physdev-is-in", physdevIsIn}, {"physdev-is-out", physdevIsOut}, {"physdev-is-bridged", physdevIsBridged}}

func matchPhysdev() *Module {
	return &Module{
		Name: "physdev",
		Options: []Option{
			{Name: "physdev-in", Kind: KindText, Invert: true, Value: "port[+]"},
			{Name: "physdev-out", Kind: KindText, Invert: true, Value: "port[+]"},
			{Name: "physdev-is-in", Invert: true},
			{Name: "physdev-is-out", Invert: true},
			{Name: "physdev-is-bridged", Invert: true},
		},
		OneOf:  []string{"physdev-in", "physdev-out", "physdev-is-in", "physdev-is-out", "physdev-is-bridged"},
		parse:  parsePhysdev,
		decode: decodePhysdev,
	}
}

func parsePhysdev(a *arguments) extension {
	var p physdev
	for _, f := range physdevFlags {
		p.given |= b2u(a.has(f.name)) * f.bit
		p.invert |= b2u(a.inverted(f.name)) * f.bit
	}
	for _, o := range []struct {
		name string
		to   *Interface
	}{{"physdev-in", &p.in}, {"physdev-out", &p.out}} {
		if !a.has(o.name) {
			continue
		}
		i, err := parseInterface(a.text(o.name), a.inverted(o.name))
		if err != nil {
			a.fail(o.name, "%s", err)
		}
		if i.Name == "" { // "+" is a condition here: that there is a port
			i = Interface{Name: "+"}
		}
		*o.to = i
	}
	return p
}

func (p physdev) format(w *words) {
	flag := func(name string, bit uint8) {
		if p.given&bit != 0 {
			w.option(p.invert&bit != 0, name)
		}
	}
	flag("physdev-is-in", physdevIsIn)
	p.in.format(w, "--physdev-in")
	flag("physdev-is-out", physdevIsOut)
	p.out.format(w, "--physdev-out")
	flag("physdev-is-bridged", physdevIsBridged)
}

func (p physdev) xt(nft.Family) (uint32, []byte) {
	var l layout
	given, invert := p.given, p.invert
	for _, i := range []struct {
		Interface
		bit uint8
	}{{p.in, physdevIn}, {p.out, physdevOut}} {
		l.text(i.Name, 16)
		l.bytes(i.mask())
		given |= b2u(i.Name != "") * i.bit
		invert |= b2u(i.Invert) * i.bit
	}
	l.u8(invert)
	l.u8(given)
	return 0, l.b
}

// mask says, in 16 bytes, which of the name's must be equal: all, with the zero
// at the end, or those before a "+".
func (i Interface) mask() []byte {
	out := make([]byte, 16)
	n := 0
	switch {
	case i.Name == "":
	case i.Name[len(i.Name)-1] == '+':
		n = len(i.Name) - 1
	default:
		n = len(i.Name) + 1
	}
	copy(out, bytes.Repeat([]byte{0xff}, n))
	return out
}

func decodePhysdev(s *structure) extension {
	s.only(0)
	var names [2]string
	for i := range names {
		names[i] = s.text(16)
		if !bytes.Equal(s.bytes(16), Interface{Name: names[i]}.mask()) {
			s.fail("the mask of name %q is not one that iptables makes", names[i])
		}
	}
	invert, given := s.u8(), s.u8()
	if given&^physdevAll != 0 || given == 0 || invert&^given != 0 {
		s.fail("unknown bits %#x and %#x", given, invert)
	}
	p := physdev{given: given &^ (physdevIn | physdevOut), invert: invert &^ (physdevIn | physdevOut)}
	for i, to := range []*Interface{&p.in, &p.out} {
		bit := uint8(physdevIn << i)
		if (given&bit != 0) != (names[i] != "") {
			s.fail("name %q", names[i])
		}
		*to = Interface{Name: names[i], Invert: invert&bit != 0}
	}
	return p
}

// check refuses what the kernel does: packets that the host sends know the port
// by which they leave only if they are bridged.
func (p physdev) check(_ *Rule, c Context) error {
	bridged := p.given&physdevIsBridged != 0 && p.invert&physdevIsBridged == 0
	if c.Hook == nft.Output && (p.out.Name != "" || p.given&physdevIsOut != 0) && !bridged {
		return fmt.Errorf("--physdev-out and --physdev-is-out are not possible in hook %s", c.Hook)
	}
	return nil
}
