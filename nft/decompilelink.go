package nft

import (
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// etherType reads a match of what a frame carries, by the frame or by the kernel.
func (d *decompiler) etherType(load, c *expression) int {
	f, slot, ok := d.field(load)
	v, _ := c.value(unix.NFTA_CMP_DATA)
	m := compare{f: f, op: expr.CmpOpEq, value: v}
	if !ok || c.number(unix.NFTA_CMP_SREG) != reg(slot) || m.saysNet() == 0 {
		return 0
	}
	it := item{statement: m}
	if net := m.saysNet(); net != d.net {
		it.net, d.net = net, net
	}
	d.out = append(d.out, it)
	return 2
}

// oneNet reports whether all packets of the table are of one family.
func (d *decompiler) oneNet() bool { return d.family == IPv4 || d.family == IPv6 || d.family == ARP }

// impliedByICMP returns the matches right before a field of ICMP that it implies:
// of the protocol, if the family was matched before that, or before.
func (d *decompiler) impliedByICMP(f field) (net Family, l4 L4Proto) {
	n := len(d.out)
	if n == 0 || d.out[n-1].l4 != f.l4 || d.net != f.l4Net {
		return 0, 0
	}
	return f.l4Net, f.l4
}
