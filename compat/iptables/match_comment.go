package iptables

import "github.com/seawall-net/seawall/nft"

// comment is a remark that matches every packet.
type comment struct{ text string }

func matchComment() *Module {
	return &Module{
		Name:    "comment",
		Options: []Option{{Name: "comment", Kind: KindText, Max: 255, Required: true, Value: "text"}},
		parse:   func(a *arguments) extension { return comment{a.text("comment")} },
		decode: func(s *structure) extension {
			s.only(0)
			return comment{s.text(256)}
		},
	}
}

func (c comment) format(w *words) {
	w.option(false, "comment")
	w.quote(c.text)
}

func (c comment) xt(nft.Family) (uint32, []byte) {
	var l layout
	l.text(c.text, 256)
	return 0, l.b
}
