package iptables

import "github.com/seawall-net/seawall/nft"

// redirect gives packets the host itself as their destination.
type redirect struct{ natRange }

func targetRedirect() *Module {
	return &Module{
		Name: "REDIRECT", Target: true,
		Tables: []string{"nat"},
		Hooks:  []nft.Hook{nft.Prerouting, nft.Output},
		Options: []Option{
			{Name: "to-ports", Kind: KindText, Value: "port[-port]"},
			{Name: "random"},
		},
		parse: func(a *arguments) extension {
			var t redirect
			if a.has("to-ports") {
				t.parsePorts(a, "to-ports", a.text("to-ports"))
			}
			t.parseFlags(a)
			t.refuseShift(a, "to-ports")
			return t
		},
		decode: func(s *structure) extension {
			s.only(0)
			return redirect{decodeRangeByFamily(s)}
		},
	}
}

func (t redirect) format(w *words) {
	if t.ports {
		w.option(false, "to-ports", t.portText())
	}
	t.formatFlags(w)
}

func (t redirect) xt(f nft.Family) (uint32, []byte) { return 0, t.byFamily(f) }
