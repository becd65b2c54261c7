package iptables

import "github.com/seawall-net/seawall/nft"

// dnat gives packets another destination.
type dnat struct{ natRange }

func targetDNAT() *Module {
	return &Module{
		Name: "DNAT", Target: true,
		Tables: []string{"nat"},
		Hooks:  []nft.Hook{nft.Prerouting, nft.Output},
		Options: []Option{
			{Name: "to-destination", Kind: KindText, Required: true, Value: "[address[-address]][:port[-port[/base]]]"},
			{Name: "random"},
			{Name: "persistent"},
		},
		parse: func(a *arguments) extension {
			var d dnat
			d.parseTo(a, "to-destination")
			d.parseFlags(a)
			return d
		},
		read: func(s nft.Statement, _ *Rule) (extension, bool) {
			n, ok := readNAT(s, nft.ToDestination)
			return dnat{n}, ok && n.nativeFlags() == 0
		},
		decode: func(s *structure) extension {
			switch {
			case s.revision == 2:
				return dnat{decodeRange2(s)}
			case s.revision == 0 && s.family == nft.IPv4, s.revision == 1 && s.family == nft.IPv6:
				return dnat{decodeRangeByFamily(s)}
			}
			s.fail("revision %d is not known", s.revision)
			return dnat{}
		},
	}
}

func (d dnat) format(w *words) {
	if to := d.toText(); to != "" {
		w.option(false, "to-destination", to)
	}
	d.formatFlags(w)
}

func (d dnat) xt(nft.Family) (uint32, []byte) { return 2, d.range2() }

func (d dnat) nativeForm(*Rule) ([]nft.Statement, bool) {
	to, ok := d.single()
	return []nft.Statement{nft.DNAT(to)}, ok && d.nativeFlags() == 0
}
