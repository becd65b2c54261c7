package iptables

import "github.com/seawall-net/seawall/nft"

// snat gives packets another source.
type snat struct{ natRange }

func targetSNAT() *Module {
	return &Module{
		Name: "SNAT", Target: true,
		Tables: []string{"nat"},
		Hooks:  []nft.Hook{nft.Postrouting, nft.Input},
		Options: []Option{
			{Name: "to-source", Kind: KindText, Required: true, Value: "[address[-address]][:port[-port]]"},
			{Name: "random"},
			{Name: "random-fully"},
			{Name: "persistent"},
		},
		parse: func(a *arguments) extension {
			var t snat
			t.parseTo(a, "to-source")
			t.parseFlags(a)
			t.refuseShift(a, "to-source")
			return t
		},
		read: func(s nft.Statement, _ *Rule) (extension, bool) {
			n, ok := readNAT(s, nft.ToSource)
			return snat{n}, ok
		},
		decode: func(s *structure) extension {
			if s.revision != natRevision(s.family) {
				s.fail("revision %d is not known", s.revision)
			}
			return snat{decodeRangeByFamily(s)}
		},
	}
}

// natRevision is the revision of SNAT's structure.
func natRevision(f nft.Family) uint32 {
	if f == nft.IPv6 {
		return 1
	}
	return 0
}

// refuseShift refuses what only DNAT can do.
func (n natRange) refuseShift(a *arguments, option string) {
	if n.shifted {
		a.fail(option, "only DNAT can shift ports")
	}
}

func (t snat) format(w *words) {
	if to := t.toText(); to != "" {
		w.option(false, "to-source", to)
	}
	t.formatFlags(w)
}

func (t snat) xt(f nft.Family) (uint32, []byte) { return natRevision(f), t.byFamily(f) }

func (t snat) nativeForm(*Rule) ([]nft.Statement, bool) {
	to, ok := t.single()
	return []nft.Statement{nft.SNATPort(to, t.nativeFlags())}, ok
}
