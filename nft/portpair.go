package nft

import (
	"encoding/binary"
	"fmt"

	"github.com/google/nftables/expr"
)

// notPorts matches all packets but those that have two ports at once.
type notPorts struct {
	l4           L4Proto
	sport, dport uint16
}

// NotPorts matches the packets of a protocol whose ports are not these two
// together: one of them may be. This is what iptables-nft makes of "! --sport a
// ! --dport b". nft has it as raw bytes only. The protocol is [TCP], [UDP] or
// [SCTP].
func NotPorts(l4 L4Proto, sport, dport uint16) Statement {
	return notPorts{l4: l4, sport: sport, dport: dport}
}

func (m notPorts) ports() uint32 { return uint32(m.sport)<<16 | uint32(m.dport) }

// String returns the statement in nft syntax; the protocol is not part of it.
func (m notPorts) String() string { return fmt.Sprintf("@th,0,32 != 0x%x", m.ports()) }

// both are the two ports as one field.
func (m notPorts) both() field {
	f := transport("@th,0,32", 0, m.l4)
	f.typ, f.bytes = typeNumber, 4
	return f
}

func (m notPorts) compile(c *compiler) {
	switch m.l4 {
	case TCP, UDP, SCTP:
	default:
		c.fail("want the ports of TCP, UDP or SCTP, not of %s", m.l4)
		return
	}
	c.one(m.both())
	c.add(&expr.Cmp{Op: expr.CmpOpNeq, Register: reg(0), Data: binary.BigEndian.AppendUint32(nil, m.ports())})
}

// notPortsOf makes one statement of two ports that must not both be these.
func notPortsOf(statements []Statement) (notPorts, bool) {
	if len(statements) != 2 {
		return notPorts{}, false
	}
	s, ok := statements[0].(compare)
	d, ok2 := statements[1].(compare)
	if !ok || !ok2 || s.f.l4 == 0 || s.f.l4 != d.f.l4 || s.f.typ != TypeInetService || d.f.typ != TypeInetService {
		return notPorts{}, false
	}
	return notPorts{
		l4:    s.f.l4,
		sport: binary.BigEndian.Uint16([]byte(s.value)), dport: binary.BigEndian.Uint16([]byte(d.value)),
	}, true
}

// NotPortsOf returns what [NotPorts] was asked for; false for other statements.
func NotPortsOf(s Statement) (l4 L4Proto, sport, dport uint16, ok bool) {
	m, ok := s.(notPorts)
	return m.l4, m.sport, m.dport, ok
}
