package bridge

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/seawall-net/seawall/nft"
	"github.com/seawall-net/seawall/portmap"
)

// A ContainerLink lets an endpoint open connections to ports of a sibling in a
// network without ICC: Docker's legacy --link. The sibling answers, and opens
// none. In a network with ICC it changes nothing.
type ContainerLink struct {
	// From opens connections to To, which is of the same network.
	From, To *Endpoint
	Order    uint64
	// Port is what it opens them to.
	Port LinkPort
}

// A LinkPort is a port, or a range of them, that a [ContainerLink] leads to. The
// zero value is not valid: a port is needed. Two are the same if and only if
// they are ==.
type LinkPort struct {
	Ports portmap.Ports
	// Proto is the ports' protocol. The zero value is TCP.
	Proto portmap.Proto
}

// ParseLinkPort reads a port as Docker's EXPOSE takes it: "5432",
// "5432/tcp", "6000-6009/udp". It fails with a [*portmap.SpecError].
func ParseLinkPort(spec string) (LinkPort, error) {
	b, err := portmap.Parse(spec)
	if err != nil {
		return LinkPort{}, err
	}
	const reason = "a link goes to the container's own port"
	switch {
	case b.HostAddr.IsValid():
		return LinkPort{}, &portmap.SpecError{Spec: spec, Field: "host address", Value: b.HostAddr.String(), Reason: reason}
	case !b.Host.IsZero():
		return LinkPort{}, &portmap.SpecError{Spec: spec, Field: "host port", Value: b.Host.String(), Reason: reason}
	}
	return LinkPort{Ports: b.Container, Proto: b.Proto}, nil
}

// String returns the port with its protocol: "5432/tcp".
func (p LinkPort) String() string { return fmt.Sprintf("%v/%v", p.Ports, p.Proto) }

// check returns nil or a *portmap.SpecError.
func (p LinkPort) check() error {
	err := portmap.Binding{Container: p.Ports, Proto: p.Proto}.Validate()
	if bad := (*portmap.SpecError)(nil); errors.As(err, &bad) && bad.Field == "container port" {
		bad.Field = "port"
	}
	return err
}

// String returns the link as "web/c1 to web/c2 5432/tcp".
func (l *ContainerLink) String() string { return fmt.Sprintf("%s to %s %s", l.From, l.To, l.Port) }

// Records returns the fact as it is kept in the kernel.
func (l *ContainerLink) Records() []string { return []string{l.encode()} }

func (l *ContainerLink) encode() string {
	w := recordWriter{[]byte{recordLink}}
	w.order(l.Order)
	w.order(l.From.Order)
	w.order(l.To.Order)
	w.uint(uint64(l.Port.Proto))
	w.ports(l.Port.Ports)
	return w.String()
}

// isFor tells whether both endpoints have an address of a family.
func (l *ContainerLink) isFor(f nft.Family) bool {
	return l.From.Addr(f).IsValid() && l.To.Addr(f).IsValid()
}

// routed tells whether the host routes between the endpoints in a family.
func (l *ContainerLink) routed(f nft.Family) bool { return l.From.linkable(f) && l.To.linkable(f) }

// linkable tells whether links of the endpoint work in a family: the host has to
// route their packets.
func (e *Endpoint) linkable(f nft.Family) bool {
	return e.Addr(f).IsValid() && e.Network.gateway(f).onBridge().IsValid()
}

// check refuses a link that could never be used.
func (l *ContainerLink) check() error {
	switch {
	case l.From == l.To:
		return fmt.Errorf("an endpoint reaches itself without a link: %w", errInvalid)
	case !l.isFor(nft.IPv4) && !l.isFor(nft.IPv6):
		return fmt.Errorf("the endpoints have no address of the same family: %w", errInvalid)
	case l.From.Network.Spec.DisableICC && !l.routed(nft.IPv4) && !l.routed(nft.IPv6):
		return fmt.Errorf("without ICC the host routes what links let through, and it has no address on %s in a family of both: %w",
			l.From.Network.Spec.Bridge, errInvalid)
	}
	return l.Port.check()
}

func (l *ContainerLink) apply(s *state, add bool) {
	from, to := s.endpoint(l.From), s.endpoint(l.To)
	if add {
		s.order = max(s.order, l.Order)
		from.links, to.linked = append(from.links, l), append(to.linked, l)
		return
	}
	same := func(other *ContainerLink) bool { return other == l }
	from.links, to.linked = slices.DeleteFunc(from.links, same), slices.DeleteFunc(to.linked, same)
}

// link returns the link from an endpoint to a port of another, or nil.
func (s *state) link(from, to *Endpoint, p LinkPort) *ContainerLink {
	for _, l := range s.endpoint(from).links {
		if l.To == to && l.Port == p {
			return l
		}
	}
	return nil
}

// linksOf are the links from and to an endpoint, oldest first.
func (s *state) linksOf(e *Endpoint) []*ContainerLink {
	es := s.endpoint(e)
	out := slices.Concat(es.links, es.linked)
	slices.SortFunc(out, olderLink)
	return out
}

func olderLink(a, b *ContainerLink) int { return cmp.Compare(a.Order, b.Order) }
