package iptables

import "github.com/seawall-net/seawall/nft"

// masquerade gives packets the address of the interface that they leave by.
type masquerade struct{ natRange }

func targetMasquerade() *Module {
	return &Module{
		Name: "MASQUERADE", Target: true,
		Tables: []string{"nat"},
		Hooks:  []nft.Hook{nft.Postrouting},
		Options: []Option{
			{Name: "to-ports", Kind: KindText, Value: "port[-port]"},
			{Name: "random"},
			{Name: "random-fully"},
		},
		parse: func(a *arguments) extension {
			var t masquerade
			if a.has("to-ports") {
				t.parsePorts(a, "to-ports", a.text("to-ports"))
			}
			t.parseFlags(a)
			t.refuseShift(a, "to-ports")
			return t
		},
		read: func(s nft.Statement, _ *Rule) (extension, bool) {
			n, ok := readNAT(s, nft.ToInterface)
			return masquerade{n}, ok && !n.persistent
		},
		decode: func(s *structure) extension {
			s.only(0)
			return masquerade{decodeRangeByFamily(s)}
		},
	}
}

func (t masquerade) format(w *words) {
	if t.ports {
		w.option(false, "to-ports", t.portText())
	}
	t.formatFlags(w)
}

func (t masquerade) xt(f nft.Family) (uint32, []byte) { return 0, t.byFamily(f) }

func (t masquerade) nativeForm(*Rule) ([]nft.Statement, bool) {
	return []nft.Statement{nft.Masquerade(t.nativeFlags())}, !t.ports
}
