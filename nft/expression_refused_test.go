package nft

import (
	"context"
	"errors"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// An unheard statement is an expression that no kernel has.
type unheard struct{}

func (unheard) String() string { return "unheard of" }

func (unheard) compile(c *compiler) {
	var e encoder
	e.str(unix.NFTA_EXPR_NAME, "unheard")
	e.unnest(e.nest(unix.NFTA_EXPR_DATA))
	c.exprs = append(c.exprs, e.b)
}

// What the kernel lacks, or an expression refers to in vain, is named.
func TestRefusedExpressionIsNamed(t *testing.T) {
	t.Parallel()
	c := dial(t, newNetNS(t))
	table := &Table{Family: IPv4, Name: "t"}
	chain := &Chain{Table: table.Ref(), Name: "c"}
	set := Set{Table: table.Ref(), Name: "nowhere", Key: TypeInetService}
	for _, test := range []struct {
		name       string
		statement  Statement
		expression string
		hint       bool
	}{
		{"lacking", unheard{}, "unheard", true},
		{"missing set", TCPDport.InSet(set), "lookup", false},
	} {
		var b Batch
		b.Add(table, chain, &Chain{Table: table.Ref(), Name: "base", Hook: Forward})
		b.Add(&Rule{Chain: table.Ref().Chain("base"), Key: "k", Statements: []Statement{Counter(), Mark.Eq(1), test.statement, Accept()}})
		_, err := c.Commit(context.Background(), b)
		var refused *ObjectError
		if !errors.As(err, &refused) {
			t.Errorf("%s: %v, want an ObjectError", test.name, err)
			continue
		}
		if refused.Expression != test.expression || refused.ID.Key != "k" {
			t.Errorf("%s: %v names expression %q of %v, want %q", test.name, err, refused.Expression, refused.ID, test.expression)
		}
		if got := strings.Contains(err.Error(), "the kernel does not have it"); got != test.hint {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}
