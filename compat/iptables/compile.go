package iptables

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/seawall-net/seawall/nft"
)

// Statements compiles the rule for a chain. In the tables filter, nat, raw and
// mangle it is what iptables-nft 1.8.9 programs, so that its tools list, check
// and delete the rule. In other tables it has the same meaning, in statements
// of nf_tables where these are exact, with matches and targets of xtables
// elsewhere, and the text of a comment match becomes the rule's comment. The
// table must be of the rule's family.
func (r Rule) Statements(chain nft.ChainRef) (statements []nft.Statement, comment string, err error) {
	if chain.Table.Family != r.Family {
		return nil, "", fmt.Errorf("iptables: rule %q in %s: the rule is for family %s", r, chain, r.Family)
	}
	c := Context{Family: r.Family, Table: chain.Table.Name}
	own := isIPTables(chain.Table.Name)
	if own {
		c.Hook = hookOf(chain.Name)
	}
	if err := r.valid(c); err != nil {
		return nil, "", fmt.Errorf("iptables: rule %q in %s: %w", r, chain, err)
	}
	if err := r.checkResolved(); err != nil {
		return nil, "", err
	}
	out := r.packet()
	for _, m := range r.Matches {
		if text, ok := m.comment(); ok && !own && comment == "" {
			comment = text
			continue
		}
		out = append(out, r.extension(m.module, m.value, own)...)
	}
	out = append(out, nft.CounterAt(r.Counters.Packets, r.Counters.Bytes))
	switch t := r.Target; {
	case t.Verdict.Kind != nft.NoVerdict:
		out = append(out, t.Verdict)
	case t.module == nil:
	default:
		s := r.extension(t.module, t.value, own)
		if _, isXT := s[0].(nft.XT); isXT && !own && len(t.module.Tables) > 0 {
			return nil, "", fmt.Errorf("iptables: rule %q in %s: the kernel has the target %s in iptables' tables only", r, chain, t.module.Name)
		}
		out = append(out, s...)
	}
	return out, comment, nil
}

// comment is the text of a comment match that a rule of nf_tables can have as
// its own.
func (m Match) comment() (string, bool) {
	c, ok := m.value.(comment)
	return c.text, ok && c.text != "" && nft.ValidComment(c.text) == nil
}

// extension compiles a match or target.
func (r *Rule) extension(m *Module, v extension, own bool) []nft.Statement {
	if o, is := v.(ownForm); is && own {
		if s, ok := o.iptablesForm(r); ok {
			return s
		}
	}
	if n, is := v.(nativeForm); is && !own {
		if s, ok := n.nativeForm(r); ok {
			return s
		}
	}
	revision, info := v.xt(r.Family)
	return []nft.Statement{nft.XT{Target: m.Target, Name: m.xtName(), Revision: revision, Info: string(info)}}
}

// fragmentOffset are the bits of a fragment's place in the packet.
const fragmentOffset = 0x1fff

// packet compiles what belongs to no module, in iptables' order.
func (r *Rule) packet() []nft.Statement {
	var out []nft.Statement
	add := func(s nft.Statement) { out = append(out, s) }
	for _, i := range []struct {
		Interface
		f nft.NameField
	}{{r.In, nft.IIFName}, {r.Out, nft.OIFName}} {
		if i.Name != "" {
			out = append(out, i.compile(i.f))
		}
	}
	if p := r.Protocol; p.Number != 0 {
		if p.Invert {
			add(nft.MetaL4Proto.Ne(nft.L4Proto(p.Number)))
		} else {
			add(nft.MetaL4Proto.Eq(nft.L4Proto(p.Number)))
		}
	}
	for _, a := range []struct {
		Address
		f nft.AddrField
	}{{r.Source, nft.Saddr(r.Family)}, {r.Destination, nft.Daddr(r.Family)}} {
		if a.isAll() {
			continue
		}
		add(a.compile(a.f))
	}
	switch r.Fragment {
	case LaterFragments:
		add(nft.IPFragOff.NeMasked(0, fragmentOffset))
	case HeadFragments:
		add(nft.IPFragOff.EqMasked(0, fragmentOffset))
	}
	return out
}

// compile matches a name or, with "+" at its end, names that begin so. Every
// name begins with nothing: iptables compares with a name that no interface has
// if none shall match.
func (i Interface) compile(f nft.NameField) nft.Statement {
	prefix, wild := strings.CutSuffix(i.Name, "+")
	switch {
	case wild && prefix == "":
		return f.Eq(noInterface)
	case wild && i.Invert:
		return f.NotPrefix(prefix)
	case wild:
		return f.HasPrefix(prefix)
	case i.Invert:
		return f.Ne(i.Name)
	}
	return f.Eq(i.Name)
}

// noInterface is what iptables-nft compares names with for "! -i +".
const noInterface = "INVAL/D"

func (a Address) compile(f nft.AddrField) nft.Statement {
	n := prefixLength(a.Mask)
	switch {
	case n < 0 && a.Invert:
		return f.NeMasked(a.Addr, a.Mask)
	case n < 0:
		return f.EqMasked(a.Addr, a.Mask)
	case n == a.Addr.BitLen() && a.Invert:
		return f.Ne(a.Addr)
	case n == a.Addr.BitLen():
		return f.Eq(a.Addr)
	case a.Invert:
		return f.NotIn(netip.PrefixFrom(a.Addr, n))
	}
	return f.In(netip.PrefixFrom(a.Addr, n))
}
