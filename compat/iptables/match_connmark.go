package iptables

import "github.com/seawall-net/seawall/nft"

// connmark matches the connection's mark. Packets without a connection never
// match, inverted or not.
type connmark struct{ m mark }

func matchConnmark() *Module {
	return &Module{
		Name:    "connmark",
		Options: []Option{{Name: "mark", Kind: KindMark, Invert: true, Required: true, Value: "value[/mask]"}},
		parse: func(a *arguments) extension {
			v, m := a.masked("mark")
			return connmark{mark{v, m, a.inverted("mark")}}
		},
		decode: func(s *structure) extension {
			s.only(1)
			return connmark{mark{s.u32(), s.u32(), s.bool()}}
		},
		read: func(s nft.Statement, _ *Rule) (extension, bool) {
			m, ok := readMark(s, nft.CTMark.String())
			return connmark{m}, ok
		},
	}
}

func (c connmark) format(w *words)                  { c.m.format(w) }
func (c connmark) xt(f nft.Family) (uint32, []byte) { return c.m.xt(f) }

func (c connmark) nativeForm(*Rule) ([]nft.Statement, bool) { return compileMark(nft.CTMark, c.m) }
