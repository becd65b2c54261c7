package isolation

import (
	"fmt"

	"github.com/seawall-net/seawall/nft"
)

// DefaultICCMark is the bit of packets' marks that says that a packet of a
// network without ICC goes to a published port. It is none of those that Docker,
// Kubernetes (0x4000, 0x8000), the CNI plugins and netavark (0x2000), Calico
// (0xffff0000), Tailscale (0xff0000), Cilium (0x0f00) and AWS (0x80) use by
// default.
const DefaultICCMark uint32 = 0x1000

// DefaultAcceptMark and DefaultDropMark are the bits of packets' marks that
// carry a verdict, where [FilterOptions] says so. They are high, where no number
// has them that somebody typed as a mark: a user's mark must not accept by
// accident. Of the programs above, Calico has laid claim to the upper half of
// the mark (and Cilium keeps identities there, of packets that it forwards
// itself); with iptables it takes bits from that half's lower end, with eBPF
// 0xff000000: there, choose others.
const (
	DefaultAcceptMark uint32 = 0x02000000
	DefaultDropMark   uint32 = 0x10000000
)

// priorityTranslated is right behind destination translation.
const priorityTranslated = nft.PriorityDNAT + 1

// NoICC adds what a host with a network without ICC has: frames between two ports
// of such networks are dropped, whatever is in them and wherever they go. With
// br_netfilter, packets to a published port of a sibling, or of the endpoint
// itself, stay on the bridge; they have the bit mark of their mark set, by
// [Filter.MarkTranslated], and pass.
func (f *LinkFilter) NoICC(h LinkHost, n LinkNetwork, mark uint32, add func(nft.Object)) {
	add(&f.apart)
	add(&f.parted)
	add(&f.forward)
	chain := nft.Chain{Table: f.table, Name: "icc-" + n.Bridge}
	add(&chain)
	n.Log.dropRules(add, dropped(chain.Ref(), "drop"), ReasonICCOff)
	for _, t := range h.skipped() {
		f.rule(add, f.forward.Name, fmt.Sprintf("skip-%04x", t), nft.EtherType.Eq(t), nft.Accept())
	}
	f.rule(add, f.forward.Name, "icc", nft.OIFName.InSet(f.apart), nft.Mark.NeMasked(mark, mark), nft.IIFName.VMap(f.parted))
}

// Apart adds what keeps a port of a network's from all others that are apart. It
// goes with [LinkFilter.NoICC].
func (f *LinkFilter) Apart(n LinkNetwork, port string, add func(nft.Object)) {
	add(&nft.Element{Set: f.apart.Ref(), Key: nft.Key(nft.Name(port))})
	add(&nft.Element{Set: f.parted.Ref(), Key: nft.Key(nft.Name(port)), Verdict: nft.Goto("icc-" + n.Bridge)})
}

// MarkTranslated adds what sets a bit of the mark of packets that come from a
// network without ICC and were translated to an endpoint's address.
func (f *Filter) MarkTranslated(bridge string, mark uint32, add func(nft.Object)) {
	apart := f.apart()
	chain := nft.Chain{Table: f.table, Name: "icc-prerouting", Hook: nft.Prerouting, Priority: priorityTranslated}
	add(&apart)
	add(&chain)
	f.rule(add, chain, "translated", nft.IIFName.InSet(apart), nft.CTStatus.Any(nft.CTDNAT), nft.Mark.SetBits(mark))
	add(&nft.Element{Set: apart.Ref(), Key: nft.Key(nft.Name(bridge))})
}

// apart holds the bridges of networks without ICC.
func (f *Filter) apart() nft.Set {
	return nft.Set{Table: f.table, Name: "icc-off", Key: nft.TypeIFName, Userdata: f.bridges.Userdata}
}
