package iptables

import (
	"fmt"

	"github.com/seawall-net/seawall/nft"
)

// recent keeps a list of addresses by name (/proc/net/xt_recent), and matches
// those that are on it.
type recent struct {
	name string
	// command is one of the first four bits.
	command           uint8
	invert            bool
	seconds, hitcount uint32
	reap, rttl, rdest bool
	mask              wideMask
}

// Bits of the kernel's xt_recent_mtinfo_v1.
const (
	recentCheck = 1 << iota
	recentSet
	recentUpdate
	recentRemove
	recentTTL
	recentReap
	recentCommands = recentCheck | recentSet | recentUpdate | recentRemove
)

const (
	defaultRecentName = "DEFAULT"
	// maxRecentName is the longest name, without the zero at its end.
	maxRecentName = 199
	// maxRecentHits is how many packets the kernel remembers of an address.
	maxRecentHits = 1<<16 - 1
)

// recentOptions are the commands.
var recentOptions = [...]struct {
	name string
	bit  uint8
}{{"set", recentSet}, {"rcheck", recentCheck}, {"update", recentUpdate}, {"remove", recentRemove}}

func matchRecent() *Module {
	return &Module{
		Name: "recent",
		Options: []Option{
			{Name: "set", Invert: true, Excludes: []string{"rcheck", "update", "remove", "rttl", "seconds", "hitcount", "reap"}},
			{Name: "rcheck", Invert: true, Excludes: []string{"set", "update", "remove"}},
			{Name: "update", Invert: true, Excludes: []string{"set", "rcheck", "remove"}},
			{Name: "remove", Invert: true, Excludes: []string{"set", "rcheck", "update", "rttl", "seconds", "hitcount", "reap"}},
			{Name: "seconds", Kind: KindNumber, Min: 1, Value: "seconds"},
			{Name: "reap", Also: []string{"seconds"}},
			{Name: "hitcount", Kind: KindNumber, Max: maxRecentHits, Value: "number"},
			{Name: "rttl"},
			{Name: "name", Kind: KindText, Min: 1, Max: maxRecentName, Value: "name"},
			{Name: "rsource"},
			{Name: "rdest"},
			{Name: "mask", Kind: KindAddress, Value: "mask"},
		},
		OneOf:  []string{"set", "rcheck", "update", "remove"},
		parse:  parseRecent,
		decode: decodeRecent,
	}
}

func parseRecent(a *arguments) extension {
	r := recent{
		name: defaultRecentName, seconds: uint32(a.number("seconds")), hitcount: uint32(a.number("hitcount")),
		reap: a.has("reap"), rttl: a.has("rttl"), mask: fullMask(a.family()),
	}
	for _, o := range recentOptions {
		if a.has(o.name) {
			r.command, r.invert = o.bit, a.inverted(o.name)
		}
	}
	if a.has("name") {
		r.name = a.text("name")
		if err := checkProcName(r.name); err != nil {
			a.fail("name", "%s", err)
		}
	}
	for _, v := range a.values { // the last one counts
		switch v.option.Name {
		case "rsource", "rdest":
			r.rdest = v.option.Name == "rdest"
		case "mask":
			r.mask = wideMask{Addr: v.addr, full: v.addr.Is6() && v.addr == r.mask.Addr}
		}
	}
	return r
}

// checkProcName refuses what cannot be the name of a file in /proc/net, which
// the kernel makes for recent and hashlimit.
func checkProcName(name string) error {
	if name == "." || name == ".." {
		return fmt.Errorf("no list can have the name %q", name)
	}
	for _, c := range name {
		if c == '/' {
			return fmt.Errorf(`%q has a "/"`, name)
		}
	}
	return nil
}

// plain forgets how the mask fills the union, see wideMask.
func (r recent) plain() extension {
	r.mask.full = false
	return r
}

func (r recent) format(w *words) {
	for _, o := range recentOptions {
		if o.bit == r.command {
			w.option(r.invert, o.name)
		}
	}
	if r.seconds != 0 {
		w.option(false, "seconds", fmt.Sprint(r.seconds))
	}
	if r.reap {
		w.option(false, "reap")
	}
	if r.hitcount != 0 {
		w.option(false, "hitcount", fmt.Sprint(r.hitcount))
	}
	if r.rttl {
		w.option(false, "rttl")
	}
	w.option(false, "name")
	w.name(r.name)
	w.option(false, "mask", r.mask.String())
	if r.rdest {
		w.option(false, "rdest")
	} else {
		w.option(false, "rsource")
	}
}

func (r recent) xt(nft.Family) (uint32, []byte) {
	var l layout
	l.u32(r.seconds)
	l.u32(r.hitcount)
	l.u8(r.command | b2u(r.rttl)*recentTTL | b2u(r.reap)*recentReap)
	l.bool(r.invert)
	// iptables writes the name over the default one, of which the end remains.
	name := append([]byte(r.name), 0)
	if len(name) < len(defaultRecentName) {
		name = append(name, defaultRecentName[len(name):]...)
	}
	l.text(string(name), maxRecentName+1)
	l.bool(r.rdest)
	r.mask.layout(&l)
	return 1, l.b
}

func decodeRecent(s *structure) extension {
	s.only(1)
	r := recent{seconds: s.u32(), hitcount: s.u32()}
	bits := s.u8()
	r.command, r.rttl, r.reap = bits&recentCommands, bits&recentTTL != 0, bits&recentReap != 0
	r.invert = s.bool()
	r.name = s.text(maxRecentName + 1)
	r.rdest = s.bool()
	r.mask = s.wideMask()
	once := r.command == recentSet || r.command == recentRemove
	switch {
	case bits >= recentReap<<1 || r.command == 0 || r.command&(r.command-1) != 0:
		s.fail("unknown bits %#x", bits)
	case once && (r.seconds != 0 || r.hitcount != 0 || r.rttl || r.reap), r.reap && r.seconds == 0, r.hitcount > maxRecentHits:
		s.fail("limits that the command does not have")
	case r.name == "" || checkProcName(r.name) != nil:
		s.fail("no list can have the name %q", r.name)
	}
	return r
}
