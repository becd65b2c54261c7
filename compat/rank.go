package compat

import (
	"math"

	"github.com/seawall-net/seawall/bridge"
	"github.com/seawall-net/seawall/portmap"
)

// A place is where a rule stands among those that facts put into a chain: facts
// by their order, a fact's own rules by a number within.
type place struct {
	// order is the fact's; 0 is the host's. What is made for all ports of an
	// endpoint has the endpoint's: Docker publishes them when a container starts.
	order uint64
	// within is less than 1<<withinBits.
	within int64
}

const (
	withinBits = 32
	maxOrder   = 1<<31 - 2
)

// at is the place of a fact's n-th rule.
func at(order uint64, n int64) place { return place{order, n} }

// number counts up with the place. Facts beyond two thousand million stand in the order in
// which they came.
func (p place) number() int64 { return int64(min(p.order, maxOrder))<<withinBits | p.within }

// appended is the rank of what `iptables -A` put there.
func (p place) appended() int { return int(p.number()) }

// inserted is the rank of what `iptables -I` put there: the latest stands first.
func (p place) inserted() int { return int(-1 - p.number()) }

// Ranks of rules that Docker moves to the top again whenever it has put another
// there.
const (
	rankFirst  = math.MinInt
	rankSecond = math.MinInt + 1
)

// The bits of a port's place within its endpoint's: whether its host port was left open, the
// container's port, its protocol and, where that port has several bindings, their
// order.
const (
	tieBits      = 13
	protoShift   = tieBits
	portShift    = protoShift + 2
	dynamicShift = portShift + 16
)

// inPortOrder is the place of the rule of a container's port as Docker 28 sorts
// them: exact host ports first, then by the container's port and protocol
// (portmapperapi.PortBindingReq.Compare, v29).
func inPortOrder(b *bridge.Binding, port uint16) place {
	p := ofPort(b.Endpoint, b.Port.Proto, port)
	if b.Port.Dynamic() {
		p.within |= 1 << dynamicShift
	}
	p.within |= int64(b.Order % (1 << tieBits))
	return p
}

// ofPort is the place of what bindings of the same container port share.
func ofPort(e *bridge.Endpoint, proto portmap.Proto, port uint16) place {
	return at(e.Order, int64(port)<<portShift|int64(proto)<<protoShift)
}

// inSortedMap is the place of the rule of a container's port as Docker before 28
// sorts them: explicit host ports first, then the larger container port, then TCP,
// then what was said last (nat.SortPortMap of go-connections, whose order is not
// one where host ports and container ports disagree: this one is the container
// ports').
func inSortedMap(b *bridge.Binding, port uint16) place {
	p := ofSortedPort(b.Endpoint, b.Port.Proto, port)
	if b.Port.Dynamic() {
		p.within |= 1 << dynamicShift
	}
	p.within |= 1<<tieBits - 1 - int64(b.Order%(1<<tieBits))
	return p
}

// ofSortedPort is the place of what bindings of the same container port share.
func ofSortedPort(e *bridge.Endpoint, proto portmap.Proto, port uint16) place {
	return ofPort(e, proto, math.MaxUint16-port)
}
