package bridge

import (
	"fmt"
	"slices"
	"strings"

	"github.com/seawall-net/seawall/nft"
)

// A RecordsError says that chains and sets have names of the layout's own, but
// that there are no records of facts with them. What loads a ruleset from text
// (nft -f, iptables-restore) keeps rules and loses records: [Rebuild] may find them
// again; or something else has made them. It matches [ErrForeignTable]. Nothing was changed.
type RecordsError struct {
	// Objects are those chains and sets.
	Objects []nft.ID
}

// tables are those that the objects are in.
func (e *RecordsError) tables() []nft.TableRef {
	var out []nft.TableRef
	for _, id := range e.Objects {
		if !slices.Contains(out, id.Table) {
			out = append(out, id.Table)
		}
	}
	return out
}

// Error says which objects have none, why that may be, and what to do.
func (e *RecordsError) Error() string {
	const few = 3
	var names, tables []string
	for i, id := range e.Objects {
		if i < few {
			names = append(names, id.String())
		}
	}
	what := strings.Join(names, ", ")
	if n := len(e.Objects) - few; n > 0 {
		what += fmt.Sprintf(" and %d more", n)
	}
	for _, t := range e.tables() {
		tables = append(tables, "nft delete table "+t.String())
	}
	return fmt.Sprintf("%v: %s: there are no records of networks with them, as after a ruleset was loaded from text (nft -f, iptables-restore), "+
		"which keeps none: rebuild them from the rules (bridge.Rebuild, seawallctl rebuild), or save what is yours in DOCKER-USER, delete them (%s), and apply the networks again",
		ErrForeignTable, what, strings.Join(tables, "; "))
}

// Unwrap returns ErrForeignTable.
func (e *RecordsError) Unwrap() error { return ErrForeignTable }
