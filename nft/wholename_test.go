package nft

import (
	"testing"

	"github.com/google/nftables/expr"
)

// bytesOf compares the first bytes of what is in a field.
type bytesOf struct {
	f    field
	data string
}

func (bytesOf) String() string { return "test" }

func (m bytesOf) compile(c *compiler) {
	c.one(m.f)
	c.add(&expr.Cmp{Op: expr.CmpOpEq, Register: reg(0), Data: []byte(m.data)})
}

// iptables compares a name up to its end, and nft all of the field. Rules that do the same have
// the same signature, and no others.
func TestSignatureOfNames(t *testing.T) {
	signature := func(s Statement) string {
		t.Helper()
		out, ok := (&Rule{Statements: []Statement{s}}).Signature()
		if !ok {
			t.Fatalf("%v: no signature", s)
		}
		return out
	}
	whole := signature(IIFName.Eq("docker0"))
	if got := signature(bytesOf{IIFName.field, "docker0\x00"}); got != whole {
		t.Errorf("up to the end: %q, all of it: %q", got, whole)
	}
	for name, other := range map[string]Statement{
		"beginning":     IIFName.HasPrefix("docker0"),
		"other field":   OIFName.Eq("docker0"),
		"other name":    bytesOf{IIFName.field, "docker1\x00"},
		"longer name":   bytesOf{IIFName.field, "docker00\x00"},
		"behind it":     bytesOf{IIFName.field, "docker0\x00x"},
		"other meaning": bytesOf{Mark.field, "d\x00"},
	} {
		if signature(other) == whole {
			t.Errorf("%s: the same signature", name)
		}
	}
	if signature(bytesOf{Mark.field, "d\x00"}) == signature(bytesOf{Mark.field, "d\x00\x00"}) {
		t.Error("what is no name is compared as written")
	}
}
