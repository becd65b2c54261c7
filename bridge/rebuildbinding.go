package bridge

import (
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/seawall-net/seawall/nft"
	"github.com/seawall-net/seawall/portmap"
)

// A keyReader reads the parts of a concatenated key, each of which begins at a
// multiple of four bytes.
type keyReader struct {
	rest []byte
	bad  bool
}

func readKey(v nft.Value) *keyReader { return &keyReader{rest: []byte(v)} }

func (r *keyReader) take(n int) []byte {
	padded := min((n+3)/4*4, len(r.rest))
	if r.bad = r.bad || len(r.rest) < n; r.bad {
		return make([]byte, n)
	}
	v := r.rest[:n]
	r.rest = r.rest[padded:]
	return v
}

func (r *keyReader) addr(f nft.Family) netip.Addr {
	n := 4
	if f == nft.IPv6 {
		n = 16
	}
	a, _ := netip.AddrFromSlice(r.take(n))
	return a
}

func (r *keyReader) port() uint16 { return binary.BigEndian.Uint16(r.take(2)) }

func (r *keyReader) proto() portmap.Proto {
	number := r.take(1)[0]
	for _, p := range []portmap.Proto{portmap.TCP, portmap.UDP, portmap.SCTP} {
		if p.Number() == number {
			return p
		}
	}
	r.bad = true
	return 0
}

// A published is what an element of a map of translations says.
type published struct {
	addr            netip.Addr // unspecified is every address
	proto           portmap.Proto
	host, container portmap.Ports
	to              netip.Addr
}

func readPublished(f nft.Family, set string, e *nft.Element) (p published, ok bool) {
	key, data := readKey(e.Key), readKey(e.Data)
	p.addr = unspecifiedOf(f)
	if set != "published-any" {
		p.addr = key.addr(f)
	}
	p.proto = key.proto()
	p.host = portmap.Port(key.port())
	p.to = data.addr(f)
	if set != "ranges" {
		p.container = portmap.Port(data.port())
		return p, !key.bad && !data.bad
	}
	end := readKey(e.End)
	end.addr(f)
	end.proto()
	p.host.Last = end.port()
	p.container = p.host
	return p, !key.bad && !data.bad && !end.bad
}

func unspecifiedOf(f nft.Family) netip.Addr {
	if f == nft.IPv6 {
		return netip.IPv6Unspecified()
	}
	return netip.IPv4Unspecified()
}

// findPublished looks for what is translated.
func (s *search) findPublished(f nft.Family) {
	for _, set := range []string{"published-any", "published", "ranges"} {
		for _, e := range s.elements(f, set) {
			p, ok := readPublished(f, set, e)
			end := s.endpoints[p.to]
			if !ok || end == nil || s.used[look(e)] {
				continue // what is left will be told
			}
			for _, n := range s.lengths(f, p, end) {
				if s.bindPublished(f, set, e, p.long(n), end) {
					break
				}
			}
		}
	}
}

// lengths are how many ports there may be from one on that were published together.
// It makes a difference only for what is left to a proxy, or is for some.
func (s *search) lengths(f nft.Family, p published, e *Endpoint) (out []uint16) {
	if p.host.Len() > 1 {
		return []uint16{uint16(p.host.Len())}
	}
	addr, proto, port := nft.Addr(p.addr), nft.Proto(nft.L4Proto(p.proto.Number())), nft.Port(p.host.First)
	for _, r := range []*nft.Element{
		s.element(f, "own-ranges", nft.Key(nft.Name(e.Network.Spec.Bridge), addr, proto, port)),
		s.element(f, "gate-ranges", nft.Key(addr, proto, port)),
	} {
		if r != nil && len(r.End) >= 4 {
			last := binary.BigEndian.Uint16([]byte(r.End[len(r.End)-4:]))
			out = append(out, last-p.host.First+1)
		}
	}
	return append(out, 1)
}

// long is the same for n ports from the first on.
func (p published) long(n uint16) published {
	p.host.Last, p.container.Last = p.host.First+n-1, p.container.First+n-1
	return p
}

// bindPublished takes the binding that an element is of.
func (s *search) bindPublished(f nft.Family, set string, e *nft.Element, p published, end *Endpoint) bool {
	port := portmap.Binding{Proto: p.proto, Host: p.host, Container: p.container}
	g := end.Network.gateway(f)
	general := p.addr.IsUnspecified() && !g.HostBinding.IsValid() || p.addr == g.HostBinding
	for _, scope := range s.scopes(f, set, e, p) {
		if general && s.bind(end, port, scope, look(e)) {
			return true
		}
		port := port
		port.HostAddr = p.addr
		if s.bind(end, port, scope, look(e)) {
			return true
		}
	}
	return false
}

// bind takes a binding, if all that it needs is there, and what it is to explain is
// among that.
func (s *search) bind(e *Endpoint, p portmap.Binding, scope Scope, explains any) bool {
	within, bad := scope.normalize()
	b := &Binding{Endpoint: e, Order: s.order + 1, Port: p, scope: within}
	if bad != nil || p.Validate() != nil || b.check() != nil || within != nil && within.problem(b) != nil || s.ports[searchPort{e, p}] {
		return false
	}
	if p.Dynamic() && len(b.Claims()) > 0 {
		return false
	}
	use, ok := s.fits(b)
	if !ok || !slices.Contains(use, explains) {
		return false
	}
	s.ports[searchPort{e, p}] = true
	s.take(use, record{kind: recordBinding, order: s.next(), parent: e.Order, binding: p, scope: scope})
	return true
}

// An allowance is what the rules of one chain let in: prefixes, or any address.
type allowance struct {
	iface string
	from  []netip.Prefix
	rules []any
}

// allowances reads the rules of a chain that begin with who is let in, by interface.
func (s *search) allowances(f nft.Family, chain string, ended func(*nft.Rule) bool) (out []allowance) {
	for _, r := range s.have.Rules(s.table(f).Chain(chain)) {
		if ended(r) {
			continue
		}
		iface, from := "", netip.PrefixFrom(unspecifiedOf(f), 0)
		for _, st := range r.Statements {
			c, ok := nft.Compared(st)
			switch {
			case !ok:
			case c.Field == "iif":
				iface = scopeHost
			case c.Field == "iifname":
				iface = nameOf(c.Value)
			case c.Op == nft.InPrefix:
				from = c.Prefix
			case c.Op == nft.Is && c.Type == f.AddrType():
				a := c.Addr(c.Value)
				from = netip.PrefixFrom(a, a.BitLen())
			}
		}
		i := slices.IndexFunc(out, func(a allowance) bool { return a.iface == iface })
		if i < 0 {
			i = len(out)
			out = append(out, allowance{iface: iface})
		}
		out[i].from = append(out[i].from, from)
		out[i].rules = append(out[i].rules, look(r))
	}
	return out
}

// scopesOf are the scopes that an allowance of a family may be of, together with one
// of others in the other family, or without.
func scopesOf(a allowance, others []allowance) (out []Scope) {
	everywhere := len(a.from) == 1 && a.from[0].Bits() == 0
	if everywhere {
		out = append(out, Scope{Interface: a.iface})
	}
	for _, o := range others {
		if o.iface == a.iface {
			out = append(out, Scope{Interface: a.iface, From: slices.Concat(a.from, o.from)})
		}
	}
	return append(out, Scope{Interface: a.iface, From: a.from})
}

// other returns the other family.
func other(f nft.Family) nft.Family {
	if f == nft.IPv6 {
		return nft.IPv4
	}
	return nft.IPv6
}

// A portPlace is where a port is published in a family.
type portPlace struct {
	family nft.Family
	proto  portmap.Proto
	port   uint16
}

// A publishedBy is what is published, and by which element.
type publishedBy struct {
	published
	set     string
	element *nft.Element
}

// publishedAt returns what is published in a family at the first port of p.
func (s *search) publishedAt(f nft.Family, p published) []publishedBy {
	if s.byPort == nil {
		s.byPort = map[portPlace][]publishedBy{}
		for _, f := range []nft.Family{nft.IPv4, nft.IPv6} {
			for _, set := range []string{"published-any", "published", "ranges"} {
				for _, e := range s.elements(f, set) {
					if p, ok := readPublished(f, set, e); ok {
						at := portPlace{f, p.proto, p.host.First}
						s.byPort[at] = append(s.byPort[at], publishedBy{p, set, e})
					}
				}
			}
		}
	}
	return s.byPort[portPlace{f, p.proto, p.host.First}]
}

// gate returns what leads to the gate of a published port, or nil.
func (s *search) gate(f nft.Family, set string, e *nft.Element, p published) *nft.Element {
	if p.host.Len() > 1 {
		return s.element(f, "gate-ranges", nft.Key(nft.Addr(p.addr), nft.Proto(nft.L4Proto(p.proto.Number())), nft.Port(p.host.First)))
	}
	if set == "published-any" {
		return s.element(f, "gates-any", e.Key)
	}
	return s.element(f, "gates", e.Key)
}

// scopes are the scopes that a published port may have: everybody where there is no
// gate.
func (s *search) scopes(f nft.Family, set string, e *nft.Element, p published) (out []Scope) {
	gate := s.gate(f, set, e, p)
	if gate == nil {
		return []Scope{{}}
	}
	ended := func(r *nft.Rule) bool {
		return len(r.Statements) == 0 || r.Statements[len(r.Statements)-1] != nft.Statement(nft.Return())
	}
	var others []allowance
	for _, o := range s.publishedAt(other(f), p) {
		if s.endpoints[o.to] != s.endpoints[p.to] {
			continue
		}
		if gate := s.gate(other(f), o.set, o.element, o.long(uint16(p.host.Len()))); gate != nil {
			others = append(others, s.allowances(other(f), gate.Verdict.Chain, ended)...)
		}
	}
	for _, a := range s.allowances(f, gate.Verdict.Chain, ended) {
		out = append(out, scopesOf(a, others)...)
	}
	return out
}

// findWithin looks for ports that some reach by the endpoint's own address, and that
// are not translated.
func (s *search) findWithin(f nft.Family) {
	unused := func(r *nft.Rule) bool { return s.used[look(r)] }
	for _, e := range s.elements(f, "within") {
		key := readKey(e.Key)
		to, proto, port := key.addr(f), key.proto(), key.port()
		end := s.endpoints[to]
		if key.bad || end == nil {
			continue
		}
		var others []allowance
		if a := end.Addr(other(f)); a.IsValid() {
			if o := s.element(other(f), "within", nft.Key(nft.Addr(a), nft.Proto(nft.L4Proto(proto.Number())), nft.Port(port))); o != nil {
				others = s.allowances(other(f), o.Verdict.Chain, unused)
			}
		}
		for _, a := range s.allowances(f, e.Verdict.Chain, unused) {
			s.bindOwn(f, end, proto, port, scopesOf(a, others), a.rules[0])
		}
	}
}

// findDirect looks for ports that are reached by the endpoint's own address only.
func (s *search) findDirect(f nft.Family) {
	for _, e := range s.elements(f, "direct") {
		key := readKey(e.Key)
		to, proto, port := key.addr(f), key.proto(), key.port()
		if end := s.endpoints[to]; !key.bad && end != nil && !s.used[look(e)] {
			s.bindOwn(f, end, proto, port, []Scope{{}}, look(e))
		}
	}
}

// bindOwn takes a binding of a port that is not translated. Which port of the host it
// was for, nothing tells.
func (s *search) bindOwn(f nft.Family, e *Endpoint, proto portmap.Proto, port uint16, scopes []Scope, explains any) {
	for _, scope := range scopes {
		for _, addr := range []netip.Addr{{}, unspecifiedOf(f)} {
			for _, host := range []portmap.Ports{{}, portmap.Port(port)} {
				p := portmap.Binding{HostAddr: addr, Host: host, Container: portmap.Port(port), Proto: proto}
				if s.bind(e, p, scope, explains) {
					return
				}
			}
		}
	}
}

// findLinks looks for links between siblings that are kept apart.
func (s *search) findLinks(f nft.Family) {
	for _, e := range s.elements(f, "links") {
		key := readKey(e.Key)
		from, to, proto, port := s.endpoints[key.addr(f)], s.endpoints[key.addr(f)], key.proto(), key.port()
		if key.bad || from == nil || to == nil || s.used[look(e)] {
			continue
		}
		l := &ContainerLink{From: from, To: to, Order: s.order + 1, Port: LinkPort{Ports: portmap.Port(port), Proto: proto}}
		if use, ok := s.fits(l); ok && l.check() == nil && slices.Contains(use, look(e)) {
			s.take(use, record{kind: recordLink, order: s.next(), parent: from.Order, to: to.Order, link: l.Port})
		}
	}
}
