package portmap

import (
	"net/netip"

	"github.com/seawall-net/seawall/internal/persist"
)

// A holder is one claim of an Index; all its cells point to it.
type holder[Owner any] struct {
	claim Claim
	owner Owner
}

// tenants are the holders of one cell: one for all addresses, or any number for
// different addresses. It is an immutable value; without a first it is empty.
// Most cells have only the first.
type tenants[Owner any] struct {
	first *holder[Owner]
	more  persist.Map[[16]byte, *holder[Owner]] // by address; a cell has one family
}

// of returns the holder for exactly addr, or nil.
func (t tenants[Owner]) of(addr netip.Addr) *holder[Owner] {
	if t.first == nil || t.first.claim.Addr == addr {
		return t.first
	}
	h, _ := t.more.Get(addr.As16())
	return h
}

// excluding returns a holder that c cannot be next to, or nil.
func (t tenants[Owner]) excluding(c Claim) *holder[Owner] {
	if t.first != nil && (c.Addr.IsUnspecified() || t.first.claim.Addr.IsUnspecified()) {
		return t.first
	}
	return t.of(c.Addr)
}

// with adds h, which none of the tenants excludes.
func (t tenants[Owner]) with(h *holder[Owner]) tenants[Owner] {
	if t.first == nil {
		t.first = h
	} else {
		t.more = t.more.Set(h.claim.Addr.As16(), h)
	}
	return t
}

// without removes the holder for addr, which is one of the tenants.
func (t tenants[Owner]) without(addr netip.Addr) tenants[Owner] {
	if t.first.claim.Addr != addr {
		t.more = t.more.Delete(addr.As16())
		return t
	}
	t.first = nil
	for key, h := range t.more.All() {
		t.first = h
		t.more = t.more.Delete(key)
		break
	}
	return t
}
