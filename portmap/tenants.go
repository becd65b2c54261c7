package portmap

import "net/netip"

// A holder is one claim of an Index. All places where a range is stored point to
// the same.
type holder[Owner any] struct {
	claim Claim
	owner Owner
}

// tenants are the holders of one port, or of one whole block: one for all
// addresses, or any number for different addresses. Without a first it is empty.
// Most have only the first.
type tenants[Owner any] struct {
	first *holder[Owner]
	more  map[netip.Addr]*holder[Owner]
}

// of returns the holder for exactly addr, or nil.
func (t tenants[Owner]) of(addr netip.Addr) *holder[Owner] {
	if t.first == nil || t.first.claim.Addr == addr {
		return t.first
	}
	return t.more[addr]
}

// excluding returns a holder that a claim to addr cannot be next to, or nil.
func (t tenants[Owner]) excluding(addr netip.Addr) *holder[Owner] {
	if t.first != nil && (addr.IsUnspecified() || t.first.claim.Addr.IsUnspecified()) {
		return t.first
	}
	return t.of(addr)
}

// add takes in h, which none of the tenants excludes.
func (t *tenants[Owner]) add(h *holder[Owner]) {
	if t.first == nil {
		t.first = h
		return
	}
	if t.more == nil {
		t.more = make(map[netip.Addr]*holder[Owner])
	}
	t.more[h.claim.Addr] = h
}

// remove takes out the holder for addr, which is one of the tenants.
func (t *tenants[Owner]) remove(addr netip.Addr) {
	if t.first.claim.Addr != addr {
		delete(t.more, addr)
	} else {
		t.first = nil
		for next, h := range t.more {
			t.first = h
			delete(t.more, next)
			break
		}
	}
	if len(t.more) == 0 {
		t.more = nil
	}
}
