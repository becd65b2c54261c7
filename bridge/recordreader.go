package bridge

import (
	"encoding/binary"
	"net/netip"

	"github.com/seawall-net/seawall/portmap"
)

// A recordReader reads fields; the first malformed one makes it bad.
type recordReader struct {
	b   []byte
	bad bool
}

func (r *recordReader) take(n int) []byte {
	if r.bad || n < 0 || n > len(r.b) {
		r.bad = true
		return nil
	}
	v := r.b[:n]
	r.b = r.b[n:]
	return v
}

func (r *recordReader) byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *recordReader) uint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.bad = true
		return 0
	}
	r.take(n)
	return v
}

func (r *recordReader) order() uint64 {
	var v uint64
	for _, b := range r.take(6) {
		v = v<<8 | uint64(b)
	}
	return v
}

// atMost reads a number, and refuses a greater one.
func (r *recordReader) atMost(limit uint64) uint64 {
	v := r.uint()
	if v > limit {
		r.bad = true
		return 0
	}
	return v
}

func (r *recordReader) str() string { return string(r.take(int(min(r.uint(), 1<<16)))) }

func (r *recordReader) port() uint16 {
	if b := r.take(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (r *recordReader) ports() portmap.Ports {
	return portmap.Ports{First: r.port(), Last: r.port()}
}

func (r *recordReader) addr() netip.Addr {
	n := int(r.byte())
	if n == 0 {
		return netip.Addr{}
	}
	a, ok := netip.AddrFromSlice(r.take(n))
	if !ok {
		r.bad = true
	}
	return a
}

func (r *recordReader) gateway() Gateway {
	a := r.addr()
	if !a.IsValid() {
		return Gateway{}
	}
	bits := r.atMost(128)
	g := Gateway{Subnet: netip.PrefixFrom(a, int(bits)), Address: r.addr()}
	modeAndMore := r.atMost(1<<8 - 1)
	g.Mode, g.ExplicitOnly, g.InhibitAddress = GatewayMode(modeAndMore>>2), modeAndMore&2 != 0, modeAndMore&1 != 0
	g.SNAT, g.HostBinding = r.addr(), r.addr()
	if !g.Subnet.IsValid() {
		r.bad = true
	}
	return g
}

func (r *recordReader) scope() Scope {
	s := Scope{Interface: r.str()}
	for range r.atMost(maxFrom) {
		a := r.addr()
		p := netip.PrefixFrom(a, int(r.atMost(128)))
		if !p.IsValid() {
			r.bad = true
			break
		}
		s.From = append(s.From, p)
	}
	if s.isZero() { // it would not have been written
		r.bad = true
	}
	return s
}
