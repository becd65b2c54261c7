package iptables

import (
	"fmt"
	"math"
	"strings"

	"github.com/seawall-net/seawall/nft"
)

// owner matches the user and group that a packet of this host was made by.
type owner struct {
	user, group idRange
	// socket asks for a socket, whoever has it.
	socket, noSocket bool
	// supplementary also takes the other groups of the process.
	supplementary bool
}

type idRange struct {
	set, invert bool
	lo, hi      uint32
}

// The kernel's flags (XT_OWNER_*).
const (
	ownerUID = 1 << iota
	ownerGID
	ownerSocket
	ownerSupplementary
)

func matchOwner() *Module {
	return &Module{
		Name: "owner",
		// Packets that pass through have no owner.
		Hooks: []nft.Hook{nft.Output, nft.Postrouting},
		Options: []Option{
			{Name: "uid-owner", Kind: KindText, Invert: true, Value: "id[-id]"},
			{Name: "gid-owner", Kind: KindText, Invert: true, Value: "id[-id]"},
			{Name: "socket-exists", Invert: true},
			{Name: "suppl-groups", Also: []string{"gid-owner"}},
		},
		OneOf: []string{"uid-owner", "gid-owner", "socket-exists"},
		parse: func(a *arguments) extension {
			return owner{
				user: parseIDs(a, "uid-owner", "user"), group: parseIDs(a, "gid-owner", "group"),
				socket: a.has("socket-exists"), noSocket: a.inverted("socket-exists"),
				supplementary: a.has("suppl-groups"),
			}
		},
		decode: decodeOwner,
	}
}

// parseIDs reads the number of a user or group, or two with "-" or ":" between
// them. Names depend on the host and are not known, other than root's.
func parseIDs(a *arguments, option, what string) idRange {
	if !a.has(option) {
		return idRange{}
	}
	out := idRange{set: true, invert: a.inverted(option)}
	text := a.text(option)
	if text == "root" {
		return out
	}
	first, second, isRange := text, "", false
	if i := strings.IndexAny(text, "-:"); i >= 0 {
		first, second, isRange = text[:i], text[i+1:], true
	}
	lo, ok := wholeNumber(first, 0, math.MaxUint32-1)
	hi, okHi := lo, true
	if isRange {
		hi, okHi = wholeNumber(second, 0, math.MaxUint32-1)
	}
	if !ok || !okHi {
		a.fail(option, "%q is not the number of a %s, nor two with \"-\" between them; names are not known", text, what)
	}
	out.lo, out.hi = uint32(lo), uint32(hi)
	return out
}

func decodeOwner(s *structure) extension {
	s.only(1)
	o := owner{user: idRange{lo: s.u32(), hi: s.u32()}, group: idRange{lo: s.u32(), hi: s.u32()}}
	match, invert := s.u8(), s.u8()
	o.user.set, o.user.invert = match&ownerUID != 0, invert&ownerUID != 0
	o.group.set, o.group.invert = match&ownerGID != 0, invert&ownerGID != 0
	o.socket, o.noSocket = match&ownerSocket != 0, invert&ownerSocket != 0
	o.supplementary = match&ownerSupplementary != 0
	if match&(ownerUID|ownerGID|ownerSocket) == 0 || match > 15 || invert&^match != 0 || invert&ownerSupplementary != 0 {
		s.fail("unknown flags %#x, inverted %#x", match, invert)
	}
	if o.supplementary && !o.group.set || !o.user.set && o.user != (idRange{}) || !o.group.set && o.group != (idRange{}) {
		s.fail("a user or group that is not matched")
	}
	return o
}

func (o owner) format(w *words) {
	if o.socket {
		w.option(o.noSocket, "socket-exists")
	}
	o.user.format(w, "uid-owner")
	o.group.format(w, "gid-owner")
	if o.supplementary {
		w.option(false, "suppl-groups")
	}
}

func (i idRange) format(w *words, option string) {
	switch {
	case !i.set:
	case i.lo == i.hi:
		w.option(i.invert, option, fmt.Sprint(i.lo))
	default:
		w.option(i.invert, option, fmt.Sprintf("%d-%d", i.lo, i.hi))
	}
}

func (o owner) xt(nft.Family) (uint32, []byte) {
	var l layout
	for _, id := range []uint32{o.user.lo, o.user.hi, o.group.lo, o.group.hi} {
		l.u32(id)
	}
	l.u8(b2u(o.user.set)*ownerUID | b2u(o.group.set)*ownerGID | b2u(o.socket)*ownerSocket | b2u(o.supplementary)*ownerSupplementary)
	l.u8(b2u(o.user.invert)*ownerUID | b2u(o.group.invert)*ownerGID | b2u(o.noSocket)*ownerSocket)
	return 1, l.b
}
