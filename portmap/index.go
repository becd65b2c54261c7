package portmap

import "math/bits"

// Index is a set of claims none of which conflict, each with an owner of the
// caller's choice. Two claims conflict if they have the family, the protocol and
// a port in common, and either the address too or one of them is for all
// addresses: 0.0.0.0:80 excludes 127.0.0.1:80, but 127.0.0.1:80 does not exclude
// 127.0.0.2:80, nor [::]:80.
//
// The zero value is empty and ready to use. An Index must not be copied after the
// first Add. It is not safe for concurrent use, except that any number of
// goroutines may call Conflict and Len while none changes it.
//
// There is no transaction: the caller undoes an Add with Remove, and a Remove
// with Add and the same owner. Undone in the reverse order, such an Add always
// succeeds.
//
// One port costs one or two look-ups whatever the number of claims. A range costs
// that for every 64 ports, and a step for each single port that is taken within.
// Memory once used for single ports is kept for the next: little over 1 KiB for each
// 64 ports of a protocol and family that were ever claimed singly.
type Index[Owner any] struct {
	size   int
	whole  map[block]tenants[Owner] // of claims that take the whole block
	pieces map[block]*page[Owner]   // of claims that take some of its ports
}

// A block is 64 ports of one protocol and family, aligned: their number divided
// by 64 in the lower 10 bits, the protocol above, then the family. A number
// hashes faster than a struct.
type block uint32

const (
	blockLen       = 64
	blockIPv6      = block(1) << 18
	allPorts       = ^uint64(0)
	blockProtoUnit = block(1) << 10
)

// A page has the tenants of each port of a block, apart from those that take the
// whole block. A set bit in used says that the port has any.
type page[Owner any] struct {
	used  uint64
	ports [blockLen]tenants[Owner]
}

// excluding returns a holder of one of the given ports that a claim to the same
// ports of c's address cannot be next to, or nil.
func (p *page[Owner]) excluding(c Claim, ports uint64) *holder[Owner] {
	for taken := p.used & ports; taken != 0; taken &= taken - 1 {
		if h := p.ports[bits.TrailingZeros64(taken)].excluding(c.Addr); h != nil {
			return h
		}
	}
	return nil
}

func (p *page[Owner]) add(h *holder[Owner], ports uint64) {
	p.used |= ports
	for ; ports != 0; ports &= ports - 1 {
		p.ports[bits.TrailingZeros64(ports)].add(h)
	}
}

func (p *page[Owner]) remove(c Claim, ports uint64) {
	for ; ports != 0; ports &= ports - 1 {
		n := bits.TrailingZeros64(ports)
		if p.ports[n].remove(c.Addr); p.ports[n].first == nil {
			p.used &^= 1 << n
		}
	}
}

// part returns the block that port is in, the ports of the block that c takes
// from port on, one bit each, and the first port after the block.
func (c Claim) part(port int) (at block, ports uint64, next int) {
	at = block(port/blockLen) | block(c.Proto)*blockProtoUnit
	if c.Addr.Is6() {
		at |= blockIPv6
	}
	next = port - port%blockLen + blockLen
	ports = allPorts << (port % blockLen)
	if behind := next - 1 - int(c.Ports.Last); behind > 0 {
		ports &= allPorts >> behind
	}
	return at, ports, next
}

// Len returns the number of claims.
func (x *Index[Owner]) Len() int { return x.size }

// Conflict returns a claim that excludes c, and its owner. If there are several,
// which one is not defined. A claim that is not valid conflicts with nothing.
func (x *Index[Owner]) Conflict(c Claim) (other Claim, owner Owner, found bool) {
	if x.size > 0 && c.Validate() == nil {
		if h := x.conflict(c); h != nil {
			return h.claim, h.owner, true
		}
	}
	return Claim{}, owner, false
}

func (x *Index[Owner]) conflict(c Claim) *holder[Owner] {
	for port := int(c.Ports.First); port <= int(c.Ports.Last); {
		at, ports, next := c.part(port)
		if len(x.whole) > 0 {
			if h := x.whole[at].excluding(c.Addr); h != nil {
				return h
			}
		}
		if p := x.pieces[at]; p != nil {
			if h := p.excluding(c, ports); h != nil {
				return h
			}
		}
		port = next
	}
	return nil
}

// Add takes c for owner. The error is a *SpecError for a claim that is not
// valid, or a *ConflictError[Owner] (fs.ErrExist); nothing is changed then.
func (x *Index[Owner]) Add(c Claim, owner Owner) error {
	if err := c.Validate(); err != nil {
		return err
	}
	if h := x.conflict(c); h != nil {
		return &ConflictError[Owner]{Claim: c, Other: h.claim, Owner: h.owner}
	}
	h := &holder[Owner]{claim: c, owner: owner}
	for port := int(c.Ports.First); port <= int(c.Ports.Last); {
		at, ports, next := c.part(port)
		if ports == allPorts {
			x.addWhole(at, h)
		} else {
			x.page(at).add(h, ports)
		}
		port = next
	}
	x.size++
	return nil
}

func (x *Index[Owner]) addWhole(at block, h *holder[Owner]) {
	if x.whole == nil {
		x.whole = make(map[block]tenants[Owner])
	}
	there := x.whole[at]
	there.add(h)
	x.whole[at] = there
}

// page returns the page of a block, and makes it if there is none.
func (x *Index[Owner]) page(at block) *page[Owner] {
	p := x.pieces[at]
	if p == nil {
		if x.pieces == nil {
			x.pieces = make(map[block]*page[Owner])
		}
		p = new(page[Owner])
		x.pieces[at] = p
	}
	return p
}

// Remove gives up exactly c and reports whether it was there. A part of a range,
// or several claims at once, cannot be removed this way.
func (x *Index[Owner]) Remove(c Claim) bool {
	if !x.has(c) {
		return false
	}
	for port := int(c.Ports.First); port <= int(c.Ports.Last); {
		at, ports, next := c.part(port)
		if ports == allPorts {
			x.removeWhole(at, c)
		} else {
			x.pieces[at].remove(c, ports)
		}
		port = next
	}
	x.size--
	return true
}

func (x *Index[Owner]) removeWhole(at block, c Claim) {
	there := x.whole[at]
	if there.remove(c.Addr); there.first == nil {
		delete(x.whole, at)
	} else {
		x.whole[at] = there
	}
}

// has reports whether exactly c is there. Claims are stored whole: its first port
// tells.
func (x *Index[Owner]) has(c Claim) bool {
	at, ports, _ := c.part(int(c.Ports.First))
	var h *holder[Owner]
	if ports == allPorts {
		h = x.whole[at].of(c.Addr)
	} else if p := x.pieces[at]; p != nil {
		h = p.ports[c.Ports.First%blockLen].of(c.Addr)
	}
	return h != nil && h.claim == c
}
