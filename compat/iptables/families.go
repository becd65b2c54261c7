package iptables

import (
	"errors"

	"github.com/seawall-net/seawall/nft"
)

// ParseFamilies reads a rule as text for iptables and for ip6tables, and returns
// what it is in each: the rules, of which lists of addresses make several, or
// nil where the rule says something that the family does not have. A rule
// without addresses and the like is one in both. If it is none in either family,
// the error is that of the family in which more of it was understood. The
// Family of ctx does not count.
func ParseFamilies(ctx Context, text string) (ip, ip6 []Rule, err error) {
	args, err := Split(text)
	if err != nil {
		return nil, nil, err
	}
	ctx.Family = nft.IPv4
	ip, err = ParseAll(ctx, args)
	ctx.Family = nft.IPv6
	ip6, err6 := ParseAll(ctx, args)
	if err == nil || err6 == nil {
		return ip, ip6, nil
	}
	if understood(err6) > understood(err) {
		err = err6
	}
	return nil, nil, err
}

// understood is how many words of a rule were understood.
func understood(err error) int {
	var e *SyntaxError
	if !errors.As(err, &e) || e.Word == 0 {
		return 1 << 30 // all: it is the rule as a whole
	}
	return e.Word
}
