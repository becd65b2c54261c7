package nft

import (
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// A decompiler turns the kernel's expressions back into statements. It takes
// what it recognises, longest first, and leaves the rest as [Unknown], one by
// one.
type decompiler struct {
	fields fieldIndex
	family Family
	in     []expression
	out    []item

	// What the rule has established about the packet so far, as in compiler.
	net Family
	l4  L4Proto
}

// An item is what became of some expressions.
type item struct {
	statement Statement
	// A match that fields behind it need has what it establishes here, and is
	// dropped if it stands right before such a field: the compiler writes it
	// again. A match of the network protocol has no statement of its own.
	net     Family
	l4      L4Proto
	unknown []Statement
}

// decompile turns expressions into statements.
func decompile(fields fieldIndex, family Family, exprs []expression) []Statement {
	d := decompiler{fields: fields, family: family, in: exprs}
	for len(d.in) > 0 {
		n := d.step()
		if n == 0 {
			d.emit(d.in[0].unknown())
			n = 1
		}
		d.in = d.in[n:]
	}
	var out []Statement
	for _, it := range d.out {
		if it.statement != nil {
			out = append(out, it.statement)
		} else {
			out = append(out, it.unknown...)
		}
	}
	return out
}

func (e *expression) unknown() Statement { return Unknown{Name: e.name, Data: e.raw} }

// step emits what the next expressions stand for, and returns how many.
func (d *decompiler) step() int {
	e := &d.in[0]
	if e.opaque {
		return 0
	}
	switch e.name {
	case "counter":
		d.emit(counter{e.packets, e.bytes})
		return 1
	case "masq":
		return d.masquerade()
	case "exthdr":
		if n := d.fragment(); n > 0 {
			return n
		}
	case "match", "target":
		return d.xt()
	case "limit":
		return d.limit()
	case "reject":
		return d.reject()
	case "log":
		return d.log()
	case "queue":
		return d.queue()
	case "immediate":
		if v, ok := e.verdict(); ok {
			d.emit(v)
			return 1
		}
		if n := d.setMark(); n > 0 {
			return n
		}
		if n := d.rewrite(); n > 0 {
			return n
		}
		return d.nat()
	}
	if n := d.dependency(); n > 0 {
		return n
	}
	if n := d.setMark(); n > 0 {
		return n
	}
	if n := d.lookup(); n > 0 {
		return n
	}
	return d.match()
}

// emit adds a statement that reads the fields, and drops the matches before it
// that these imply.
func (d *decompiler) emit(s Statement, fields ...field) {
	var net Family
	var l4 L4Proto
	for _, f := range fields {
		if f.net != 0 && !d.oneNet() {
			net = f.net
		}
		if f.l4 != 0 && !f.needsL4 {
			l4 = f.l4
		}
		if f.l4Net != 0 && !d.oneNet() {
			net, l4 = d.impliedByICMP(f)
		}
	}
	if c, ok := s.(compare); ok && c.f.src != MetaL4Proto.src && c.saysL4() != 0 {
		defer func() { d.l4 = c.saysL4() }()
	}
	for n := len(d.out); n > 0 && (net != 0 || l4 != 0); n-- {
		switch it := d.out[n-1]; {
		case it.net != 0 && it.net == net:
			net = 0
		case it.l4 != 0 && it.l4 == l4:
			l4 = 0
		default:
			net, l4 = 0, 0 // something else stands between
			continue
		}
		d.out = d.out[:n-1]
	}
	d.out = append(d.out, item{statement: s})
}

// verdict is the verdict of an immediate expression.
func (e *expression) verdict() (Verdict, bool) {
	data := e.attrs[unix.NFTA_IMMEDIATE_DATA]
	if !e.has(unix.NFTA_IMMEDIATE_DREG) || e.number(unix.NFTA_IMMEDIATE_DREG) != unix.NFT_REG_VERDICT ||
		len(data) < 5 || data[0] != dataVerdict {
		return Verdict{}, false
	}
	code := uint32(data[1])<<24 | uint32(data[2])<<16 | uint32(data[3])<<8 | uint32(data[4])
	return verdictFromCode(code, data[5:])
}

// dependency reads a match that fields behind it may imply.
func (d *decompiler) dependency() int {
	if len(d.in) < 2 {
		return 0
	}
	load, c := &d.in[0], &d.in[1]
	if c.name != "cmp" || c.opaque || expr.CmpOp(c.number(unix.NFTA_CMP_OP)) != expr.CmpOpEq {
		return 0
	}
	if n := d.etherType(load, c); n > 0 {
		return n
	}
	if load.name != "meta" || load.has(unix.NFTA_META_SREG) || load.attrs[unix.NFTA_META_DREG] != c.attrs[unix.NFTA_CMP_SREG] {
		return 0
	}
	v, _ := c.value(unix.NFTA_CMP_DATA)
	it := item{unknown: []Statement{load.unknown(), c.unknown()}}
	switch key := expr.MetaKey(load.number(unix.NFTA_META_KEY)); {
	case key == expr.MetaKeyL4PROTO && len(v) == 1 && v[0] != 0:
		it.statement = compare{f: MetaL4Proto.field, op: expr.CmpOpEq, value: v}
		// Only the first of equal matches is the one that the compiler writes.
		if p := L4Proto(v[0]); p != d.l4 {
			it.l4, d.l4 = p, p
		}
	case key == expr.MetaKeyNFPROTO && d.family == INet && (v == "\x02" || v == "\x0a"):
		if net := Family(v[0]); net != d.net {
			it.net, d.net = net, net
		}
	default:
		return 0
	}
	d.out = append(d.out, it)
	return 2
}

// lookup reads fields in consecutive registers that are looked up in a set.
func (d *decompiler) lookup() int {
	var parts []field
	base, next := 0, 0
	for _, e := range d.in {
		f, slot, ok := d.field(&e)
		if !ok || len(parts) > 0 && slot != next || len(parts) == 5 {
			break
		}
		if len(parts) == 0 {
			base = slot
		}
		next = slot + pad4(f.size())/4
		parts = append(parts, f)
	}
	n := len(parts)
	if n == 0 || n == len(d.in) {
		return 0
	}
	e := &d.in[n]
	slot, ok := slotOf(e.number(unix.NFTA_LOOKUP_SREG))
	if e.name != "lookup" || e.opaque || !ok || slot != base || !e.has(unix.NFTA_LOOKUP_SET) {
		return 0
	}
	var sel Selector = Concatenation{parts}
	if n == 1 {
		sel = parts[0]
	}
	set, flags := e.attrs[unix.NFTA_LOOKUP_SET], e.number(unix.NFTA_LOOKUP_FLAGS)
	switch {
	case !e.has(unix.NFTA_LOOKUP_DREG) && flags&^unix.NFT_LOOKUP_F_INV == 0:
		d.emit(lookup{sel: sel, set: set, key: sel.Type(), invert: flags != 0}, parts...)
		return n + 1
	case flags != 0 || !e.has(unix.NFTA_LOOKUP_DREG):
		return 0
	case e.number(unix.NFTA_LOOKUP_DREG) == unix.NFT_REG_VERDICT:
		d.emit(vmap{sel: sel, set: set, key: sel.Type(), data: TypeVerdict}, parts...)
		return n + 1
	case n+1 < len(d.in):
		if data, ok := d.in[n+1].translatesTo(d.family, e.number(unix.NFTA_LOOKUP_DREG)); ok {
			d.emit(dnatMap{sel: sel, set: set, key: sel.Type(), data: data}, parts...)
			return n + 2
		}
		if f, ok := d.writes(&d.in[n+1], e.attrs[unix.NFTA_LOOKUP_DREG]); ok {
			d.emit(rewriteMap{f: f, sel: sel, set: set, key: sel.Type(), data: f.typ}, parts...)
			return n + 2
		}
	}
	return 0
}

// match reads a field that is compared.
func (d *decompiler) match() int {
	if len(d.in) < 2 {
		return 0
	}
	if d.in[1].name == "cmp" && d.in[0].isPayloadLoad() {
		if n := d.payload(); n > 0 {
			return n
		}
	}
	f, slot, ok := d.field(&d.in[0])
	e := &d.in[1]
	if ok && f.typ == TypeIFName && e.forgets(d.in[0].attrs[unix.NFTA_META_DREG]) {
		d.emit(namePrefix{f: f})
		return 1
	}
	if !ok || e.opaque || e.number(1) != reg(slot) { // each has its source register in attribute 1
		return 0
	}
	switch e.name {
	case "cmp":
		return d.compare(f, e)
	case "range":
		lo, okLo := e.value(unix.NFTA_RANGE_FROM_DATA)
		hi, okHi := e.value(unix.NFTA_RANGE_TO_DATA)
		op, okOp := equality(e, unix.NFTA_RANGE_OP)
		if !okLo || !okHi || !okOp || !isRange(f, lo, hi) {
			return 0
		}
		d.emit(between{f: f, lo: lo, hi: hi, invert: op == expr.CmpOpNeq}, f)
		return 2
	case "bitwise":
		return d.masked(f, e)
	}
	return 0
}

// equality reads an operator that is == or !=.
func equality(e *expression, attr int) (expr.CmpOp, bool) {
	op := expr.CmpOp(e.number(attr))
	return op, e.has(attr) && (op == expr.CmpOpEq || op == expr.CmpOpNeq)
}

func isRange(f field, lo, hi Value) bool {
	return len(lo) == f.size() && len(hi) == len(lo) && lo <= hi && !f.hostOrder()
}

// compare reads a comparison of a whole field: with one value, or with the two
// ends of a range, which is how nft writes those that are not inverted.
func (d *decompiler) compare(f field, e *expression) int {
	v, ok := e.value(unix.NFTA_CMP_DATA)
	if !ok {
		return 0
	}
	if op, ok := equality(e, unix.NFTA_CMP_OP); ok {
		if f.typ == TypeIFName {
			if isNamePrefix(v) {
				d.emit(namePrefix{f: f, prefix: string(v), invert: op == expr.CmpOpNeq})
				return 2
			}
			v = wholeName(v)
		}
		isAddr := f.typ == TypeIPv4Addr || f.typ == TypeIPv6Addr
		switch n := len(v); {
		case isAddr && n > 0 && n < f.size():
			d.emit(prefix{f: f, prefix: bytesPrefix(v, f.size()), invert: op == expr.CmpOpNeq}, f)
			return 2
		case n != f.size():
			return 0
		}
		d.emit(compare{f: f, op: op, value: v}, f)
		return 2
	}
	if n := d.bounds(f, v, e); n > 0 {
		return n
	}
	if op := expr.CmpOp(e.number(unix.NFTA_CMP_OP)); len(v) == f.size() && isOrder(op) && !f.hostOrder() {
		d.emit(compare{f: f, op: op, value: v}, f)
		return 2
	}
	return 0
}

// bounds reads a range that is written as two comparisons.
func (d *decompiler) bounds(f field, lo Value, from *expression) int {
	if expr.CmpOp(from.number(unix.NFTA_CMP_OP)) != expr.CmpOpGte || len(d.in) < 3 {
		return 0
	}
	to := &d.in[2]
	hi, ok := to.value(unix.NFTA_CMP_DATA)
	if to.name != "cmp" || to.opaque || !ok || expr.CmpOp(to.number(unix.NFTA_CMP_OP)) != expr.CmpOpLte ||
		to.attrs[unix.NFTA_CMP_SREG] != from.attrs[unix.NFTA_CMP_SREG] || !isRange(f, lo, hi) {
		return 0
	}
	d.emit(between{f: f, lo: lo, hi: hi}, f)
	return 3
}

// wholeName pads an interface name that ends within the comparison: iptables
// compares no further. Without a NUL it would be a prefix of a name.
func wholeName(v Value) Value {
	for i := range len(v) {
		if v[i] != 0 {
			continue
		}
		var whole [16]byte
		if len(v) > len(whole) || v[i:] != Value(whole[:len(v)-i]) {
			return v
		}
		copy(whole[:], v)
		return Value(whole[:])
	}
	return v
}
