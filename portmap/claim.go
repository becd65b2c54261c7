package portmap

import (
	"fmt"
	"io/fs"
	"net/netip"
)

// Claim is what a binding takes of the host in one family: ports of one address,
// or of all addresses of the family.
type Claim struct {
	// Addr is never the zero value: netip.IPv4Unspecified() and
	// netip.IPv6Unspecified() stand for all addresses of their family.
	Addr  netip.Addr
	Ports Ports
	Proto Proto
}

// Claims returns what b takes where the container has the given families: none,
// one, or one a family. A zero HostAddr takes all addresses of each family, any
// other only its own family's.
//
// The host ports of b must be settled (see Dynamic): otherwise the claims have
// no ports, conflict with nothing, and Index.Add refuses them.
func (b Binding) Claims(v4, v6 bool) []Claim { return b.AppendClaims(nil, v4, v6) }

// AppendClaims appends what Claims returns to claims.
func (b Binding) AppendClaims(claims []Claim, v4, v6 bool) []Claim {
	for _, family := range [...]struct{ is6, there bool }{{false, v4}, {true, v6}} {
		if c, ok := b.Claim(family.is6); ok && family.there {
			claims = append(claims, c)
		}
	}
	return claims
}

// Claim returns what b takes in one family, IPv6 or IPv4, if the container has
// it. It is false if b is for an address of the other.
func (b Binding) Claim(is6 bool) (c Claim, ok bool) {
	c = Claim{Addr: b.HostAddr, Ports: b.Host, Proto: b.Proto}
	if b.Dynamic() {
		c.Ports = Ports{}
	}
	switch {
	case c.Addr.IsValid():
		return c, c.Addr.Is6() == is6
	case is6:
		c.Addr = netip.IPv6Unspecified()
	default:
		c.Addr = netip.IPv4Unspecified()
	}
	return c, true
}

// Validate returns nil or a *SpecError.
func (c Claim) Validate() error {
	refuse := func(field, value, reason string) error {
		return &SpecError{Spec: c.String(), Field: field, Value: value, Reason: reason}
	}
	if !c.Addr.IsValid() {
		return refuse("host address", "", "is missing")
	}
	if reason := addrProblem(c.Addr); reason != "" {
		return refuse("host address", c.Addr.String(), reason)
	}
	if reason := c.Ports.problem(); reason != "" {
		return refuse("host port", c.Ports.String(), reason)
	}
	if !c.Proto.valid() {
		return c.Proto.invalid(c.String())
	}
	return nil
}

// String returns the address, the ports and always the protocol:
// "0.0.0.0:8080/tcp", "[::]:8000-8009/udp".
func (c Claim) String() string {
	return fmt.Sprintf("%s:%v/%v", hostString(c.Addr), c.Ports, c.Proto)
}

// ConflictError says that a claim cannot be had because of another.
// errors.Is(err, fs.ErrExist) holds for it.
type ConflictError[Owner any] struct {
	Claim Claim // the refused one
	Other Claim // the one that is in the way
	Owner Owner // of the other
}

// Error returns, for example,
//
//	portmap: 0.0.0.0:8080/tcp: already published as 127.0.0.1:8080/tcp by web/c7
func (e *ConflictError[Owner]) Error() string {
	as := ""
	if e.Other != e.Claim {
		as = fmt.Sprintf(" as %v", e.Other)
	}
	return fmt.Sprintf("portmap: %v: already published%s by %v", e.Claim, as, e.Owner)
}

// Is makes the error an fs.ErrExist.
func (e *ConflictError[Owner]) Is(target error) bool { return target == fs.ErrExist }
