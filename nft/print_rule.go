package nft

import (
	"net/netip"
	"strings"

	"github.com/google/nftables/expr"
)

// String returns the rule's statements in nft syntax, as `nft list` shows them
// in a table of the rule's family.
func (r Rule) String() string { return r.print(PrintOptions{}) }

// print writes a rule as nft lists it. What a rule's text says depends on more
// than each statement: on the family of its table, and on what the statements
// before have established about the packet's protocol.
func (r *Rule) print(o PrintOptions) string {
	p := rulePrinter{o: o, family: r.Chain.Table.Family, redundant: -1, redundantNet: -1}
	for _, s := range r.Statements {
		p.statement(s)
	}
	words := p.words
	if r.Comment != "" {
		words = append(words, "comment "+quote(r.Comment))
	}
	return strings.Join(words, " ")
}

// A rulePrinter writes the statements of one rule.
type rulePrinter struct {
	o      PrintOptions
	family Family
	words  []string
	// l4 is the protocol that the rule has asked for; with it nft writes "tcp
	// dport" for "th dport".
	l4 L4Proto
	// redundant is the place in words of the match on l4 that a port of that
	// protocol makes superfluous, or -1.
	redundant int
	// net and redundantNet are the same for the network protocol: nft writes
	// the match on it only before what does not imply it.
	net          Family
	redundantNet int
}

// portWords are the protocols whose ports nft names.
var portWords = map[L4Proto]string{TCP: "tcp ", UDP: "udp ", SCTP: "sctp ", 33: "dccp ", 136: "udplite "}

func (p *rulePrinter) statement(s Statement) {
	switch s := s.(type) {
	case compare:
		s.f = p.field(s.f)
		p.add(s.String())
		p.says(s)
	case between:
		s.f = p.field(s.f)
		p.add(s.String())
	case prefix:
		s.f = p.field(s.f)
		p.add(s.String())
	case lookup:
		s.sel = p.selector(s.sel)
		p.add(s.String())
	case vmap:
		s.sel = p.selector(s.sel)
		p.add(s.String())
	case hasBits, namePrefix:
		p.add(s.String())
	case masked:
		s.f = p.field(s.f)
		p.add(s.String())
	case laterFragment:
		of := s.inIPv6()
		of.src.kind = fromPayload
		p.netField(of)
		p.add(s.String())
	case dnatMap:
		s.sel = p.selector(s.sel)
		p.add(s.print(p.family))
	case nat:
		p.add(s.print(p.family))
	case counter:
		p.add(s.print(p.o))
		p.barrier()
	case Reject:
		if s.Kind == RejectTCPReset && p.redundant >= 0 && p.family != INet {
			p.drop(p.redundant)
		}
		p.add(s.print(p.family))
		p.barrier()
	case nil:
		p.add("<nil>")
	default:
		p.add(s.String())
		p.barrier()
	}
}

// says keeps in mind what a match says about the packet's protocols.
func (p *rulePrinter) says(s compare) {
	if l4 := s.saysL4(); l4 != 0 {
		p.l4, p.redundant = l4, -1
		if s.f.src == MetaL4Proto.src || s.f.name == IPProtocol.name {
			p.redundant = len(p.words) - 1
		}
	}
	if net := s.saysNet(); net != 0 {
		p.net, p.redundantNet = net, len(p.words)-1
	}
}

// barrier is a statement that packets have to reach as the rule says: nft
// leaves the matches before it as they are.
func (p *rulePrinter) barrier() { p.redundant, p.redundantNet = -1, -1 }

// drop takes back a word.
func (p *rulePrinter) drop(i int) {
	p.words = append(p.words[:i], p.words[i+1:]...)
	for _, at := range []*int{&p.redundant, &p.redundantNet} {
		switch {
		case *at == i:
			*at = -1
		case *at > i:
			*at--
		}
	}
}

// netField writes or takes back the match on the network protocol that a field
// needs.
func (p *rulePrinter) netField(f field) {
	known := p.net == f.net || p.family == f.net
	p.net = f.net
	switch {
	case f.src.kind == fromPayload && known && p.redundantNet >= 0:
		p.drop(p.redundantNet)
	case f.src.kind == fromPayload || known || p.family == 0:
	case p.family == INet:
		p.add("meta nfproto " + map[Family]string{IPv4: "ipv4", IPv6: "ipv6"}[f.net])
		p.redundantNet = len(p.words) - 1
	default:
		p.add("meta protocol " + f.net.String())
		p.redundantNet = len(p.words) - 1
	}
}

func (p *rulePrinter) add(word string) { p.words = append(p.words, word) }

// field names a port after the protocol that is known, and takes back the
// match on the protocol, which the port's name implies.
func (p *rulePrinter) field(f field) field {
	if f.net != 0 {
		p.netField(f)
	}
	if f.needsL4 {
		// nft itself leaves the match out if a port comes later, and then cannot read what it wrote.
		p.redundant = -1
	}
	if f.src.kind == fromTCPOption && p.l4 == TCP && p.redundant >= 0 {
		p.drop(p.redundant)
	}
	if f.src.kind != fromPayload || f.src.key != uint32(expr.PayloadBaseTransportHeader) {
		return f
	}
	if f.typ == typeBytes {
		p.redundant = -1
		return f
	}
	if f.l4Net != 0 && p.family != IPv4 && p.family != IPv6 {
		of := f
		of.net = f.l4Net
		p.netField(of)
	}
	if f.l4 != 0 && f.l4 != p.l4 {
		p.l4, p.redundant = f.l4, -1
		return f
	}
	word, ok := portWords[p.l4]
	if !ok && f.l4Net == 0 {
		return f
	}
	if _, name, cut := strings.Cut(f.name, " "); ok && cut {
		f.name = word + name
	}
	if p.redundant >= 0 {
		p.drop(p.redundant)
	}
	return f
}

func (p *rulePrinter) selector(sel Selector) Selector {
	if sel == nil {
		return Concatenation{}
	}
	var c Concatenation
	for _, f := range sel.fields() {
		c.parts = append(c.parts, p.field(f))
	}
	return c
}

func (s counter) print(o PrintOptions) string {
	if o.Stateless {
		return "counter"
	}
	return s.String()
}

// print writes the translation for a table of a family: where that does not
// say which addresses are meant, the statement does.
func (s nat) print(family Family) string {
	out := "dnat "
	if s.typ == expr.NATTypeSourceNAT {
		out = "snat "
	}
	if family == INet {
		out += addrWord(s.addr.Is6())
	}
	out += "to "
	if s.port == 0 {
		return out + formatAddr(s.addr) + s.flags.words()
	}
	return out + formatAddrPort(netip.AddrPortFrom(s.addr, s.port)) + s.flags.words()
}

func (s dnatMap) print(family Family) string {
	parts := s.data.parts()
	out := "dnat "
	if len(parts) > 1 || family == INet {
		out += addrWord(len(parts) > 0 && parts[0] == TypeIPv6Addr)
	}
	return out + "to " + s.sel.String() + " map @" + s.set
}

func addrWord(is6 bool) string {
	if is6 {
		return "ip6 "
	}
	return "ip "
}
