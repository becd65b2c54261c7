package portmap

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// Parse reads a binding as Docker's -p takes it:
//
//	[[HOSTADDR:][HOSTPORT[-LAST]]:]CONTAINERPORT[-LAST][/PROTOCOL]
//
// The address may be IPv4 or IPv6, the latter best in brackets. Ranges on both
// sides must have the same length; a host range for a single container port asks
// for one free port out of it; no host port asks for an ephemeral one. The
// protocol is tcp (also when left out), udp or sctp in any case.
//
// Whatever else is refused with a *SpecError; nothing is guessed. The package
// comment lists where that is stricter than Docker.
func Parse(spec string) (Binding, error) {
	b, err := parse(spec)
	if err == nil {
		err = b.Validate()
	}
	if err != nil {
		if e, ok := errors.AsType[*SpecError](err); ok {
			e.Spec = spec // as it was written, not as a part of it
		}
		return Binding{}, err
	}
	return b, nil
}

// MustParse is Parse for specs that are constants of a program: it panics with
// Parse's error.
func MustParse(spec string) Binding {
	b, err := Parse(spec)
	if err != nil {
		panic(err)
	}
	return b
}

// parse reads the words; what they mean together is left to Validate. Its
// errors are without the Spec.
func parse(spec string) (b Binding, err error) {
	// The last two colons stand before the ports: an IPv6 address may have
	// more of them.
	rest, container := cutLast(spec)
	addr, host := cutLast(rest)

	container, proto, _ := strings.Cut(container, "/")
	if proto != "" { // "80/" is tcp in Docker, for templates whose protocol may be empty
		if b.Proto, err = ParseProto(proto); err != nil {
			return Binding{}, err
		}
	}
	if addr != "" {
		if b.HostAddr, err = parseAddr(addr); err != nil {
			return Binding{}, err
		}
	}
	if b.Container, err = parsePorts("container port", container); err != nil {
		return Binding{}, err
	}
	if host != "" {
		if b.Host, err = parsePorts("host port", host); err != nil {
			return Binding{}, err
		}
	}
	return b, nil
}

// cutLast slices s around its last colon; without one all of s is after it.
func cutLast(s string) (before, after string) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 {
		return "", s
	}
	return s[:i], s[i+1:]
}

func parseAddr(word string) (netip.Addr, error) {
	refuse := func(reason string) (netip.Addr, error) {
		return netip.Addr{}, &SpecError{Field: "host address", Value: word, Reason: reason}
	}
	inner, opened := strings.CutPrefix(word, "[")
	inner, closed := strings.CutSuffix(inner, "]")
	if opened != closed {
		return refuse("the brackets do not match: after [ADDR] comes :HOSTPORT:CONTAINERPORT or ::CONTAINERPORT")
	}
	addr, err := netip.ParseAddr(inner)
	switch {
	case err != nil && !opened && looksLikePorts(word):
		return refuse("too many colons: at most HOSTADDR:HOSTPORT:CONTAINERPORT, with an IPv6 address in brackets")
	case err != nil:
		return refuse("is not an IP address (names are not looked up)")
	case opened && addr.Is4():
		return refuse(fmt.Sprintf("brackets are for IPv6 addresses: write %v", addr))
	}
	return addr, nil
}

// looksLikePorts reports whether a word that is no address is one or more words
// too many, rather than a wrong IPv6 address: an IPv4 address or a name, and a
// colon.
func looksLikePorts(word string) bool {
	first, _, more := strings.Cut(word, ":")
	return more && (strings.ContainsAny(first, ".-/") || strings.Count(word, ":") < 2)
}

func parsePorts(field, word string) (Ports, error) {
	refuse := func(reason string) (Ports, error) {
		return Ports{}, &SpecError{Field: field, Value: word, Reason: reason}
	}
	if word == "" {
		return refuse("is missing")
	}
	first, last, isRange := strings.Cut(word, "-")
	if !isRange {
		last = first
	}
	var p Ports
	for _, end := range []struct {
		digits string
		port   *uint16
	}{{first, &p.First}, {last, &p.Last}} {
		reason := parsePort(end.digits, end.port)
		if reason == "" {
			continue
		}
		if field == "host port" && end.digits == "0" {
			reason += " (leave it out for a free port of the system's choice)"
		}
		if _, err := netip.ParseAddr(word); err == nil {
			reason += fmt.Sprintf(" (an address is followed by two colons: %s::CONTAINERPORT)", word)
		}
		return refuse(reason)
	}
	if reason := p.problem(); reason != "" {
		return refuse(reason)
	}
	return p, nil
}

// parsePort reads decimal digits and says why they are no port, or "".
func parsePort(digits string, port *uint16) string {
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return "is not a port number or a range FIRST-LAST"
	}
	if len(digits) > 1 && digits[0] == '0' {
		return "a port number has no leading zero"
	}
	n := 0
	for _, d := range []byte(digits) {
		if n = n*10 + int(d-'0'); n > 65535 {
			break
		}
	}
	if n < 1 || n > 65535 {
		return "must be 1-65535"
	}
	*port = uint16(n)
	return ""
}
