package iptables

import (
	"fmt"
	"math"
	"strconv"

	"github.com/seawall-net/seawall/nft"
)

// nfqueue leaves the packet's fate to a program. nf_tables has a statement of the
// same meaning, but not every kernel that has the target has its module
// (nft_queue), so it is only read.
type nfqueue struct {
	// first is the queue, or the first of total ones; at least 1.
	first, total   uint16
	bypass, fanout bool
}

func targetNFQUEUE() *Module {
	return &Module{
		Name:   "NFQUEUE",
		Target: true,
		Options: []Option{
			{Name: "queue-num", Kind: KindNumber, Max: math.MaxUint16, Excludes: []string{"queue-balance"}, Value: "n"},
			{Name: "queue-balance", Kind: KindRange, Max: math.MaxUint16, Value: "first:last"},
			{Name: "queue-bypass"},
			{Name: "queue-cpu-fanout", Also: []string{"queue-balance"}},
		},
		parse: func(a *arguments) extension {
			q := nfqueue{first: uint16(a.number("queue-num")), total: 1, bypass: a.has("queue-bypass"), fanout: a.has("queue-cpu-fanout")}
			if v := a.get("queue-balance"); v != nil {
				lo, hi := a.span("queue-balance")
				switch {
				case len(v.numbers) != 2:
					a.fail("queue-balance", "%q is not two numbers", v.text)
				case lo >= hi:
					a.fail("queue-balance", "%d is not less than %d", lo, hi)
				case hi-lo == math.MaxUint16:
					a.fail("queue-balance", "there can be %d queues", math.MaxUint16)
				}
				q.first, q.total = uint16(lo), uint16(hi-lo+1)
			}
			return q
		},
		decode: func(s *structure) extension {
			s.only(3)
			q := nfqueue{first: s.u16(), total: s.u16()}
			flags := s.u16()
			q.bypass, q.fanout = flags&1 != 0, flags&2 != 0
			if flags > 3 || q.total == 0 || int(q.first)+int(q.total) > 1<<16 || q.fanout && q.total == 1 {
				s.fail("%d queues from %d, flags %#x", q.total, q.first, flags)
			}
			return q
		},
		read: func(s nft.Statement, _ *Rule) (extension, bool) {
			q, ok := s.(nft.Queue)
			return nfqueue{q.Num, max(q.Total, 1), q.Bypass, q.Fanout && q.Total > 1}, ok
		},
	}
}

func (q nfqueue) format(w *words) {
	if q.total > 1 {
		w.option(false, "queue-balance", fmt.Sprintf("%d:%d", q.first, q.first+q.total-1))
	} else {
		w.option(false, "queue-num", strconv.Itoa(int(q.first)))
	}
	if q.bypass {
		w.option(false, "queue-bypass")
	}
	if q.fanout {
		w.option(false, "queue-cpu-fanout")
	}
}

func (q nfqueue) xt(nft.Family) (uint32, []byte) {
	var l layout
	l.u16(q.first)
	l.u16(q.total)
	l.u16(uint16(b2u(q.bypass) | b2u(q.fanout)<<1))
	return 3, l.b
}
