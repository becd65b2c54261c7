package isolation

import "github.com/seawall-net/seawall/nft"

// FilterOptions say how a filter judges forwarded packets. The zero value
// accepts and drops them in its own chain.
type FilterOptions struct {
	// GuardOnly leaves judging to rules elsewhere: what remains protects in
	// addition to them. There is no DOCKER-USER either.
	GuardOnly bool
	// AcceptMark and DropMark are two bits of packets' marks that carry the
	// verdict to rules at the forward hook's priority 0, among them those of
	// DOCKER-USER, which is then elsewhere. Both are zero, or none.
	AcceptMark, DropMark uint32
}

// Verdicts that are carried. The chain that judges comes right before priority
// 0, and gives each packet exactly one of the bits, or none where the packet is
// none of our networks', whatever its mark said before:
//
//	forward (-1)          0                       backstop (10)      backstop-drop (11)
//	judged: one bit ──►  DOCKER-USER, then  ──►  a bit: clear it ──► drop bit: drop
//	                     by the bits             none: judge again
//
// Whoever lets a packet with the drop bit pass at priority 0 has decided so. A
// packet to or from a network of ours that has lost both bits has met a rule that
// sets marks as a whole; nobody knows any more what was decided, so that it is
// judged once more, and this time dropped at once. Behind the backstop no packet
// has one of the bits: they lead nobody else astray.

// priorityBackstop is behind everything that judges by the bits.
const priorityBackstop = nft.PriorityFilter + 10

// chainEstablished is the chain about packets of known connections, where
// verdicts are carried.
const chainEstablished = "established"

// The ranks at the end of the chains that judge.
const (
	rankOthers = 1 + iota
	rankUnjudged
)

// carries tells whether verdicts are carried in marks.
func (o FilterOptions) carries() bool { return o.AcceptMark|o.DropMark != 0 }

// bits are both bits.
func (o FilterOptions) bits() uint32 { return o.AcceptMark | o.DropMark }

// accept ends the judging of a forwarded packet that is let through.
func (f *Filter) accept(match ...nft.Statement) []nft.Statement {
	return f.verdict(match, f.judging.AcceptMark, nft.Accept())
}

// drop ends the judging of a forwarded packet that is not.
func (f *Filter) drop(match ...nft.Statement) []nft.Statement {
	return f.verdict(match, f.judging.DropMark, nft.Drop())
}

func (f *Filter) verdict(match []nft.Statement, bit uint32, v nft.Verdict) []nft.Statement {
	out := append(match[:len(match):len(match)], nft.Counter())
	if f.judging.carries() {
		return append(out, nft.Mark.AndXor(^f.judging.bits(), bit), nft.Accept())
	}
	return append(out, v)
}

// clear takes a packet's bits.
func (f *Filter) clear() nft.Statement { return nft.Mark.AndXor(^f.judging.bits(), 0) }

// judge adds the rules that every host judges by.
func (f *Filter) judge(add func(nft.Object)) {
	known := nft.CTState.Any(nft.CTEstablished | nft.CTRelated)
	if !f.judging.carries() {
		f.rule(add, f.forward, "user", nft.Jump(UserChain))
		f.rule(add, f.forward, "established", known, nft.Counter(), nft.Accept())
		f.lookup(f.forward, add)
		return
	}
	f.rule(add, f.forward, "established", known, nft.Goto(chainEstablished))
	f.lookup(f.forward, add)
	// A mark from elsewhere accepts nothing.
	f.unjudged(f.forward, add)

	// What belongs to others is not ours to accept.
	established := nft.Chain{Table: f.table, Name: chainEstablished}
	add(&established)
	f.rule(add, established, "from", f.accept(nft.IIFName.InSet(f.bridges))...)
	f.rule(add, established, "to", f.accept(nft.OIFName.InSet(f.bridges))...)
	f.unjudged(established, add)

	add(&f.backstop)
	f.rule(add, f.backstop, "judged", nft.Mark.NeMasked(0, f.judging.bits()), f.clear(), nft.Accept())
	f.rule(add, f.backstop, "established", known, nft.Accept())
	f.lookup(f.backstop, add)

	add(&f.backstopDrop)
	f.rule(add, f.backstopDrop, "drop", nft.Mark.EqMasked(f.judging.DropMark, f.judging.DropMark), nft.Counter(), nft.Drop())
	f.rule(add, f.backstopDrop, "accept", nft.Mark.EqMasked(f.judging.AcceptMark, f.judging.AcceptMark), f.clear())
}

// lookup adds the rules that ask both networks of a packet.
func (f *Filter) lookup(chain nft.Chain, add func(nft.Object)) {
	f.rule(add, chain, "from", nft.IIFName.VMap(f.from))
	f.rule(add, chain, "to", nft.OIFName.VMap(f.to))
}

// unjudged ends a chain of packets that belong to no network.
func (f *Filter) unjudged(chain nft.Chain, add func(nft.Object)) {
	add(&nft.Rule{Chain: chain.Ref(), Key: "unjudged", Rank: rankUnjudged, Statements: []nft.Statement{f.clear()}})
}

// DropOthers adds what drops packets that belong to no network.
func (f *Filter) DropOthers(log DropLogger, add func(nft.Object)) {
	if f.judging.GuardOnly {
		return
	}
	others := nft.Rule{Chain: f.forward.Ref(), Key: "others", Rank: rankOthers, Statements: f.drop()}
	log.dropRules(add, others, ReasonNoNetwork)
	if f.judging.carries() {
		others.Chain = f.backstop.Ref() // what was noted before, but has lost its mark
		DropLogger(nil).dropRules(add, others, ReasonNoNetwork)
	}
}
