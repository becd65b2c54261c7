package iptables

import (
	"strings"

	"github.com/seawall-net/seawall/nft"
)

// reject drops packets and tells their senders.
type reject struct{ name string }

// A rejectWay is a way to reject.
type rejectWay struct {
	name, alias string
	// number is the kernel's (enum ipt_reject_with, ip6t_reject_with).
	number uint32
	// code is the ICMP code; -1 for a TCP reset.
	code int16
}

// rejectWays are the ways of a family, in the kernel's order: the first that a
// shortened name fits is meant.
func rejectWays(f nft.Family) []rejectWay {
	if f == nft.IPv6 {
		return []rejectWay{
			{"icmp6-no-route", "no-route", 0, 0}, {"icmp6-adm-prohibited", "adm-prohibited", 1, 1},
			{"icmp6-addr-unreachable", "addr-unreach", 3, 3}, {"icmp6-port-unreachable", "port-unreach", 4, 4},
			{"tcp-reset", "tcp-reset", 6, -1}, {"icmp6-policy-fail", "policy-fail", 7, 5},
			{"icmp6-reject-route", "reject-route", 8, 6},
		}
	}
	return []rejectWay{
		{"icmp-net-unreachable", "net-unreach", 0, 0}, {"icmp-host-unreachable", "host-unreach", 1, 1},
		{"icmp-proto-unreachable", "proto-unreach", 2, 2}, {"icmp-port-unreachable", "port-unreach", 3, 3},
		{"icmp-net-prohibited", "net-prohib", 5, 9}, {"icmp-host-prohibited", "host-prohib", 6, 10},
		{"tcp-reset", "tcp-rst", 7, -1}, {"icmp-admin-prohibited", "admin-prohib", 8, 13},
	}
}

func targetReject() *Module {
	return &Module{
		Name: "REJECT", Target: true,
		Tables:  []string{"filter"},
		Hooks:   []nft.Hook{nft.Input, nft.Forward, nft.Output},
		Options: []Option{{Name: "reject-with", Kind: KindText, Min: 1, Value: "type"}},
		parse: func(a *arguments) extension {
			text := a.text("reject-with")
			if text == "" {
				text = "port-unreach"
			}
			for _, w := range rejectWays(a.family()) {
				for _, name := range []string{w.name, w.alias} {
					if len(text) <= len(name) && strings.EqualFold(text, name[:len(text)]) {
						return reject{w.name}
					}
				}
			}
			a.fail("reject-with", "unknown type %q", text)
			return nil
		},
		decode: func(s *structure) extension {
			s.only(0)
			n := s.u32()
			for _, w := range rejectWays(s.family) {
				if w.number == n {
					return reject{w.name}
				}
			}
			s.fail("type %d is not known", n)
			return nil
		},
		read: readReject,
	}
}

// readReject reads what nativeForm made.
func readReject(s nft.Statement, r *Rule) (extension, bool) {
	n, ok := s.(nft.Reject)
	if !ok || n.Kind == nft.RejectICMPX {
		return nil, false
	}
	for _, w := range rejectWays(r.Family) {
		if n.Kind == nft.RejectTCPReset && w.code < 0 || n.Kind == nft.RejectICMP && int16(n.Code) == w.code {
			return reject{w.name}, true
		}
	}
	return nil, false
}

func (t reject) way(f nft.Family) rejectWay {
	for _, w := range rejectWays(f) {
		if w.name == t.name {
			return w
		}
	}
	return rejectWay{}
}

func (t reject) format(w *words) { w.option(false, "reject-with", t.name) }

func (t reject) xt(f nft.Family) (uint32, []byte) {
	var l layout
	l.u32(t.way(f).number)
	return 0, l.b
}

func (t reject) check(r *Rule, _ Context) error {
	if t.name == "tcp-reset" && (r.Protocol.Number != protoTCP || r.Protocol.Invert) {
		return wholeRule("tcp-reset needs -p tcp")
	}
	return nil
}

func (t reject) nativeForm(r *Rule) ([]nft.Statement, bool) {
	w := t.way(r.Family)
	if w.code < 0 {
		return []nft.Statement{nft.Reject{Kind: nft.RejectTCPReset}}, true
	}
	return []nft.Statement{nft.Reject{Code: uint8(w.code)}}, true
}
