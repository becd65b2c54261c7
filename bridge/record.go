package bridge

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/seawall-net/seawall/nft"
	"github.com/seawall-net/seawall/portmap"
)

// Facts are kept in the kernel as records: a letter for the kind, then fields
// without names. Numbers are varints, but for orders; strings and addresses have their length
// in front. A record names its parent by its order.

// recordVersion is raised when records of before can no longer be read.
const recordVersion = 3

const (
	recordHost     = 'H'
	recordForward  = 'F'
	recordNetwork  = 'N'
	recordEndpoint = 'E'
	recordBinding  = 'B'
	recordLink     = 'L'
	recordPart     = 'P'
)

// recordOwn is kept with sets. It tells of no fact, but that the set is ours.
const recordOwn = "O"

type recordWriter struct{ b []byte }

func (w *recordWriter) uint(v uint64)  { w.b = binary.AppendUvarint(w.b, v) }
func (w *recordWriter) str(s string)   { w.uint(uint64(len(s))); w.b = append(w.b, s...) }
func (w *recordWriter) port(p uint16)  { w.b = binary.BigEndian.AppendUint16(w.b, p) }
func (w *recordWriter) String() string { return string(w.b) }

// order has a fixed width, so that a record is as long for the first fact as for
// the millionth.
func (w *recordWriter) order(v uint64) {
	w.b = append(w.b, byte(v>>40), byte(v>>32), byte(v>>24), byte(v>>16), byte(v>>8), byte(v))
}

func (w *recordWriter) addr(a netip.Addr) {
	switch {
	case !a.IsValid():
		w.b = append(w.b, 0)
	case a.Is4():
		v4 := a.As4()
		w.b = append(append(w.b, 4), v4[:]...)
	default:
		v6 := a.As16()
		w.b = append(append(w.b, 16), v6[:]...)
	}
}

func (w *recordWriter) gateway(g Gateway) {
	w.addr(g.Subnet.Addr())
	if g.exists() {
		w.uint(uint64(g.Subnet.Bits()))
		w.addr(g.Address)
		w.uint(uint64(g.Mode)<<2 | bit(1, g.ExplicitOnly) | bit(0, g.InhibitAddress))
		w.addr(g.SNAT)
		w.addr(g.HostBinding)
	}
}

func (w *recordWriter) scope(s *Scope) {
	w.str(s.Interface)
	w.uint(uint64(len(s.From)))
	for _, p := range s.From {
		w.addr(p.Addr())
		w.uint(uint64(p.Bits()))
	}
}

func (w *recordWriter) ports(p portmap.Ports) {
	w.port(p.First)
	w.port(p.Last)
}

func (h *Host) encode(layout string) string {
	w := recordWriter{[]byte{recordHost, recordVersion}}
	w.str(layout)
	w.uint(h.flags())
	if h.LogDrops != nil {
		w.uint(uint64(h.LogDrops.Group))
		w.uint(uint64(h.LogDrops.Rate))
	}
	return w.String()
}

// flags are the host's options.
func (h *Host) flags() uint64 {
	return bit(0, h.AllowDirectRouting) | bit(1, h.UserlandProxy) | bit(2, h.DisableIPv4) |
		bit(3, h.DisableIPv6) | bit(4, h.DropForward) | bit(5, h.WSL2Mirrored) | bit(6, h.LogDrops != nil)
}

func (h *Host) setFlags(v uint64) {
	h.AllowDirectRouting, h.UserlandProxy, h.DisableIPv4 = v&1 != 0, v&2 != 0, v&4 != 0
	h.DisableIPv6, h.DropForward, h.WSL2Mirrored = v&8 != 0, v&16 != 0, v&32 != 0
	if v&64 != 0 {
		h.LogDrops = &DropLog{}
	}
}

const hostFlags = 1<<7 - 1

func (f *Forwarding) encode() string {
	b := []byte{recordForward, byte(f.Family)}
	if f.Policy {
		b = append(b, 1)
	}
	return string(b)
}

func (n *Network) encode() string {
	w := recordWriter{[]byte{recordNetwork}}
	w.order(n.Order)
	w.str(n.Spec.Name)
	w.str(n.Spec.Bridge)
	w.gateway(n.Spec.IPv4)
	w.gateway(n.Spec.IPv6)
	w.uint(uint64(n.Spec.MTU))
	w.str(n.Spec.IfPrefix)
	w.uint(n.Spec.flags())
	w.uint(uint64(n.Spec.AcceptFwmark.Value))
	w.uint(uint64(n.Spec.AcceptFwmark.Mask))
	w.uint(uint64(len(n.Spec.TrustedInterfaces)))
	for _, name := range n.Spec.TrustedInterfaces {
		w.str(name)
	}
	return w.String()
}

// flags are the network's options that are on or off.
func (s *NetworkSpec) flags() uint64 {
	return bit(0, s.Internal) | bit(1, s.DisableICC) | bit(2, s.DisableHostAccess) |
		bit(3, s.DisableMasquerade) | bit(4, s.RandomMasquerade)
}

func (s *NetworkSpec) setFlags(v uint64) {
	s.Internal, s.DisableICC, s.DisableHostAccess = v&1 != 0, v&2 != 0, v&4 != 0
	s.DisableMasquerade, s.RandomMasquerade = v&8 != 0, v&16 != 0
}

const networkFlags = 1<<5 - 1

func bit(n int, set bool) uint64 {
	if set {
		return 1 << n
	}
	return 0
}

func (e *Endpoint) encode() string {
	w := recordWriter{[]byte{recordEndpoint}}
	w.order(e.Order)
	w.order(e.Network.Order)
	w.str(e.Spec.Name)
	w.addr(e.Spec.IPv4)
	w.addr(e.Spec.IPv6)
	w.str(string(e.Spec.MAC))
	name := e.Spec.HostIfName
	if name == vethName(e.Network.Spec.Name, e.Spec.Name) {
		name = ""
	}
	w.str(name)
	w.uint(bit(0, e.Spec.AllowSpoofing))
	return w.String()
}

func (b *Binding) encode() string {
	var buf [64]byte
	w := recordWriter{append(buf[:0], recordBinding)}
	w.order(b.Order)
	w.order(b.Endpoint.Order)
	w.addr(b.Port.HostAddr)
	w.uint(uint64(b.Port.Proto)<<1 | bit(0, b.scope != nil))
	w.ports(b.Port.Host)
	w.ports(b.Port.Container)
	if b.Port.Dynamic() {
		w.port(b.first)
	}
	if b.scope != nil {
		w.scope(b.scope)
	}
	return w.String()
}

// A record is one fact as it was read back, before it is known whether its
// parent is there too.
type record struct {
	kind   byte
	order  uint64
	parent uint64

	layout  string
	host    Host
	family  nft.Family
	policy  bool // of the chain that forwards was set
	network NetworkSpec
	end     EndpointSpec
	binding portmap.Binding
	scope   Scope // of the binding
	to      uint64
	link    LinkPort
	part    partOfRecord
	first   uint16 // of the host ports, if the binding left them open
}

// errOtherVersion is of a record that another version of this package has made.
var errOtherVersion = fmt.Errorf("%w", errRecord)

var errRecord = errors.New("not a record of this version")

// decodeRecord reads a record. It refuses what it does not understand.
func decodeRecord(s string) (record, error) {
	r := recordReader{b: []byte(s)}
	rec := record{kind: r.byte()}
	switch rec.kind {
	case recordHost:
		if v := r.byte(); v != recordVersion {
			return record{}, fmt.Errorf("version %d: %w %d", v, errOtherVersion, recordVersion)
		}
		rec.layout = r.str()
		rec.host.setFlags(r.atMost(hostFlags))
		if l := rec.host.LogDrops; l != nil {
			l.Group, l.Rate = uint16(r.atMost(1<<16-1)), uint32(r.atMost(1<<32-1))
		}
	case recordForward:
		// The order tells the families apart: there is one such fact in each.
		rec.family = nft.Family(r.byte())
		rec.order = uint64(rec.family)
		if rec.family != nft.IPv4 && rec.family != nft.IPv6 {
			r.bad = true
		}
		if len(r.b) > 0 {
			rec.policy = r.byte() == 1
			r.bad = r.bad || !rec.policy
		}
	case recordNetwork:
		rec.order = r.order()
		rec.network.Name = r.str()
		rec.network.Bridge = r.str()
		rec.network.IPv4 = r.gateway()
		rec.network.IPv6 = r.gateway()
		rec.network.MTU = int(r.atMost(1<<16 - 1))
		rec.network.IfPrefix = r.str()
		rec.network.setFlags(r.atMost(networkFlags))
		rec.network.AcceptFwmark.Value = uint32(r.atMost(1<<32 - 1))
		rec.network.AcceptFwmark.Mask = uint32(r.atMost(1<<32 - 1))
		for range r.atMost(maxTrusted) {
			rec.network.TrustedInterfaces = append(rec.network.TrustedInterfaces, r.str())
		}
	case recordEndpoint:
		rec.order, rec.parent = r.order(), r.order()
		rec.end.Name = r.str()
		rec.end.IPv4, rec.end.IPv6 = r.addr(), r.addr()
		rec.end.MAC = net.HardwareAddr(r.str())
		rec.end.HostIfName = r.str()
		rec.end.AllowSpoofing = r.atMost(1) != 0
	case recordBinding:
		rec.order, rec.parent = r.order(), r.order()
		rec.binding.HostAddr = r.addr()
		protoAndMore := r.atMost(1<<9 - 1)
		rec.binding.Proto = portmap.Proto(protoAndMore >> 1)
		rec.binding.Host, rec.binding.Container = r.ports(), r.ports()
		if rec.binding.Dynamic() {
			rec.first = r.port()
		}
		if protoAndMore&1 != 0 {
			rec.scope = r.scope()
		}
	case recordLink:
		rec.order, rec.parent, rec.to = r.order(), r.order(), r.order()
		rec.link.Proto = portmap.Proto(r.atMost(1<<8 - 1))
		rec.link.Ports = r.ports()
	case recordPart:
		rec.part = decodePart(&r)
	default:
		return record{}, fmt.Errorf("kind %q: %w", rec.kind, errRecord)
	}
	if r.bad || len(r.b) > 0 {
		return record{}, fmt.Errorf("kind %q: %w", rec.kind, errRecord)
	}
	return rec, nil
}
