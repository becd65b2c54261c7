package nft

import (
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// laterFragment matches fragments of IPv6 packets behind the first.
type laterFragment struct{}

// IP6LaterFragment matches fragments of IPv6 packets behind the first: they have
// a [MetaL4Proto], but no ports and no ICMP type that could be read.
func IP6LaterFragment() Statement { return laterFragment{} }

func (laterFragment) String() string { return "frag frag-off != 0" }

// fragmentMask is the offset's part of its two bytes.
const fragmentMask = "\xff\xf8"

// inIPv6 stands for what the statement needs to know of the packet.
func (laterFragment) inIPv6() field { return field{name: "frag frag-off", net: IPv6} }

func (s laterFragment) compile(c *compiler) {
	c.depend(s.inIPv6())
	c.add(
		&expr.Exthdr{DestRegister: reg(0), Type: unix.IPPROTO_FRAGMENT, Offset: 2, Len: 2, Op: expr.ExthdrOpIpv6},
		&expr.Bitwise{SourceRegister: reg(0), DestRegister: reg(0), Len: 2, Mask: []byte(fragmentMask), Xor: make([]byte, 2)},
		&expr.Cmp{Op: expr.CmpOpNeq, Register: reg(0), Data: make([]byte, 2)},
	)
}

// fragment reads what laterFragment writes.
func (d *decompiler) fragment() int {
	if len(d.in) < 3 {
		return 0
	}
	load, mask, c := &d.in[0], &d.in[1], &d.in[2]
	and, _ := mask.value(unix.NFTA_BITWISE_MASK)
	xor, _ := mask.value(unix.NFTA_BITWISE_XOR)
	want, _ := c.value(unix.NFTA_CMP_DATA)
	if load.name != "exthdr" || mask.name != "bitwise" || c.name != "cmp" || load.opaque || mask.opaque || c.opaque ||
		load.attrs[unix.NFTA_EXTHDR_TYPE] != string([]byte{unix.IPPROTO_FRAGMENT}) ||
		load.number(unix.NFTA_EXTHDR_OFFSET) != 2 || load.number(unix.NFTA_EXTHDR_LEN) != 2 ||
		load.has(unix.NFTA_EXTHDR_FLAGS) || load.has(unix.NFTA_EXTHDR_OP) || load.has(unix.NFTA_EXTHDR_SREG) || !load.has(unix.NFTA_EXTHDR_DREG) ||
		mask.has(nftaBitwiseOp) || mask.number(unix.NFTA_BITWISE_LEN) != 2 || and != fragmentMask || xor != "\x00\x00" ||
		mask.attrs[unix.NFTA_BITWISE_SREG] != load.attrs[unix.NFTA_EXTHDR_DREG] ||
		c.attrs[unix.NFTA_CMP_SREG] != mask.attrs[unix.NFTA_BITWISE_DREG] ||
		expr.CmpOp(c.number(unix.NFTA_CMP_OP)) != expr.CmpOpNeq || !c.has(unix.NFTA_CMP_OP) || want != "\x00\x00" || !d.isIPv6() {
		return 0
	}
	d.emit(laterFragment{}, laterFragment{}.inIPv6())
	return 3
}

// isIPv6 tells whether the rule has narrowed packets down to IPv6.
func (d *decompiler) isIPv6() bool { return d.family == IPv6 || !d.oneNet() && d.net == IPv6 }
