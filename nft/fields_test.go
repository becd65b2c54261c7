package nft

import (
	"strings"
	"testing"
)

// nft can neither list nor read the original port without knowing the protocol: such rules are refused.
func TestOriginalPortNeedsItsProtocol(t *testing.T) {
	t.Parallel()
	port := CTOriginalDport.Eq(8080)
	ports := Set{Name: "ports", Key: TypeOf(TypeInetProto, TypeInetService)}
	for _, c := range []struct {
		statements []Statement
		ok         bool
	}{
		{[]Statement{port}, false},
		{[]Statement{MetaL4Proto.Ne(TCP), port}, false},
		{[]Statement{MetaL4Proto.In(TCP, UDP), port}, false},
		{[]Statement{THDport.Eq(80), port}, false},
		{[]Statement{port, MetaL4Proto.Eq(TCP)}, false},
		{[]Statement{Concat(MetaL4Proto, CTOriginalDport).InSet(ports)}, false},
		{[]Statement{MetaL4Proto.Eq(TCP), port}, true},
		{[]Statement{TCPDport.Ne(80), port}, true},
		{[]Statement{MetaL4Proto.Eq(SCTP), Counter(), port, CTOriginalDport.NotIn(1, 2)}, true},
		{[]Statement{MetaL4Proto.Eq(TCP), Concat(MetaL4Proto, CTOriginalDport).InSet(ports)}, true},
	} {
		r := Rule{Chain: TableRef{IPv4, "t"}.Chain("c"), Statements: c.statements}
		_, err := r.compile()
		if (err == nil) != c.ok || err != nil && !strings.Contains(err.Error(), "ct original proto-dst needs to know the protocol") {
			t.Errorf("%s: %v", r, err)
		}
	}
}
