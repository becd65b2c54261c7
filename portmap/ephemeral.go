package portmap

import (
	"slices"
	"strconv"
	"strings"
)

// Ephemeral is the ports that a host gives out by itself, to clients and to
// publications that leave the host port open. The zero value has none.
type Ephemeral struct {
	ports    Ports
	reserved []Ports // ascending, with gaps between them
}

const (
	rangeSysctl    = "net.ipv4.ip_local_port_range"
	reservedSysctl = "net.ipv4.ip_local_reserved_ports"
)

// ParseEphemeral reads the texts of two sysctls, as in /proc/sys: for both
// families net.ipv4.ip_local_port_range ("32768\t60999\n") and
// net.ipv4.ip_local_reserved_ports ("8080,30000-32767\n", or an empty line). The
// error is a *SpecError whose Field is the sysctl's name.
func ParseEphemeral(localRange, reserved string) (Ephemeral, error) {
	refuse := func(text, sysctl, word, reason string) (Ephemeral, error) {
		return Ephemeral{}, &SpecError{Spec: text, Field: sysctl, Value: word, Reason: reason}
	}
	var e Ephemeral
	words := strings.Fields(localRange)
	if len(words) != 2 {
		return refuse(localRange, rangeSysctl, localRange, "must be two port numbers")
	}
	for i, end := range []*uint16{&e.ports.First, &e.ports.Last} {
		n, err := strconv.ParseUint(words[i], 10, 16)
		if err != nil {
			return refuse(localRange, rangeSysctl, words[i], "is not a port number")
		}
		*end = uint16(n)
	}
	if reason := e.ports.problem(); reason != "" {
		return refuse(localRange, rangeSysctl, localRange, reason)
	}
	if reserved = strings.TrimSpace(reserved); reserved == "" {
		return e, nil
	}
	for word := range strings.SplitSeq(reserved, ",") {
		first, last, isRange := strings.Cut(word, "-")
		if !isRange {
			last = first
		}
		low, err1 := strconv.ParseUint(first, 10, 16)
		high, err2 := strconv.ParseUint(last, 10, 16)
		if err1 != nil || err2 != nil || high < low {
			return refuse(reserved, reservedSysctl, word, "is not a port number or a range FIRST-LAST")
		}
		if p := (Ports{uint16(max(low, 1)), uint16(high)}); p.valid() { // the kernel lets port 0 be reserved, too
			e.reserved = append(e.reserved, p)
		}
	}
	e.reserved = merge(e.reserved)
	return e, nil
}

// merge sorts ranges, and makes one of those that touch.
func merge(all []Ports) []Ports {
	slices.SortFunc(all, func(a, b Ports) int { return int(a.First) - int(b.First) })
	var out []Ports
	for _, p := range all {
		if n := len(out); n > 0 && int(p.First) <= int(out[n-1].Last)+1 {
			out[n-1].Last = max(out[n-1].Last, p.Last)
		} else {
			out = append(out, p)
		}
	}
	return out
}

// Range returns the ports between which the ephemeral ones are, reserved ones
// included.
func (e Ephemeral) Range() Ports { return e.ports }

// Reserved reports whether a port is kept for somebody: neither the kernel nor a
// Chooser gives it out by itself.
func (e Ephemeral) Reserved(port uint16) bool {
	_, found := e.firstReserved(Port(port))
	return found
}

// firstReserved returns the lowest reserved range that has a port in p.
func (e Ephemeral) firstReserved(p Ports) (Ports, bool) {
	i, _ := slices.BinarySearchFunc(e.reserved, p.First, func(r Ports, first uint16) int { return int(r.Last) - int(first) })
	if i < len(e.reserved) && e.reserved[i].Overlaps(p) {
		return e.reserved[i], true
	}
	return Ports{}, false
}
