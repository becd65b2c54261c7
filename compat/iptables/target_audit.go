package iptables

import (
	"slices"
	"strings"

	"github.com/seawall-net/seawall/nft"
)

// audit reports the packet to the kernel's audit, as one that something is done
// to.
type audit struct{ kind uint8 }

// auditTypes are the types by their number in the kernel's xt_audit_info.
var auditTypes = [...]string{"accept", "drop", "reject"}

func targetAudit() *Module {
	return &Module{
		Name: "AUDIT", Target: true,
		Options: []Option{{Name: "type", Kind: KindText, Required: true, Value: "accept|drop|reject"}},
		parse: func(a *arguments) extension {
			kind := slices.Index(auditTypes[:], strings.ToLower(a.text("type")))
			if kind < 0 {
				a.fail("type", "%q is none of %q", a.text("type"), auditTypes)
			}
			return audit{uint8(max(kind, 0))}
		},
		decode: func(s *structure) extension {
			s.only(0)
			kind := s.u8()
			if int(kind) >= len(auditTypes) {
				s.fail("unknown type %d", kind)
				kind = 0
			}
			return audit{kind}
		},
	}
}

func (t audit) format(w *words) { w.option(false, "type", auditTypes[t.kind]) }

func (t audit) xt(nft.Family) (uint32, []byte) { return 0, []byte{t.kind} }
