package nft

import (
	"fmt"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// A compiler turns statements into the kernel's expressions. The first error
// sticks.
type compiler struct {
	family Family
	exprs  [][]byte
	err    error

	// What the rule has already established about the packet, so that
	// dependencies are written once.
	net Family
	l4  L4Proto
}

// compile returns the kernel's expressions for a rule, each with its name and
// its data as netlink attributes.
func (r *Rule) compile() ([][]byte, error) {
	c := &compiler{family: r.Chain.Table.Family}
	for _, s := range r.Statements {
		if s == nil {
			return nil, fmt.Errorf("a statement is nil")
		}
		s.compile(c)
		if c.err != nil {
			return nil, fmt.Errorf("%s: %w", s, c.err)
		}
	}
	return c.exprs, nil
}

func (c *compiler) add(exprs ...expr.Any) {
	for _, x := range exprs {
		b, err := expr.Marshal(byte(c.family), x)
		if err != nil {
			c.fail("%T: %w", x, err)
		}
		c.exprs = append(c.exprs, b)
	}
}

// ctTuple reads a property of the connection's packets in one direction. The
// expr package knows neither these keys nor that they need a direction.
func (c *compiler) ctTuple(key uint32, slot int, d CTDir) {
	c.expression("ct", func(e *encoder) {
		e.u32(unix.NFTA_CT_KEY, key)
		e.u32(unix.NFTA_CT_DREG, reg(slot))
		e.bytes(unix.NFTA_CT_DIRECTION, string([]byte{byte(d)}))
	})
}

// expression adds an expression with its attributes.
func (c *compiler) expression(name string, attrs func(e *encoder)) {
	var e encoder
	e.str(unix.NFTA_EXPR_NAME, name)
	data := e.nest(unix.NFTA_EXPR_DATA)
	attrs(&e)
	e.unnest(data)
	c.exprs = append(c.exprs, e.b)
}

func (c *compiler) fail(format string, args ...any) {
	if c.err == nil {
		c.err = fmt.Errorf(format, args...)
	}
}

// reg numbers the register that starts at a 4-byte slot, as the kernel lists
// it: the 16-byte registers where possible.
func reg(slot int) uint32 {
	if slot%4 == 0 {
		return uint32(unix.NFT_REG_1 + slot/4)
	}
	return uint32(unix.NFT_REG32_00 + slot)
}

// depend writes the matches without which a field would read nonsense.
func (c *compiler) depend(f field) {
	if err := f.checkBytes(); err != nil {
		c.fail("%w", err)
	}
	if f.link && c.family != Bridge && c.family != Netdev {
		c.fail("%s does not exist in a table of family %s", f.name, c.family)
	}
	if f.net != 0 {
		c.dependNet(f.name, f.net)
	}
	if f.needsL4 && (c.l4 == 0 || f.l4 != 0 && c.l4 != f.l4) {
		want := f.l4
		if want == 0 {
			want = TCP
		}
		c.fail("%s needs to know the protocol: match it before, as with MetaL4Proto.Eq(%s)", f.name, want)
	}
	if f.l4 != 0 && c.l4 != f.l4 {
		if f.l4Net != 0 && c.family != IPv4 && c.family != IPv6 {
			c.dependNet(f.name, f.l4Net)
		}
		c.meta(expr.MetaKeyL4PROTO, []byte{byte(f.l4)})
		c.l4 = f.l4
	}
}

func (c *compiler) dependNet(name string, net Family) {
	switch c.family {
	case IPv4, IPv6, ARP:
		if net != c.family {
			c.fail("%s does not exist in a table of family %s", name, c.family)
		}
	case INet:
		if net == ARP {
			c.fail("%s does not exist in a table of family %s", name, c.family)
		} else if c.net != net {
			c.meta(expr.MetaKeyNFPROTO, []byte{byte(net)})
		}
	default:
		if c.net != net {
			c.meta(expr.MetaKeyPROTOCOL, []byte(EtherTypeValue(etherTypeOf(net)).value()))
		}
	}
	c.net = net
}

func (c *compiler) meta(key expr.MetaKey, want []byte) {
	c.add(&expr.Meta{Key: key, Register: reg(0)},
		&expr.Cmp{Op: expr.CmpOpEq, Register: reg(0), Data: want})
}

// load reads n bytes of a field into a register.
func (c *compiler) load(f field, slot, n int) {
	switch f.src.kind {
	case fromMeta:
		c.add(&expr.Meta{Key: expr.MetaKey(f.src.key), Register: reg(slot)})
	case fromCT:
		c.add(&expr.Ct{Key: expr.CtKey(f.src.key), Register: reg(slot)})
	case fromCTOriginal:
		c.ctTuple(f.src.key, slot, CTOriginal)
	case fromCTReply:
		c.ctTuple(f.src.key, slot, CTReply)
	case fromTCPOption:
		c.add(&expr.Exthdr{DestRegister: reg(slot), Type: uint8(f.src.key), Offset: f.src.offset, Len: uint32(n), Op: expr.ExthdrOpTcpopt})
	case fromFibDaddr:
		c.add(&expr.Fib{Register: reg(slot), ResultADDRTYPE: true, FlagDADDR: true})
	case fromFibSaddr:
		c.add(&expr.Fib{Register: reg(slot), ResultADDRTYPE: true, FlagSADDR: true})
	case fromPayload:
		c.add(&expr.Payload{
			OperationType: expr.PayloadLoad, DestRegister: reg(slot),
			Base: expr.PayloadBase(f.src.key), Offset: f.src.offset, Len: uint32(n),
		})
	default:
		c.fail("the field is a zero value, not one of this package's fields")
	}
}

// one reads a single field into the first register.
func (c *compiler) one(f field) {
	c.depend(f)
	c.load(f, 0, f.size())
}

// key reads a selector's fields into consecutive registers.
func (c *compiler) key(sel Selector) {
	parts := sel.fields()
	if len(parts) == 0 || len(parts) > 5 {
		c.fail("a key has %d fields: want 1 to 5", len(parts))
		return
	}
	for _, f := range parts {
		c.depend(f)
	}
	slot := 0
	for _, f := range parts {
		n := f.size()
		c.load(f, slot, n)
		slot += pad4(n) / 4
	}
}

// setKey reads a selector whose type must be the set's key type.
func (c *compiler) setKey(sel Selector, set string, key Type) {
	if sel.Type() != key {
		c.fail("@%s has keys of type %s, not %s", set, key, sel.Type())
		return
	}
	c.key(sel)
}

func (m compare) compile(c *compiler) {
	if len(m.value) != m.f.size() {
		c.fail("the value has %d bytes, %s has %d", len(m.value), m.f.name, m.f.size())
		return
	}
	if isOrder(m.op) && m.f.hostOrder() {
		c.fail("%s can be compared for equality only", m.f.name)
		return
	}
	c.one(m.f)
	c.add(&expr.Cmp{Op: m.op, Register: reg(0), Data: []byte(m.value)})
	if l4 := m.saysL4(); l4 != 0 {
		c.l4 = l4
	}
	if net := m.saysNet(); net != 0 {
		c.net = net
	}
}

func (m between) compile(c *compiler) {
	if len(m.lo) != m.f.size() || m.lo > m.hi || m.f.hostOrder() {
		c.fail("not a range of %s", m.f.typ)
		return
	}
	op := expr.CmpOpEq
	if m.invert {
		op = expr.CmpOpNeq
	}
	c.one(m.f)
	c.add(&expr.Range{Op: op, Register: reg(0), FromData: []byte(m.lo), ToData: []byte(m.hi)})
}

func (m prefix) compile(c *compiler) {
	if !m.prefix.IsValid() || m.prefix.Addr().BitLen() != 8*m.f.typ.size() {
		c.fail("not a prefix of %s", m.f.typ)
		return
	}
	op := expr.CmpOpEq
	if m.invert {
		op = expr.CmpOpNeq
	}
	addr, bits := m.prefix.Addr().AsSlice(), m.prefix.Bits()
	c.depend(m.f)
	if bits%8 == 0 && bits > 0 && m.f.src.kind == fromPayload {
		// Whole bytes of the packet need no mask: this is also how nft writes
		// them.
		c.load(m.f, 0, bits/8)
		c.add(&expr.Cmp{Op: op, Register: reg(0), Data: addr[:bits/8]})
		return
	}
	mask := make([]byte, len(addr))
	for i := range bits {
		mask[i/8] |= 0x80 >> (i % 8)
	}
	c.load(m.f, 0, len(addr))
	c.add(
		&expr.Bitwise{SourceRegister: reg(0), DestRegister: reg(0), Len: uint32(len(addr)), Mask: mask, Xor: make([]byte, len(addr))},
		&expr.Cmp{Op: op, Register: reg(0), Data: addr},
	)
}

func (m hasBits) compile(c *compiler) {
	if m.bits == 0 {
		c.fail("no bits to match")
		return
	}
	op := expr.CmpOpNeq
	if m.invert {
		op = expr.CmpOpEq
	}
	c.one(m.f)
	c.add(
		&expr.Bitwise{SourceRegister: reg(0), DestRegister: reg(0), Len: 4, Mask: []byte(MarkValue(m.bits).value()), Xor: make([]byte, 4)},
		&expr.Cmp{Op: op, Register: reg(0), Data: make([]byte, 4)},
	)
}

func (m lookup) compile(c *compiler) {
	c.setKey(m.sel, m.set, m.key)
	c.add(&expr.Lookup{SourceRegister: reg(0), SetName: m.set, Invert: m.invert})
}

func (m vmap) compile(c *compiler) {
	if m.data != TypeVerdict {
		c.fail("@%s is not a verdict map", m.set)
		return
	}
	c.setKey(m.sel, m.set, m.key)
	c.add(&expr.Lookup{SourceRegister: reg(0), DestRegister: unix.NFT_REG_VERDICT, IsDestRegSet: true, SetName: m.set})
}

func (s counter) compile(c *compiler) { c.add(&expr.Counter{Packets: s.packets, Bytes: s.bytes}) }

func (v Verdict) compile(c *compiler) {
	if v.Kind == NoVerdict || int(v.Kind) >= len(verdictCodes) {
		c.fail("not a verdict")
		return
	}
	c.add(&expr.Verdict{Kind: expr.VerdictKind(int32(v.code())), Chain: v.Chain})
}

func (s masquerade) compile(c *compiler) {
	c.add(&expr.Masq{
		Random: s.flags&NATRandom != 0, FullyRandom: s.flags&NATFullyRandom != 0, Persistent: s.flags&NATPersistent != 0,
	})
}

// natFamily checks that a table can translate addresses of the family.
func (c *compiler) natFamily(is6 bool) uint32 {
	family := IPv4
	if is6 {
		family = IPv6
	}
	if c.family != INet && c.family != family {
		c.fail("cannot translate %s addresses in a table of family %s", family, c.family)
	}
	return uint32(family)
}

func (s nat) compile(c *compiler) {
	e := &expr.NAT{
		Type: s.typ, Family: c.natFamily(s.addr.Is6()), RegAddrMin: reg(0), RegAddrMax: reg(0),
		Random: s.flags&NATRandom != 0, FullyRandom: s.flags&NATFullyRandom != 0, Persistent: s.flags&NATPersistent != 0,
	}
	if !s.addr.IsValid() {
		c.fail("no address to translate to")
		return
	}
	c.add(&expr.Immediate{Register: reg(0), Data: s.addr.AsSlice()})
	if s.port != 0 {
		slot := s.addr.BitLen() / 32
		c.add(&expr.Immediate{Register: reg(slot), Data: []byte(Port(s.port).value())})
		e.RegProtoMin, e.RegProtoMax, e.Specified = reg(slot), reg(slot), true
	}
	c.add(e)
}

func (s dnatMap) compile(c *compiler) {
	addr := TypeIPv4Addr
	parts := s.data.parts()
	if len(parts) > 0 && parts[0] == TypeIPv6Addr {
		addr = TypeIPv6Addr
	}
	withPort := s.data == TypeOf(addr, TypeInetService)
	if s.data != addr && !withPort {
		c.fail("@%s does not lead to an address, or an address and a port", s.set)
		return
	}
	e := &expr.NAT{Type: expr.NATTypeDestNAT, Family: c.natFamily(addr == TypeIPv6Addr), RegAddrMin: reg(0), RegAddrMax: reg(0)}
	if withPort {
		slot := addr.size() / 4
		e.RegProtoMin, e.RegProtoMax, e.Specified = reg(slot), reg(slot), true
	}
	c.setKey(s.sel, s.set, s.key)
	c.add(&expr.Lookup{SourceRegister: reg(0), DestRegister: reg(0), IsDestRegSet: true, SetName: s.set}, e)
}

func (u Unknown) compile(c *compiler) {
	c.fail("an expression read from the kernel cannot be sent back")
}
