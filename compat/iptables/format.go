package iptables

import (
	"math/bits"
	"net/netip"
	"strconv"
)

// String returns the rule as `iptables -S` writes it, without the command and
// the chain: "-s 192.0.2.0/24 -p tcp -m tcp --dport 80 -j ACCEPT". Counters are
// not part of it. It is empty for a rule that matches all and has no target.
func (r Rule) String() string {
	var w words
	r.format(&w)
	return w.String()
}

// Line returns the rule as a line of `iptables -S`: "-A DOCKER-USER -j RETURN".
func (r Rule) Line(chain string) string {
	var w words
	w.add("-A")
	w.name(chain)
	r.format(&w)
	return w.String()
}

func (r Rule) format(w *words) {
	r.Source.format(w, "-s")
	r.Destination.format(w, "-d")
	r.In.format(w, "-i")
	r.Out.format(w, "-o")
	if r.Protocol.Number != 0 {
		not(w, r.Protocol.Invert)
		w.add("-p", protocolName(r.Protocol.Number))
	}
	if r.Fragment != AnyFragment {
		not(w, r.Fragment == HeadFragments)
		w.add("-f")
	}
	for _, m := range r.Matches {
		m.format(w)
	}
	r.Target.format(w)
}

func not(w *words, invert bool) {
	if invert {
		w.add("!")
	}
}

func (a Address) format(w *words, option string) {
	if a.isAll() {
		return
	}
	not(w, a.Invert)
	w.add(option, a.Addr.String()+formatMask(a.Mask))
}

// isAll tells whether every packet matches.
func (a Address) isAll() bool {
	return !a.Addr.IsValid() || a.Mask.IsUnspecified() && !a.Invert
}

// formatMask writes a mask behind an address: "/24", or as an address if it is
// not in one piece.
func formatMask(mask netip.Addr) string {
	if n := prefixLength(mask); n >= 0 {
		return "/" + strconv.Itoa(n)
	}
	return "/" + mask.String()
}

// prefixLength is the length of the prefix that a mask stands for, or -1.
func prefixLength(mask netip.Addr) int {
	n, ended := 0, false
	for _, b := range mask.AsSlice() {
		ones := bits.LeadingZeros8(^b)
		if ended && b != 0 || b<<ones != 0 {
			return -1
		}
		n += ones
		ended = ended || ones < 8
	}
	return n
}

func (i Interface) format(w *words, option string) {
	if i.Name == "" {
		return
	}
	not(w, i.Invert)
	w.add(option)
	w.name(i.Name)
}
