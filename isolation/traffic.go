package isolation

import "github.com/seawall-net/seawall/nft"

// The sets whose elements, the bridges of networks, count what was forwarded.
const (
	// Sent counts what came in by a network's bridge, Received what goes out by it.
	Sent     = "sent"
	Received = "received"
)

// The ranks of the rules that count, behind those that drop.
const (
	rankSent = 8 + iota
	rankReceived
)

// traffic counts what a network sends and receives. It comes behind everything
// that drops, DOCKER-USER included, so that every packet that it sees is
// forwarded, known connections or not, unless somebody else drops it even later.
func (f *Filter) traffic(n Network, add func(nft.Object)) {
	last := f.leave
	if f.judging.carries() {
		last = f.backstopDrop
	}
	add(&last)
	for i, count := range []struct {
		name string
		by   nft.NameField
	}{{Sent, nft.IIFName}, {Received, nft.OIFName}} {
		s := nft.Set{Table: f.table, Name: count.name, Key: nft.TypeIFName, Counter: true, Userdata: f.bridges.Userdata}
		add(&s)
		add(&nft.Rule{Chain: last.Ref(), Key: s.Name, Rank: rankSent + i, Statements: []nft.Statement{count.by.InSet(s)}})
		add(&nft.Element{Set: s.Ref(), Key: n.key()})
	}
}
