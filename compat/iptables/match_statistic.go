package iptables

import (
	"math"
	"strconv"

	"github.com/seawall-net/seawall/nft"
)

// statistic matches some of the packets, by chance or by counting.
type statistic struct {
	nth    bool
	invert bool
	// probability is in units of 1/2^31, for !nth.
	probability uint32
	// every is by how much the number of the packet that matches grows, less 1,
	// and packet the first one, from 0; for nth.
	every, packet uint32
}

// certain is the probability of 1.
const certain = 1 << 31

func matchStatistic() *Module {
	return &Module{
		Name: "statistic",
		Options: []Option{
			{Name: "mode", Kind: KindText, Required: true, Value: "random|nth"},
			{Name: "probability", Kind: KindFloat, Max: 1, Invert: true, Excludes: []string{"every", "packet"}, Value: "fraction"},
			{Name: "every", Kind: KindNumber, Min: 1, Invert: true, Excludes: []string{"probability"}, Also: []string{"packet"}, Value: "n"},
			{Name: "packet", Kind: KindNumber, Excludes: []string{"probability"}, Also: []string{"every"}, Value: "n"},
		},
		parse:  parseStatistic,
		decode: decodeStatistic,
	}
}

func parseStatistic(a *arguments) extension {
	s := statistic{invert: a.inverted("probability") || a.inverted("every")}
	switch mode := a.text("mode"); {
	case mode == "random" && !a.has("probability"):
		a.fail("mode", "needs --probability as well")
	case mode == "nth" && !a.has("every"):
		a.fail("mode", "needs --every and --packet as well")
	case mode == "random":
		s.probability = uint32(math.Round(certain * a.get("probability").float))
	case mode == "nth":
		s.nth, s.every, s.packet = true, uint32(a.number("every")-1), uint32(a.number("packet"))
		if s.packet > s.every {
			a.fail("packet", "want a number from 0 to %d", s.every)
		}
	default:
		a.fail("mode", "unknown mode %q: want random or nth", mode)
	}
	return s
}

func decodeStatistic(s *structure) extension {
	s.only(0)
	mode, flags := s.u16(), s.u16()
	out := statistic{nth: mode == 1, invert: flags == 1}
	if mode > 1 || flags > 1 {
		s.fail("unknown mode %d or flags %#x", mode, flags)
	}
	if !out.nth {
		if out.probability = s.u32(); out.probability > certain {
			s.fail("a probability of more than 1")
		}
		if packet, count := s.u32(), s.u32(); packet != 0 || count != out.probability {
			s.fail("packet %d, counting from %d", packet, count)
		}
		s.zero(8)
		return out
	}
	out.every, out.packet = s.u32(), s.u32()
	if count := s.u32(); out.packet > out.every || count != out.every-out.packet {
		s.fail("packet %d of every %d, counting from %d", out.packet, out.every, count)
	}
	s.zero(8)
	return out
}

func (s statistic) format(w *words) {
	if s.nth {
		w.add("--mode", "nth")
		w.option(s.invert, "every", strconv.FormatUint(uint64(s.every)+1, 10))
		w.option(false, "packet", strconv.FormatUint(uint64(s.packet), 10))
		return
	}
	w.add("--mode", "random")
	w.option(s.invert, "probability", strconv.FormatFloat(float64(s.probability)/certain, 'f', 11, 64))
}

func (s statistic) xt(nft.Family) (uint32, []byte) {
	var l layout
	l.u16(uint16(b2u(s.nth)))
	l.u16(uint16(b2u(s.invert)))
	first := s.probability // shares its place with every
	if s.nth {
		first = s.every
	}
	l.u32(first)
	l.u32(s.packet)
	// What the kernel counts from for nth. iptables subtracts in either mode.
	l.u32(first - s.packet)
	l.u64(0) // where the kernel counts
	return 0, l.b
}
